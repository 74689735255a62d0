//! `kt.env`: variables from `-e`, the scenario and the process environment; only those that are asked for.

use std::rc::Rc;

use mlua::Value;

use crate::script::{Host, Pushed};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let env = host.function("env", |host, args| {
        let value = {
            let name = args.text(1, "name")?;
            let value = lookup(host, &name);
            if value.is_none() && args.is_nil(2) {
                host.session.miss(&name);
            }
            value
        };
        match value {
            Some(text) => args.stack().push_bytes(text.as_bytes()),
            None if args.is_nil(2) => args.stack().push_nil(),
            None => args.stack().push_copy(2),
        }
        Ok(Pushed(1))
    })?;
    Ok(Value::Function(env))
}

/// `-e` first, then the scenario's `env`, then the process environment.
pub(super) fn lookup(host: &Host, name: &str) -> Option<String> {
    let session = &host.session;
    if let Some(value) = session.vars.get(name) {
        return Some(value.clone());
    }
    let of_scenario = host.current().ok().and_then(|vu| {
        let scenario = vu.scenario?;
        vu.plan()?.scenarios.get(scenario)?.env.get(name).cloned()
    });
    of_scenario.or_else(|| session.var(name))
}
