//! `kt.run`: the whole test, and the ways to end or mark it.

use std::borrow::Cow;
use std::rc::Rc;

use mlua::Value;

use crate::clock;
use crate::control::Reason;
use crate::script::bridge::end_value;
use crate::script::{ApiError, Args, Host, Kind, Lifecycle, Results as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = super::with_fields(host, &["elapsed", "seed"], |host, key, stack| match key {
        "elapsed" => {
            let started = host.session.started.get();
            let since = started.map(|started| clock::now().saturating_duration_since(*started));
            since.unwrap_or_default().as_secs_f64().give(stack)
        }
        _ => host.session.seed.give(stack),
    })?;
    host.add(&table, "run.abort", |host, args| {
        let reason = reason(args)?;
        may_judge(host, "abort", &reason)?;
        host.session.control.stop(Reason::ScriptAbort(reason.clone()));
        Err::<(), _>(ApiError::Value(end_value(host, &Kind::Aborted, &reason)?))
    })?;
    host.add(&table, "run.fail", |host, args| {
        let reason = reason(args)?;
        may_judge(host, "fail", &reason)?;
        host.session.control.note(Reason::MarkedFailed(reason));
        Ok(())
    })?;
    Ok(Value::Table(table))
}

/// `summary` is given the verdict, so that what it says comes too late.
fn may_judge(host: &Rc<Host>, function: &str, reason: &str) -> Result<(), ApiError> {
    if host.current()?.lifecycle.get() != Lifecycle::Summary {
        return Ok(());
    }
    Err(ApiError::Text(format!(
        "run.{function}(\"{reason}\"): the verdict is already given in `summary`; call it in `teardown`"
    )))
}

fn reason(args: &Args<'_, '_>) -> Result<String, ApiError> {
    let given = args.opt_text(1, "reason")?;
    Ok(given.map_or_else(|| "no reason given".to_owned(), Cow::into_owned))
}
