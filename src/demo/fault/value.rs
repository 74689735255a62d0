//! The values inside a fault: durations, fractions, units, names. Which fault takes which value is in `spec`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{FaultError, Menu};
use crate::plan::duration;

pub(in crate::demo) fn invalid(key: &'static str, reason: String) -> FaultError {
    FaultError::Value { key, reason }
}

/// A text, or a number as its text; null counts as absent.
pub(super) fn text(object: &Map<String, Value>, key: &'static str) -> Result<Option<String>, FaultError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(invalid(key, "must be a text or a number".to_owned())),
    }
}

pub(super) fn time(object: &Map<String, Value>, key: &'static str) -> Result<Option<Duration>, FaultError> {
    text(object, key)?.map(|text| length(key, &text)).transpose()
}

pub(super) fn length(key: &'static str, text: &str) -> Result<Duration, FaultError> {
    duration::parse(text).map_err(|e| invalid(key, e.to_string()))
}

pub(super) fn fraction(text: &str) -> Result<f64, FaultError> {
    let (number, scale) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&(value / scale)) => Ok(value / scale),
        _ => Err(invalid(
            "value",
            format!("`{text}` is not a fraction between 0 and 1, or a percentage"),
        )),
    }
}

pub(super) fn units(text: &str) -> Result<u64, FaultError> {
    text.parse()
        .map_err(|_| invalid("value", format!("`{text}` is not a whole number of units")))
}

/// Requests per second; a thousandth is the slowest.
pub(super) fn rate(text: &str) -> Result<f64, FaultError> {
    match text.parse::<f64>() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err(invalid(
            "value",
            format!("`{text}` is not a rate from 0.001 to 1000000 per second"),
        )),
    }
}

/// One of the system's parts; none for all of it.
pub(super) fn part(text: &str, menu: &Menu) -> Result<Option<&'static str>, FaultError> {
    if text == "all" {
        return Ok(None);
    }
    match menu.parts.iter().find(|part| **part == text) {
        Some(part) => Ok(Some(part)),
        None => Err(invalid(
            "value",
            format!("`{text}` is not {} or all", menu.parts.join(", ")),
        )),
    }
}

pub(super) fn operation(name: &str, menu: &Menu) -> Result<&'static str, FaultError> {
    let found = menu.operations.iter().find(|operation| **operation == name);
    found.copied().ok_or_else(|| {
        let names = menu.operations.join(", ");
        invalid("operation", format!("there is no `{name}`; operations are {names}"))
    })
}
