//! What a call gives to a script: a table whose plain fields are set at once and whose message, metadata and timings are made
//! when they are read.

use std::rc::Rc;

use super::failed;
use super::message::Reader;
use super::schemas::Callee;
use crate::api::answers::{Metas, SELF, is_copy, lazy, push_headers, push_timings};
use crate::metrics::TagSet;
use crate::net::grpc::{Code, Health, Reply};
use crate::script::raw::{Pinned, Stack};
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

/// What a response has.
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

impl Face {
    /// Prepares a VM for response tables.
    pub(super) fn new(host: &Rc<Host>) -> mlua::Result<Self> {
        let lua = &host.lua;
        let metas = Metas::new(host)?;
        let name = |name: &str| Pinned::new(lua, name);
        let answer = Rc::new(name("__answer")?);
        let own = Rc::clone(&answer);
        let index =
            host.stack_fn(move |_, stack| lazy(stack, &FIELDS, |stack, name| field(stack, &own, &metas, name)))?;
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

/// Pushes the message of the answer at `at`, or nil.
fn message(stack: &mut Stack<'_>, at: i32) -> Result<(), ApiError> {
    let answer = stack.object::<Answer>(at).ok_or_else(is_copy)?;
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

fn field(stack: &mut Stack<'_>, own: &Pinned, metas: &Metas, name: &str) -> Result<(), ApiError> {
    stack.push_field_pinned(SELF, own);
    let at = stack.top();
    let reply = &stack.object::<Answer>(at).ok_or_else(is_copy)?.reply;
    match name {
        "message" => message(stack, at)?,
        "headers" | "trailers" => {
            let fields = if name == "headers" {
                &reply.headers
            } else {
                &reply.trailers
            }
            .clone();
            push_headers(stack, &metas.headers, fields.iter(), |name| name.ends_with("-bin"));
        }
        "timings" => {
            let timings = reply.timings;
            push_timings(stack, &metas.timings, &timings);
        }
        "error" if reply.status.code == Code::Ok => stack.push_nil(),
        "error" if reply.status.message.is_empty() => stack.push_bytes(reply.status.code.name().as_bytes()),
        "error" => stack.push_bytes(reply.status.message.as_bytes()),
        "error_code" => match &reply.error {
            Some(error) => stack.push_number(f64::from(error.code)),
            None => stack.push_nil(),
        },
        "trace_id" => match reply.trace {
            Some(trace) => stack.push_bytes(trace.hex().as_bytes()),
            None => stack.push_nil(),
        },
        "remote_addr" => match reply.remote_addr {
            Some(addr) => stack.push_bytes(addr.to_string().as_bytes()),
            None => stack.push_nil(),
        },
        _ => stack.push_nil(),
    }
    Ok(())
}
