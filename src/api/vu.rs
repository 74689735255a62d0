//! `kt.vu`: who runs this journey.

use std::rc::Rc;

use mlua::Value;

use crate::script::{Host, Results as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = super::with_fields(host, &["id", "iteration"], |host, key, stack| {
        let vu = host.current().ok();
        let number = vu.map(|vu| match key {
            "id" => vu.id,
            _ => vu.iterations.get().saturating_sub(1),
        });
        number.give(stack)
    })?;
    Ok(Value::Table(table))
}
