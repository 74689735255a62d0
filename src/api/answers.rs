//! What the answers of HTTP and of gRPC have in common for a script: fields that are made when they are read, headers whose
//! names may be asked for in any case of letters, and timings.

use std::borrow::Cow;
use std::ffi::CStr;
use std::rc::Rc;

use mlua::{Table, Value};
use smallvec::SmallVec;

use crate::net::Timings;
use crate::script::fields::suggest;
use crate::script::raw::{Flow, Pinned, Stack};
use crate::script::{ApiError, Host};

/// Where an answer is among the arguments, and what is asked of it.
pub(super) const SELF: i32 = 1;
pub(super) const KEY: i32 = 2;

const CASE_INSENSITIVE: &str = r#"
local lower = ...
local rawget, type = rawget, type
return { __index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end }"#;

/// `res.field`: `push` makes it when it is read, and it is kept in the table. Anything but the `fields` is a slip, which nil
/// would hide.
pub(super) fn lazy(
    stack: &mut Stack<'_>,
    fields: &'static [&'static str],
    push: impl FnOnce(&mut Stack<'_>, &'static str) -> Result<(), ApiError>,
) -> Result<Flow, ApiError> {
    let Some(name) = stack.bytes(KEY) else {
        stack.push_nil();
        return Ok(Flow::Return(1));
    };
    let Some(field) = fields.iter().find(|field| field.as_bytes() == name) else {
        return Err(no_field("response", name, fields));
    };
    push(stack, field)?;
    let value = stack.top();
    stack.push_copy(KEY);
    stack.push_copy(value);
    stack.set(SELF);
    Ok(Flow::Return(1))
}

fn no_field(owner: &str, name: &[u8], fields: &[&str]) -> ApiError {
    let name = String::from_utf8_lossy(name);
    let hint = suggest(&name, fields.iter().copied());
    ApiError::Text(format!("{owner}: there is no field `{name}`{hint}"))
}

/// What is said of a table that has lost its answer.
pub(super) fn is_copy() -> ApiError {
    ApiError::Text("response: this is a copy without its response".to_owned())
}

/// The metatables of what answers hold.
pub(super) struct Metas {
    /// Names of headers may be asked for in any case of letters.
    pub(super) headers: Pinned,
    /// A phase that there is none of is a slip.
    pub(super) timings: Pinned,
}

impl Metas {
    pub(super) fn new(host: &Rc<Host>) -> mlua::Result<Self> {
        let lower: Value = host.lua.globals().get::<Table>("string")?.get("lower")?;
        let headers: Table = host.run_internal(CASE_INSENSITIVE, lower)?;
        let timings = host.lua.create_table()?;
        let missing = host.stack_fn(|_, stack| match stack.bytes(KEY) {
            Some(name) => {
                let phases: Vec<&str> = PHASES.iter().filter_map(|phase| phase.to_str().ok()).collect();
                Err(no_field("timings", name, &phases))
            }
            None => Ok(Flow::Return(0)),
        })?;
        timings.raw_set("__index", missing)?;
        let pin = |meta: Table| {
            meta.set_readonly(true);
            Pinned::new(&host.lua, meta)
        };
        Ok(Self {
            headers: pin(headers)?,
            timings: pin(timings)?,
        })
    }
}

/// Pushes headers with their metatable: names in lower case; the values of a repeated name joined by `, `, as RFC 9110,
/// section 5.3, allows, or a list for a name that `is_list`.
pub(super) fn push_headers<'a>(
    stack: &mut Stack<'_>,
    meta: &Pinned,
    headers: impl Iterator<Item = (&'a str, Cow<'a, [u8]>)>,
    is_list: impl Fn(&str) -> bool,
) {
    let headers: SmallVec<[_; 16]> = headers.collect();
    stack.push_nil();
    let table = stack.top();
    for (at, (name, value)) in headers.iter().enumerate() {
        let (before, from_here) = headers.split_at(at);
        let fits = |(other, _): &&(&str, _)| name.eq_ignore_ascii_case(other);
        if before.iter().any(|header| fits(&header)) {
            continue;
        }
        let mut lower: SmallVec<[u8; 64]> = SmallVec::from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        stack.push_bytes(&lower);
        let mut values = from_here.iter().filter(fits).map(|(_, value)| &**value).peekable();
        if from_here[1..].iter().all(|header| !fits(&header)) {
            stack.push_bytes(value);
        } else if std::str::from_utf8(&lower).is_ok_and(&is_list) {
            stack.push_nil();
            let list = stack.top();
            values.for_each(|value| stack.push_bytes(value));
            stack.move_items(list, 0);
        } else {
            let mut joined = Vec::new();
            while let Some(value) = values.next() {
                joined.extend_from_slice(value);
                if values.peek().is_some() {
                    joined.extend_from_slice(b", ");
                }
            }
            stack.push_bytes(&joined);
        }
    }
    stack.move_fields(table, false);
    stack.push_pinned(meta);
    stack.set_metatable(table);
}

/// What `res.timings` has.
const PHASES: [&CStr; 8] = [
    c"blocked",
    c"dns",
    c"connecting",
    c"tls_handshaking",
    c"sending",
    c"waiting",
    c"receiving",
    c"duration",
];

/// Pushes the phases in milliseconds, with their metatable.
pub(super) fn push_timings(stack: &mut Stack<'_>, meta: &Pinned, timings: &Timings) {
    stack.push_table(0, 8);
    let table = stack.top();
    let values = [
        timings.blocked,
        timings.dns,
        timings.connecting,
        timings.tls_handshaking,
        timings.sending,
        timings.waiting,
        timings.receiving,
        timings.duration(),
    ];
    for (name, value) in PHASES.into_iter().zip(values) {
        stack.push_number(value.as_secs_f64() * 1e3);
        stack.set_field(table, name);
    }
    stack.push_pinned(meta);
    stack.set_metatable(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::raw;
    use mlua::Lua;

    #[test]
    fn headers_that_come_several_times() {
        let lua = Lua::new();
        let meta = Pinned::new(&lua, lua.create_table().unwrap()).unwrap();
        let headers = [
            ("Vary", "a"),
            ("set-cookie", "s=1, 2"),
            ("X-One", "1"),
            ("VARY", "b"),
            ("Set-Cookie", "t=3"),
            ("vary", ""),
        ];
        let headers = headers.map(|(name, value)| (name, Cow::Borrowed(value.as_bytes())));
        let pushed = raw::make(&lua, |stack| {
            push_headers(stack, &meta, headers.into_iter(), |name| name == "set-cookie");
            Ok::<(), ()>(())
        });
        lua.globals().set("h", pushed.unwrap().unwrap()).unwrap();
        let checked = lua.load(
            "local names = 0 \
             for _ in next, h do names += 1 end \
             assert(names == 3 and h.vary == 'a, b, ' and h['x-one'] == '1') \
             assert(#h['set-cookie'] == 2 and h['set-cookie'][1] == 's=1, 2' and h['set-cookie'][2] == 't=3')",
        );
        checked.exec().unwrap();
    }
}
