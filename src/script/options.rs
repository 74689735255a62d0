//! The options of a call, read strictly and where they lie on the stack: every key is known, every type is right, or the
//! message says what was meant. Plans, which are read once, have [`super::fields`].

use std::borrow::Cow;
use std::time::Duration;

use mlua::Value;

use super::fields::{describe_at, duration_at, not_a_choice, not_a_name, unknown};
use super::host::ApiError;
use super::raw::{Kind, Stack};

/// A table of options, all of whose keys are known. Their values stay on the stack.
#[derive(Debug)]
pub struct Options<'s, 'a, const N: usize> {
    owner: &'s str,
    stack: &'s Stack<'a>,
    known: &'s [&'static str; N],
    /// Where the value of each known option is, 0 for none.
    places: [i32; N],
}

impl<'s, 'a, const N: usize> Options<'s, 'a, N> {
    /// The options in the table at `index`; `owner` is how messages begin.
    ///
    /// # Errors
    /// For the first key that is not among `known`.
    pub fn read(
        owner: &'s str,
        stack: &'s Stack<'a>,
        index: i32,
        known: &'s [&'static str; N],
    ) -> Result<Self, ApiError> {
        if stack.kind(index) != Kind::Table {
            let got = describe_at(stack, index);
            return Err(ApiError::Text(format!("{owner} must be a table, got {got}")));
        }
        let (mut places, mut at) = ([0; N], 0);
        while let Some(next) = stack.next(index, at) {
            let value = stack.top();
            let Some(name) = stack.bytes(value - 1) else {
                let got = describe_at(stack, value - 1);
                return Err(ApiError::Text(not_a_name(owner, &got, known)));
            };
            match known.iter().position(|known| known.as_bytes() == name) {
                Some(option) => places[option] = value,
                None => return Err(ApiError::Text(unknown(owner, &String::from_utf8_lossy(name), known))),
            }
            at = next;
        }
        Ok(Self {
            owner,
            stack,
            known,
            places,
        })
    }

    /// Where the value of an option is on the stack, if it is given.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<i32> {
        let option = self.known.iter().position(|known| *known == key)?;
        Some(self.places[option]).filter(|place| *place != 0)
    }

    /// Where the values of all known options are, in their order; 0 for one that is not given.
    #[must_use]
    pub fn places(&self) -> [i32; N] {
        self.places
    }

    /// An error about option `key`.
    #[must_use]
    pub fn error(&self, key: &str, what: &str) -> ApiError {
        ApiError::Text(format!("{}: `{key}` {what}", self.owner))
    }

    fn wrong(&self, key: &str, wanted: &str, place: i32) -> ApiError {
        self.error(
            key,
            &format!("must be {wanted}, got {}", describe_at(self.stack, place)),
        )
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, key: &str) -> Result<Option<Cow<'s, str>>, ApiError> {
        let Some(place) = self.place(key) else { return Ok(None) };
        let text = self.stack.lossy(place);
        text.map(Some).ok_or_else(|| self.wrong(key, "a string", place))
    }

    /// A number.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, key: &str) -> Result<Option<f64>, ApiError> {
        let Some(place) = self.place(key) else { return Ok(None) };
        let number = self.stack.number(place);
        number.map(Some).ok_or_else(|| self.wrong(key, "a number", place))
    }

    /// A duration: `"1m30s"` or a number of seconds.
    ///
    /// # Errors
    /// When it is neither.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, ApiError> {
        let duration = self.place(key).map(|place| duration_at(self.stack, place));
        let duration = duration.transpose();
        duration.map_err(|what| self.error(key, &format!("is wrong: {what}")))
    }

    /// True or false.
    ///
    /// # Errors
    /// When it is something else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.place(key) {
            None => Ok(None),
            Some(place) if self.stack.kind(place) == Kind::Boolean => Ok(Some(self.stack.is_true(place))),
            Some(place) => Err(self.wrong(key, "true or false", place)),
        }
    }

    /// Where a function is.
    ///
    /// # Errors
    /// When it is something else.
    pub fn function(&self, key: &str) -> Result<Option<i32>, ApiError> {
        match self.place(key) {
            Some(place) if self.stack.kind(place) != Kind::Function => Err(self.wrong(key, "a function", place)),
            place => Ok(place),
        }
    }

    /// One of `names`.
    ///
    /// # Errors
    /// When it is none of them, with the nearest.
    pub fn choice(&self, key: &str, names: &[&'static str]) -> Result<Option<&'static str>, ApiError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let known = names.iter().find(|name| **name == text);
        let known = known.ok_or_else(|| self.error(key, &not_a_choice(&text, names)))?;
        Ok(Some(*known))
    }

    /// A list of texts, or one text.
    ///
    /// # Errors
    /// For anything else.
    pub fn list(&self, key: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(place) = self.place(key) else { return Ok(None) };
        let wrong = |place| self.wrong(key, "a list of strings", place);
        let one = |place| match self.stack.lossy(place) {
            Some(text) => Ok(text.into_owned()),
            None => Err(wrong(place)),
        };
        if self.stack.kind(place) != Kind::Table {
            return Ok(Some(vec![one(place)?]));
        }
        let length = self.stack.list_len(place);
        let items = 1..=i32::try_from(length).unwrap_or(i32::MAX);
        let items = items.map(|position| {
            self.stack.push_item(place, position);
            one(self.stack.top())
        });
        let items = items.collect::<Result<Vec<_>, _>>()?;
        if self.stack.entries(place) != length {
            return Err(self.error(key, "must be a list of strings without holes and names"));
        }
        Ok(Some(items))
    }

    /// The value as the binding knows it; nil when it is not given.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn value(&self, key: &str) -> Result<Value, ApiError> {
        self.place(key)
            .map_or(Ok(Value::Nil), |place| Ok(self.stack.value(place)?))
    }
}
