//! Arguments of host functions: read by position with messages that name them. The functions themselves are next door.

use std::time::Duration;

use mlua::{LuaString, MultiValue, Table, Value};

use crate::script::ApiError;
use crate::script::fields::{describe, to_duration};

/// The arguments of one call.
#[derive(Debug)]
pub struct Args {
    name: &'static str,
    values: Vec<Value>,
}

impl Args {
    /// The arguments of the function that scripts know as `name`.
    #[must_use]
    pub fn new(name: &'static str, values: MultiValue) -> Self {
        Self {
            name,
            values: values.into_iter().collect(),
        }
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value at `index` (0-based), nil when there is none.
    #[must_use]
    pub fn get(&self, index: usize) -> Value {
        self.values.get(index).cloned().unwrap_or(Value::Nil)
    }

    /// An error about the argument `what`.
    #[must_use]
    pub fn wrong(&self, what: &str, wanted: &str, got: &Value) -> ApiError {
        ApiError::Text(format!(
            "{}: `{what}` must be {wanted}, got {}",
            self.name,
            describe(got)
        ))
    }

    /// An error of this function.
    #[must_use]
    pub fn error(&self, text: impl std::fmt::Display) -> ApiError {
        ApiError::Text(format!("{}: {text}", self.name))
    }

    /// The same result; an error that has a text names this function before it.
    ///
    /// # Errors
    /// That of `result`.
    pub fn within<T>(&self, result: Result<T, ApiError>) -> Result<T, ApiError> {
        result.map_err(|error| match error {
            ApiError::Text(text) => self.error(text),
            value @ ApiError::Value(_) => value,
        })
    }

    /// A string.
    ///
    /// # Errors
    /// When it is something else.
    pub fn string(&self, index: usize, what: &str) -> Result<LuaString, ApiError> {
        match self.get(index) {
            Value::String(text) => Ok(text),
            other => Err(self.wrong(what, "a string", &other)),
        }
    }

    /// A string, or nothing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_string(&self, index: usize, what: &str) -> Result<Option<LuaString>, ApiError> {
        if self.get(index) == Value::Nil {
            Ok(None)
        } else {
            self.string(index, what).map(Some)
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, index: usize, what: &str) -> Result<f64, ApiError> {
        let value = self.get(index);
        match number(&value) {
            Some(number) if number.is_finite() => Ok(number),
            _ => Err(self.wrong(what, "a number", &value)),
        }
    }

    /// A finite number, or nothing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_number(&self, index: usize, what: &str) -> Result<Option<f64>, ApiError> {
        if self.get(index) == Value::Nil {
            Ok(None)
        } else {
            self.number(index, what).map(Some)
        }
    }

    /// A whole number that a double holds exactly.
    ///
    /// # Errors
    /// When it is something else.
    pub fn integer(&self, index: usize, what: &str) -> Result<i64, ApiError> {
        let value = self.get(index);
        match number(&value) {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            Some(number) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => Ok(number as i64),
            _ => Err(self.wrong(what, "a whole number", &value)),
        }
    }

    /// A table.
    ///
    /// # Errors
    /// When it is something else.
    pub fn table(&self, index: usize, what: &str) -> Result<Table, ApiError> {
        match self.get(index) {
            Value::Table(table) => Ok(table),
            other => Err(self.wrong(what, "a table", &other)),
        }
    }

    /// A duration: `"1m30s"` or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn duration(&self, index: usize, what: &str) -> Result<Duration, ApiError> {
        to_duration(&self.get(index)).map_err(|reason| self.error(format!("`{what}` is wrong: {reason}")))
    }

    /// Pairs of strings from a table of tags; numbers and booleans as they print.
    ///
    /// # Errors
    /// When it is no such table.
    pub fn tags(&self, index: usize) -> Result<Vec<(String, String)>, ApiError> {
        match self.get(index) {
            Value::Nil => Ok(Vec::new()),
            Value::Table(table) => tags(self.name, &table),
            other => Err(self.wrong("tags", "a table of strings", &other)),
        }
    }
}

/// A number of either Lua representation.
#[must_use]
pub fn number(value: &Value) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Luau integers come from doubles")]
        Value::Integer(value) => Some(*value as f64),
        Value::Number(value) => Some(*value),
        _ => None,
    }
}

/// Pairs of strings from a table of tags.
///
/// # Errors
/// When a key is no string, or a value cannot be a tag.
pub fn tags(owner: &str, table: &Table) -> Result<Vec<(String, String)>, ApiError> {
    let mut pairs = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return Err(ApiError::Text(format!(
                "{owner}: a tag's name must be a string, got {}",
                describe(&key)
            )));
        };
        let key = key.to_string_lossy();
        let value = match &value {
            Value::String(text) => text.to_string_lossy(),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => describe(&value),
            other => {
                return Err(ApiError::Text(format!(
                    "{owner}: tag `{key}` must be a string, got {}",
                    describe(other)
                )));
            }
        };
        pairs.push((key, value));
    }
    Ok(pairs)
}
