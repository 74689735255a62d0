//! Reads what a script returned into a [`Plan`], strictly: an unknown key, a wrong type or a bad duration is refused before
//! any load starts. What the parts of a plan do is not known here.

mod checkpoints;
mod executors;
mod http;
mod invariants;
mod phases;
mod pieces;
mod scenarios;
mod thresholds;
mod trace;
mod traces;

use std::collections::BTreeMap;

use mlua::{Function, Table, Value};

use crate::metrics::own_tag;
use crate::plan::overrides::Overrides;
use crate::plan::{DEFAULT_HOOK_TIMEOUT, Limits, OnScriptError, Plan, Scenario, order, validate};

use super::fields::{FieldError, Fields, describe, suggest, to_size};
use super::session::Session;
use super::vu::Loaded;

pub use http::tls as read_tls;
pub use invariants::functions as invariants;

/// The name of the scenario of a script that returns a function.
pub const DEFAULT_SCENARIO: &str = "default";

const PLAN_KEYS: [&str; 17] = [
    "http",
    "scenarios",
    "phases",
    "checkpoints",
    "exec",
    "thresholds",
    "invariants",
    "setup",
    "setup_timeout",
    "vu_init",
    "teardown",
    "teardown_timeout",
    "summary",
    "traces",
    "tags",
    "on_script_error",
    "limits",
];
fn wrong(path: &[&str], message: impl Into<String>) -> FieldError {
    FieldError {
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        message: message.into(),
    }
}

/// Reads and validates the plan.
///
/// # Errors
/// The first mistake, with the path of keys to it.
pub fn read(loaded: &Loaded, session: &Session, overrides: &Overrides) -> Result<Plan, FieldError> {
    let fields = plan_fields(loaded)?;
    for hook in ["setup", "vu_init", "teardown", "summary", "exec"] {
        let given = fields.get(hook);
        if !matches!(given, Value::Nil | Value::Function(_)) {
            return Err(fields.error(hook, &format!("must be a function, got {}", describe(&given))));
        }
    }
    let mut scenarios = if fields.has("scenarios") {
        scenarios::read(&fields, &loaded.revision)?
    } else {
        let executor = overrides.scenario_of_function();
        let executor = executor.map_err(|error| wrong(&[], error.to_string()))?;
        vec![scenarios::of_function(executor)]
    };
    // Those that were not selected are known all the same.
    let names: Vec<String> = scenarios.iter().map(|scenario| scenario.name.clone()).collect();
    change(&fields, overrides)
        .apply(&mut scenarios)
        .map_err(|error| wrong(&[], error.to_string()))?;
    order::check(&scenarios).map_err(|error| {
        let path = ["scenarios", error.scenario(), "start_after"];
        wrong(&path, error.to_string())
    })?;
    for scenario in &scenarios {
        sensible(scenario)?;
        journey(loaded, &scenario.name)?;
    }
    let mut tags = tags(&fields)?;
    tags.extend(overrides.tags.clone());
    // They are told of in many places, also where no sample is.
    let own = scenarios.iter_mut().flat_map(|scenario| scenario.tags.values_mut());
    for value in tags.values_mut().chain(own) {
        *value = session.redact(value);
    }
    let mut plan = Plan {
        checkpoints: checkpoints::read(&fields, &scenarios, overrides.time_scale)?,
        measured_until: None,
        scenarios,
        http: http::read(&fields, &session.script)?,
        phases: phases::read(&fields)?,
        thresholds: thresholds::read(&fields, &overrides.thresholds, &session.registry)?,
        invariants: invariants::read(&fields)?,
        traces: None,
        tags,
        setup_timeout: fields.duration("setup_timeout")?.unwrap_or(DEFAULT_HOOK_TIMEOUT),
        teardown_timeout: fields.duration("teardown_timeout")?.unwrap_or(DEFAULT_HOOK_TIMEOUT),
        on_script_error: match fields.choice("on_script_error", &["fail", "count", "abort"])? {
            Some("count") => OnScriptError::Count,
            Some("abort") => OnScriptError::Abort,
            _ => OnScriptError::Fail,
        },
        limits: limits(&fields)?,
    };
    plan.trace(overrides.traces(traces::read(&fields)?));
    thresholds::check_parts(&plan, &names)?;
    if let Some(factor) = overrides.time_scale {
        plan.scale_phases(factor);
    }
    Ok(plan)
}

/// The tags of the plan or of a scenario.
fn tags(fields: &Fields) -> Result<BTreeMap<String, String>, FieldError> {
    let tags = fields.strings("tags")?;
    match tags.keys().find_map(|name| Some((name, own_tag(name)?))) {
        None => Ok(tags),
        Some((name, why)) => {
            let mut path = fields.path_to("tags");
            path.push(name.clone());
            let message = format!("{}: {why}", fields.owner());
            Err(FieldError { path, message })
        }
    }
}

/// What changes the scenarios. The short forms have made the one of a function already.
fn change(fields: &Fields, overrides: &Overrides) -> Overrides {
    let overrides = overrides.clone();
    if fields.has("scenarios") {
        return overrides;
    }
    Overrides {
        scenarios: overrides.scenarios,
        time_scale: overrides.time_scale,
        probe: overrides.probe,
        ..Overrides::default()
    }
}

/// Refuses a scenario whose numbers cannot be meant together.
fn sensible(scenario: &Scenario) -> Result<(), FieldError> {
    validate::scenario(scenario).map_err(|(key, what)| {
        let text = format!("scenarios.{}: `{key}` {what}", scenario.name);
        wrong(&["scenarios", &scenario.name, key], text)
    })
}

/// The plan's table; an empty one for a script that returns a function.
fn plan_fields(loaded: &Loaded) -> Result<Fields, FieldError> {
    let table = match &loaded.returned {
        Value::Function(_) => loaded.blank.clone(),
        Value::Table(table) => table.clone(),
        Value::Nil => {
            return Err(wrong(
                &[],
                "the script returns nothing; end it with `return function() … end` or `return { scenarios = { … } }` (and without the brackets of a call: `return go`, not `return go()`)",
            ));
        }
        other => return Err(no_plan(other)),
    };
    if let Some(error) = elsewhere(&table) {
        return Err(error);
    }
    let fields = Fields::new("plan", Vec::new(), &Value::Table(table), &PLAN_KEYS)?;
    fields.ok_or_else(|| wrong(&[], "no plan"))
}

/// Keys of a scenario, each with the executor that it is most often meant for.
const SCENARIO_KEYS: [(&str, &str); 5] = [
    ("stages", "ramping-vus"),
    ("rate", "constant-arrival-rate"),
    ("iterations", "shared-iterations"),
    ("vus", "constant-vus"),
    ("duration", "constant-vus"),
];

/// A key that k6 has at the top, and where it is written here.
fn elsewhere(plan: &Table) -> Option<FieldError> {
    let has = |key: &str| plan.raw_get::<Value>(key).is_ok_and(|value| !value.is_nil());
    let belongs = |key: &str, scenario: &str| {
        wrong(
            &[key],
            format!("plan: `{key}` belongs in a scenario: `scenarios = {{ main = {{ {scenario} … }} }}`"),
        )
    };
    if has("executor") {
        return Some(belongs("executor", "executor = …,"));
    }
    if let Some((key, executor)) = SCENARIO_KEYS.iter().find(|(key, _)| has(key)) {
        return Some(belongs(key, &format!("executor = \"{executor}\", {key} = …,")));
    }
    if has("handleSummary") {
        return Some(wrong(
            &["handleSummary"],
            "plan: `handleSummary` is called `summary` here",
        ));
    }
    let what = "plan: there are no `options`; what k6 has in them are keys of the plan or of its scenarios";
    has("options").then(|| wrong(&["options"], what))
}

fn no_plan(returned: &Value) -> FieldError {
    let got = describe(returned);
    wrong(
        &[],
        format!("the script must return a function or a plan table, got {got}"),
    )
}

/// The function that a scenario runs: its `exec` (a function, or the name of a global one), else the plan's `exec`.
///
/// # Errors
/// When there is no such function.
pub fn journey(loaded: &Loaded, scenario: &str) -> Result<Function, FieldError> {
    let plan = match &loaded.returned {
        Value::Function(function) => return Ok(function.clone()),
        Value::Table(plan) => plan,
        other => return Err(no_plan(other)),
    };
    let of_plan = || match plan.get::<Value>("exec") {
        Ok(Value::Function(function)) => Some(function),
        _ => None,
    };
    let exec = plan
        .get::<Table>("scenarios")
        .and_then(|scenarios| scenarios.get::<Table>(scenario))
        .and_then(|table| table.get::<Value>("exec"))
        .unwrap_or(Value::Nil);
    let path = ["scenarios", scenario, "exec"];
    match exec {
        Value::Function(function) => Ok(function),
        Value::Nil => of_plan().ok_or_else(|| {
            wrong(
                &path,
                format!("scenarios.{scenario}: `exec` is nil; give it the journey's function (is its name spelled as where it is defined?)"),
            )
        }),
        Value::String(name) => global(loaded, scenario, &name.to_string_lossy()),
        other => Err(wrong(
            &path,
            format!(
                "scenarios.{scenario}: `exec` must be a function or the name of one, got {}",
                describe(&other)
            ),
        )),
    }
}

/// The global function of that name.
fn global(loaded: &Loaded, scenario: &str, name: &str) -> Result<Function, FieldError> {
    if let Ok(Value::Function(function)) = loaded.environment.raw_get::<Value>(name) {
        return Ok(function);
    }
    let globals: Vec<String> = loaded
        .environment
        .pairs::<String, Value>()
        .flatten()
        .filter(|(key, value)| matches!(value, Value::Function(_)) && key != "require")
        .map(|(key, _)| key)
        .collect();
    let hint = suggest(name, globals.iter().map(String::as_str));
    let text = format!(
        "scenarios.{scenario}: `exec` names no function: there is no global function `{name}` (a local one is given without quotes){hint}"
    );
    Err(wrong(&["scenarios", scenario, "exec"], text))
}

fn limits(plan: &Fields) -> Result<Limits, FieldError> {
    let mut limits = Limits::default();
    if let Some(fields) = plan.inner("limits", &["cpu", "memory"])? {
        limits.cpu = fields.duration("cpu")?.unwrap_or(limits.cpu);
        if fields.has("memory") {
            limits.memory = to_size(&fields.get("memory")).map_err(|what| fields.error("memory", &what))?;
        }
        if limits.cpu.is_zero() || limits.memory < 8 << 20 {
            return Err(plan.error("limits", "are too small: `cpu` is above zero and `memory` at least 8MB"));
        }
    }
    Ok(limits)
}
