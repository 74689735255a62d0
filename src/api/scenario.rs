//! `kt.scenario`: the workload that this iteration belongs to.

use std::rc::Rc;

use mlua::{IntoLua as _, Value};

use crate::clock;
use crate::script::Host;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let names = &["name", "executor", "iteration", "elapsed", "start_lag_ms"];
    let table = super::with_fields(host, names, |host, key| {
        let Ok(vu) = host.current() else { return Ok(Value::Nil) };
        let scenario = vu.scenario.and_then(|index| host.plan.get()?.scenarios.get(index));
        let iteration = vu.iteration.get();
        match key {
            "name" => scenario.map(|scenario| scenario.name.as_str()).into_lua(&host.lua),
            "executor" => scenario.map(|scenario| scenario.executor.name()).into_lua(&host.lua),
            "iteration" => iteration.map(|iteration| iteration.number).into_lua(&host.lua),
            "elapsed" => {
                let started = host
                    .session
                    .started
                    .get()
                    .zip(scenario)
                    .map(|(run, scenario)| *run + scenario.start_time);
                started
                    .map(|started| clock::now().saturating_duration_since(started).as_secs_f64())
                    .into_lua(&host.lua)
            }
            _ => iteration
                .map(|it| (it.started_at - it.scheduled_at).as_secs_f64() * 1e3)
                .into_lua(&host.lua),
        }
    })?;
    Ok(Value::Table(table))
}
