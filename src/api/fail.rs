//! `kt.fail`: ends the iteration as failed, and nothing more.

use std::borrow::Cow;
use std::rc::Rc;

use mlua::Value;

use crate::script::bridge::end_value;
use crate::script::{ApiError, Host, Kind};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let fail = host.function("fail", |host, args| {
        let reason = args.opt_text(1, "reason")?;
        let reason = reason.unwrap_or(Cow::Borrowed("no reason given"));
        Err::<(), _>(ApiError::Value(end_value(host, &Kind::Failed, &reason)?))
    })?;
    Ok(Value::Function(fail))
}
