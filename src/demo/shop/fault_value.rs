//! The values inside a fault: durations, fractions, units, names. Which fault takes which value is in `fault_spec`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::fault_spec::FaultError;
use super::operation::{Operation, Service};
use crate::plan::duration;

pub(super) fn invalid(key: &'static str, reason: String) -> FaultError {
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

pub(super) fn service(text: &str) -> Result<Option<Service>, FaultError> {
    if text == "all" {
        return Ok(None);
    }
    Service::ALL
        .into_iter()
        .find(|service| service.name() == text)
        .map(Some)
        .ok_or_else(|| {
            invalid(
                "value",
                format!("`{text}` is not account, inventory, order, payment or all"),
            )
        })
}

pub(super) fn operation(name: &str) -> Result<Operation, FaultError> {
    Operation::ALL
        .into_iter()
        .find(|operation| operation.name() == name)
        .ok_or_else(|| {
            let names = Operation::ALL.map(Operation::name).join(", ");
            invalid("operation", format!("there is no `{name}`; operations are {names}"))
        })
}
