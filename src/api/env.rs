//! `kt.env`: variables from `-e`, the scenario and the process environment; only those that are asked for.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::{Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let env = host.sync_fn(|host, values| {
        let args = Args::new("env", values);
        let name = args.string(0, "name")?.to_string_lossy();
        let value = lookup(host, &name);
        match value {
            Some(text) => Ok(text.into_multi(&host.lua)?),
            None => {
                if args.get(1) == Value::Nil {
                    host.session.miss(&name);
                }
                Ok(args.get(1).into_multi(&host.lua)?)
            }
        }
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
