//! `kt.scenario`: the workload that this iteration belongs to.

use std::path::Path;
use std::rc::Rc;

use mlua::Value;

use crate::clock;
use crate::plan::{Executor, Scenario};
use crate::schedule::Shape;
use crate::script::{Host, Results as _};
use crate::vu::Iteration;

use super::data;

const NAMES: &[&str] = &[
    "name",
    "executor",
    "stage",
    "row",
    "iteration",
    "elapsed",
    "start_lag_ms",
];

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = super::with_fields(host, NAMES, |host, key, stack| {
        let Ok(vu) = host.current() else {
            return Value::Nil.give(stack);
        };
        let plan = vu.plan();
        let scenario = vu.scenario.and_then(|index| plan.as_ref()?.scenarios.get(index));
        let iteration = vu.iteration.get();
        match key {
            "name" => scenario.map(|scenario| scenario.name.as_str()).give(stack),
            "executor" => scenario.map(|scenario| scenario.executor.name()).give(stack),
            "stage" => vu.stage().give(stack),
            "row" => match scenario.zip(iteration) {
                Some((scenario, iteration)) => row(host, scenario, &iteration)?.give(stack),
                None => Value::Nil.give(stack),
            },
            "iteration" => iteration.map(|iteration| iteration.number).give(stack),
            "elapsed" => iteration
                .map(|it| clock::now().saturating_duration_since(it.begun_at).as_secs_f64())
                .give(stack),
            _ => iteration
                .map(|it| (it.started_at - it.scheduled_at).as_secs_f64() * 1e3)
                .give(stack),
        }
    })?;
    Ok(Value::Table(table))
}

/// The row of the trace that an iteration of a `replay` stands for; nil in other scenarios.
fn row(host: &Host, scenario: &Scenario, iteration: &Iteration) -> mlua::Result<Value> {
    let Executor::Open {
        shape: Shape::Replay { trace, .. },
        ..
    } = &scenario.executor
    else {
        return Ok(Value::Nil);
    };
    let index = usize::try_from(iteration.number)
        .ok()
        .and_then(|number| trace.rows.get(number));
    let revision = host.current().map(|vu| vu.revision());
    let set = revision
        .map_err(|_| mlua::Error::runtime("no virtual user is running here"))?
        .data
        .file(Path::new(&trace.file))
        .map_err(mlua::Error::external)?;
    let row = index.and_then(|index| set.row(*index as usize));
    data::fresh(host, row)
}
