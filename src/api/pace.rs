//! `kt.pace`: a fixed period for the iterations of a virtual user, however long each takes.

use std::rc::Rc;

use mlua::Value;

use crate::clock;
use crate::script::Host;
use crate::script::trace::{self, Mark, Step};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let pace = host.operation("pace", |vu, args| {
        let (period, vu) = (args.duration(1, "period")?, Rc::clone(vu));
        Ok(async move {
            let now = clock::now();
            let from = vu
                .paced
                .get()
                .or_else(|| vu.iteration.get().map(|iteration| iteration.started_at))
                .unwrap_or(now);
            let due = from + period;
            if due > now {
                trace::tell(&vu, || Step::new(Mark::Wait, format!("pace {:.1?}", due - now)));
                clock::doze(now, due - now).await;
                vu.slept.set(vu.slept.get() + (clock::now() - now));
                vu.paced.set(Some(due));
            } else {
                // A late iteration is not made up for: the next period begins now.
                vu.paced.set(Some(now));
            }
            Ok(())
        })
    })?;
    Ok(Value::Function(pace))
}
