//! `kt.sleep`: think time.

use std::rc::Rc;

use mlua::Value;

use crate::script::trace::{self, Mark, Step};
use crate::script::{Args, Host, Sleep};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let sleep = host.wait_fn("sleep", |vu, stack| {
        let duration = Args::new("sleep", stack).duration(1, "duration")?;
        trace::tell(vu, || Step::new(Mark::Wait, format!("sleep {duration:.1?}")));
        Ok(Sleep::new(duration))
    })?;
    Ok(Value::Function(sleep))
}
