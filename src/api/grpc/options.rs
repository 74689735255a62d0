//! Reads the options of a call, key by key, and of a client. What they do is `net`'s.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use mlua::{Table, Value};

use crate::api::args::number;
use crate::api::pairs::{Of, pairs};
use crate::net::Connections;
use crate::net::grpc::{Code, Compression, Metadata, Options as ClientOptions};
use crate::script::fields::{FieldError, Fields, describe, suggest, to_duration, to_size};
use crate::script::plan_reader::read_tls;
use crate::script::raw::{Kind, Stack};
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
        let mut options = Self::default();
        match stack.kind(index) {
            Kind::Nil => return Ok(options),
            Kind::Table => {}
            _ => {
                let got = describe(&stack.value(index)?);
                return Err(ApiError::Text(format!("{owner}: `options` must be a table, got {got}")));
            }
        }
        let (mut top, mut at) = (stack.top(), 0);
        while let Some(next) = stack.next(index, at) {
            let (key, value) = (top + 1, top + 2);
            if stack.bytes(key) == Some(b"name") && stack.kind(value) == Kind::String {
                options.name = Some(value);
                top = value;
            } else if stack.bytes(key) == Some(b"tags") {
                options.tags = pairs(owner, Of::Tags, stack, value)?;
            } else if let Some(key) = stack.lossy(key) {
                options.option(owner, &key, &stack.value(value)?)?;
            } else {
                let got = describe(&stack.value(key)?);
                return Err(ApiError::Text(format!("{owner}: {got} is not an option name")));
            }
            stack.truncate(top);
            at = next;
        }
        Ok(options)
    }

    fn option(&mut self, owner: &str, key: &str, value: &Value) -> Result<(), ApiError> {
        let error = |text: String| ApiError::Text(format!("{owner}: {text}"));
        let wrong = |wanted: &str| error(format!("`{key}` must be {wanted}, got {}", describe(value)));
        match key {
            "timeout" => {
                let timeout = to_duration(value).map_err(|reason| error(format!("`timeout` is wrong: {reason}")))?;
                if timeout.is_zero() {
                    return Err(error("`timeout` must be longer than zero".to_owned()));
                }
                self.timeout = Some(timeout);
            }
            "metadata" => match value {
                Value::Table(table) => self.metadata = metadata(table).map_err(error)?,
                _ => return Err(wrong("a table of strings")),
            },
            "name" => return Err(wrong("a string")),
            "expect" => self.expected = expected(value).map_err(error)?,
            "compress" => self.compression = Some(compression(value).map_err(error)?),
            "discard_message" => match value {
                Value::Boolean(discard) => self.discard = *discard,
                _ => return Err(wrong("true or false")),
            },
            unknown => {
                let hint = match suggest(unknown, OF_CALLS) {
                    hint if hint.is_empty() => format!("; known are {}", OF_CALLS.join(", ")),
                    hint => hint,
                };
                return Err(error(format!("unknown option `{unknown}`{hint}")));
            }
        }
        Ok(())
    }
}

/// Names and values; a list under a name repeats it. Sorted by name, so that a call is the same every time.
fn metadata(table: &Table) -> Result<Metadata, String> {
    let mut pairs: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (name, value) = pair.map_err(|error| error.to_string())?;
        let Value::String(name) = &name else {
            return Err(format!(
                "`metadata` must be a table with names as keys, got {}",
                describe(&name)
            ));
        };
        let name = name.to_string_lossy();
        let plain = |value: &Value| match value {
            Value::String(text) => Ok(text.as_bytes().to_vec()),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => Ok(describe(value).into_bytes()),
            other => Err(format!("`metadata.{name}` must be a string, got {}", describe(other))),
        };
        let values = match &value {
            Value::Table(list) => {
                let list = list.sequence_values::<Value>();
                list.map(|value| plain(&value.map_err(|error| error.to_string())?))
                    .collect::<Result<_, _>>()?
            }
            one => vec![plain(one)?],
        };
        pairs.push((name, values));
    }
    pairs.sort();
    let mut metadata = Metadata::new();
    for (name, values) in pairs {
        for value in values {
            metadata.append(&name, &value).map_err(|error| error.to_string())?;
        }
    }
    Ok(metadata)
}

/// A code, by name or number, or a list of them.
fn expected(value: &Value) -> Result<Expected, String> {
    let one = |value: &Value| -> Result<u32, String> {
        let found = match value {
            Value::String(name) => {
                let name = name.to_string_lossy();
                let code = Code::ALL.iter().find(|code| code.name() == name);
                let names = Code::ALL.iter().map(|code| code.name());
                code.ok_or_else(|| format!("`expect`: \"{name}\" is no status{}", suggest(&name, names)))
            }
            other => {
                let code =
                    number(other).and_then(|number| Code::ALL.iter().find(|code| f64::from(code.number()) == number));
                code.ok_or_else(|| {
                    let got = describe(other);
                    format!("`expect` must be a status as \"NOT_FOUND\" or 5, or a list of them, got {got}")
                })
            }
        }?;
        Ok(1 << found.number())
    };
    let bits = match value {
        Value::Table(list) => {
            let mut bits = 0;
            for value in list.sequence_values::<Value>() {
                bits |= one(&value.map_err(|error| error.to_string())?)?;
            }
            bits
        }
        value => one(value)?,
    };
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
    pub(super) fn read(vu: &Rc<VuContext>, value: &Value) -> Result<Self, FieldError> {
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
            return Err(fields.error("tls", "makes no sense with `plaintext = true`"));
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
        let own = |what: String| FieldError {
            path: Vec::new(),
            message: format!("grpc.connect: {what}"),
        };
        match fields.get("metadata") {
            Value::Nil => {}
            Value::Table(table) => options.metadata = metadata(&table).map_err(own)?,
            other => {
                let what = format!("must be a table of strings, got {}", describe(&other));
                return Err(fields.error("metadata", &what));
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
