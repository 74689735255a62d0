//! What a call gives to a script: a table whose plain fields are set at once and whose message, metadata and timings are made
//! when they are read.

use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{Table, Value};

use super::failed;
use super::message::Reader;
use super::schemas::Callee;
use crate::api::http::{headers_meta, timings};
use crate::metrics::TagSet;
use crate::net::grpc::{Code, Fields, Health, Reply};
use crate::script::fields::suggest;
use crate::script::raw::{Flow, Kind, Pinned, Stack};
use crate::script::{ApiError, Host, Push, VuContext};

/// A reply behind a response table.
pub(super) struct Answer {
    pub(super) face: Rc<Face>,
    pub(super) reply: Reply,
    pub(super) ok: bool,
    /// Those of its samples.
    pub(super) tags: TagSet,
    pub(super) content: Content,
}

/// What the message of a response is.
pub(super) enum Content {
    /// One of a method's.
    Of(Rc<Callee>),
    /// How a service is.
    Health(Health),
    /// There is none.
    None,
}

/// What response tables of a VM have in common.
pub(super) struct Face {
    /// A response table before it is filled.
    template: Pinned,
    /// The names of the codes, by number.
    codes: Vec<Pinned>,
    /// The names of its fields.
    status: Pinned,
    code: Pinned,
    ok: Pinned,
    answer: Rc<Pinned>,
}

/// What a response has; anything else is a slip, which nil would hide.
const FIELDS: [&str; 11] = [
    "status",
    "code",
    "ok",
    "message",
    "error",
    "error_code",
    "headers",
    "trailers",
    "timings",
    "remote_addr",
    "trace_id",
];

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
        let index = host.stack_fn(move |host, stack| lazy(host, stack, &own, &headers_meta))?;
        let meta = lua.create_table()?;
        meta.raw_set("__index", index)?;
        meta.set_readonly(true);
        let template = lua.create_table()?;
        template.raw_set("status", "")?;
        template.raw_set("code", 0)?;
        template.raw_set("ok", false)?;
        template.raw_set("__answer", false)?;
        template.set_metatable(Some(meta))?;
        Ok(Self {
            template: Pinned::new(lua, template)?,
            codes: Code::ALL
                .iter()
                .map(|code| name(code.name()))
                .collect::<mlua::Result<_>>()?,
            status: name("status")?,
            code: name("code")?,
            ok: name("ok")?,
            answer,
        })
    }
}

impl Push for Answer {
    fn push(self: Box<Self>, _: &Rc<Host>, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        stack.push_clone(&self.face.template);
        let table = stack.top();
        let code = self.reply.status.code.number();
        stack.push_pinned(&self.face.status);
        stack.push_pinned(&self.face.codes[usize::from(code)]);
        stack.set(table);
        if code != 0 {
            stack.push_pinned(&self.face.code);
            stack.push_number(f64::from(code));
            stack.set(table);
        }
        if self.ok {
            stack.push_pinned(&self.face.ok);
            stack.push_bool(true);
            stack.set(table);
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
        let callee = match &answer.content {
            Content::Of(callee) => Some(&**callee),
            Content::Health(_) | Content::None => None,
        };
        failed::keep_check(vu, &answer.tags, callee, &answer.reply, check);
    }
    true
}

/// `res.field`: made when it is read, and kept in the table.
fn lazy(host: &Rc<Host>, stack: &mut Stack<'_>, own: &Pinned, headers_meta: &Pinned) -> Result<Flow, ApiError> {
    if stack.kind(KEY) != Kind::String {
        stack.push_nil();
        return Ok(Flow::Return(1));
    }
    let name = stack.lossy(KEY).unwrap_or_default().into_owned();
    if !FIELDS.contains(&name.as_str()) {
        let hint = suggest(&name, FIELDS);
        return Err(ApiError::Text(format!("response: there is no field `{name}`{hint}")));
    }
    stack.push_field_pinned(SELF, own);
    let at = stack.top();
    if name == "message" {
        message(stack, at)?;
    } else {
        let Some(answer) = stack.object::<Answer>(at) else {
            return Err(ApiError::Text(
                "response: this is a copy without its response".to_owned(),
            ));
        };
        let value = field(host, &answer.reply, &name)?;
        stack.push_values(value)?;
    }
    let value = stack.top();
    if name == "headers" || name == "trailers" {
        stack.push_pinned(headers_meta);
        stack.set_metatable(value);
    }
    stack.push_copy(KEY);
    stack.push_copy(value);
    stack.set(SELF);
    Ok(Flow::Return(1))
}

/// Pushes the message of the answer at `at`, or nil.
fn message(stack: &mut Stack<'_>, at: i32) -> Result<(), ApiError> {
    let Some(answer) = stack.object::<Answer>(at) else {
        return Err(ApiError::Text(
            "response: this is a copy without its response".to_owned(),
        ));
    };
    match (&answer.content, &answer.reply.message) {
        (Content::Of(callee), Some(bytes)) => {
            let (callee, bytes) = (Rc::clone(callee), bytes.clone());
            let read = Reader::new(&callee.types).push(stack, &bytes, callee.output);
            // It was checked when it came.
            read.map_err(ApiError::Text)
        }
        (Content::Health(health), _) => {
            let name = health.name();
            stack.push_table(0, 1);
            let table = stack.top();
            stack.push_bytes(name.as_bytes());
            stack.set_field(table, c"status");
            Ok(())
        }
        _ => {
            stack.push_nil();
            Ok(())
        }
    }
}

fn field(host: &Host, reply: &Reply, name: &str) -> mlua::Result<Value> {
    let text = |text: &str| host.lua.create_string(text).map(Value::String);
    match name {
        "error" if reply.status.code == Code::Ok => Ok(Value::Nil),
        "error" if reply.status.message.is_empty() => text(reply.status.code.name()),
        "error" => text(&reply.status.message),
        "error_code" => Ok(match &reply.error {
            Some(error) => Value::Integer(i64::from(error.code)),
            None => Value::Nil,
        }),
        "headers" => metadata(host, &reply.headers).map(Value::Table),
        "trailers" => metadata(host, &reply.trailers).map(Value::Table),
        "timings" => timings(host, &reply.timings).map(Value::Table),
        "trace_id" => reply.trace.map_or(Ok(Value::Nil), |trace| text(&trace.hex())),
        "remote_addr" => reply.remote_addr.map_or(Ok(Value::Nil), |addr| text(&addr.to_string())),
        _ => Ok(Value::Nil),
    }
}

/// Names in lower case; values of a repeated name joined by `, `, except for bytes, which are a list then.
fn metadata(host: &Host, fields: &Fields) -> mlua::Result<Table> {
    let mut values = BTreeMap::<String, Vec<Vec<u8>>>::new();
    for (name, value) in fields.iter() {
        values
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(value.into_owned());
    }
    let table = host.lua.create_table_with_capacity(0, values.len())?;
    for (name, values) in values {
        if name.ends_with("-bin") && values.len() > 1 {
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
