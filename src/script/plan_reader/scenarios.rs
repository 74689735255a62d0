//! Reads the scenarios of a plan. Their executors are `executors`', their journeys are found in `mod.rs`.

use mlua::Value;

use super::super::fields::{FieldError, Fields, describe, suggest};
use super::super::revision::Revision;
use super::executors::{self, EXECUTORS};
use super::{DEFAULT_SCENARIO, tags, wrong};
use crate::plan::overrides::DEFAULT_GRACEFUL;
use crate::plan::{Executor, Scenario};

const SCENARIO_KEYS: [&str; 8] = [
    "executor",
    "exec",
    "start_time",
    "start_after",
    "warmup",
    "graceful_stop",
    "tags",
    "env",
];

/// The one scenario of a script that returns a function, or a plan without scenarios.
pub(super) fn of_function(executor: Executor) -> Scenario {
    Scenario::of(DEFAULT_SCENARIO, executor)
}

/// All scenarios, in the order of their names.
pub(super) fn read(plan: &Fields, revision: &Revision) -> Result<Vec<Scenario>, FieldError> {
    let Value::Table(table) = plan.get("scenarios") else {
        return Err(plan.error(
            "scenarios",
            &format!("must be a table of scenarios, got {}", describe(&plan.get("scenarios"))),
        ));
    };
    let mut named: Vec<(String, Value)> = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { continue };
        match key {
            Value::String(name) => named.push((name.to_string_lossy(), value)),
            other => {
                let text = format!(
                    "must have names as keys (`{{ smoke = {{ … }} }}`), got {}",
                    describe(&other)
                );
                return Err(plan.error("scenarios", &text));
            }
        }
    }
    if named.is_empty() {
        return Err(plan.error("scenarios", "is empty; a plan needs at least one scenario"));
    }
    named.sort_by(|a, b| a.0.cmp(&b.0));
    named
        .into_iter()
        .map(|(name, value)| scenario(&name, &value, revision))
        .collect()
}

fn scenario(name: &str, value: &Value, revision: &Revision) -> Result<Scenario, FieldError> {
    let owner = format!("scenarios.{name}");
    let path = ["scenarios", name];
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(wrong(
            &path,
            format!("{owner}: a scenario's name has 1 to 128 visible characters"),
        ));
    }
    let Value::Table(table) = value else {
        return Err(wrong(
            &path,
            format!("{owner} must be a table, got {}", describe(value)),
        ));
    };
    let kind = executor(&owner, name, &table.get::<Value>("executor").unwrap_or(Value::Nil))?;
    let known: Vec<&str> = SCENARIO_KEYS.iter().copied().chain(kind.keys()).collect();
    let path = path.map(str::to_owned).to_vec();
    let fields = Fields::new(&owner, path, value, &known)?.ok_or_else(|| wrong(&["scenarios"], "no scenario"))?;
    Ok(Scenario {
        name: name.to_owned(),
        executor: kind.read(&fields, revision)?,
        start_time: fields.duration("start_time")?.unwrap_or_default(),
        start_after: fields.string("start_after")?,
        warmup: fields.duration("warmup")?.unwrap_or_default(),
        graceful_stop: fields.duration("graceful_stop")?.unwrap_or(DEFAULT_GRACEFUL),
        tags: tags(&fields)?,
        env: fields.strings("env")?,
    })
}

/// Which of [`EXECUTORS`] is meant. It is read before the other options, because it says which there are.
fn executor(owner: &str, name: &str, value: &Value) -> Result<&'static executors::Kind, FieldError> {
    let names = EXECUTORS.each_ref().map(|kind| kind.name);
    let all = names.join(", ");
    match value {
        Value::String(text) => {
            let text = text.to_string_lossy();
            EXECUTORS.iter().find(|kind| kind.name == text).ok_or_else(|| {
                let hint = suggest(&text, names);
                wrong(
                    &["scenarios", name, "executor"],
                    format!("{owner}: there is no executor \"{text}\"; it is one of {all}{hint}"),
                )
            })
        }
        Value::Nil => Err(wrong(
            &["scenarios", name],
            format!("{owner}: `executor` is missing; it is one of {all}"),
        )),
        other => Err(wrong(
            &["scenarios", name, "executor"],
            format!("{owner}: `executor` must be a string, got {}", describe(other)),
        )),
    }
}
