//! Reads the phases of a plan: a list of names and durations, one after the other from the start of the run.

use std::time::Duration;

use mlua::Value;

use super::super::fields::{FieldError, Fields, describe};
use super::wrong;
use crate::plan::Phase;

/// All phases, in their order.
pub(super) fn read(plan: &Fields) -> Result<Vec<Phase>, FieldError> {
    let table = match plan.get("phases") {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(table) => table,
        other => return Err(plan.error("phases", &format!("must be a list, got {}", describe(&other)))),
    };
    let mut phases: Vec<Phase> = Vec::with_capacity(table.raw_len());
    for pair in table.pairs::<Value, Value>().flatten() {
        if !matches!(pair.0, Value::Integer(_) | Value::Number(_)) {
            let what = format!(
                "is a list, so {} does not belong there; a phase is `{{ name = \"login\", duration = \"5m\" }}`",
                describe(&pair.0)
            );
            return Err(plan.error("phases", &what));
        }
        let start = phases.last().map_or(Duration::ZERO, |last| last.end);
        let phase = phase(phases.len() + 1, &pair.1, start)?;
        if phases.iter().any(|known| known.name == phase.name) {
            return Err(plan.error("phases", &format!("holds two of the name \"{}\"", phase.name)));
        }
        phases.push(phase);
    }
    Ok(phases)
}

fn phase(number: usize, value: &Value, start: Duration) -> Result<Phase, FieldError> {
    let owner = format!("phases[{number}]");
    let fields = Fields::new(&owner, vec!["phases".to_owned()], value, &["name", "duration"])?
        .ok_or_else(|| wrong(&["phases"], format!("{owner} is nil")))?;
    let name = fields
        .string("name")?
        .ok_or_else(|| fields.error("name", "is missing"))?;
    if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
        return Err(fields.error("name", "has 1 to 128 visible characters"));
    }
    let duration = fields
        .duration("duration")?
        .ok_or_else(|| fields.error("duration", "is missing"))?;
    if duration.is_zero() {
        return Err(fields.error("duration", "must be longer than zero"));
    }
    Ok(Phase {
        name,
        start,
        end: start + duration,
    })
}
