//! What a request gives to a script: a table whose plain fields are set at once and whose body, headers and timings are
//! made when they are read.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use mlua::{AnyUserData, Table, UserData, Value};

use crate::api::args::Args;
use crate::net::{Exchange, Headers};
use crate::plan::expect::Expect;
use crate::script::fields::suggest;
use crate::script::value::from_tree;
use crate::script::{ApiError, Host, IntoMulti as _};

/// An exchange behind a response table.
#[derive(Debug)]
struct Answer {
    exchange: Exchange,
    json: RefCell<Option<serde_json::Value>>,
}

impl UserData for Answer {}

/// The metatable of response tables, one for each VM.
#[derive(Debug, Clone)]
struct ResponseMeta(Table);

const RAW: &str = "__answer";

/// What a response has; anything else is a slip, which nil would hide.
const FIELDS: [&str; 11] = [
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
];

const CODE: &str = r#"
local lazy, json, lower, finish = ...
local rawget, rawset, type = rawget, rawset, type
local case_insensitive = { __index = function(headers, name)
  return type(name) == "string" and rawget(headers, lower(name)) or nil
end }
local methods = {}
function methods.json(self, path)
  if type(self) ~= "table" or rawget(self, "__answer") == nil then
    error("json: call it with a colon: `res:json(path)`", 2)
  end
  return finish(json(rawget(self, "__answer"), path))
end
return {
  __index = function(self, key)
    local method = methods[key]
    if method then return method end
    if type(key) ~= "string" then return nil end
    local value = finish(lazy(rawget(self, "__answer"), key))
    if key == "headers" then
      setmetatable(value, case_insensitive)
    end
    rawset(self, key, value)
    return value
  end,
}"#;

/// Prepares a VM for response tables.
pub(super) fn install(host: &Rc<Host>) -> mlua::Result<()> {
    let lazy = host.raw_fn(|host, values| {
        let args = Args::new("response", values);
        let answer = answer(&args)?;
        let answer = answer.borrow::<Answer>()?;
        let name = args.string(1, "field")?.to_string_lossy();
        if !FIELDS.contains(&name.as_str()) {
            let hint = suggest(&name, FIELDS);
            return Err(args.error(format!("there is no field `{name}`{hint}")));
        }
        Ok(field(host, &answer.exchange, &name)?.into_multi(&host.lua)?)
    })?;
    let json = host.raw_fn(|host, values| {
        let args = Args::new("json", values);
        let answer = answer(&args)?;
        let answer = answer.borrow::<Answer>()?;
        let path = args.opt_string(1, "path")?.map(|path| path.to_string_lossy());
        let read = |tree: Option<&serde_json::Value>| tree.map_or(Ok(Value::Nil), |tree| from_tree(&host.lua, tree));
        match answer.json(path.as_deref(), read) {
            Ok(value) => {
                let value = value.map_err(|error| args.error(error))?;
                // A path that ends at null is the same as one that ends nowhere.
                Ok(if value == Value::NULL { Value::Nil } else { value }.into_multi(&host.lua)?)
            }
            Err(message) => Ok((Value::Nil, message).into_multi(&host.lua)?),
        }
    })?;
    let lower: Value = host.lua.globals().get::<Table>("string")?.get("lower")?;
    let meta: Table = host.run_internal(CODE, (lazy, json, lower, host.finish_fn()?))?;
    meta.set_readonly(true);
    host.lua.set_app_data(ResponseMeta(meta));
    Ok(())
}

fn answer(args: &Args) -> Result<AnyUserData, ApiError> {
    match args.get(0) {
        Value::UserData(answer) => Ok(answer),
        other => Err(args.wrong("response", "a response", &other)),
    }
}

/// Makes the table of a finished request.
pub(super) fn table(host: &Host, exchange: Exchange, expect: &Expect) -> mlua::Result<Table> {
    let table = host.lua.create_table_with_capacity(0, 6)?;
    match &exchange.outcome {
        Ok(response) => {
            table.raw_set("status", response.status)?;
            table.raw_set("ok", expect.holds(response.status))?;
        }
        Err(_) => {
            table.raw_set("status", 0)?;
            table.raw_set("ok", false)?;
        }
    }
    table.raw_set(
        RAW,
        host.lua.create_userdata(Answer {
            exchange,
            json: RefCell::new(None),
        })?,
    )?;
    let meta = host.lua.app_data_ref::<ResponseMeta>().map(|meta| meta.0.clone());
    table.set_metatable(meta)?;
    Ok(table)
}

impl Answer {
    /// Reads the whole body as JSON, or what a dotted path leads to (`items.1.id`, lists from 1 as in Lua).
    fn json<R>(&self, path: Option<&str>, read: impl FnOnce(Option<&serde_json::Value>) -> R) -> Result<R, String> {
        let response = self
            .exchange
            .outcome
            .as_ref()
            .map_err(|error| format!("there is no body: {}", error.message))?;
        let mut parsed = self.json.borrow_mut();
        let tree = match &mut *parsed {
            Some(tree) => tree,
            empty => {
                let tree =
                    serde_json::from_slice(&response.body).map_err(|error| format!("the body is not JSON: {error}"))?;
                empty.insert(tree)
            }
        };
        let Some(path) = path else {
            return Ok(read(Some(tree)));
        };
        let found = path.split('.').try_fold(&*tree, |tree, key| match tree {
            serde_json::Value::Array(list) => list.get(key.parse::<usize>().ok()?.checked_sub(1)?),
            serde_json::Value::Object(map) => map.get(key),
            _ => None,
        });
        Ok(read(found))
    }
}

fn field(host: &Host, exchange: &Exchange, name: &str) -> mlua::Result<Value> {
    let lua = &host.lua;
    let text = |text: &str| lua.create_string(text).map(Value::String);
    match (name, &exchange.outcome) {
        ("body", Ok(response)) => lua.create_string(&response.body).map(Value::String),
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
        ("timings", _) => timings(host, exchange).map(Value::Table),
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
fn timings(host: &Host, exchange: &Exchange) -> mlua::Result<Table> {
    let timings = &exchange.timings;
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
