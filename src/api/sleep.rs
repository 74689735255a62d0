//! `kt.sleep`: think time.

use std::rc::Rc;
use std::time::Duration;

use mlua::Value;

use super::args::Args;
use crate::plan::duration::{from_seconds, parse};
use crate::script::raw::Stack;
use crate::script::trace::{self, Mark, Step};
use crate::script::{ApiError, Host, Sleep};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let sleep = host.wait_fn("sleep", |vu, stack| {
        let duration = duration(stack)?;
        trace::tell(vu, || Step::new(Mark::Wait, format!("sleep {duration:.1?}")));
        Ok(Sleep::new(duration))
    })?;
    Ok(Value::Function(sleep))
}

/// The first argument; what most are, and right, without a value of the binding.
fn duration(stack: &mut Stack<'_>) -> Result<Duration, ApiError> {
    let written = || parse(std::str::from_utf8(stack.bytes(1)?).ok()?).ok();
    let known = match stack.number(1) {
        Some(seconds) => from_seconds(seconds).ok(),
        None => written(),
    };
    match known {
        Some(duration) => Ok(duration),
        None => Args::new("sleep", stack.take(0)?).duration(0, "duration"),
    }
}
