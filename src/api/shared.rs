//! `kt.shared`: counters, small values and once-values that all virtual users have in common. They are kept in
//! `script::commons`, without a VM: what is handed out is a copy.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Table, Value};

use crate::clock;
use crate::script::commons::{Answer, CommonsError, Counter, Key, Map, Stored};
use crate::script::fields::duration_at;
use crate::script::raw::{Kind, Stack};
use crate::script::value::{Style, push_json};
use crate::script::{ApiError, Args, Host, Lifecycle, Pushed, Results};

/// The largest text or table that is kept, in bytes.
const MAX_VALUE: usize = 1 << 20;

/// The faces of counters and maps in Lua, and `once`, whose function may wait. Things are known to `raw` by number.
const CODE: &str = r#"
local raw = ...
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
      local id = open(name)
      handle = freeze(setmetatable({ name = name }, meta))
      known[name], ids[handle] = handle, id
    end
    return handle
  end
  return make, methods, id_of, meta
end

local counter, Counter, counter_id, counter_meta = kind_of("counter", raw.counter, "add and get")
function Counter.add(self, n)
  return raw.counter_add(counter_id(self, "add"), n)
end
function Counter.get(self)
  return raw.counter_get(counter_id(self, "get"))
end

local map, Map, map_id, map_meta = kind_of("map", raw.map, "add, delete, each, get, keys, set and size")
function Map.add(self, key, n)
  return raw.map_add(map_id(self, "add"), key, n)
end
function Map.delete(self, key)
  return raw.map_delete(map_id(self, "delete"), key)
end
function Map.each(self)
  local id = map_id(self, "each")
  local keys, index = raw.map_keys(id), 0
  return function()
    while true do
      index = index + 1
      local key = keys[index]
      if key == nil then return nil end
      local value = raw.map_get(id, key)
      if value ~= nil then return key, value end
    end
  end
end
function Map.get(self, key)
  return raw.map_get(map_id(self, "get"), key)
end
function Map.keys(self)
  return raw.map_keys(map_id(self, "keys"))
end
function Map.set(self, key, value)
  return raw.map_set(map_id(self, "set"), key, value)
end
function Map.size(self)
  return raw.map_size(map_id(self, "size"))
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
  local ttl = raw.once_options(key, options, body)
  local known, value = raw.once_begin(key)
  if known then
    return value
  end
  local ok, result, lasting = pcall(made, body, ttl)
  if not ok then
    raw.once_give_up(key)
    error(result, 0)
  end
  return raw.once_end(key, ttl ~= nil, lasting, result)
end
return counter, map, once"#;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let raw = host.lua.create_table()?;
    counters(host, &raw)?;
    maps(host, &raw)?;
    onces(host, &raw)?;
    let (counter, map, once): (Function, Function, Function) = host.run_internal(CODE, raw)?;
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
    fn get(&self, host: &Host, args: &Args<'_, '_>) -> Result<Arc<T>, ApiError> {
        if host.current()?.lifecycle.get() == Lifecycle::Load {
            return Err(args.error(
                "every virtual user loads the file, so that it cannot be used at its top; call it in setup, vu_init or the \
                 journey",
            ));
        }
        let index = usize::try_from(args.integer(1, "number")?).map_err(|error| args.error(error))?;
        let opened = self.0.borrow().get(index).cloned();
        opened.ok_or_else(|| args.error("was not opened in this VM"))
    }
}

fn counters(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    let opened: Opened<Counter> = Opened::new();
    let all = opened.clone();
    let counter = host.function("shared.counter", move |host, args| {
        let counter = host.session.commons.counter(&name(args)?);
        Ok(all.add(counter.map_err(|error| args.error(error))?))
    })?;
    raw.raw_set("counter", counter)?;
    let all = opened.clone();
    let add = host.function("shared.counter:add", move |host, args| {
        let counter = all.get(host, args)?;
        let by = args.opt_number(2, "n")?.unwrap_or(1.0);
        counter.add(by).map_err(|error| args.error(format!("it {error}")))
    })?;
    raw.raw_set("counter_add", add)?;
    let get = host.function("shared.counter:get", move |host, args| {
        Ok(opened.get(host, args)?.get())
    })?;
    raw.raw_set("counter_get", get)
}

fn maps(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    let opened: Opened<Map> = Opened::new();
    let all = opened.clone();
    let map = host.function("shared.map", move |host, args| {
        let map = host.session.commons.map(&name(args)?);
        Ok(all.add(map.map_err(|error| args.error(error))?))
    })?;
    raw.raw_set("map", map)?;
    let methods = Methods { host, raw, opened };
    methods.add("map_add", "shared.map:add", |_, args, map| {
        let (key, by) = (key(args)?, args.opt_number(3, "n")?.unwrap_or(1.0));
        map.add(key, by).map_err(|error| refused(args, error))
    })?;
    methods.add("map_delete", "shared.map:delete", |_, args, map| {
        Ok(map.delete(&key(args)?))
    })?;
    methods.add("map_get", "shared.map:get", |_, args, map| Ok(map.get(&key(args)?)))?;
    methods.add("map_keys", "shared.map:keys", |host, _, map| keys(host, map))?;
    methods.add("map_set", "shared.map:set", |host, args, map| {
        if args.is_nil(3) {
            return Err(args.error("`value` is nil; `delete` removes a key"));
        }
        let stored = stored(host, args.stack(), 3).map_err(|what| args.error(format!("`value`: {what}")))?;
        map.set(key(args)?, stored).map_err(|error| refused(args, error))
    })?;
    methods.add("map_size", "shared.map:size", |_, _, map| Ok(map.size()))
}

/// Adds functions whose first argument is the number of a map.
struct Methods<'a> {
    host: &'a Rc<Host>,
    raw: &'a Table,
    opened: Opened<Map>,
}

impl Methods<'_> {
    fn add<R: Results + 'static>(
        &self,
        name: &str,
        full: &'static str,
        act: fn(&Host, &mut Args<'_, '_>, &Map) -> Result<R, ApiError>,
    ) -> mlua::Result<()> {
        let all = self.opened.clone();
        let call = self.host.function(full, move |host, args| {
            let map = all.get(host, args)?;
            act(host, args, &map)
        })?;
        self.raw.raw_set(name, call)
    }
}

fn keys(host: &Host, map: &Map) -> Result<Table, ApiError> {
    let keys = map.keys();
    let list = host.lua.create_table_with_capacity(keys.len(), 0)?;
    for key in keys {
        match key {
            Key::Number(number) => list.raw_push(number)?,
            Key::Text(text) => list.raw_push(&*text)?,
        }
    }
    Ok(list)
}

fn onces(host: &Rc<Host>, raw: &Table) -> mlua::Result<()> {
    raw.raw_set("once_options", host.function("shared.once", once_options)?)?;
    let begin = host.operation("shared.once", |vu, args| {
        let (key, vu) = (args.text(1, "key")?.into_owned(), Rc::clone(vu));
        Ok(async move {
            let commons = Arc::clone(&vu.host.session.commons);
            let before = clock::now();
            let answer = commons.once(&key).await;
            vu.slept.set(vu.slept.get() + (clock::now() - before));
            match answer.map_err(|error| ApiError::Text(format!("shared.once: {error}")))? {
                Answer::Value(value) => Ok((true, value)),
                Answer::Turn(turn) => {
                    vu.held.begin(turn);
                    Ok((false, Stored::Nil))
                }
            }
        })
    })?;
    raw.raw_set("once_begin", begin)?;
    let give_up = host.function("shared.once", |host, args| {
        drop(host.current()?.held.finish(&args.text(1, "key")?));
        Ok(())
    })?;
    raw.raw_set("once_give_up", give_up)?;
    let end = host.function("shared.once", |host, args| {
        // Dropped by an error, so that the next one tries.
        let turn = host.current()?.held.finish(&args.text(1, "key")?);
        let lasting = match args.stack().is_true(2) {
            true => {
                let given = duration_at(args.stack(), 3);
                Some(ttl(args, given)?)
            }
            false => None,
        };
        let value = stored(host, args.stack(), 4);
        let value = value.map_err(|what| match args.text(1, "key") {
            Ok(key) => args.error(format!("the value of `{key}`: {what}")),
            Err(error) => error,
        })?;
        if let Some(turn) = turn {
            turn.fulfil(value.clone(), lasting);
        }
        Ok(value)
    })?;
    raw.raw_set("once_end", end)
}

/// Key, options and function; gives the `ttl`, which may be a function, or nil.
fn once_options(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<Pushed, ApiError> {
    args.text(1, "key")?;
    let given = args.options(2, &["ttl"])?.and_then(|options| options.place("ttl"));
    if let Some(place) = given.filter(|place| args.stack().kind(*place) != Kind::Function) {
        let given = duration_at(args.stack(), place);
        ttl(args, given)?;
    }
    if args.kind(3) != Kind::Function {
        return Err(args.wrong("fn", "a function that makes the value", 3));
    }
    let vu = host.current()?;
    if let Some(when) = vu.lifecycle.get().still() {
        return Err(args.error(format!(
            "cannot be used {when}; call it in setup, vu_init or the journey"
        )));
    }
    let key = args.text(1, "key")?;
    if vu.held.is_making(&key) {
        return Err(args.error(format!(
            "this virtual user is making the value of `{key}` already, and would wait for itself"
        )));
    }
    match given {
        Some(ttl) => args.stack().push_copy(ttl),
        None => args.stack().push_nil(),
    }
    Ok(Pushed(1))
}

/// How long a value is good.
fn ttl(args: &Args<'_, '_>, given: Result<Duration, String>) -> Result<Duration, ApiError> {
    let ttl = given.map_err(|reason| args.error(format!("`ttl` is wrong: {reason}")))?;
    if ttl.is_zero() {
        return Err(args.error("`ttl` must be longer than zero"));
    }
    Ok(ttl)
}

fn name(args: &Args<'_, '_>) -> Result<String, ApiError> {
    let name = args.text(1, "name")?;
    if name.is_empty() || name.len() > 128 {
        return Err(args.error("`name` must have 1 to 128 bytes"));
    }
    Ok(name.into_owned())
}

/// The key of a map, which comes after the map's number.
fn key(args: &Args<'_, '_>) -> Result<Key, ApiError> {
    match args.kind(2) {
        Kind::String => match std::str::from_utf8(args.bytes(2, "key")?) {
            Ok(text) if text.len() <= 1024 => Ok(Key::Text(text.into())),
            _ => Err(args.error("`key` must be UTF-8 text of at most 1,024 bytes")),
        },
        Kind::Number => Ok(Key::Number(args.integer(2, "key")?)),
        _ => Err(args.wrong("key", "a string or a whole number", 2)),
    }
}

fn refused(args: &Args<'_, '_>, error: CommonsError) -> ApiError {
    match error {
        CommonsError::NotANumber | CommonsError::Overflow => args.error(format!("{} {error}", args.describe(2))),
        other => args.error(other),
    }
}

/// The value at `index` as it is kept.
///
/// # Errors
/// What it is, when it cannot be.
pub(super) fn stored(host: &Host, stack: &mut Stack<'_>, index: i32) -> Result<Stored, String> {
    let within = |size: usize| match size {
        0..=MAX_VALUE => Ok(()),
        _ => Err(format!("{size} bytes are too many; the limit is 1 MB")),
    };
    if let Some(text) = stack.bytes(index) {
        within(text.len())?;
        return Ok(Stored::Text(text.into()));
    }
    match (stack.kind(index), stack.number(index)) {
        (Kind::Nil, _) => Ok(Stored::Nil),
        (Kind::Boolean, _) => Ok(Stored::Boolean(stack.is_true(index))),
        (_, Some(number)) if number.is_finite() => Ok(Stored::Number(number)),
        (_, Some(number)) => Err(format!("{number} is no finite number")),
        _ => {
            let json = host.json.borrow_mut().text(stack, index, Style::Kept)?;
            within(json.len())?;
            Ok(Stored::Json(json.into()))
        }
    }
}

/// A copy for a script.
impl Results for Stored {
    fn give(self, stack: &mut Stack<'_>) -> Result<i32, ApiError> {
        match self {
            Self::Nil => stack.push_nil(),
            Self::Boolean(value) => stack.push_bool(value),
            Self::Number(number) => stack.push_number(number),
            Self::Text(text) => stack.push_bytes(&text),
            Self::Json(json) => push_json(stack, json.as_bytes(), false).map_err(|error| error.to_string())?,
        }
        Ok(1)
    }
}
