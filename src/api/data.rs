//! `kt.data`: read-only data sets, one copy for the whole process. Loading and cursors are `script::dataset`'s; pools have
//! a file of their own.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Value};

use crate::control::Reason;
use crate::script::bridge::end_value;
use crate::script::dataset::{Dataset, Row};
use crate::script::face::Face;
use crate::script::fields::{describe, items};
use crate::script::raw::{self, Flow, Stack};
use crate::script::value::{push_json, to_kept_json};
use crate::script::{ApiError, Args, Host, Kind, Lifecycle, Pushed};

/// The metatable of a set's face; `name`, `length` and functions that give a row.
const ARRAY: &str = r#"
local array, name, length, get, random, next_row, unique, for_vu = ...
local type, error, tostring = type, error, tostring
local methods = {}
local function checked(self, method)
  if self ~= array then
    error("data.array: call it with a colon: `rows:" .. method .. "()`", 3)
  end
end
function methods.random(self)
  checked(self, "random")
  return random()
end
function methods.next(self)
  checked(self, "next")
  return next_row()
end
function methods.unique(self, options)
  checked(self, "unique")
  return unique(options)
end
function methods.for_vu(self)
  checked(self, "for_vu")
  return for_vu()
end
local function each()
  local index = 0
  return function()
    index = index + 1
    if index <= length then
      return index, get(index)
    end
  end
end
function methods.each(self)
  checked(self, "each")
  return each()
end
return {
  __iter = each,
  __len = function() return length end,
  __tostring = function() return length .. " rows" end,
  __index = function(_, key)
    if type(key) == "number" then
      return get(key)
    end
    local method = methods[key]
    if not method then
      error("data.array: a data set has no `" .. tostring(key) .. "`; it has each, for_vu, next, random and unique", 2)
    end
    return method
  end,
  __newindex = function()
    error("data.array: `" .. name .. "` is read-only: all virtual users share it; copy a row to change it", 2)
  end,
}"#;

/// What happens when `:unique()` has given out every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnExhausted {
    Stop,
    Recycle,
    Abort,
}

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let raw = host.function("data.array", array)?;
    // In Lua, so that a builder runs as ordinary code of the script.
    let code = r#"
local raw = ...
return function(name, source, options)
  if type(source) == "table" and next(source) and type((next(source))) ~= "string" then
    error("data.array: a function gives the rows: `data.array(name, function() return rows end)`", 2)
  elseif type(source) ~= "function" then
    return raw("file", name, source)
  end
  local known = raw("known", name, options)
  if known then return known end
  return raw("built", name, options, source())
end"#;
    let array: Function = host.run_internal(code, raw)?;
    table.raw_set("array", array)?;
    table.raw_set("pool", super::pool::open(host)?)?;
    Ok(Value::Table(table))
}

/// `how`, name, options and, once they are built, rows. A set that is `known` already need not be built again.
fn array(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<Value, ApiError> {
    let (how, name) = (args.text(1, "how")?, args.text(2, "file")?);
    let policy = on_exhausted(args, 3)?.unwrap_or(OnExhausted::Stop);
    if host.current()?.lifecycle.get() != Lifecycle::Load {
        return Err(args.error("open data sets at the top of the file, so that a missing one is found before the run"));
    }
    let opened = host.kept("data.array")?;
    let revision = host.current()?.revision();
    let key = format!("{name}\0{policy:?}\0{}", how == "file");
    let known: Value = opened.raw_get(key.as_str())?;
    if known != Value::Nil {
        return Ok(known);
    }
    let set = match &*how {
        "file" => args.within(host.data_file(&name))?,
        "known" => match revision.data.built(&name) {
            Some(set) => set,
            None => return Ok(Value::Nil),
        },
        _ => revision
            .data
            .add_built(&name, build(host, args, &name, &args.value(4)?)?),
    };
    let face = face(host, &name, &set, policy)?;
    opened.raw_set(key, &face)?;
    Ok(face)
}

/// The set that a list of rows makes.
pub(super) fn build(host: &Host, args: &Args<'_, '_>, name: &str, rows: &Value) -> Result<Dataset, ApiError> {
    let Value::Table(rows) = rows else {
        return Err(args.error(format!(
            "the builder of `{name}` must return a list of rows, got {}",
            describe(rows)
        )));
    };
    let rows = items(rows).map_err(|what| args.error(format!("the list of `{name}` {what}")))?;
    let mut texts = Vec::with_capacity(rows.len());
    for row in rows {
        let text = to_kept_json(&host.lua, &row);
        texts.push(text.map_err(|error| args.error(format!("row {} of `{name}`: {error}", texts.len() + 1)))?);
    }
    Dataset::from_values(name, texts).map_err(|error| args.error(error))
}

fn on_exhausted(args: &Args<'_, '_>, index: i32) -> Result<Option<OnExhausted>, ApiError> {
    let Some(options) = args.options(index, &["on_exhausted"])? else {
        return Ok(None);
    };
    let choice = options.choice("on_exhausted", &["stop", "recycle", "abort"])?;
    Ok(choice.map(|choice| match choice {
        "recycle" => OnExhausted::Recycle,
        "abort" => OnExhausted::Abort,
        _ => OnExhausted::Stop,
    }))
}

fn face(host: &Rc<Host>, name: &str, set: &Arc<Dataset>, policy: OnExhausted) -> mlua::Result<Value> {
    let own = |set: &Arc<Dataset>| Arc::clone(set);
    let rows = own(set);
    let get = host.stack_fn(move |_, stack| {
        let index = stack.number(1).unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a whole number from 1"
        )]
        let row = if index >= 1.0 && index.fract() == 0.0 {
            rows.row(index as usize - 1)
        } else {
            None
        };
        hand_out(stack, row)
    })?;
    let rows = own(set);
    let random = host.stack_fn(move |host, stack| {
        let index = rand::RngExt::random_range(&mut *host.current()?.rng.borrow_mut(), 0..rows.len());
        hand_out(stack, rows.row(index))
    })?;
    let rows = own(set);
    let next = host.stack_fn(move |_, stack| hand_out(stack, rows.row(rows.next())))?;
    let rows = own(set);
    let label = name.to_owned();
    let unique = host.function("data.array:unique", move |host, args| {
        let policy = on_exhausted(args, 1)?.unwrap_or(policy);
        let Some(index) = rows.unique(policy == OnExhausted::Recycle) else {
            return Err(exhausted(host, &label, policy)?);
        };
        put(args.stack(), rows.row(index)).map_err(|error| error.to_string())?;
        Ok(Pushed(1))
    })?;
    let rows = own(set);
    let for_vu = host.stack_fn(move |host, stack| {
        let id = usize::try_from(host.current()?.id.saturating_sub(1)).unwrap_or(0);
        hand_out(stack, rows.row(id % rows.len()))
    })?;
    let args = (name, set.len(), get, random, next, unique, for_vu);
    Face::make(host, "data set", ARRAY, args)
}

/// How the iteration ends that asked for one row too many.
fn exhausted(host: &Host, name: &str, policy: OnExhausted) -> mlua::Result<ApiError> {
    let reason = format!("every row of `{name}` has been given out");
    if policy == OnExhausted::Abort {
        host.session.control.stop(Reason::DataExhausted(reason.clone()));
        return end_value(host, &Kind::Aborted, &reason).map(ApiError::Value);
    }
    if host.session.exhaust(name) {
        let text = "users who ask for more take no further iteration (on_exhausted = \"stop\")";
        tracing::warn!(target: "kingtide::run", "{reason}: {text}");
    }
    end_value(host, &Kind::Retired, &reason).map(ApiError::Value)
}

/// A row as a fresh value, so that a script may change what it was given.
pub(super) fn fresh(host: &Host, row: Option<Row<'_>>) -> mlua::Result<Value> {
    raw::make(&host.lua, |stack| put(stack, row))?.map_err(mlua::Error::runtime)
}

/// Gives a row to the script that asks for it.
fn hand_out(stack: &mut Stack<'_>, row: Option<Row<'_>>) -> Result<Flow, ApiError> {
    put(stack, row).map_err(|error| ApiError::Text(error.to_string()))?;
    Ok(Flow::Return(1))
}

/// Pushes a row as a fresh value.
pub(super) fn put(stack: &mut Stack<'_>, row: Option<Row<'_>>) -> Result<(), serde_json::Error> {
    match row {
        None => stack.push_nil(),
        Some(Row::Json(text)) => push_json(stack, text.as_bytes(), false)?,
        Some(Row::Csv(names, record)) => {
            stack.push_table(0, i32::try_from(names.len()).unwrap_or(0));
            let table = stack.top();
            for (name, value) in names.iter().zip(record.iter()) {
                stack.push_bytes(name.as_bytes());
                stack.push_bytes(value.as_bytes());
                stack.set(table);
            }
        }
    }
    Ok(())
}
