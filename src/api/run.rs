//! `kt.run`: the whole test, and the ways to end or mark it.

use std::rc::Rc;

use mlua::{IntoLua as _, Value};

use super::args::Args;
use crate::clock;
use crate::control::Reason;
use crate::script::bridge::end_value;
use crate::script::{ApiError, Host, IntoMulti as _, Kind};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = super::with_fields(host, &["elapsed", "seed"], |host, key| match key {
        "elapsed" => {
            let started = host.session.started.get();
            started
                .map_or(0.0, |started| {
                    clock::now().saturating_duration_since(*started).as_secs_f64()
                })
                .into_lua(&host.lua)
        }
        _ => host.session.seed.into_lua(&host.lua),
    })?;
    table.raw_set(
        "abort",
        host.sync_fn(|host, values| {
            let reason = reason(&Args::new("run.abort", values))?;
            host.session.control.stop(Reason::ScriptAbort(reason.clone()));
            Err(ApiError::Value(end_value(host, &Kind::Aborted, &reason)?))
        })?,
    )?;
    table.raw_set(
        "fail",
        host.sync_fn(|host, values| {
            let reason = reason(&Args::new("run.fail", values))?;
            host.session.control.note(Reason::MarkedFailed(reason));
            Ok(().into_multi(&host.lua)?)
        })?,
    )?;
    Ok(Value::Table(table))
}

fn reason(args: &Args) -> Result<String, ApiError> {
    Ok(args
        .opt_string(0, "reason")?
        .map_or_else(|| "no reason given".to_owned(), |text| text.to_string_lossy()))
}
