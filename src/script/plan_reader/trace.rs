//! Reads the trace of a `replay`: the time stamps of a data file's rows. The rows themselves stay where data sets are.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::super::dataset::Row;
use super::super::fields::{FieldError, Fields};
use super::super::revision::Revision;
use crate::schedule::Trace;

const DEFAULT_AT: &str = "ts";

/// The trace that `trace` names, with the time stamps in its column `at`.
pub(super) fn read(fields: &Fields, revision: &Revision) -> Result<Trace, FieldError> {
    let name = fields.string("trace")?.ok_or_else(|| {
        fields.error(
            "trace",
            "is missing; it names a .jsonl or .csv file with one row for each start",
        )
    })?;
    let at = fields.string("at")?.unwrap_or_else(|| DEFAULT_AT.to_owned());
    let refuse = |what: String| fields.error("trace", &what);
    let path = revision
        .find_data(&name)
        .map_err(|error| refuse(format!("is \"{name}\": {error}")))?;
    let data = revision
        .data
        .file(&path)
        .map_err(|error| refuse(format!("is \"{name}\": {error}")))?;
    let stamps: Vec<Stamp> = (0..data.len())
        .map(|index| {
            let row = data.row(index).ok_or_else(|| "is missing".to_owned());
            row.and_then(|row| stamp(&row, &at))
                .map_err(|what| refuse(format!("is \"{name}\", whose row {} {what}", index + 1)))
        })
        .collect::<Result<_, _>>()?;
    if let Some(other) = other_kind(&stamps) {
        return Err(refuse(format!(
            "is \"{name}\", whose row {} has {} and row 1 {}; all rows need `{at}` in one of the two",
            other + 1,
            stamps[other].kind(),
            stamps[0].kind()
        )));
    }
    let stamps: Vec<i128> = stamps.into_iter().map(Stamp::nanos).collect();
    let first = stamps.iter().copied().min().unwrap_or(0);
    let offsets: Vec<Duration> = stamps
        .iter()
        .map(|stamp| u64::try_from(stamp - first).map(Duration::from_nanos))
        .collect::<Result<_, _>>()
        .map_err(|_| {
            refuse(format!(
                "is \"{name}\", whose time stamps are centuries apart; is `{at}` in seconds?"
            ))
        })?;
    Ok(Trace::new(path.display().to_string(), &offsets))
}

/// A time stamp, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stamp {
    /// From any fixed point.
    Seconds(i128),
    /// From 1970 on.
    Date(i128),
}

impl Stamp {
    fn nanos(self) -> i128 {
        let (Self::Seconds(nanos) | Self::Date(nanos)) = self;
        nanos
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Seconds(_) => "a number of seconds",
            Self::Date(_) => "a date",
        }
    }
}

/// The first that is not of the kind of the one before it. Seconds may count from anywhere, so that a gap between the two
/// kinds means nothing.
fn other_kind(stamps: &[Stamp]) -> Option<usize> {
    let differ = |pair: &[Stamp]| pair[0].kind() != pair[1].kind();
    stamps.windows(2).position(differ).map(|at| at + 1)
}

/// The time stamp of a row.
fn stamp(row: &Row<'_>, at: &str) -> Result<Stamp, String> {
    let missing = || format!("has no `{at}`; `at` says which column has the time stamps");
    match row {
        Row::Json(text) => {
            // The digits themselves: as a double, a time of today has no room for microseconds.
            let row: HashMap<String, &RawValue> = serde_json::from_str(text).map_err(|_| missing())?;
            let raw = row.get(at).ok_or_else(missing)?.get();
            match serde_json::from_str(raw) {
                Ok(Json::Number(_)) => from_seconds(raw).map(Stamp::Seconds),
                Ok(Json::String(text)) => from_text(&text),
                _ => Err(format!("has {raw}, which is neither a number of seconds nor a date")),
            }
        }
        Row::Csv(names, record) => {
            let column = names.iter().position(|name| name == at).ok_or_else(missing)?;
            from_text(record.get(column).unwrap_or_default().trim())
        }
    }
}

fn from_text(text: &str) -> Result<Stamp, String> {
    if let Ok(date) = text.parse::<jiff::Timestamp>() {
        return Ok(Stamp::Date(date.as_nanosecond()));
    }
    from_seconds(text).map(Stamp::Seconds).map_err(|_| {
        format!("has \"{text}\", which is neither a number of seconds nor a date as 2026-11-20T10:00:00.250Z")
    })
}

/// Seconds with any number of decimals, of which nine count.
fn from_seconds(text: &str) -> Result<i128, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("has {text}, which is no number"))?;
    if !seconds.is_finite() || seconds.abs() > 1e15 {
        return Err(format!("has {text}, which is no time in seconds"));
    }
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if !plain {
        // Written with an exponent.
        return Ok((seconds * 1e9).round() as i128);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let fraction: i128 = digits.parse().unwrap_or(0);
    let whole_nanos = whole.parse::<i128>().unwrap_or(0) * 1_000_000_000;
    let negative = text.starts_with('-');
    Ok(if negative {
        whole_nanos - fraction
    } else {
        whole_nanos + fraction
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_are_read_to_the_nanosecond() {
        let table = [
            ("1763632800", Some(1_763_632_800_000_000_000)),
            ("1763632800.123456789", Some(1_763_632_800_123_456_789)),
            ("0.5", Some(500_000_000)),
            (".5", Some(500_000_000)),
            ("-0.25", Some(-250_000_000)),
            ("-1.5", Some(-1_500_000_000)),
            ("1.5e3", Some(1_500_000_000_000)),
            ("1970-01-01T00:00:01.25Z", Some(1_250_000_000)),
            ("1970-01-01T01:00:00+01:00", Some(0)),
            ("yesterday", None),
            ("", None),
            ("nan", None),
            ("1e300", None),
        ];
        for (text, expected) in table {
            assert_eq!(from_text(text).ok().map(Stamp::nanos), expected, "{text}");
        }
    }

    #[test]
    fn rows_are_refused_with_what_is_wrong() {
        let table = [
            (r#"{"ts": 1.5}"#, Ok(1_500_000_000)),
            (r#"{"ts": "1970-01-01T00:00:02Z"}"#, Ok(2_000_000_000)),
            (r#"{"at": 1}"#, Err("has no `ts`")),
            (r#"{"ts": null}"#, Err("null, which is neither")),
            (r#"{"ts": "soon"}"#, Err("\"soon\", which is neither")),
            ("7", Err("has no `ts`")),
        ];
        for (row, expected) in table {
            match (stamp(&Row::Json(row), "ts"), expected) {
                (Ok(got), Ok(wanted)) => assert_eq!(got.nanos(), wanted, "{row}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{row}: {got}"),
                (got, wanted) => panic!("{row}: {got:?}, wanted {wanted:?}"),
            }
        }
    }

    #[test]
    fn dates_and_seconds_in_one_trace_have_no_gap_between_them() {
        let stamps = |texts: &[&str]| {
            let stamps: Vec<_> = texts.iter().map(|text| from_text(text).unwrap()).collect();
            other_kind(&stamps)
        };
        let date = "2026-11-20T10:00:00Z";
        assert_eq!(stamps(&[]), None);
        assert_eq!(stamps(&["1", "2.5", "1763632800"]), None);
        assert_eq!(stamps(&[date, date]), None);
        assert_eq!(stamps(&[date, date, "3"]), Some(2));
        assert_eq!(stamps(&["0", date]), Some(1));
    }
}
