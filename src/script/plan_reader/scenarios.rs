//! Reads the scenarios of a plan. Their journeys are found in `mod.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use mlua::Value;

use super::super::fields::{FieldError, Fields, describe, suggest};
use super::{DEFAULT_SCENARIO, wrong};
use crate::plan::overrides::{DEFAULT_MAX_DURATION, DEFAULT_MAX_VUS, default_pre_allocated};
use crate::plan::{Executor, OnSaturation, Scenario};

const SCENARIO_KEYS: [&str; 7] = [
    "executor",
    "exec",
    "start_time",
    "graceful_stop",
    "warmup",
    "tags",
    "env",
];
const EXECUTORS: [&str; 4] = [
    "shared-iterations",
    "per-vu-iterations",
    "constant-vus",
    "constant-arrival-rate",
];
const DEFAULT_GRACEFUL_STOP: Duration = Duration::from_secs(30);

/// The one scenario of a script that returns a function, or a plan without scenarios.
pub(super) fn of_function(executor: Executor) -> Scenario {
    Scenario {
        name: DEFAULT_SCENARIO.to_owned(),
        executor,
        start_time: Duration::ZERO,
        graceful_stop: DEFAULT_GRACEFUL_STOP,
        warmup: Duration::ZERO,
        tags: BTreeMap::new(),
        env: BTreeMap::new(),
    }
}

/// All scenarios, in the order of their names.
pub(super) fn read(plan: &Fields) -> Result<Vec<Scenario>, FieldError> {
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
    named.into_iter().map(|(name, value)| scenario(&name, &value)).collect()
}

fn scenario(name: &str, value: &Value) -> Result<Scenario, FieldError> {
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
    let kind = executor_name(&owner, name, &table.get::<Value>("executor").unwrap_or(Value::Nil))?;
    let own: &[&str] = match kind {
        "constant-vus" => &["vus", "duration"],
        "constant-arrival-rate" => &[
            "rate",
            "time_unit",
            "duration",
            "pre_allocated_vus",
            "max_vus",
            "on_saturation",
        ],
        _ => &["vus", "iterations", "max_duration"],
    };
    let known: Vec<&str> = SCENARIO_KEYS.iter().chain(own).copied().collect();
    let path = path.map(str::to_owned).to_vec();
    let fields = Fields::new(&owner, path, value, &known)?.ok_or_else(|| wrong(&["scenarios"], "no scenario"))?;
    Ok(Scenario {
        name: name.to_owned(),
        executor: executor(kind, &fields)?,
        start_time: fields.duration("start_time")?.unwrap_or_default(),
        graceful_stop: fields.duration("graceful_stop")?.unwrap_or(DEFAULT_GRACEFUL_STOP),
        warmup: fields.duration("warmup")?.unwrap_or_default(),
        tags: fields.strings("tags")?,
        env: fields.strings("env")?,
    })
}

/// Which of [`EXECUTORS`] is meant. It is read before the other options, because it says which there are.
fn executor_name(owner: &str, name: &str, value: &Value) -> Result<&'static str, FieldError> {
    let all = EXECUTORS.join(", ");
    match value {
        Value::String(text) => {
            let text = text.to_string_lossy();
            EXECUTORS.into_iter().find(|known| *known == text).ok_or_else(|| {
                let hint = suggest(&text, EXECUTORS);
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

fn executor(kind: &str, fields: &Fields) -> Result<Executor, FieldError> {
    let required = |key: &str| fields.error(key, &format!("is missing; {kind} needs it"));
    let vus = || Ok::<_, FieldError>(fields.count("vus", 1)?.unwrap_or(1));
    let duration = || fields.duration("duration")?.ok_or_else(|| required("duration"));
    match kind {
        "constant-vus" => Ok(Executor::ConstantVus {
            vus: vus()?,
            duration: duration()?,
        }),
        "constant-arrival-rate" => {
            let rate = fields.number("rate")?.ok_or_else(|| required("rate"))?;
            let time_unit = fields.duration("time_unit")?.unwrap_or(Duration::from_secs(1));
            let max_vus = fields.count("max_vus", 1)?;
            let pre_allocated = fields.count("pre_allocated_vus", 0)?;
            let cap = max_vus.unwrap_or_else(|| DEFAULT_MAX_VUS.max(pre_allocated.unwrap_or(0)));
            if time_unit.is_zero() {
                return Err(fields.error("time_unit", "must be longer than zero"));
            }
            Ok(Executor::ConstantArrivalRate {
                rate,
                time_unit,
                duration: duration()?,
                pre_allocated_vus: pre_allocated.unwrap_or_else(|| default_pre_allocated(rate, time_unit, cap)),
                max_vus: cap,
                on_saturation: match fields.choice("on_saturation", &["queue", "drop", "abort"])? {
                    Some("drop") => OnSaturation::Drop,
                    Some("abort") => OnSaturation::Abort,
                    _ => OnSaturation::Queue,
                },
            })
        }
        shared_or_per_vu => {
            let (vus, iterations) = (vus()?, fields.count("iterations", 1)?.unwrap_or(1));
            let max_duration = fields.duration("max_duration")?.unwrap_or(DEFAULT_MAX_DURATION);
            Ok(if shared_or_per_vu == "shared-iterations" {
                Executor::SharedIterations {
                    vus,
                    iterations,
                    max_duration,
                }
            } else {
                Executor::PerVuIterations {
                    vus,
                    iterations,
                    max_duration,
                }
            })
        }
    }
}

/// Rates above this are a slip of the keyboard: no machine starts so many iterations.
const MAX_RATE: f64 = 10_000_000.0;

/// What holds for the numbers together, the command line's included.
pub(super) fn validate(scenario: &Scenario) -> Result<(), FieldError> {
    let refuse = |key: &str, what: String| {
        Err(wrong(
            &["scenarios", &scenario.name, key],
            format!("scenarios.{}: `{key}` {what}", scenario.name),
        ))
    };
    let duration = scenario.executor.duration();
    if duration.is_zero() {
        return refuse("duration", "must be longer than zero".into());
    }
    if scenario.warmup >= duration && !scenario.warmup.is_zero() {
        return refuse(
            "warmup",
            "must be shorter than the load, or nothing would be measured".into(),
        );
    }
    match scenario.executor {
        Executor::ConstantArrivalRate {
            rate,
            time_unit,
            pre_allocated_vus,
            max_vus,
            ..
        } => {
            if !rate.is_finite() || rate <= 0.0 {
                return refuse("rate", format!("must be above zero, got {rate}"));
            }
            if rate / time_unit.as_secs_f64() > MAX_RATE {
                return refuse(
                    "rate",
                    format!(
                        "is {} per second; the limit is {MAX_RATE}",
                        rate / time_unit.as_secs_f64()
                    ),
                );
            }
            if pre_allocated_vus > max_vus {
                return refuse(
                    "pre_allocated_vus",
                    format!("is {pre_allocated_vus}, more than `max_vus` ({max_vus})"),
                );
            }
            max_vus_fit(max_vus).or_else(|what| refuse("max_vus", what))
        }
        Executor::ConstantVus { vus, .. }
        | Executor::SharedIterations { vus, .. }
        | Executor::PerVuIterations { vus, .. } => {
            if vus == 0 {
                return refuse("vus", "must be a whole number of at least 1, got 0".into());
            }
            max_vus_fit(vus).or_else(|what| refuse("vus", what))
        }
    }
}

fn max_vus_fit(vus: u64) -> Result<(), String> {
    const MAX_VUS: u64 = 1_000_000;
    if vus > MAX_VUS {
        Err(format!("is {vus}; one machine holds at most {MAX_VUS}"))
    } else {
        Ok(())
    }
}
