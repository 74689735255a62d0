//! Arguments of host functions: read by position, where they lie on the stack, with messages that name them. The functions
//! themselves are in `api`.

use std::borrow::Cow;
use std::time::Duration;

use mlua::{Table, Value};

use super::fields::{describe_at, duration_at, not_a_duration};
use super::host::ApiError;
use super::options::Options;
use super::raw::{Kind, Stack};

/// The arguments of one call. Positions count from 1, as on the stack; there is nil behind the last.
#[derive(Debug)]
pub struct Args<'s, 'a> {
    name: &'static str,
    stack: &'s mut Stack<'a>,
    count: i32,
}

impl<'s, 'a> Args<'s, 'a> {
    /// What lies on the stack when the function that scripts know as `name` is called.
    pub fn new(name: &'static str, stack: &'s mut Stack<'a>) -> Self {
        let count = stack.top();
        Self { name, stack, count }
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> i32 {
        self.count
    }

    /// The stack that they lie on.
    #[must_use]
    pub fn stack(&mut self) -> &mut Stack<'a> {
        self.stack
    }

    /// What the argument is.
    #[must_use]
    pub fn kind(&self, index: i32) -> Kind {
        self.given(index).map_or(Kind::Nil, |index| self.stack.kind(index))
    }

    /// Whether there is no such argument.
    #[must_use]
    pub fn is_nil(&self, index: i32) -> bool {
        self.kind(index) == Kind::Nil
    }

    /// What is above the last argument was pushed since, and is none.
    fn given(&self, index: i32) -> Option<i32> {
        (index <= self.count).then_some(index)
    }

    /// An argument as messages name it.
    #[must_use]
    pub fn describe(&self, index: i32) -> String {
        self.given(index)
            .map_or_else(|| "nil".to_owned(), |index| describe_at(self.stack, index))
    }

    /// An error about the argument `what`.
    #[must_use]
    pub fn wrong(&self, what: &str, wanted: &str, index: i32) -> ApiError {
        self.error(format!("`{what}` must be {wanted}, got {}", self.describe(index)))
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

    /// An argument as the binding knows it, nil when there is none.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn value(&self, index: i32) -> Result<Value, ApiError> {
        self.given(index)
            .map_or(Ok(Value::Nil), |index| Ok(self.stack.value(index)?))
    }

    /// The bytes of a string.
    ///
    /// # Errors
    /// When it is something else.
    pub fn bytes(&self, index: i32, what: &str) -> Result<&[u8], ApiError> {
        let bytes = self.given(index).and_then(|index| self.stack.bytes(index));
        bytes.ok_or_else(|| self.wrong(what, "a string", index))
    }

    /// A string, with a replacement for what is not UTF-8.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, index: i32, what: &str) -> Result<Cow<'_, str>, ApiError> {
        let text = self.given(index).and_then(|index| self.stack.lossy(index));
        text.ok_or_else(|| self.wrong(what, "a string", index))
    }

    /// As [`Args::text`], or nothing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_text(&self, index: i32, what: &str) -> Result<Option<Cow<'_, str>>, ApiError> {
        if self.is_nil(index) {
            Ok(None)
        } else {
            self.text(index, what).map(Some)
        }
    }

    /// A finite number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, index: i32, what: &str) -> Result<f64, ApiError> {
        let number = self.given(index).and_then(|index| self.stack.number(index));
        let number = number.filter(|number| number.is_finite());
        number.ok_or_else(|| self.wrong(what, "a number", index))
    }

    /// A finite number, or nothing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn opt_number(&self, index: i32, what: &str) -> Result<Option<f64>, ApiError> {
        if self.is_nil(index) {
            Ok(None)
        } else {
            self.number(index, what).map(Some)
        }
    }

    /// A whole number that a double holds exactly.
    ///
    /// # Errors
    /// When it is something else.
    pub fn integer(&self, index: i32, what: &str) -> Result<i64, ApiError> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.given(index).and_then(|index| self.stack.number(index)) {
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
            Some(number) if number.fract() == 0.0 && number.abs() <= EXACT => Ok(number as i64),
            _ => Err(self.wrong(what, "a whole number", index)),
        }
    }

    /// A table.
    ///
    /// # Errors
    /// When it is something else.
    pub fn table(&self, index: i32, what: &str) -> Result<Table, ApiError> {
        match self.value(index)? {
            Value::Table(table) => Ok(table),
            _ => Err(self.wrong(what, "a table", index)),
        }
    }

    /// A duration: `"1m30s"` or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn duration(&self, index: i32, what: &str) -> Result<Duration, ApiError> {
        let duration = match self.given(index) {
            Some(index) => duration_at(self.stack, index),
            None => Err(not_a_duration("nil")),
        };
        duration.map_err(|reason| self.error(format!("`{what}` is wrong: {reason}")))
    }

    /// Options, all of which are `known`; nothing for nil.
    ///
    /// # Errors
    /// When it is something else than a table, or for a key that is not known.
    pub fn options<'x, const N: usize>(
        &'x self,
        index: i32,
        known: &'x [&'static str; N],
    ) -> Result<Option<Options<'x, 'a, N>>, ApiError> {
        match self.kind(index) {
            Kind::Nil => Ok(None),
            Kind::Table => Options::read(self.name, self.stack, index, known).map(Some),
            _ => Err(self.wrong("options", "a table", index)),
        }
    }
}
