//! `kt.vu`: who runs this journey.

use std::rc::Rc;

use mlua::{IntoLua as _, Value};

use crate::script::Host;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = super::with_fields(host, &["id", "iteration"], |host, key| {
        let Ok(vu) = host.current() else { return Ok(Value::Nil) };
        match key {
            "id" => vu.id.into_lua(&host.lua),
            _ => vu.iterations.get().saturating_sub(1).into_lua(&host.lua),
        }
    })?;
    Ok(Value::Table(table))
}
