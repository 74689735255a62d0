//! `kt.sleep`: think time.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::clock;
use crate::script::trace::{self, Mark, Step};
use crate::script::{Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let sleep = host.op_fn("sleep", |vu, values| async move {
        let duration = Args::new("sleep", values).duration(0, "duration")?;
        trace::tell(&vu, || Step::new(Mark::Wait, format!("sleep {duration:.1?}")));
        let before = clock::now();
        clock::sleep(duration).await;
        vu.slept.set(vu.slept.get() + (clock::now() - before));
        Ok(().into_multi(&vu.host.lua)?)
    })?;
    Ok(Value::Function(sleep))
}
