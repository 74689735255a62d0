//! `kt.json`: JSON text to values and back. The rules of the conversion are `script::value`'s.

use std::rc::Rc;

use mlua::Value;

use crate::script::raw::Kind;
use crate::script::value::{ArrayMark, Style, push_json};
use crate::script::{ApiError, Args, Host, Pushed};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    table.raw_set("null", Value::NULL)?;
    host.add(&table, "json.encode", |host, args| {
        let style = if option(args, "pretty")? {
            Style::Pretty
        } else {
            Style::Plain
        };
        let mut json = host.json.borrow_mut();
        let text = json.bytes(args.stack(), 1, style);
        let text = text.map_err(|error| args.error(error))?;
        args.stack().push_bytes(text);
        Ok(Pushed(1))
    })?;
    host.add(&table, "json.decode", |_, args| {
        let keep_null = option(args, "null")?;
        let text = args.bytes(1, "text")?.to_vec();
        let decoded = push_json(args.stack(), &text, keep_null);
        Ok(decoded.map(|()| Pushed(1)).map_err(|error| error.to_string()))
    })?;
    host.add(&table, "json.array", |host, args| {
        let list = match args.kind(1) {
            Kind::Nil => host.lua.create_table()?,
            _ => args.table(1, "list")?,
        };
        Ok(ArrayMark::apply(&host.lua, list)?)
    })?;
    Ok(Value::Table(table))
}

/// The one option, true or false, of the table that is the second argument.
fn option(args: &Args<'_, '_>, name: &'static str) -> Result<bool, ApiError> {
    match args.options(2, &[name])? {
        Some(options) => Ok(options.boolean(name)? == Some(true)),
        None => Ok(false),
    }
}
