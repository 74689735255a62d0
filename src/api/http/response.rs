//! What a request gives to a script: a table whose plain fields are set at once and whose body, headers and timings are
//! made when they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use bytes::Bytes;
use mlua::{Table, Value};
use serde::de::DeserializeSeed as _;
use smallvec::SmallVec;

use crate::failures::{Sent, of_exchange};
use crate::metrics::TagSet;
use crate::net::{Exchange, HeaderList, Headers, Timings};
use crate::script::fields::{describe, suggest};
use crate::script::raw::{Flow, Kind, Pinned, Stack};
use crate::script::value::{Seek, push, push_json};
use crate::script::{ApiError, Host, Push, VuContext};

/// An exchange behind a response table.
pub(super) struct Answer {
    face: Rc<Face>,
    exchange: Exchange,
    ok: bool,
    /// As the script wrote it, of one that could not be sent.
    url: Option<String>,
    json: RefCell<Json>,
    /// Those of its samples.
    tags: TagSet,
    /// What it is the answer to, where a check is waited for.
    asked: Option<Box<(HeaderList, Bytes)>>,
}

/// What is known of the body as JSON.
#[derive(Debug, Default)]
enum Json {
    /// Nobody has asked.
    #[default]
    Unread,
    /// One path was read, without keeping the rest.
    Sought,
    /// Several were: the whole is kept.
    Tree(serde_json::Value),
}

/// What response tables of a VM have in common.
pub(super) struct Face {
    /// A response table before it is filled.
    template: Pinned,
    /// The names of its fields.
    status: Pinned,
    ok: Pinned,
    answer: Rc<Pinned>,
}

/// What a response has; anything else is a slip, which nil would hide.
const FIELDS: [&str; 12] = [
    "status",
    "ok",
    "error",
    "error_code",
    "body",
    "headers",
    "json",
    "proto",
    "url",
    "remote_addr",
    "timings",
    "trace_id",
];

const CASE_INSENSITIVE: &str = r#"
local lower = ...
local rawget, type = rawget, type
return { __index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end }"#;

/// Where a response is among the arguments, and what is asked of it.
const SELF: i32 = 1;
const KEY: i32 = 2;

impl Face {
    /// Prepares a VM for response tables.
    pub(super) fn new(host: &Rc<Host>) -> mlua::Result<Self> {
        let lua = &host.lua;
        let headers_meta = headers_meta(host)?;
        let name = |name: &str| Pinned::new(lua, name);
        let answer = Rc::new(name("__answer")?);
        let own = Rc::clone(&answer);
        let json = Pinned::new(lua, host.stack_fn(move |_, stack| json(stack, &own))?)?;
        let own = Rc::clone(&answer);
        let index = host.stack_fn(move |host, stack| {
            if stack.bytes(KEY) == Some(b"json") {
                stack.push_pinned(&json);
                return Ok(Flow::Return(1));
            }
            lazy(host, stack, &own, &headers_meta)
        })?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", index)?;
        meta.set_readonly(true);
        let template = lua.create_table()?;
        template.raw_set("status", 0)?;
        template.raw_set("ok", false)?;
        template.raw_set("__answer", false)?;
        template.set_metatable(Some(meta))?;
        Ok(Self {
            template: Pinned::new(lua, template)?,
            status: name("status")?,
            ok: name("ok")?,
            answer,
        })
    }
}

/// The metatable of headers, whose names may be asked for in any case of letters.
pub(in crate::api) fn headers_meta(host: &Rc<Host>) -> mlua::Result<Pinned> {
    let lower: Value = host.lua.globals().get::<Table>("string")?.get("lower")?;
    let meta: Table = host.run_internal(CASE_INSENSITIVE, lower)?;
    meta.set_readonly(true);
    Pinned::new(&host.lua, meta)
}

impl Answer {
    pub(super) fn new(face: Rc<Face>, exchange: Exchange, tags: TagSet, ok: bool, url: Option<String>) -> Self {
        Self {
            face,
            exchange,
            ok,
            url,
            json: RefCell::default(),
            tags,
            asked: None,
        }
    }

    /// Keeps what it is the answer to.
    pub(super) fn keep(&mut self, headers: HeaderList, body: Bytes) {
        self.asked = Some(Box::new((headers, body)));
    }
}

impl Push for Answer {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        stack.push_clone(&self.face.template);
        let table = stack.top();
        let status = self.exchange.outcome.as_ref().map_or(0, |response| response.status);
        stack.push_pinned(&self.face.status);
        stack.push_number(f64::from(status));
        stack.set(table);
        stack.push_pinned(&self.face.ok);
        stack.push_bool(self.ok);
        stack.set(table);
        if let Some(url) = &self.url {
            stack.push_bytes(url.as_bytes());
            stack.set_field(table, c"url");
        }
        stack.push_pinned(&self.face.answer);
        stack.push_object(self);
        stack.set(table);
        Ok(1)
    }
}

/// A check of what is at `value` did not hold: keeps it, if that is an answer that was as expected otherwise, and one of the
/// first. Gives whether it is an answer.
pub(in crate::api) fn check_failed(vu: &VuContext, stack: &Stack<'_>, value: i32, check: &str) -> bool {
    let Some(answer) = stack.object::<Answer>(value) else {
        return false;
    };
    if answer.ok {
        let exchange = &answer.exchange;
        let check = (check, answer.asked.is_some());
        vu.host.failed.check_failed(&answer.tags, &exchange.method, check, || {
            let sent = answer.asked.as_deref().map(|(headers, body)| Sent { headers, body });
            let called = (answer.tags.get("name").unwrap_or_default(), answer.url.as_deref());
            of_exchange(&vu.scene(), &vu.host.session.redactor(), exchange, sent, called)
        });
    }
    true
}

/// Pushes the answer behind the response table at [`SELF`]; gives where it is.
fn answer(stack: &Stack<'_>, field: &Pinned) -> Option<i32> {
    if stack.kind(SELF) != Kind::Table {
        return None;
    }
    stack.push_field_pinned(SELF, field);
    let at = stack.top();
    stack.object::<Answer>(at).map(|_| at)
}

/// `res.field`: made when it is read, and kept in the table.
fn lazy(host: &Rc<Host>, stack: &mut Stack<'_>, own: &Pinned, headers_meta: &Pinned) -> Result<Flow, ApiError> {
    if stack.kind(KEY) != Kind::String {
        stack.push_nil();
        return Ok(Flow::Return(1));
    }
    let name = stack.lossy(KEY).unwrap_or_default().into_owned();
    let Some(at) = answer(stack, own) else {
        return Err(ApiError::Text(
            "response: this is a copy without its response".to_owned(),
        ));
    };
    if !FIELDS.contains(&name.as_str()) {
        let hint = suggest(&name, FIELDS);
        return Err(ApiError::Text(format!("response: there is no field `{name}`{hint}")));
    }
    if let Some(answer) = stack.object::<Answer>(at) {
        match (name.as_str(), &answer.exchange.outcome) {
            ("body", Ok(response)) => stack.push_bytes(response.body()),
            _ => drop(stack.push_values(field(host, &answer.exchange, &name)?)?),
        }
    }
    let value = stack.top();
    if name == "headers" {
        stack.push_pinned(headers_meta);
        stack.set_metatable(value);
    }
    stack.push_copy(KEY);
    stack.push_copy(value);
    stack.set(SELF);
    Ok(Flow::Return(1))
}

/// `res:json(path)`: the whole body as JSON, or what a dotted path leads to (`items.1.id`, lists from 1 as in Lua).
fn json(stack: &mut Stack<'_>, own: &Pinned) -> Result<Flow, ApiError> {
    stack.resize(KEY);
    let Some(at) = answer(stack, own) else {
        return Err(ApiError::Text(
            "json: call it with a colon: `res:json(path)`".to_owned(),
        ));
    };
    let path = match stack.kind(KEY) {
        Kind::Nil => None,
        Kind::String => Some(stack.lossy(KEY).unwrap_or_default().into_owned()),
        _ => {
            let got = describe(&stack.value(KEY)?);
            return Err(ApiError::Text(format!("json: `path` must be a string, got {got}")));
        }
    };
    let read = match (body(stack, at), path) {
        (Err(message), _) => Err(message),
        (Ok(body), None) => push_json(stack, &body, false).map(|()| true).map_err(not_json),
        (Ok(body), Some(path)) => found(stack, at, &body, &path),
    };
    match read {
        Ok(true) => {
            // A path that ends at null is the same as one that ends nowhere.
            if stack.is_null(stack.top()) {
                stack.push_nil();
            }
            Ok(Flow::Return(1))
        }
        Ok(false) => {
            stack.push_nil();
            Ok(Flow::Return(1))
        }
        Err(message) => {
            stack.push_nil();
            stack.push_bytes(message.as_bytes());
            Ok(Flow::Return(2))
        }
    }
}

fn not_json(error: serde_json::Error) -> String {
    format!("the body is not JSON: {error}")
}

/// A body of its own, as the stack is written to while it is read.
#[expect(
    clippy::large_enum_variant,
    reason = "it is made and used in one place, on the stack"
)]
enum Body {
    /// Copying a short one is cheaper than making it one that several own.
    Short(SmallVec<[u8; SHORT]>),
    Shared(Bytes),
}

const SHORT: usize = 512;

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// The body of the answer at `at`.
fn body(stack: &Stack<'_>, at: i32) -> Result<Body, String> {
    match stack.object::<Answer>(at).map(|answer| &answer.exchange.outcome) {
        Some(Ok(response)) => Ok(match response.body() {
            short if short.len() <= SHORT => Body::Short(SmallVec::from_slice(short)),
            _ => Body::Shared(response.shared_body()),
        }),
        Some(Err(error)) => Err(format!("there is no body: {}", error.message)),
        None => Err("there is no body".to_owned()),
    }
}

/// Pushes what a path leads to; gives whether there is something. The first path of a response is read on the way through
/// the text; when there are more, the whole is read once and kept.
fn found(stack: &mut Stack<'_>, at: i32, body: &[u8], path: &str) -> Result<bool, String> {
    let known = stack
        .object::<Answer>(at)
        .map(|answer| answer.json.replace(Json::Sought));
    let tree = match known {
        Some(Json::Tree(tree)) => tree,
        Some(Json::Sought) => serde_json::from_slice(body).map_err(not_json)?,
        Some(Json::Unread) | None => return sought(stack, body, path).map_err(not_json),
    };
    let found = path.split('.').try_fold(&tree, |tree, key| match tree {
        serde_json::Value::Array(list) => list.get(key.parse::<usize>().ok()?.checked_sub(1)?),
        serde_json::Value::Object(map) => map.get(key),
        _ => None,
    });
    let is_there = found.is_some();
    if let Some(found) = found {
        push(stack, found).map_err(not_json)?;
    }
    if let Some(answer) = stack.object::<Answer>(at) {
        answer.json.replace(Json::Tree(tree));
    }
    Ok(is_there)
}

fn sought(stack: &mut Stack<'_>, body: &[u8], path: &str) -> Result<bool, serde_json::Error> {
    let top = stack.top();
    let mut text = serde_json::Deserializer::from_slice(body);
    let path = Some(path);
    let found = Seek { stack, path }.deserialize(&mut text);
    let found = found.and_then(|found| text.end().map(|()| found));
    if found.is_err() {
        stack.truncate(top);
    }
    found
}

fn field(host: &Host, exchange: &Exchange, name: &str) -> mlua::Result<Value> {
    let lua = &host.lua;
    let text = |text: &str| lua.create_string(text).map(Value::String);
    match (name, &exchange.outcome) {
        ("body", Ok(response)) => lua.create_string(response.body()).map(Value::String),
        ("headers", Ok(response)) => headers(host, &response.headers).map(Value::Table),
        ("headers", Err(_)) => lua.create_table().map(Value::Table),
        ("proto", Ok(response)) => text(&format!("{:?}", response.version)),
        ("error", Err(error)) => text(&error.message),
        ("error_code", Err(error)) => Ok(Value::Integer(i64::from(error.code))),
        ("error_code", Ok(response)) if response.status >= 400 => Ok(Value::Integer(1000 + i64::from(response.status))),
        ("url", _) => text(exchange.address.as_str()),
        ("remote_addr", _) => exchange
            .remote_addr
            .map_or(Ok(Value::Nil), |addr| text(&addr.to_string())),
        ("timings", _) => timings(host, &exchange.timings).map(Value::Table),
        ("trace_id", _) => exchange.trace.map_or(Ok(Value::Nil), |trace| text(&trace.hex())),
        _ => Ok(Value::Nil),
    }
}

/// Names in lower case; values of a repeated header joined by `, `, as RFC 9110, 5.3 allows (set-cookie stays a list).
fn headers(host: &Host, headers: &Headers) -> mlua::Result<Table> {
    let mut values = BTreeMap::<String, Vec<&[u8]>>::new();
    for (name, value) in headers.iter() {
        values.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    let table = host.lua.create_table_with_capacity(0, values.len())?;
    for (name, values) in values {
        if name == "set-cookie" && values.len() > 1 {
            let list = host.lua.create_table()?;
            for value in values {
                list.raw_push(host.lua.create_string(value)?)?;
            }
            table.raw_set(name, list)?;
        } else {
            table.raw_set(name, host.lua.create_string(values.join(&b", "[..]))?)?;
        }
    }
    Ok(table)
}

/// Phases in milliseconds.
pub(in crate::api) fn timings(host: &Host, timings: &Timings) -> mlua::Result<Table> {
    let table = host.lua.create_table_with_capacity(0, 8)?;
    for (name, value) in [
        ("blocked", timings.blocked),
        ("dns", timings.dns),
        ("connecting", timings.connecting),
        ("tls_handshaking", timings.tls_handshaking),
        ("sending", timings.sending),
        ("waiting", timings.waiting),
        ("receiving", timings.receiving),
        ("duration", timings.duration()),
    ] {
        table.raw_set(name, value.as_secs_f64() * 1e3)?;
    }
    Ok(table)
}
