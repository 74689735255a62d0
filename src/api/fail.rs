//! `kt.fail`: ends the iteration as failed, and nothing more.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::bridge::end_value;
use crate::script::{ApiError, Host, Kind};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let fail = host.sync_fn(|host, values| {
        let args = Args::new("fail", values);
        let reason = args
            .opt_string(0, "reason")?
            .map_or_else(|| "no reason given".to_owned(), |text| text.to_string_lossy());
        Err(ApiError::Value(end_value(host, &Kind::Failed, &reason)?))
    })?;
    Ok(Value::Function(fail))
}
