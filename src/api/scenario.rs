//! `kt.scenario`: the workload that this iteration belongs to.

use std::path::Path;
use std::rc::Rc;

use mlua::{IntoLua as _, Value};

use crate::clock;
use crate::plan::{Executor, Scenario};
use crate::schedule::Shape;
use crate::script::Host;
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
    let table = super::with_fields(host, NAMES, |host, key| {
        let Ok(vu) = host.current() else { return Ok(Value::Nil) };
        let scenario = vu.scenario.and_then(|index| host.plan.get()?.scenarios.get(index));
        let iteration = vu.iteration.get();
        match key {
            "name" => scenario.map(|scenario| scenario.name.as_str()).into_lua(&host.lua),
            "executor" => scenario.map(|scenario| scenario.executor.name()).into_lua(&host.lua),
            "stage" => vu.stage().into_lua(&host.lua),
            "row" => match scenario.zip(iteration) {
                Some((scenario, iteration)) => row(host, scenario, &iteration),
                None => Ok(Value::Nil),
            },
            "iteration" => iteration.map(|iteration| iteration.number).into_lua(&host.lua),
            "elapsed" => iteration
                .map(|it| clock::now().saturating_duration_since(it.begun_at).as_secs_f64())
                .into_lua(&host.lua),
            _ => iteration
                .map(|it| (it.started_at - it.scheduled_at).as_secs_f64() * 1e3)
                .into_lua(&host.lua),
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
    let set = host
        .session
        .data
        .file(Path::new(&trace.file))
        .map_err(mlua::Error::external)?;
    let row = index.and_then(|index| set.row(*index as usize));
    data::fresh(host, row)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use tokio::task::LocalSet;

    use crate::api;
    use crate::clock;
    use crate::control::Control;
    use crate::metrics::{Catalog, Recorder};
    use crate::plan::Limits;
    use crate::plan::overrides::Overrides;
    use crate::script::vu::{LuaVuFactory, load};
    use crate::script::{Host, Session, VuContext, plan_reader};
    use crate::vu::{Iteration, Outcome, Vu as _, VuFactory as _};

    /// Runs iterations of (number, segment) of the only scenario, one after the other on one VU; the journey asserts.
    async fn run(script: &str, iterations: &[(u64, u32)]) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("t.csv"), "ts,user\n10.5,late\n10,early\n").unwrap();
        let path = folder.path().join("test.lua");
        let session = Arc::new(Session::new(&path, BTreeMap::new(), 1, Arc::new(Control::new())));
        session.sources.keep(path.display().to_string(), script);
        let host = Host::new(Arc::clone(&session), Limits::default(), api::OPEN).unwrap();
        let context = VuContext::new(&host, 0, None);
        let loaded = load(&context).await.unwrap();
        let plan = plan_reader::read(&loaded, &session, &Overrides::default()).unwrap();
        let catalog = Catalog::new(&session.registry, &[]).unwrap();
        host.plan.set(Arc::new(plan)).unwrap();
        host.recorder.set(Recorder::new(&session.registry, &catalog)).ok();
        let mut vu = LuaVuFactory { host }.create(0, 1).await;
        for &(number, segment) in iterations {
            let now = clock::now();
            let iteration = Iteration {
                scenario: 0,
                number,
                segment,
                begun_at: now,
                scheduled_at: now,
                started_at: now,
            };
            let outcome = vu.run(&iteration).await;
            let errors = session.errors.all();
            assert_eq!(outcome, Outcome::Completed, "number {number}: {errors:?}");
        }
    }

    #[tokio::test]
    async fn a_replayed_iteration_has_its_row_in_the_order_of_time() {
        let script = r#"
            local kt = require "kt"
            local users = { [0] = "early", [1] = "late" }
            return { scenarios = { a = { executor = "replay", trace = "t.csv", exec = function()
                local row = kt.scenario.row
                assert(row.user == users[kt.scenario.iteration], row.user)
                row.user = nil
                assert(kt.scenario.row.user, "a fresh copy each time")
                assert(kt.scenario.stage == nil)
            end } } }"#;
        LocalSet::new().run_until(run(script, &[(0, 0), (1, 0)])).await;
    }

    #[tokio::test]
    async fn stages_have_names_or_numbers() {
        let script = r#"
            local kt = require "kt"
            local stages = { [0] = "0", [1] = "peak", [2] = "2" }
            return { scenarios = { a = { executor = "steps", exec = function()
                local stage = stages[kt.scenario.iteration % 3]
                assert(kt.scenario.stage == stage, kt.scenario.stage)
                assert(kt.scenario.row == nil)
            end, steps = { { rate = 1, duration = 1 }, { rate = 9, duration = 1, name = "peak" }, { rate = 1, duration = 1 } } } } }"#;
        LocalSet::new()
            .run_until(run(script, &[(0, 0), (1, 1), (2, 2), (4, 1)]))
            .await;
    }
}
