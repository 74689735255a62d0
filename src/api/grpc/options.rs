//! Reads the options of a call, key by key, and of a client. What they do is `net`'s.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use mlua::Value;

use crate::api::pairs::{Of, bytes, lossy, pairs, pairs_as};
use crate::net::Connections;
use crate::net::grpc::{Code, Compression, Metadata, Options as ClientOptions};
use crate::script::fields::{FieldError, Fields, describe, describe_at, duration_at, suggest, to_size};
use crate::script::options::Options as Given;
use crate::script::plan_reader::read_tls;
use crate::script::raw::{self, Kind, Stack};
use crate::script::{ApiError, VuContext};

const OF_CALLS: [&str; 7] = [
    "timeout",
    "metadata",
    "name",
    "tags",
    "expect",
    "compress",
    "discard_message",
];

/// Those of health checks, whose messages are not the script's.
pub(super) const OF_HEALTH: [&str; 5] = ["timeout", "metadata", "name", "tags", "expect"];

const OF_CLIENTS: [&str; 13] = [
    "plaintext",
    "reflect",
    "share",
    "max_in_flight",
    "max_receive_size",
    "max_send_size",
    "tls",
    "authority",
    "compress",
    "metadata",
    "timeout",
    "connect_timeout",
    "user_agent",
];

/// The codes that a call may end with, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected(u32);

impl Default for Expected {
    fn default() -> Self {
        Self(1 << Code::Ok.number())
    }
}

impl Expected {
    pub(super) fn holds(self, code: Code) -> bool {
        self.0 & 1 << code.number() != 0
    }
}

/// What the options of a call say.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Where on the stack the name is.
    pub(super) name: Option<i32>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) expected: Expected,
    pub(super) metadata: Metadata,
    pub(super) timeout: Option<Duration>,
    pub(super) compression: Option<Option<Compression>>,
    pub(super) discard: bool,
}

impl Options {
    /// Reads what a script wrote at `index`; nil is an empty table. The name stays on the stack, if there is one.
    pub(super) fn read(owner: &'static str, stack: &mut Stack<'_>, index: i32) -> Result<Self, ApiError> {
        Self::read_of(&OF_CALLS, owner, stack, index)
    }

    /// As [`Options::read`], where only these are known.
    pub(super) fn read_of<const N: usize>(
        known: &[&'static str; N],
        owner: &'static str,
        stack: &mut Stack<'_>,
        index: i32,
    ) -> Result<Self, ApiError> {
        let mut options = Self::default();
        let places = match stack.kind(index) {
            Kind::Nil => return Ok(options),
            Kind::Table => Given::read(owner, stack, index, known)?.places(),
            _ => {
                let got = describe_at(stack, index);
                return Err(ApiError::Text(format!("{owner}: `options` must be a table, got {got}")));
            }
        };
        for (key, place) in known.iter().copied().zip(places) {
            if place != 0 {
                options.option(owner, key, stack, place)?;
            }
        }
        Ok(options)
    }

    fn option(&mut self, owner: &str, key: &str, stack: &mut Stack<'_>, index: i32) -> Result<(), ApiError> {
        let error = |text: String| ApiError::Text(format!("{owner}: {text}"));
        match (key, stack.kind(index)) {
            ("timeout", _) => {
                let timeout = duration_at(stack, index);
                let timeout = timeout.map_err(|reason| error(format!("`timeout` is wrong: {reason}")))?;
                if timeout.is_zero() {
                    return Err(error("`timeout` must be longer than zero".to_owned()));
                }
                self.timeout = Some(timeout);
            }
            ("metadata", _) => self.metadata = metadata(owner, stack, index)?,
            ("name", Kind::String) => self.name = Some(index),
            ("tags", _) => self.tags = pairs(owner, Of::Tags, stack, index)?,
            ("expect", _) => self.expected = expected(stack, index).map_err(error)?,
            ("compress", _) => self.compression = Some(compression(&stack.value(index)?).map_err(error)?),
            ("discard_message", Kind::Boolean) => self.discard = stack.is_true(index),
            _ => {
                let wanted = if key == "name" { "a string" } else { "true or false" };
                let got = describe_at(stack, index);
                return Err(error(format!("`{key}` must be {wanted}, got {got}")));
            }
        }
        Ok(())
    }
}

/// Names and values; a list under a name repeats it. Sorted by name, so that a call is the same every time.
fn metadata(owner: &str, stack: &mut Stack<'_>, index: i32) -> Result<Metadata, ApiError> {
    let mut metadata = Metadata::new();
    for (name, value) in pairs_as(lossy, bytes, owner, Of::Option("metadata"), stack, index)? {
        let appended = metadata.append(&name, &value);
        appended.map_err(|error| ApiError::Text(format!("{owner}: {error}")))?;
    }
    Ok(metadata)
}

/// A code, by name or number, or a list of them.
fn expected(stack: &mut Stack<'_>, index: i32) -> Result<Expected, String> {
    let one = |stack: &Stack<'_>, index: i32| -> Result<u32, String> {
        let found = if let Some(name) = stack.lossy(index) {
            let code = Code::ALL.iter().find(|code| code.name() == name);
            let names = Code::ALL.iter().map(|code| code.name());
            code.ok_or_else(|| format!("`expect`: \"{name}\" is no status{}", suggest(&name, names)))
        } else {
            let number = stack.number(index);
            let code = number.and_then(|number| Code::ALL.iter().find(|code| f64::from(code.number()) == number));
            code.ok_or_else(|| {
                let got = describe_at(stack, index);
                format!("`expect` must be a status as \"NOT_FOUND\" or 5, or a list of them, got {got}")
            })
        }?;
        Ok(1 << found.number())
    };
    let mut bits = 0;
    if stack.kind(index) == Kind::Table {
        let top = stack.top();
        for position in 1..=i32::try_from(stack.list_len(index)).unwrap_or(i32::MAX) {
            stack.push_item(index, position);
            bits |= one(stack, top + 1)?;
            stack.truncate(top);
        }
    } else {
        bits = one(stack, index)?;
    }
    if bits == 0 {
        return Err("`expect` must name at least one status".to_owned());
    }
    Ok(Expected(bits))
}

/// `"gzip"`, or false for none.
fn compression(value: &Value) -> Result<Option<Compression>, String> {
    match value {
        Value::Boolean(false) => Ok(None),
        Value::String(name) if *name == "gzip" => Ok(Some(Compression::Gzip)),
        other => Err(format!("`compress` must be \"gzip\" or false, got {}", describe(other))),
    }
}

/// What the options of a client say.
#[derive(Debug)]
pub(super) struct Connect {
    pub(super) options: ClientOptions,
    pub(super) reflect: bool,
    pub(super) timeout: Duration,
    pub(super) compression: Option<Compression>,
}

/// How long a call may take unless it says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Connect {
    /// Reads the options of `grpc.connect`.
    pub(super) fn read(vu: &Rc<VuContext>, value: &Value) -> Result<Self, ApiError> {
        let mut options = ClientOptions::default();
        let Some(fields) = Fields::new("grpc.connect", Vec::new(), value, &OF_CLIENTS)? else {
            return Ok(Self {
                options,
                reflect: false,
                timeout: TIMEOUT,
                compression: None,
            });
        };
        options.plaintext = fields.boolean("plaintext")?.unwrap_or(false);
        options.tls = read_tls(&fields, &vu.host.session.script)?;
        if options.plaintext && fields.has("tls") {
            return Err(fields.error("tls", "makes no sense with `plaintext = true`").into());
        }
        options.authority = fields.string("authority")?;
        if let Some(count) = count(&fields, "share")? {
            options.connections = Connections::Shared(count);
        }
        options.max_in_flight = count(&fields, "max_in_flight")?;
        for (key, place) in [
            ("max_receive_size", &mut options.max_receive_size),
            ("max_send_size", &mut options.max_send_size),
        ] {
            if fields.has(key) {
                let size = to_size(&fields.get(key)).map_err(|what| fields.error(key, &format!("is wrong: {what}")))?;
                *place = usize::try_from(size).unwrap_or(usize::MAX);
            }
        }
        let limit = |key: &str, default: Duration| match fields.duration(key)? {
            Some(Duration::ZERO) => Err(fields.error(key, "must be longer than zero")),
            given => Ok(given.unwrap_or(default)),
        };
        options.connect_timeout = limit("connect_timeout", options.connect_timeout)?;
        if let Some(user_agent) = fields.string("user_agent")? {
            options.user_agent = user_agent;
        }
        let own = |what: String| ApiError::Text(format!("grpc.connect: {what}"));
        match fields.get("metadata") {
            Value::Nil => {}
            table => {
                let read = raw::with_stack(&vu.host.lua, table, |stack| metadata("grpc.connect", stack, 1))?;
                options.metadata = read?;
            }
        }
        let compression = match fields.get("compress") {
            Value::Nil => None,
            value => compression(&value).map_err(own)?,
        };
        Ok(Self {
            options,
            reflect: fields.boolean("reflect")?.unwrap_or(false),
            timeout: limit("timeout", TIMEOUT)?,
            compression,
        })
    }
}

fn count(fields: &Fields, key: &str) -> Result<Option<NonZeroUsize>, FieldError> {
    let count = fields.count(key, 1)?;
    Ok(count.and_then(|count| NonZeroUsize::new(usize::try_from(count).unwrap_or(usize::MAX))))
}
