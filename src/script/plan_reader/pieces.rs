//! Reads the lists that shapes are made of: stages, steps and waves.

use mlua::Value;

use super::super::fields::{FieldError, Fields, describe, items};
use crate::plan::overrides::whole_number;
use crate::schedule::{Stage, Step, Wave};

/// More pieces are better written as a trace; each is a tag value too.
const MAX_PIECES: usize = 1_000;

/// The stages of `ramping-vus`.
pub(super) fn stages_of_vus(fields: &Fields) -> Result<Vec<Stage<u64>>, FieldError> {
    list(fields, "stages", &["duration", "target", "name"], |item| {
        let target = required(item, "target", item.number("target")?)?;
        Ok(Stage {
            duration: required(item, "duration", item.duration("duration")?)?,
            target: whole_number(target)
                .ok_or_else(|| item.error("target", &format!("must be a whole number of VUs, got {target}")))?,
            name: name(item)?,
        })
    })
}

/// The stages of `ramping-arrival-rate`.
pub(super) fn stages_of_rates(fields: &Fields) -> Result<Vec<Stage<f64>>, FieldError> {
    list(fields, "stages", &["duration", "target", "name"], |item| {
        Ok(Stage {
            duration: required(item, "duration", item.duration("duration")?)?,
            target: required(item, "target", item.number("target")?)?,
            name: name(item)?,
        })
    })
}

pub(super) fn steps(fields: &Fields) -> Result<Vec<Step>, FieldError> {
    list(fields, "steps", &["rate", "duration", "name"], |item| {
        Ok(Step {
            rate: required(item, "rate", item.number("rate")?)?,
            duration: required(item, "duration", item.duration("duration")?)?,
            name: name(item)?,
        })
    })
}

pub(super) fn waves(fields: &Fields) -> Result<Vec<Wave>, FieldError> {
    list(fields, "waves", &["at", "count", "name"], |item| {
        Ok(Wave {
            at: required(item, "at", item.duration("at")?)?,
            count: required(item, "count", item.count("count", 1)?)?,
            name: name(item)?,
        })
    })
}

fn list<T>(
    fields: &Fields,
    key: &str,
    known: &[&str],
    read: impl Fn(&Fields) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let example = match key {
        "steps" => "{ { rate = 50, duration = \"10m\" }, … }",
        "waves" => "{ { at = \"0s\", count = 500 }, … }",
        _ => "{ { duration = \"1m\", target = 50 }, … }",
    };
    let table = match fields.get(key) {
        Value::Table(table) if table.raw_len() > 0 => table,
        Value::Nil => return Err(fields.error(key, &format!("is missing; write {example}"))),
        Value::Table(_) => return Err(fields.error(key, &format!("is no list of tables; write {example}"))),
        other => return Err(fields.error(key, &format!("must be a list as {example}, got {}", describe(&other)))),
    };
    if table.raw_len() > MAX_PIECES {
        let count = table.raw_len();
        return Err(fields.error(key, &format!("has {count} entries; the limit is {MAX_PIECES}")));
    }
    if let Some((other, _)) = table
        .pairs::<Value, Value>()
        .flatten()
        .find(|(place, _)| !matches!(place, Value::Integer(_) | Value::Number(_)))
    {
        let what = format!(
            "is a list of tables, {} is no place in it; write {example}",
            describe(&other)
        );
        return Err(fields.error(key, &what));
    }
    let items = items(&table).map_err(|what| fields.error(key, what))?;
    (1..)
        .zip(items)
        .map(|(number, value)| {
            let owner = format!("{}.{key}[{number}]", fields.owner());
            // The place in the list is no key of the source: errors point to the list.
            let mut path = fields.path_to(key);
            path.push(format!("[{number}]"));
            let item = Fields::new(&owner, path, &value, known)?;
            read(&item.ok_or_else(|| fields.error(key, "has a hole"))?)
        })
        .collect()
}

fn required<T>(item: &Fields, key: &str, value: Option<T>) -> Result<T, FieldError> {
    value.ok_or_else(|| item.error(key, "is missing"))
}

fn name(item: &Fields) -> Result<Option<String>, FieldError> {
    let name = item.string("name")?;
    if let Some(name) = &name
        && (name.is_empty() || name.len() > 128 || name.chars().any(char::is_control))
    {
        return Err(item.error("name", "must have 1 to 128 visible characters"));
    }
    Ok(name)
}
