//! What a request gives to a script: a table whose plain fields are set at once and whose body, headers and timings are
//! made when they are read.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use serde::de::DeserializeSeed as _;
use smallvec::SmallVec;

use crate::api::answers::{KEY, Metas, SELF, is_copy, lazy, push_headers, push_timings};
use crate::failures::{Sent, of_exchange};
use crate::metrics::TagSet;
use crate::net::{Exchange, HeaderList, Headers};
use crate::results::FailedRequest;
use crate::script::fields::describe;
use crate::script::raw::{Flow, Kind, Pinned, Stack};
use crate::script::value::{Seek, push, push_json};
use crate::script::{ApiError, Host, Push, VuContext};

/// An exchange behind a response table.
pub(super) struct Answer {
    face: Rc<Face>,
    exchange: Exchange,
    ok: bool,
    /// As the request said; otherwise as the plan does.
    pub(super) discard_body: Option<bool>,
    /// As the script wrote it, of one that could not be sent.
    url: Option<Box<str>>,
    json: RefCell<Json>,
    /// Those of its samples.
    tags: TagSet,
    /// Headers and body of what it is the answer to, as they went out, where a check is waited for.
    pub(super) asked: Option<Box<(HeaderList, Bytes)>>,
}

/// What is known of the body as JSON.
#[derive(Debug, Default)]
enum Json {
    /// Nobody has asked.
    #[default]
    Unread,
    /// One path was read, without keeping the rest.
    Sought,
    /// Several were: the whole is kept. Boxed, as hardly any answer has it, and thousands wait for the collector.
    Tree(Box<serde_json::Value>),
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

/// What a response has.
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

impl Face {
    /// Prepares a VM for response tables.
    pub(super) fn new(host: &Rc<Host>) -> mlua::Result<Self> {
        let lua = &host.lua;
        let metas = Metas::new(host)?;
        let name = |name: &str| Pinned::new(lua, name);
        let answer = Rc::new(name("__answer")?);
        let own = Rc::clone(&answer);
        let json = Pinned::new(lua, host.stack_fn(move |host, stack| json(host, stack, &own))?)?;
        let own = Rc::clone(&answer);
        let index = host.stack_fn(move |_, stack| {
            if stack.bytes(KEY) == Some(b"json") {
                stack.push_pinned(&json);
                return Ok(Flow::Return(1));
            }
            lazy(stack, &FIELDS, |stack, name| field(stack, &own, &metas, name))
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

impl Answer {
    pub(super) fn new(face: Rc<Face>, exchange: Exchange, tags: TagSet, ok: bool, url: Option<Box<str>>) -> Self {
        Self {
            face,
            exchange,
            ok,
            discard_body: None,
            url,
            json: RefCell::default(),
            tags,
            asked: None,
        }
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
            let redactor = vu.host.session.redactor();
            FailedRequest {
                check: Some(redactor.secrets(check.0).into_owned()),
                ..of_exchange(&vu.scene(), &redactor, exchange, sent, called)
            }
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

fn field(stack: &mut Stack<'_>, own: &Pinned, metas: &Metas, name: &str) -> Result<(), ApiError> {
    let at = answer(stack, own).ok_or_else(is_copy)?;
    let answer = stack.object::<Answer>(at).ok_or_else(is_copy)?;
    let exchange = &answer.exchange;
    match (name, &exchange.outcome) {
        ("headers", outcome) => {
            let headers = outcome
                .as_ref()
                .map_or_else(|_| Headers::default(), |response| response.headers.clone());
            let headers = headers.iter().map(|(name, value)| (name, Cow::Borrowed(value)));
            push_headers(stack, &metas.headers, headers, |name| name == "set-cookie");
        }
        ("timings", _) => {
            let timings = exchange.timings;
            push_timings(stack, &metas.timings, &timings);
        }
        ("body", Ok(response)) => stack.push_bytes(response.body()),
        ("proto", Ok(response)) => stack.push_bytes(format!("{:?}", response.version).as_bytes()),
        ("error", Err(error)) => stack.push_bytes(error.message.as_bytes()),
        ("error_code", Err(error)) => stack.push_number(f64::from(error.code)),
        ("error_code", Ok(response)) if !answer.ok => stack.push_number(1000.0 + f64::from(response.status)),
        ("url", _) => stack.push_bytes(exchange.address.as_str().as_bytes()),
        ("remote_addr", _) => match exchange.remote_addr {
            Some(addr) => stack.push_bytes(addr.to_string().as_bytes()),
            None => stack.push_nil(),
        },
        ("trace_id", _) => match exchange.trace {
            Some(trace) => stack.push_bytes(trace.hex().as_bytes()),
            None => stack.push_nil(),
        },
        _ => stack.push_nil(),
    }
    Ok(())
}

/// `res:json(path)`: the whole body as JSON, or what a dotted path leads to (`items.1.id`, lists from 1 as in Lua).
fn json(host: &Host, stack: &mut Stack<'_>, own: &Pinned) -> Result<Flow, ApiError> {
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
    let mut body = Body::default();
    let read = match (body.of(stack, at), path) {
        (Err(message), _) => Err(message),
        (Ok([]), _) => Err(empty(host, stack, at)),
        (Ok(body), None) => push_json(stack, body, false).map(|()| true).map_err(not_json),
        (Ok(body), Some(path)) => found(stack, at, body, &path),
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

/// Why the body of the answer at `at` is empty.
fn empty(host: &Host, stack: &Stack<'_>, at: i32) -> String {
    let own = stack.object::<Answer>(at).and_then(|answer| answer.discard_body);
    let vu = host.current().ok();
    let plan = vu.as_ref().and_then(|vu| vu.plan());
    let is_discarded = own.or_else(|| plan.map(|plan| plan.http.config.discard_body));
    if is_discarded == Some(true) {
        "the body was discarded: `discard_body` is set".to_owned()
    } else {
        "the body is empty".to_owned()
    }
}

fn not_json(error: serde_json::Error) -> String {
    format!("the body is not JSON: {error}")
}

/// A body of its own, as the stack is written to while it is read.
#[derive(Default)]
struct Body {
    /// Copying a short one is cheaper than making it one that several own.
    short: SmallVec<[u8; SHORT]>,
    shared: Bytes,
}

const SHORT: usize = 512;

impl Body {
    /// That of the answer at `at`.
    fn of(&mut self, stack: &Stack<'_>, at: i32) -> Result<&[u8], String> {
        match stack.object::<Answer>(at).map(|answer| &answer.exchange.outcome) {
            Some(Ok(response)) if response.body().len() <= SHORT => {
                self.short.extend_from_slice(response.body());
                Ok(&self.short)
            }
            Some(Ok(response)) => {
                self.shared = response.shared_body();
                Ok(&self.shared)
            }
            Some(Err(error)) => Err(format!("there is no body: {}", error.message)),
            None => Err("there is no body".to_owned()),
        }
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
        Some(Json::Sought) => Box::new(serde_json::from_slice(body).map_err(not_json)?),
        Some(Json::Unread) | None => return sought(stack, body, path).map_err(not_json),
    };
    let found = path.split('.').try_fold(&*tree, |tree, key| match tree {
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
