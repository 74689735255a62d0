//! `setup`, `teardown` and `summary`: the script's functions that run once per test, with their time limits.

use std::collections::BTreeMap;
use std::time::Duration;

use mlua::{Function, Value};

use crate::clock;
use crate::results::{ExitCode, Summary};
use crate::script::value::{AsJson, freeze, from_tree};
use crate::script::{Kind, Phase, ScriptError, bridge};

use super::judge::Judge;
use super::load::Test;

/// Runs `setup`; false when the load must not start.
pub(super) async fn setup(test: &mut Test, judge: &mut Judge) -> bool {
    let Some(function) = hook(test, "setup") else {
        return true;
    };
    let limit = test.plan.setup_timeout;
    let control = std::sync::Arc::clone(&test.session.control);
    let called = tokio::select! {
        called = call(test, Phase::Setup, &function, Vec::new(), limit) => called,
        () = control.stop_token().cancelled() => return false,
    };
    match called {
        Ok(value) => {
            let tree = match value {
                Value::Nil => Ok(serde_json::Value::Null),
                value => serde_json::to_value(AsJson::new(&value)),
            };
            match tree {
                Ok(tree) => test.session.setup.set(tree).is_ok(),
                Err(error) => {
                    judge.note(
                        ExitCode::ScriptError,
                        format!("setup returned what virtual users cannot share: {error}"),
                    );
                    false
                }
            }
        }
        Err(Ended::Timeout) => {
            judge.note(
                ExitCode::SetupTimeout,
                format!("setup took longer than {}", crate::plan::duration::format(limit)),
            );
            false
        }
        Err(Ended::Error(error)) => {
            failed(test, judge, "setup", &error);
            false
        }
    }
}

/// Runs `teardown`, after every kind of end. A third signal cuts it short.
pub(super) async fn teardown(test: &mut Test, judge: &mut Judge) {
    let Some(function) = hook(test, "teardown") else { return };
    let limit = test.plan.teardown_timeout;
    let state = test.host.setup_value();
    let control = std::sync::Arc::clone(&test.session.control);
    let called = tokio::select! {
        called = call(test, Phase::Teardown, &function, vec![state], limit) => called,
        () = control.cut_token().cancelled() => {
            judge.note(ExitCode::Signal, "teardown was cut short by a signal".to_owned());
            return;
        }
    };
    match called {
        Ok(_) => {}
        Err(Ended::Timeout) => {
            judge.note(
                ExitCode::TeardownTimeout,
                format!("teardown took longer than {}", crate::plan::duration::format(limit)),
            );
        }
        Err(Ended::Error(error)) => failed(test, judge, "teardown", &error),
    }
}

/// Runs `summary` and gives the files it wants; an error is a warning, because the run itself is over.
pub(super) async fn summary(test: &mut Test, summary: &Summary) -> Result<BTreeMap<String, String>, String> {
    let Some(function) = hook(test, "summary") else {
        return Ok(BTreeMap::new());
    };
    let tree = serde_json::to_value(summary).map_err(|error| format!("summary: {error}"))?;
    let value = from_tree(&test.host.lua, &tree).map_err(|error| format!("summary: {error}"))?;
    freeze(&value);
    match call(test, Phase::Summary, &function, vec![value], Duration::from_mins(2)).await {
        Ok(Value::Nil) => Ok(BTreeMap::new()),
        Ok(Value::Table(files)) => files
            .pairs::<String, String>()
            .map(|pair| pair.map_err(|_| "summary: it must return a table of file names and texts".to_owned()))
            .collect(),
        Ok(other) => Err(format!(
            "summary: it must return a table of file names and texts, got a {}",
            other.type_name()
        )),
        Err(Ended::Timeout) => Err("summary: it took longer than 2m".to_owned()),
        Err(Ended::Error(error)) => Err(format!("summary: {error}")),
    }
}

/// How a hook ended other than by returning.
enum Ended {
    Timeout,
    Error(ScriptError),
}

fn hook(test: &Test, name: &str) -> Option<Function> {
    match &test.loaded.returned {
        Value::Table(plan) => plan.get(name).ok().flatten(),
        _ => None,
    }
}

async fn call(
    test: &Test,
    phase: Phase,
    function: &Function,
    args: Vec<Value>,
    limit: Duration,
) -> Result<Value, Ended> {
    test.context.enter_phase(phase);
    let called = bridge::call(&test.context, &test.loaded.thread, function, args);
    match clock::timeout(limit, called).await {
        Err(_) => Err(Ended::Timeout),
        Ok(Err(error)) => Err(Ended::Error(error)),
        Ok(Ok(mut values)) => Ok(values.pop_front().unwrap_or(Value::Nil)),
    }
}

fn failed(test: &Test, judge: &mut Judge, hook: &str, error: &ScriptError) {
    if error.kind == Kind::Aborted {
        return;
    }
    judge.note(ExitCode::ScriptError, format!("{hook} failed: {}", error.message));
    if test.session.errors.add(error) {
        tracing::error!(target: "kingtide::script", "{}", test.session.redact(&error.render(&test.session.sources)));
    }
}
