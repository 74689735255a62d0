//! `kt.json`: JSON text to values and back. The rules of the conversion are `script::value`'s.

use std::rc::Rc;

use mlua::Value;

use super::args::Args;
use crate::script::fields::Fields;
use crate::script::value::{ArrayMark, AsJson, parse};
use crate::script::{Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set(
        "encode",
        host.sync_fn(|host, values| {
            let args = Args::new("json.encode", values);
            let value = args.get(0);
            let options = Fields::new("json.encode", Vec::new(), &args.get(1), &["pretty"])?;
            let pretty = options.map(|options| options.boolean("pretty")).transpose()?.flatten() == Some(true);
            let json = AsJson::new(&value);
            let text = if pretty {
                serde_json::to_string_pretty(&json)
            } else {
                serde_json::to_string(&json)
            };
            Ok(text.map_err(|error| args.error(error))?.into_multi(&host.lua)?)
        })?,
    )?;
    table.raw_set(
        "decode",
        host.sync_fn(|host, values| {
            let args = Args::new("json.decode", values);
            let text = args.string(0, "text")?;
            let options = Fields::new("json.decode", Vec::new(), &args.get(1), &["null"])?;
            let keep_null = options.map(|options| options.boolean("null")).transpose()?.flatten() == Some(true);
            match parse(&host.lua, &text.as_bytes(), keep_null) {
                Ok(value) => Ok(value.into_multi(&host.lua)?),
                Err(error) => Ok((Value::Nil, error.to_string()).into_multi(&host.lua)?),
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
