//! `kt.time`: the wall clock, a clock for measuring, and dates as text. Waiting is `kt.sleep`'s; the clocks themselves are
//! `crate::clock`'s.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::fmt::strtime;
use mlua::Value;

use super::args::Args;
use crate::clock;
use crate::script::fields::to_duration;
use crate::script::{ApiError, ApiResult, Host, IntoMulti as _};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let add = |name: &str, full: &'static str, call: fn(&Host, &Args) -> ApiResult| {
        let function = host.sync_fn(move |host, values| call(host, &Args::new(full, values)))?;
        table.raw_set(name, function)
    };
    add("now", "time.now", |host, _| {
        Ok(since_epoch().as_secs_f64().into_multi(&host.lua)?)
    })?;
    add("now_ms", "time.now_ms", |host, _| {
        Ok((since_epoch().as_secs_f64() * 1e3).floor().into_multi(&host.lua)?)
    })?;
    add("monotonic", "time.monotonic", |host, _| {
        let since = clock::now().saturating_duration_since(host.session.created);
        Ok(since.as_secs_f64().into_multi(&host.lua)?)
    })?;
    add("iso", "time.iso", |host, args| {
        Ok(rfc3339(timestamp(args, 0)?).into_multi(&host.lua)?)
    })?;
    add("format", "time.format", format)?;
    add("parse", "time.parse", parse)?;
    add("duration", "time.duration", |host, args| match args.get(0) {
        text @ (Value::String(_) | Value::Number(_) | Value::Integer(_)) => {
            answer(host, to_duration(&text).map(|duration| duration.as_secs_f64()))
        }
        other => Err(args.wrong("text", "a string or a number", &other)),
    })?;
    Ok(Value::Table(table))
}

/// The number, or nil and what is wrong with the text.
fn answer(host: &Host, result: Result<f64, String>) -> ApiResult {
    match result {
        Ok(seconds) => Ok(seconds.into_multi(&host.lua)?),
        Err(problem) => Ok((Value::Nil, problem).into_multi(&host.lua)?),
    }
}

fn since_epoch() -> Duration {
    clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The time that the argument names in seconds since 1970, or now.
fn timestamp(args: &Args, index: usize) -> Result<Timestamp, ApiError> {
    let seconds = args
        .opt_number(index, "t")?
        .unwrap_or_else(|| since_epoch().as_secs_f64());
    // A double has not more than microseconds in this century.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of what is out of range saturates, and is refused then"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_microsecond(micros)
        .map_err(|_| args.wrong("t", "seconds since 1970, up to the year 9999", &args.get(index)))
}

/// Milliseconds, always three digits.
fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn format(host: &Host, args: &Args) -> ApiResult {
    let at = timestamp(args, 0)?;
    let form = args.opt_string(1, "format")?.map(|form| form.to_string_lossy());
    let failed = |error: jiff::Error| args.error(format!("`format` is wrong: {error}"));
    let text = match form.as_deref().unwrap_or("rfc3339") {
        "rfc3339" => rfc3339(at),
        "rfc2822" => DateTimePrinter::new().timestamp_to_string(&at).map_err(failed)?,
        "http" => DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&at)
            .map_err(failed)?,
        pattern if pattern.contains('%') => strtime::format(pattern, at).map_err(failed)?,
        other => {
            return Err(args.error(format!(
                "`format` is \"{other}\"; it must be `rfc3339`, `rfc2822`, `http`, or a pattern as \"%Y-%m-%d\""
            )));
        }
    };
    Ok(text.into_multi(&host.lua)?)
}

fn parse(host: &Host, args: &Args) -> ApiResult {
    let text = args.string(0, "text")?.to_string_lossy();
    let pattern = args.opt_string(1, "format")?.map(|pattern| pattern.to_string_lossy());
    let parsed = match pattern {
        Some(pattern) => by_pattern(&pattern, &text),
        None => text
            .parse::<Timestamp>()
            .or_else(|error| DateTimeParser::new().parse_timestamp(&text).map_err(|_| error)),
    };
    let seconds = parsed.map(|at| at.as_duration().as_secs_f64());
    answer(host, seconds.map_err(|error| error.to_string()))
}

/// Without an offset in it, a time is in UTC; without a time, a date is its midnight.
fn by_pattern(pattern: &str, text: &str) -> Result<Timestamp, jiff::Error> {
    let parts = strtime::parse(pattern, text)?;
    if parts.offset().is_some() || parts.timestamp().is_some() {
        return parts.to_timestamp();
    }
    let time = parts.to_time().unwrap_or_default();
    let at = parts.to_date()?.to_datetime(time);
    jiff::tz::Offset::UTC.to_timestamp(at)
}
