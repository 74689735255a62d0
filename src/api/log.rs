//! `kt.log`, and `print`: lines with the virtual user and iteration they come from. Where they appear is the command line's
//! business.

use std::rc::Rc;

use mlua::{MultiValue, Value};

use crate::script::trace::{self, Mark, Step};
use crate::script::value::to_json;
use crate::script::{ApiResult, Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    table.raw_set(
        "debug",
        host.sync_fn(|host, values| write(host, tracing::Level::DEBUG, &values))?,
    )?;
    table.raw_set(
        "info",
        host.sync_fn(|host, values| write(host, tracing::Level::INFO, &values))?,
    )?;
    table.raw_set(
        "warn",
        host.sync_fn(|host, values| write(host, tracing::Level::WARN, &values))?,
    )?;
    table.raw_set(
        "error",
        host.sync_fn(|host, values| write(host, tracing::Level::ERROR, &values))?,
    )?;
    let print: mlua::Function = table.raw_get("info")?;
    host.set_print(&print)?;
    Ok(Value::Table(table))
}

fn write(host: &Host, level: tracing::Level, values: &MultiValue) -> ApiResult {
    let text = values
        .iter()
        .map(|value| text(host, value))
        .collect::<Vec<_>>()
        .join(" ");
    let vu = host.current()?;
    let place = match vu.iteration.get() {
        Some(iteration) => format!("vu {} iteration {}", vu.id, iteration.number),
        None => vu.lifecycle.get().tag().unwrap_or("load").to_owned(),
    };
    if trace::is_on(&vu) {
        // In its place among the steps, and only there.
        trace::tell(&vu, || {
            Step::new(Mark::Log, format!("{}: {text}", level.as_str().to_ascii_lowercase()))
        });
        return Ok(().into_multi(&host.lua)?);
    }
    let line = host.session.redact(&format!("[{place}] {text}"));
    match level {
        tracing::Level::DEBUG => tracing::debug!(target: "kingtide::log", "{line}"),
        tracing::Level::WARN => tracing::warn!(target: "kingtide::log", "{line}"),
        tracing::Level::ERROR => tracing::error!(target: "kingtide::log", "{line}"),
        _ => tracing::info!(target: "kingtide::log", "{line}"),
    }
    Ok(().into_multi(&host.lua)?)
}

/// Strings as they are, tables as JSON, the rest as Lua prints it.
fn text(host: &Host, value: &Value) -> String {
    match value {
        Value::Table(_) => to_json(&host.lua, value).unwrap_or_else(|_| "a table".to_owned()),
        Value::Nil => "nil".to_owned(),
        other => other.to_string().unwrap_or_else(|_| other.type_name().to_owned()),
    }
}
