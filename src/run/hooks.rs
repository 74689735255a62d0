//! What `setup`, `teardown` and `summary` mean for a run: whether it starts, and what counts against it. How they are
//! called is `script`'s.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::results::{ExitCode, Summary};
use crate::script::hooks::{self, HookError};

use super::judge::Judge;
use super::load::{Script, Test};

/// How long `summary` may take; the run is over, and its numbers wait.
const SUMMARY_LIMIT: Duration = Duration::from_mins(2);

/// Runs `setup`; false when the load must not start.
pub(super) async fn setup(test: &Test, judge: &mut Judge) -> bool {
    let Some(script) = test.script() else { return true };
    let called = tokio::select! {
        called = hooks::setup(&script.context, &script.loaded, test.plan.setup_timeout) => called,
        () = test.session.control.stop_token().cancelled() => return false,
    };
    match called {
        Ok(value) => value.is_none_or(|value| test.session.setup.set(value).is_ok()),
        Err(error) => {
            failed(test, script, judge, "setup", ExitCode::SetupTimeout, &error);
            false
        }
    }
}

/// Runs `teardown`, after every kind of end. A third signal cuts it short.
pub(super) async fn teardown(test: &Test, judge: &mut Judge) {
    let Some(script) = test.script() else { return };
    let called = tokio::select! {
        called = hooks::teardown(&script.context, &script.loaded, test.plan.teardown_timeout) => called,
        () = test.session.control.cut_token().cancelled() => {
            judge.note(ExitCode::Signal, "teardown was cut short by a signal".to_owned());
            return;
        }
    };
    if let Err(error) = called {
        failed(test, script, judge, "teardown", ExitCode::TeardownTimeout, &error);
    }
}

/// Runs `summary` and gives the files that it wants; an error is a warning, because the run itself is over.
pub(super) async fn summary(test: &Test, summary: &Summary) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let Some(script) = test.script() else {
        return Ok(BTreeMap::new());
    };
    let tree = serde_json::to_value(summary).map_err(|error| format!("summary: {error}"))?;
    let called = hooks::summary(&script.context, &script.loaded, &tree, SUMMARY_LIMIT).await;
    called.map_err(|error| test.session.redact(&error.describe("summary")))
}

fn failed(test: &Test, script: &Script, judge: &mut Judge, hook: &str, on_timeout: ExitCode, error: &HookError) {
    match error {
        // The abort is a reason of its own.
        HookError::Aborted => {}
        HookError::Timeout(_) => judge.note(on_timeout, error.describe(hook)),
        HookError::Returned(_) => judge.note(ExitCode::ScriptError, error.describe(hook)),
        HookError::Script(raised) => {
            judge.note(ExitCode::ScriptError, error.describe(hook));
            if test.session.errors.add(raised) {
                let text = raised.render(&script.loaded.revision.sources);
                tracing::error!(target: "kingtide::script", "{}", test.session.redact(&text));
            }
        }
    }
}
