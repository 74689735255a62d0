//! `kt.sleep`: think time.

use std::rc::Rc;
use std::time::Duration;

use mlua::{MultiValue, Value};

use super::args::Args;
use crate::clock;
use crate::plan::duration::from_seconds;
use crate::script::raw::Stack;
use crate::script::trace::{self, Mark, Step};
use crate::script::{ApiError, Host, Reply, VuContext};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let sleep = host.wait_fn("sleep", |vu, stack| {
        let duration = duration(stack)?;
        trace::tell(vu, || Step::new(Mark::Wait, format!("sleep {duration:.1?}")));
        Ok(Box::pin(sleep(Rc::clone(vu), duration)))
    })?;
    Ok(Value::Function(sleep))
}

async fn sleep(vu: Rc<VuContext>, duration: Duration) -> Result<Reply, ApiError> {
    let before = clock::now();
    let near: Rc<dyn clock::Near> = Rc::<VuContext>::clone(&vu);
    clock::doze_until(clock::later(before, duration), near).await;
    vu.slept.set(vu.slept.get() + (clock::now() - before));
    Ok(Reply::Values(MultiValue::new()))
}

/// The first argument; seconds, which most are, without a value of the binding.
fn duration(stack: &mut Stack<'_>) -> Result<Duration, ApiError> {
    let seconds = stack.number(1).and_then(|seconds| from_seconds(seconds).ok());
    match seconds {
        Some(seconds) => Ok(seconds),
        None => Args::new("sleep", stack.take(0)?).duration(0, "duration"),
    }
}
