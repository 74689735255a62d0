//! `kt.shared`: counters, small values and once-values that all virtual users have in common. They are kept in
//! `script::commons`, without a VM: what is handed out is a copy.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, MultiValue, Table, Value};

use super::args::{Args, number};
use crate::clock;
use crate::script::commons::{Answer, CommonsError, Counter, Key, Map, Stored};
use crate::script::fields::{Fields, describe, to_duration};
use crate::script::value::{parse, to_json};
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _, Lifecycle};

/// The largest text or table that is kept, in bytes.
const MAX_VALUE: usize = 1 << 20;

/// The faces of counters and maps in Lua, and `once`, whose function may wait. `raw` has functions that answer `(true, …)`
/// or `(false, message)`; things are known to it by number.
const CODE: &str = r#"
local raw, finish = ...
local type, error, pcall, tostring, setmetatable, freeze = type, error, pcall, tostring, setmetatable, table.freeze

local function kind_of(what, open, names)
  local methods, ids, known = {}, {}, {}
  local function id_of(self, method)
    local id = ids[self]
    if not id then
      error("shared." .. what .. ": call it with a colon: `" .. what .. ":" .. method .. "(…)`", 3)
    end
    return id
  end
  setmetatable(methods, { __index = function(_, key)
    error("shared." .. what .. ": a shared " .. what .. " has no `" .. tostring(key) .. "`; it has " .. names, 2)
  end })
  local meta = { __index = methods }
  local function make(name)
    local handle = known[name]
    if not handle then
      local id = finish(open(name))
      handle = freeze(setmetatable({ name = name }, meta))
      known[name], ids[handle] = handle, id
    end
    return handle
  end
  return make, methods, id_of, meta
end

local counter, Counter, counter_id, counter_meta = kind_of("counter", raw.counter, "add and get")
function Counter.add(self, n)
  return finish(raw.counter_add(counter_id(self, "add"), n))
end
function Counter.get(self)
  return finish(raw.counter_get(counter_id(self, "get")))
end

local map, Map, map_id, map_meta = kind_of("map", raw.map, "add, delete, each, get, keys, set and size")
function Map.add(self, key, n)
  return finish(raw.map_add(map_id(self, "add"), key, n))
end
function Map.delete(self, key)
  return finish(raw.map_delete(map_id(self, "delete"), key))
end
function Map.each(self)
  local id = map_id(self, "each")
  local keys, index = finish(raw.map_keys(id)), 0
  return function()
    while true do
      index = index + 1
      local key = keys[index]
      if key == nil then return nil end
      local value = finish(raw.map_get(id, key))
      if value ~= nil then return key, value end
    end
  end
end
function Map.get(self, key)
  return finish(raw.map_get(map_id(self, "get"), key))
end
function Map.keys(self)
  return finish(raw.map_keys(map_id(self, "keys")))
end
function Map.set(self, key, value)
  return finish(raw.map_set(map_id(self, "set"), key, value))
end
function Map.size(self)
  return finish(raw.map_size(map_id(self, "size")))
end
map_meta.__len = Map.size
freeze(counter_meta)
freeze(Counter)
freeze(map_meta)
freeze(Map)

local function made(body, ttl)
  local value = body()
  if type(ttl) == "function" then
    ttl = ttl(value)
  end
  return value, ttl
end
local function once(key, options, body)
  if body == nil and type(options) == "function" then
    options, body = nil, options
  end
  local ttl = finish(raw.once_options(key, options, body))
  local known, value = finish(raw.once_begin(key))
  if known then
    return value
  end
  local ok, result, lasting = pcall(made, body, ttl)
  if not ok then
    finish(raw.once_give_up(key))
    error(result, 0)
  end
  return finish(raw.once_end(key, lasting, result))
end
return counter, map, once"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let raw = host.lua.create_table()?;
    counters(host, &raw)?;
    maps(host, &raw)?;
    onces(host, &raw)?;
    let (counter, map, once): (Function, Function, Function) = host.run_internal(CODE, (raw, host.finish_fn()?))?;
    let table = host.lua.create_table()?;
    table.raw_set("counter", counter)?;
    table.raw_set("map", map)?;
    table.raw_set("once", once)?;
    Ok(Value::Table(table))
}

/// What this VM has opened, by number.
#[derive(Debug)]
struct Opened<T>(Rc<RefCell<Vec<Arc<T>>>>);

impl<T> Clone for Opened<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Opened<T> {
    fn new() -> Self {
        Self(Rc::default())
    }

    fn add(&self, opened: Arc<T>) -> usize {
        let mut all = self.0.borrow_mut();
        all.push(opened);
        all.len() - 1
    }

    /// The one whose number is the first argument, once the file is loaded.
    fn get(&self, host: &Host, args: &Args) -> Result<Arc<T>, ApiError> {
        if host.current()?.lifecycle.get() == Lifecycle::Load {
            return Err(args.error(
                "every virtual user loads the file, so that it cannot be used at its top; call it in setup, vu_init or the \
                 journey",
            ));
        }
        let index = usize::try_from(args.integer(0, "number")?).map_err(|error| args.error(error))?;
        let opened = self.0.borrow().get(index).cloned();
        opened.ok_or_else(|| args.error("was not opened in this VM"))
    }
}

fn counters(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    let opened: Opened<Counter> = Opened::new();
    let all = opened.clone();
    let counter = host.raw_fn(move |host, values| {
        let args = Args::new("shared.counter", values);
        let counter = host.session.commons.counter(&name(&args)?);
        let index = all.add(counter.map_err(|error| args.error(error))?);
        Ok(index.into_multi(&host.lua)?)
    })?;
    raw.raw_set("counter", counter)?;
    let all = opened.clone();
    let add = host.raw_fn(move |host, values| {
        let args = Args::new("shared.counter:add", values);
        let counter = all.get(host, &args)?;
        let by = args.opt_number(1, "n")?.unwrap_or(1.0);
        let sum = counter.add(by).map_err(|error| args.error(format!("it {error}")))?;
        Ok(sum.into_multi(&host.lua)?)
    })?;
    raw.raw_set("counter_add", add)?;
    let get = host.raw_fn(move |host, values| {
        let counter = opened.get(host, &Args::new("shared.counter:get", values))?;
        Ok(counter.get().into_multi(&host.lua)?)
    })?;
    raw.raw_set("counter_get", get)
}

fn maps(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    let opened: Opened<Map> = Opened::new();
    let all = opened.clone();
    let map = host.raw_fn(move |host, values| {
        let args = Args::new("shared.map", values);
        let map = host.session.commons.map(&name(&args)?);
        let index = all.add(map.map_err(|error| args.error(error))?);
        Ok(index.into_multi(&host.lua)?)
    })?;
    raw.raw_set("map", map)?;
    let method = |name: &str, full: &'static str, act: fn(&Host, &Args, &Map) -> ApiResult| {
        let all = opened.clone();
        let call = host.raw_fn(move |host, values| {
            let args = Args::new(full, values);
            let map = all.get(host, &args)?;
            act(host, &args, &map)
        })?;
        raw.raw_set(name, call)
    };
    method("map_add", "shared.map:add", |host, args, map| {
        let (key, by) = (key(args)?, args.opt_number(2, "n")?.unwrap_or(1.0));
        let sum = map.add(key, by).map_err(|error| refused(args, error))?;
        Ok(sum.into_multi(&host.lua)?)
    })?;
    method("map_delete", "shared.map:delete", |host, args, map| {
        let before = map.delete(&key(args)?).unwrap_or(Stored::Nil);
        Ok(to_lua(host, &before)?.into_multi(&host.lua)?)
    })?;
    method("map_get", "shared.map:get", |host, args, map| {
        let value = map.get(&key(args)?).unwrap_or(Stored::Nil);
        Ok(to_lua(host, &value)?.into_multi(&host.lua)?)
    })?;
    method("map_keys", "shared.map:keys", |host, _, map| keys(host, map))?;
    method("map_set", "shared.map:set", |host, args, map| {
        let value = args.get(2);
        if value == Value::Nil {
            return Err(args.error("`value` is nil; `delete` removes a key"));
        }
        let stored = stored(host, &value).map_err(|what| args.error(format!("`value`: {what}")))?;
        map.set(key(args)?, stored).map_err(|error| refused(args, error))?;
        Ok(().into_multi(&host.lua)?)
    })?;
    method("map_size", "shared.map:size", |host, _, map| {
        Ok(map.size().into_multi(&host.lua)?)
    })
}

fn keys(host: &Host, map: &Map) -> ApiResult {
    let keys = map.keys();
    let list = host.lua.create_table_with_capacity(keys.len(), 0)?;
    for key in keys {
        match key {
            Key::Number(number) => list.raw_push(number)?,
            Key::Text(text) => list.raw_push(&*text)?,
        }
    }
    Ok(list.into_multi(&host.lua)?)
}

fn onces(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    raw.raw_set("once_options", host.raw_fn(once_options)?)?;
    let begin = host.raw_op_fn("shared.once", |vu, values| async move {
        let args = Args::new("shared.once", values);
        let key = args.string(0, "key")?.to_string_lossy();
        let commons = Arc::clone(&vu.host.session.commons);
        let before = clock::now();
        let answer = commons.once(&key).await;
        vu.slept.set(vu.slept.get() + (clock::now() - before));
        match answer.map_err(|error| args.error(error))? {
            Answer::Value(value) => Ok((true, to_lua(&vu.host, &value)?).into_multi(&vu.host.lua)?),
            Answer::Turn(turn) => {
                vu.held.begin(turn);
                Ok(false.into_multi(&vu.host.lua)?)
            }
        }
    })?;
    raw.raw_set("once_begin", begin)?;
    let give_up = host.raw_fn(|host, values| {
        let key = Args::new("shared.once", values).string(0, "key")?.to_string_lossy();
        drop(host.current()?.held.finish(&key));
        Ok(().into_multi(&host.lua)?)
    })?;
    raw.raw_set("once_give_up", give_up)?;
    let end = host.raw_fn(|host, values| {
        let args = Args::new("shared.once", values);
        let key = args.string(0, "key")?.to_string_lossy();
        // Dropped by an error, so that the next one tries.
        let turn = host.current()?.held.finish(&key);
        let ttl = ttl(&args, &args.get(1))?;
        let value = stored(host, &args.get(2)).map_err(|what| args.error(format!("the value of `{key}`: {what}")))?;
        if let Some(turn) = turn {
            turn.fulfil(value.clone(), ttl);
        }
        Ok(to_lua(host, &value)?.into_multi(&host.lua)?)
    })?;
    raw.raw_set("once_end", end)
}

/// Key, options and function; gives the `ttl`, which may be a function, or nil.
fn once_options(host: &Rc<Host>, values: MultiValue) -> ApiResult {
    let args = Args::new("shared.once", values);
    let key = args.string(0, "key")?.to_string_lossy();
    let fields = Fields::new("shared.once", Vec::new(), &args.get(1), &["ttl"])?;
    let given = fields.map_or(Value::Nil, |fields| fields.get("ttl"));
    if !matches!(given, Value::Function(_)) {
        ttl(&args, &given)?;
    }
    if !matches!(args.get(2), Value::Function(_)) {
        return Err(args.wrong("fn", "a function that makes the value", &args.get(2)));
    }
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    if vu.held.is_making(&key) {
        return Err(args.error(format!(
            "this virtual user is making the value of `{key}` already, and would wait for itself"
        )));
    }
    Ok(given.into_multi(&host.lua)?)
}

/// How long a value is good.
fn ttl(args: &Args, given: &Value) -> Result<Option<Duration>, ApiError> {
    if *given == Value::Nil {
        return Ok(None);
    }
    let ttl = to_duration(given).map_err(|reason| args.error(format!("`ttl` is wrong: {reason}")))?;
    if ttl.is_zero() {
        return Err(args.error("`ttl` must be longer than zero"));
    }
    Ok(Some(ttl))
}

fn name(args: &Args) -> Result<String, ApiError> {
    let name = args.string(0, "name")?.to_string_lossy();
    if name.is_empty() || name.len() > 128 {
        return Err(args.error("`name` must have 1 to 128 bytes"));
    }
    Ok(name)
}

/// The key of a map, which comes after the map's number.
fn key(args: &Args) -> Result<Key, ApiError> {
    match args.get(1) {
        Value::String(text) => match text.to_str() {
            Ok(text) if text.len() <= 1024 => Ok(Key::Text(text.as_ref().into())),
            _ => Err(args.error("`key` must be UTF-8 text of at most 1,024 bytes")),
        },
        other if number(&other).is_some() => Ok(Key::Number(args.integer(1, "key")?)),
        other => Err(args.wrong("key", "a string or a whole number", &other)),
    }
}

fn refused(args: &Args, error: CommonsError) -> ApiError {
    match error {
        CommonsError::NotANumber | CommonsError::Overflow => args.error(format!("{} {error}", describe(&args.get(1)))),
        other => args.error(other),
    }
}

/// A value as it is kept.
///
/// # Errors
/// What it is, when it cannot be.
pub(super) fn stored(host: &Host, value: &Value) -> Result<Stored, String> {
    let within = |size: usize| match size {
        0..=MAX_VALUE => Ok(()),
        _ => Err(format!("{size} bytes are too many; the limit is 1 MB")),
    };
    Ok(match value {
        Value::Nil => Stored::Nil,
        Value::Boolean(value) => Stored::Boolean(*value),
        Value::String(text) => {
            within(text.as_bytes().len())?;
            Stored::Text((&*text.as_bytes()).into())
        }
        value => match number(value) {
            Some(number) if number.is_finite() => Stored::Number(number),
            Some(number) => return Err(format!("{number} is no finite number")),
            None => {
                let json = to_json(&host.lua, value)?;
                within(json.len())?;
                Stored::Json(json.into())
            }
        },
    })
}

/// A copy for a script.
fn to_lua(host: &Host, value: &Stored) -> mlua::Result<Value> {
    Ok(match value {
        Stored::Nil => Value::Nil,
        Stored::Boolean(value) => Value::Boolean(*value),
        Stored::Number(number) => Value::Number(*number),
        Stored::Text(text) => Value::String(host.lua.create_string(text)?),
        Stored::Json(json) => parse(&host.lua, json.as_bytes(), false).map_err(mlua::Error::runtime)?,
    })
}
