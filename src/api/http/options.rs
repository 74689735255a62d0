//! Reads the options of a request, key by key. Bodies and credentials are `payload.rs`; putting the request together is
//! `request.rs`.

use std::rc::Rc;

use bytes::Bytes;
use http::HeaderValue;
use mlua::{Function, Value};

use crate::api::args::{number, tags};
use crate::net::HeaderList;
use crate::net::body::{Codec, FORM_CONTENT_TYPE, form};
use crate::plan::expect::{self, Expect};
use crate::script::fields::{describe, suggest, to_duration};
use crate::script::raw::{Kind, Stack};
use crate::script::{ApiError, VuContext};

use super::request::header;

const KNOWN: [&str; 15] = [
    "json",
    "body",
    "form",
    "multipart",
    "query",
    "headers",
    "auth",
    "cookies",
    "name",
    "tags",
    "timeout",
    "redirects",
    "expect",
    "discard_body",
    "compress",
];

/// What an options table says, before the request is put together.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Where on the stack the name is.
    pub(super) name: Option<i32>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) expect: Option<Expect>,
    pub(super) headers: HeaderList,
    pub(super) query: Vec<(String, String)>,
    pub(super) cookies: Vec<(String, String)>,
    /// Which option gave it, the bytes, and their content type.
    pub(super) body: Option<(&'static str, Bytes, Option<HeaderValue>)>,
    /// A function that makes the bearer token.
    pub(super) token: Option<Function>,
    pub(super) timeout: Option<std::time::Duration>,
    pub(super) redirects: Option<u32>,
    pub(super) discard_body: Option<bool>,
    pub(super) compress: Option<Codec>,
}

impl Options {
    /// Reads what a script wrote at `index`; nil is an empty table. The name stays on the stack, if there is one.
    pub(super) fn read(
        vu: &Rc<VuContext>,
        owner: &'static str,
        stack: &mut Stack<'_>,
        index: i32,
    ) -> Result<Self, ApiError> {
        let mut reader = Reader {
            vu,
            owner,
            options: Self::default(),
        };
        match stack.kind(index) {
            Kind::Nil => {}
            Kind::Table => reader.read(stack, index)?,
            _ => return Err(reader.wrong("options", "a table", &stack.value(index)?)),
        }
        Ok(reader.options)
    }
}

/// Reads one options table, key by key.
pub(super) struct Reader<'a> {
    pub(super) vu: &'a Rc<VuContext>,
    pub(super) owner: &'static str,
    pub(super) options: Options,
}

impl Reader<'_> {
    fn read(&mut self, stack: &mut Stack<'_>, table: i32) -> Result<(), ApiError> {
        let (mut top, mut at) = (stack.top(), 0);
        while let Some(next) = stack.next(table, at) {
            let (key, value) = (top + 1, top + 2);
            if self.common(stack, key, value)? {
                if self.options.name == Some(value) {
                    top = value;
                }
            } else if let Some(key) = stack.lossy(key) {
                self.option(&key, &stack.value(value)?)?;
            } else {
                return Err(self.error(format!("{} is not an option name", describe(&stack.value(key)?))));
            }
            stack.truncate(top);
            at = next;
        }
        Ok(())
    }

    /// Reads the options that most requests have, without the detour over the binding's values. Gives whether it was one.
    fn common(&mut self, stack: &mut Stack<'_>, key: i32, value: i32) -> Result<bool, ApiError> {
        match (stack.bytes(key).unwrap_or_default(), stack.kind(value)) {
            (b"name", Kind::String) => self.options.name = Some(value),
            (b"json", _) => self.json(stack, value)?,
            (b"body", Kind::String) => {
                let body = Bytes::copy_from_slice(stack.bytes(value).unwrap_or_default());
                self.body("body", body, None)?;
            }
            (b"expect", Kind::Number) => {
                let status = stack.number(value).and_then(status);
                let status = status
                    .ok_or(())
                    .or_else(|()| Err(self.wrong_status(&stack.value(value)?)))?;
                self.options.expect = Some(Expect::One(status));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn option(&mut self, key: &str, value: &Value) -> Result<(), ApiError> {
        match key {
            "form" => {
                let pairs = self.pairs(key, value)?;
                self.body("form", form(pairs), Some(HeaderValue::from_static(FORM_CONTENT_TYPE)))?;
            }
            "multipart" => self.multipart(value)?,
            "query" => self.options.query = self.pairs(key, value)?,
            "cookies" => self.options.cookies = self.pairs(key, value)?,
            "headers" => {
                for (name, value) in self.pairs(key, value)? {
                    let (name, value) = header(self.owner, &name, &value)?;
                    self.options.headers.append(name, value);
                }
            }
            "auth" => self.auth(value)?,
            "name" | "body" => return Err(self.wrong(key, "a string", value)),
            "tags" => match value {
                Value::Table(table) => self.options.tags = tags(self.owner, table)?,
                other => return Err(self.wrong(key, "a table of strings", other)),
            },
            "timeout" => {
                let timeout =
                    to_duration(value).map_err(|reason| self.error(format!("`timeout` is wrong: {reason}")))?;
                if timeout.is_zero() {
                    return Err(self.error("`timeout` must be longer than zero"));
                }
                self.options.timeout = Some(timeout);
            }
            "redirects" => self.options.redirects = Some(self.redirects(value)?),
            "expect" => self.options.expect = Some(self.expect(value)?),
            "discard_body" => match value {
                Value::Boolean(discard) => self.options.discard_body = Some(*discard),
                other => return Err(self.wrong(key, "true or false", other)),
            },
            "compress" => {
                let name = self.string(key, value)?.to_string_lossy();
                self.options.compress = Some(
                    name.parse()
                        .map_err(|error| self.error(format!("`compress`: {error}")))?,
                );
            }
            unknown => {
                let hint = match suggest(unknown, KNOWN) {
                    hint if hint.is_empty() => format!("; known are {}", KNOWN.join(", ")),
                    hint => hint,
                };
                return Err(self.error(format!("unknown option `{unknown}`{hint}")));
            }
        }
        Ok(())
    }

    pub(super) fn error(&self, text: impl std::fmt::Display) -> ApiError {
        ApiError::Text(format!("{}: {text}", self.owner))
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, got: &Value) -> ApiError {
        self.error(format!("`{key}` must be {wanted}, got {}", describe(got)))
    }

    fn string(&self, key: &str, value: &Value) -> Result<mlua::LuaString, ApiError> {
        match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.wrong(key, "a string", other)),
        }
    }

    /// Names and values; a list under a name repeats it. Sorted by name, so that a request is the same every time.
    fn pairs(&self, key: &str, value: &Value) -> Result<Vec<(String, String)>, ApiError> {
        let Value::Table(table) = value else {
            return Err(self.wrong(key, "a table of strings", value));
        };
        let mut pairs = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            let Value::String(name) = &name else {
                return Err(self.wrong(key, "a table with names as keys", &name));
            };
            let name = name.to_string_lossy();
            match &value {
                Value::Table(list) => {
                    for value in list.sequence_values::<Value>() {
                        pairs.push((name.clone(), self.plain(key, &name, &value?)?));
                    }
                }
                value => pairs.push((name.clone(), self.plain(key, &name, value)?)),
            }
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(pairs)
    }

    pub(super) fn plain(&self, key: &str, name: &str, value: &Value) -> Result<String, ApiError> {
        match value {
            Value::String(text) => Ok(text.to_string_lossy()),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => Ok(describe(value)),
            other => Err(self.wrong(&format!("{key}.{name}"), "a string", other)),
        }
    }

    fn redirects(&self, value: &Value) -> Result<u32, ApiError> {
        match (value, number(value)) {
            (Value::Boolean(false), _) => Ok(0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number up to 100"
            )]
            (_, Some(count)) if count.fract() == 0.0 && (0.0..=100.0).contains(&count) => Ok(count as u32),
            _ => Err(self.wrong("redirects", "a number from 0 to 100, or false", value)),
        }
    }

    fn expect(&self, value: &Value) -> Result<Expect, ApiError> {
        let values = match value {
            Value::Table(list) => list.sequence_values::<Value>().collect::<mlua::Result<Vec<_>>>()?,
            one => vec![one.clone()],
        };
        let range = |value: &Value| -> Option<(u16, u16)> {
            if let Some(number) = number(value) {
                return status(number).map(|status| (status, status));
            }
            let Value::String(text) = value else { return None };
            expect::range(&text.to_string_lossy())
        };
        let ranges: Option<Vec<_>> = values.iter().map(range).collect();
        match ranges {
            Some(ranges) if !ranges.is_empty() => Ok(Expect::Ranges(ranges)),
            _ => Err(self.wrong_status(value)),
        }
    }

    fn wrong_status(&self, value: &Value) -> ApiError {
        let wanted = "a status, a range as \"200-299\" or \"2xx\", or a list of them";
        self.wrong("expect", wanted, value)
    }
}

/// A number as a status, if it is one.
fn status(number: f64) -> Option<u16> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number of three digits"
    )]
    (number.fract() == 0.0 && (100.0..=999.0).contains(&number)).then_some(number as u16)
}
