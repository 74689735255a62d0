//! Reads the thresholds of a plan. Their grammar is `metrics`'.

use std::time::Duration;

use mlua::{Table, Value};

use super::super::fields::{FieldError, Fields, describe, suggest};
use super::wrong;
use crate::metrics::{LONGEST_WINDOW, NoData, Registry, Threshold};
use crate::plan::Plan;

/// All thresholds, in the order of their keys: those of the plan, and `more`, which the command line brings.
pub(super) fn read(
    plan: &Fields,
    more: &[(String, String)],
    registry: &Registry,
) -> Result<Vec<Threshold>, FieldError> {
    let mut all = of_plan(plan, registry)?;
    for (series, expression) in more {
        let read = Threshold::parse(series, expression, registry);
        all.push(read.map_err(|error| wrong(&[], format!("`{series}: {expression}`: {error}")))?);
    }
    all.sort_by(|a, b| {
        a.selector
            .to_string()
            .cmp(&b.selector.to_string())
            .then_with(|| a.expression.cmp(&b.expression))
    });
    Ok(all)
}

fn of_plan(plan: &Fields, registry: &Registry) -> Result<Vec<Threshold>, FieldError> {
    let table = match plan.get("thresholds") {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(table) => table,
        other => return Err(plan.error("thresholds", &format!("must be a table, got {}", describe(&other)))),
    };
    let mut all = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let Ok((key, value)) = pair else { continue };
        let Value::String(key) = &key else {
            return Err(plan.error(
                "thresholds",
                &format!("must have metrics as keys, got {}", describe(&key)),
            ));
        };
        let key = key.to_string_lossy();
        let many = match &value {
            Value::Table(list) if list.raw_len() > 0 => several(&key, list)?,
            one => vec![one.clone()],
        };
        for one in many {
            all.push(threshold(&key, &one, registry)?);
        }
    }
    Ok(all)
}

/// That the scenarios and phases that thresholds name are there, selected or not: nothing would ever be measured of others.
pub(super) fn check_parts(plan: &Plan, scenarios: &[String]) -> Result<(), FieldError> {
    let scenarios: Vec<&str> = scenarios.iter().map(String::as_str).collect();
    let phases: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
    for threshold in &plan.thresholds {
        for (tag, value) in &threshold.selector.tags {
            let known = match tag.as_str() {
                "scenario" => &scenarios,
                "phase" => &phases,
                _ => continue,
            };
            if !known.contains(&value.as_str()) {
                let key = threshold.selector.to_string();
                let hint = suggest(value, known.iter().copied());
                let text = format!("thresholds: `{key}`: this run has no {tag} `{value}`{hint}");
                return Err(wrong(&["thresholds", &key], text));
            }
        }
    }
    Ok(())
}

/// The entries of a list, which has nothing else in it.
fn several(key: &str, list: &Table) -> Result<Vec<Value>, FieldError> {
    let mut all = Vec::with_capacity(list.raw_len());
    for pair in list.pairs::<Value, Value>().flatten() {
        match pair {
            (Value::Integer(_) | Value::Number(_), value) => all.push(value),
            (other, _) => {
                let text = format!(
                    "thresholds: `{key}` is a list, so {} does not belong there; an expression with options is \
                     `{{ threshold = \"p(95)<500\", abort_on_fail = true }}`",
                    describe(&other)
                );
                return Err(wrong(&["thresholds", key], text));
            }
        }
    }
    Ok(all)
}

fn threshold(key: &str, value: &Value, registry: &Registry) -> Result<Threshold, FieldError> {
    let path = ["thresholds", key];
    let parse = |text: &str| {
        Threshold::parse(key, text, registry).map_err(|error| wrong(&path, format!("thresholds: `{key}`: {error}")))
    };
    match value {
        Value::String(text) => parse(&text.to_string_lossy()),
        Value::Table(_) => {
            let owner = format!("thresholds.{key}");
            let known = ["threshold", "window", "abort_on_fail", "delay_abort_eval", "on_no_data"];
            let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
            let fields = Fields::new(&owner, path, value, &known)?.ok_or_else(|| wrong(&["thresholds"], "nothing"))?;
            let text = fields
                .string("threshold")?
                .ok_or_else(|| fields.error("threshold", "is missing, as `threshold = \"p(95)<500\"`"))?;
            let mut threshold = parse(&text)?;
            threshold.abort_on_fail = fields.boolean("abort_on_fail")?.unwrap_or(false);
            threshold.delay_abort_eval = fields.duration("delay_abort_eval")?.unwrap_or_default();
            threshold.window = window(&fields)?;
            if fields.choice("on_no_data", &["fail", "pass"])? == Some("pass") {
                threshold.on_no_data = NoData::Pass;
            }
            Ok(threshold)
        }
        other => Err(wrong(
            &path,
            format!(
                "thresholds: `{key}` must be a string as \"p(95)<500\", a table or a list, got {}",
                describe(other)
            ),
        )),
    }
}

/// The length of the slices that a threshold judges. History is kept by the second.
fn window(fields: &Fields) -> Result<Option<Duration>, FieldError> {
    let Some(window) = fields.duration("window")? else {
        return Ok(None);
    };
    if window.subsec_nanos() > 0 || window.is_zero() || window > LONGEST_WINDOW {
        return Err(fields.error("window", "must be whole seconds, from 1s to 1h"));
    }
    Ok(Some(window))
}
