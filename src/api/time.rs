//! `kt.time`: the wall clock, a clock for measuring, and dates as text. Waiting is `kt.sleep`'s; the clocks themselves are
//! `crate::clock`'s.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use jiff::fmt::strtime;
use mlua::Value;

use crate::clock;
use crate::script::fields::duration_at;
use crate::script::raw::Kind;
use crate::script::{ApiError, Args, Host};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    host.add(&table, "time.now", |_, _| Ok(since_epoch().as_secs_f64()))?;
    host.add(&table, "time.now_ms", |_, _| {
        Ok((since_epoch().as_secs_f64() * 1e3).floor())
    })?;
    host.add(&table, "time.monotonic", |host, _| {
        let since = clock::now().saturating_duration_since(host.session.created);
        Ok(since.as_secs_f64())
    })?;
    host.add(&table, "time.iso", |_, args| Ok(rfc3339(timestamp(args)?)))?;
    host.add(&table, "time.format", |_, args| format(args))?;
    host.add(&table, "time.parse", |_, args| parse(args))?;
    host.add(&table, "time.duration", |_, args| {
        if !matches!(args.kind(1), Kind::String | Kind::Number) {
            return Err(args.wrong("text", "a string or a number", 1));
        }
        Ok(duration_at(args.stack(), 1).map(|duration| duration.as_secs_f64()))
    })?;
    Ok(Value::Table(table))
}

fn since_epoch() -> Duration {
    clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The time that the first argument names in seconds since 1970, or now.
fn timestamp(args: &Args<'_, '_>) -> Result<Timestamp, ApiError> {
    let seconds = args.opt_number(1, "t")?;
    let seconds = seconds.unwrap_or_else(|| since_epoch().as_secs_f64());
    // A double has not more than microseconds in this century.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of what is out of range saturates, and is refused then"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_microsecond(micros).map_err(|_| args.wrong("t", "seconds since 1970, up to the year 9999", 1))
}

/// Milliseconds, always three digits.
fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn format(args: &Args<'_, '_>) -> Result<String, ApiError> {
    let at = timestamp(args)?;
    let form = args.opt_text(2, "format")?;
    let failed = |error: jiff::Error| args.error(format!("`format` is wrong: {error}"));
    Ok(match form.as_deref().unwrap_or("rfc3339") {
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
    })
}

/// The number, or what is wrong with the text.
fn parse(args: &Args<'_, '_>) -> Result<Result<f64, String>, ApiError> {
    let text = args.text(1, "text")?;
    let parsed = match args.opt_text(2, "format")? {
        Some(pattern) => by_pattern(&pattern, &text),
        None => either(&text),
    };
    let seconds = parsed.map(|at| at.as_duration().as_secs_f64());
    Ok(seconds.map_err(|error| error.to_string()))
}

/// RFC 3339, or the date of a mail or a header, which has at least four words.
fn either(text: &str) -> Result<Timestamp, jiff::Error> {
    let mail = || DateTimeParser::new().parse_timestamp(text);
    match text.split_ascii_whitespace().nth(3) {
        Some(_) => mail(),
        None => text.parse().or_else(|error| mail().map_err(|_| error)),
    }
}

/// Without an offset in it, a time is in UTC; without a time, a date is its midnight. Names of time zones are not known here.
fn by_pattern(pattern: &str, text: &str) -> Result<Timestamp, jiff::Error> {
    let parts = strtime::parse(pattern, text)?;
    if parts.offset().is_some() || parts.timestamp().is_some() {
        return parts.to_timestamp();
    }
    if let Some(zone) = parts.iana_time_zone() {
        let what = "names of time zones are not known here; write the offset, as `-04:00`";
        return Err(jiff::Error::from_args(format_args!("`{zone}`: {what}")));
    }
    let time = parts.to_time().unwrap_or_default();
    let at = parts.to_date()?.to_datetime(time);
    jiff::tz::Offset::UTC.to_timestamp(at)
}
