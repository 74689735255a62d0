//! Reads the options of a request, key by key. Bodies and credentials are `payload.rs`; putting the request together is
//! `request.rs`.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::COOKIE;
use mlua::Function;

use crate::api::pairs::{BytePairs, Of, byte_pairs, pairs};
use crate::net::HeaderList;
use crate::net::body::{Codec, FORM_CONTENT_TYPE, form};
use crate::plan::expect::{self, Expect};
use crate::script::fields::{describe_at, duration_at};
use crate::script::options::Options as Given;
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

static FORM: HeaderValue = HeaderValue::from_static(FORM_CONTENT_TYPE);

/// What an options table says, before the request is put together.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Where on the stack the name is.
    pub(super) name: Option<i32>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) expect: Option<Expect>,
    pub(super) headers: HeaderList,
    pub(super) query: BytePairs,
    pub(super) cookies: BytePairs,
    /// Which option gave it, the bytes, and their content type.
    pub(super) body: Option<(&'static str, Bytes, Option<HeaderValue>)>,
    /// A function that makes the bearer token.
    pub(super) token: Option<Function>,
    pub(super) timeout: Option<Duration>,
    pub(super) redirects: Option<u32>,
    pub(super) discard_body: Option<bool>,
    pub(super) compress: Option<Codec>,
}

impl Options {
    /// Reads what a script wrote at `index`, in place, as they are large; nil is an empty table. The name stays on the stack, if
    /// there is one.
    pub(super) fn read(
        &mut self,
        vu: &Rc<VuContext>,
        owner: &'static str,
        stack: &mut Stack<'_>,
        index: i32,
    ) -> Result<(), ApiError> {
        let mut reader = Reader {
            vu,
            owner,
            options: self,
        };
        let places = match stack.kind(index) {
            Kind::Nil => return Ok(()),
            Kind::Table => Given::read(owner, stack, index, &KNOWN)?.places(),
            _ => return Err(reader.wrong("options", "a table", stack, index)),
        };
        for (key, place) in KNOWN.into_iter().zip(places) {
            if place != 0 {
                reader.option(key, stack, place)?;
            }
        }
        if !reader.options.cookies.is_empty() && reader.options.headers.contains(&COOKIE) {
            return Err(reader.error(
                "`cookies` and a `cookie` among `headers` cannot go together: that header is sent as it is, without \
                 `cookies` and without those of the jar",
            ));
        }
        Ok(())
    }
}

/// Reads one options table.
pub(super) struct Reader<'a> {
    pub(super) vu: &'a Rc<VuContext>,
    pub(super) owner: &'static str,
    pub(super) options: &'a mut Options,
}

impl Reader<'_> {
    /// Reads the option `key`, whose value is at `index`.
    fn option(&mut self, key: &'static str, stack: &mut Stack<'_>, index: i32) -> Result<(), ApiError> {
        match (key, stack.kind(index)) {
            ("name", Kind::String) => self.options.name = Some(index),
            ("json", _) => self.json(stack, index)?,
            ("body", Kind::String) => {
                let body = Bytes::copy_from_slice(stack.bytes(index).unwrap_or_default());
                self.body("body", body, None)?;
            }
            ("form", _) => {
                let pairs = self.pairs(key, stack, index)?;
                self.body("form", form(pairs), Some(FORM.clone()))?;
            }
            ("query", _) => self.options.query = self.pairs(key, stack, index)?,
            ("cookies", _) => self.options.cookies = self.pairs(key, stack, index)?,
            ("headers", _) => {
                for (name, value) in self.pairs(key, stack, index)? {
                    let (name, value) = header(self.owner, &name, value)?;
                    self.options.headers.append(name, value);
                }
            }
            ("tags", _) => self.options.tags = pairs(self.owner, Of::Tags, stack, index)?,
            ("timeout", _) => self.options.timeout = Some(self.timeout(stack, index)?),
            ("expect", _) => self.options.expect = Some(self.expect(stack, index)?),
            ("multipart", _) => self.multipart(stack, index)?,
            ("auth", _) => self.auth(stack, index)?,
            ("redirects", _) => self.options.redirects = Some(self.redirects(stack, index)?),
            ("discard_body", Kind::Boolean) => self.options.discard_body = Some(stack.is_true(index)),
            ("discard_body", _) => return Err(self.wrong(key, "true or false", stack, index)),
            ("compress", Kind::String) => {
                let codec = stack.lossy(index).unwrap_or_default().parse();
                let codec = codec.map_err(|error| self.error(format!("`compress`: {error}")))?;
                self.options.compress = Some(codec);
            }
            _ => return Err(self.wrong(key, "a string", stack, index)),
        }
        Ok(())
    }

    pub(super) fn error(&self, text: impl std::fmt::Display) -> ApiError {
        ApiError::Text(format!("{}: {text}", self.owner))
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, stack: &Stack<'_>, index: i32) -> ApiError {
        let got = describe_at(stack, index);
        self.error(format!("`{key}` must be {wanted}, got {got}"))
    }

    /// Bytes as the script has them: what a request carries need not be UTF-8.
    fn pairs(&self, key: &str, stack: &mut Stack<'_>, index: i32) -> Result<BytePairs, ApiError> {
        byte_pairs(self.owner, Of::Option(key), stack, index)
    }

    fn timeout(&self, stack: &Stack<'_>, index: i32) -> Result<Duration, ApiError> {
        let timeout = duration_at(stack, index);
        let timeout = timeout.map_err(|reason| self.error(format!("`timeout` is wrong: {reason}")))?;
        if timeout.is_zero() {
            return Err(self.error("`timeout` must be longer than zero"));
        }
        Ok(timeout)
    }

    fn redirects(&self, stack: &Stack<'_>, index: i32) -> Result<u32, ApiError> {
        match (stack.kind(index), stack.number(index)) {
            (Kind::Boolean, _) if !stack.is_true(index) => Ok(0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number up to 100"
            )]
            (_, Some(count)) if count.fract() == 0.0 && (0.0..=100.0).contains(&count) => Ok(count as u32),
            _ => Err(self.wrong("redirects", "a number from 0 to 100, or false", stack, index)),
        }
    }

    fn expect(&self, stack: &mut Stack<'_>, index: i32) -> Result<Expect, ApiError> {
        if let Some(status) = stack.number(index).and_then(status) {
            return Ok(Expect::One(status));
        }
        let range = |stack: &Stack<'_>, index| match stack.number(index) {
            Some(number) => status(number).map(|status| (status, status)),
            None => expect::range(&stack.lossy(index)?),
        };
        let mut ranges = Vec::new();
        if stack.kind(index) == Kind::Table {
            let top = stack.top();
            for position in 1..=i32::try_from(stack.list_len(index)).unwrap_or(i32::MAX) {
                stack.push_item(index, position);
                ranges.push(range(stack, top + 1));
                stack.truncate(top);
            }
        } else {
            ranges.push(range(stack, index));
        }
        let ranges: Option<Vec<_>> = ranges.into_iter().collect();
        if let Some(ranges) = ranges.filter(|ranges| !ranges.is_empty()) {
            return Ok(Expect::Ranges(ranges));
        }
        let wanted = "a status, a range as \"200-299\" or \"2xx\", or a list of them";
        Err(self.wrong("expect", wanted, stack, index))
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
