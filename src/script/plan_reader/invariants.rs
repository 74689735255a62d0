//! Reads the invariants of a plan: functions by name. When they run is `run`'s.

use mlua::{Function, Table, Value};

use super::super::fields::{FieldError, Fields, describe};
use super::super::vu::Loaded;
use super::wrong;

/// The names of all invariants, sorted.
pub(super) fn read(plan: &Fields) -> Result<Vec<String>, FieldError> {
    let table = match plan.get("invariants") {
        Value::Nil => return Ok(Vec::new()),
        Value::Table(table) => table,
        other => {
            let text = format!(
                "must be a table as {{ no_oversell = function() return ok, keys end }}, got {}",
                describe(&other)
            );
            return Err(plan.error("invariants", &text));
        }
    };
    let mut names = Vec::new();
    for (key, value) in table.pairs::<Value, Value>().flatten() {
        let Value::String(name) = &key else {
            let text = format!("must have names as keys, got {}", describe(&key));
            return Err(plan.error("invariants", &text));
        };
        let name = name.to_string_lossy();
        let path = ["invariants", name.as_str()];
        if name.is_empty() || name.len() > 128 || name.chars().any(char::is_control) {
            return Err(wrong(
                &path,
                "invariants: a name has 1 to 128 visible characters".to_owned(),
            ));
        }
        if !matches!(value, Value::Function(_)) {
            let text = format!(
                "invariants: `{name}` must be a function that returns true or false, got {}",
                describe(&value)
            );
            return Err(wrong(&path, text));
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// The functions of a script that was evaluated, in the order of their names.
#[must_use]
pub fn functions(loaded: &Loaded) -> Vec<(String, Function)> {
    let Value::Table(plan) = &loaded.returned else {
        return Vec::new();
    };
    let Ok(Some(invariants)) = plan.get::<Option<Table>>("invariants") else {
        return Vec::new();
    };
    let mut all: Vec<(String, Function)> = invariants.pairs().flatten().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
