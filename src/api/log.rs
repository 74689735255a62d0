//! `kt.log`, and `print`: lines with the virtual user and iteration they come from. Where they appear is the command line's
//! business.

use std::rc::Rc;

use mlua::Value;
use tracing::Level;

use crate::script::show::show;
use crate::script::trace::{self, Mark, Step};
use crate::script::value::to_json;
use crate::script::{ApiError, Args, Host};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    for (name, level) in [
        ("log.debug", Level::DEBUG),
        ("log.info", Level::INFO),
        ("log.warn", Level::WARN),
        ("log.error", Level::ERROR),
    ] {
        host.add(&table, name, move |host, args| write(host, level, args))?;
    }
    let print: mlua::Function = table.raw_get("info")?;
    host.set_print(&print)?;
    Ok(Value::Table(table))
}

fn write(host: &Host, level: Level, args: &Args<'_, '_>) -> Result<(), ApiError> {
    let vu = host.current()?;
    if !trace::is_on(&vu) && !is_shown(level) {
        return Ok(());
    }
    let texts = (1..=args.count()).map(|index| Ok(text(host, &args.value(index)?)));
    let text = texts.collect::<Result<Vec<_>, ApiError>>()?.join(" ");
    let place = match vu.iteration.get() {
        Some(iteration) => format!("vu {} iteration {}", vu.id, iteration.number),
        None => vu.lifecycle.get().name().to_owned(),
    };
    if trace::is_on(&vu) {
        // In its place among the steps, and only there.
        trace::tell(&vu, || {
            Step::new(Mark::Log, format!("{}: {text}", level.as_str().to_ascii_lowercase()))
        });
        return Ok(());
    }
    let line = host.session.redact(&format!("[{place}] {text}"));
    match level {
        Level::DEBUG => tracing::debug!(target: "kingtide::log", "{line}"),
        Level::WARN => tracing::warn!(target: "kingtide::log", "{line}"),
        Level::ERROR => tracing::error!(target: "kingtide::log", "{line}"),
        _ => tracing::info!(target: "kingtide::log", "{line}"),
    }
    Ok(())
}

/// Whether lines of that level appear anywhere.
fn is_shown(level: Level) -> bool {
    match level {
        Level::DEBUG => tracing::enabled!(target: "kingtide::log", Level::DEBUG),
        Level::WARN => tracing::enabled!(target: "kingtide::log", Level::WARN),
        Level::ERROR => tracing::enabled!(target: "kingtide::log", Level::ERROR),
        _ => tracing::enabled!(target: "kingtide::log", Level::INFO),
    }
}

/// Strings as they are, with a replacement for what is not UTF-8; tables as JSON, or as the prompt shows them where JSON
/// cannot; the rest as Lua prints it.
fn text(host: &Host, value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string_lossy(),
        Value::Table(_) => to_json(&host.lua, value).unwrap_or_else(|_| show(value)),
        Value::Nil => "nil".to_owned(),
        other => other.to_string().unwrap_or_else(|_| other.type_name().to_owned()),
    }
}
