//! `kt.json`: JSON text to values and back. The rules of the conversion are `script::value`'s.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::fields::Fields;
use crate::script::raw::{Flow, Kind, Stack};
use crate::script::value::{ArrayMark, push_json};
use crate::script::{ApiError, Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set(
        "encode",
        host.stack_fn(|host, stack| {
            let pretty = option(stack, "json.encode", "pretty")?;
            let text = host.json.borrow_mut().text(stack, 1, pretty);
            let text = text.map_err(|error| ApiError::Text(format!("json.encode: {error}")))?;
            stack.push_bytes(text.as_bytes());
            Ok(Flow::Return(1))
        })?,
    )?;
    table.raw_set(
        "decode",
        host.stack_fn(|_, stack| {
            let keep_null = option(stack, "json.decode", "null")?;
            let Some(text) = stack.bytes(1).map(<[u8]>::to_vec) else {
                let args = Args::new("json.decode", stack.take(0)?);
                return Err(args.wrong("text", "a string", &args.get(0)));
            };
            match push_json(stack, &text, keep_null) {
                Ok(()) => Ok(Flow::Return(1)),
                Err(error) => {
                    stack.push_nil();
                    stack.push_bytes(error.to_string().as_bytes());
                    Ok(Flow::Return(2))
                }
            }
        })?,
    )?;
    table.raw_set(
        "array",
        host.sync_fn(|host, values| {
            let args = Args::new("json.array", values);
            let list = if args.get(0) == Value::Nil {
                host.lua.create_table()?
            } else {
                args.table(0, "list")?
            };
            ArrayMark::apply(&host.lua, &list)?;
            Ok(list.into_multi(&host.lua)?)
        })?,
    )?;
    Ok(Value::Table(table))
}

/// The one option, true or false, of the table that is the second argument.
fn option(stack: &Stack<'_>, owner: &'static str, name: &'static str) -> Result<bool, ApiError> {
    if stack.kind(2) == Kind::Nil {
        return Ok(false);
    }
    let options = Fields::new(owner, Vec::new(), &stack.value(2)?, &[name])?;
    Ok(options.map(|options| options.boolean(name)).transpose()?.flatten() == Some(true))
}
