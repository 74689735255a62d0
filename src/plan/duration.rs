//! Durations as people write them: `"1m30s"`, `"200ms"`, `2.5` seconds. Calendar units beyond days are not here.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not of the form `<number><unit>…`.
    #[error("`{0}` is not a duration; write for example \"1m30s\", \"200ms\", or a number of seconds")]
    Malformed(String),
    /// A unit that does not exist.
    #[error("`{unit}` in `{text}` is not a unit of time; the units are d, h, m, s, ms, us and ns")]
    Unit {
        /// The whole text.
        text: String,
        /// The unknown unit.
        unit: String,
    },
    /// Less than zero, or not a finite number.
    #[error("a duration cannot be {0}")]
    OutOfRange(String),
}

/// Parses `"1h2m3.5s"`, `"200ms"` or a bare number of seconds.
///
/// # Errors
/// [`DurationError`] naming the part that is wrong.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if let Some(seconds) = plain_seconds(text) {
        return from_seconds(seconds);
    }
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<f64>() {
        return from_seconds(seconds);
    }
    let malformed = || DurationError::Malformed(text.to_owned());
    if trimmed.is_empty() {
        return Err(malformed());
    }
    let mut total = 0.0_f64;
    let mut rest = trimmed;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(malformed)?;
        let number: f64 = rest[..digits].parse().map_err(|_| malformed())?;
        rest = rest[digits..].trim_start();
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = rest[..end].trim_end();
        total += number
            * unit_seconds(unit).ok_or_else(|| DurationError::Unit {
                text: text.to_owned(),
                unit: unit.to_owned(),
            })?;
        rest = &rest[end..];
    }
    from_seconds(total)
}

/// Of a whole number and its unit, as think time mostly is: journeys have them read again and again.
fn plain_seconds(text: &str) -> Option<f64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // As many as fit into the number.
    if !(1..=9).contains(&digits) {
        return None;
    }
    let (number, unit) = text.split_at(digits);
    let number = number
        .bytes()
        .fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    Some(f64::from(number) * unit_seconds(unit)?)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "d" => 86_400.0,
        "h" => 3_600.0,
        "m" | "min" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

/// Converts a number of seconds, rounded to nanoseconds.
///
/// # Errors
/// [`DurationError::OutOfRange`] for negative, infinite or absurdly large values.
pub fn from_seconds(seconds: f64) -> Result<Duration, DurationError> {
    // A century is longer than any test and far from the limits of the clock's arithmetic.
    const CENTURY: f64 = 100.0 * 365.25 * 86_400.0;
    if !seconds.is_finite() || !(0.0..=CENTURY).contains(&seconds) {
        return Err(DurationError::OutOfRange(seconds.to_string()));
    }
    let nanos = (seconds * 1e9).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked above"
    )]
    Ok(Duration::from_nanos(nanos as u64))
}

/// Prints a duration so that [`parse`] reads it back: `1m30s`, `200ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in [
        ("h", 3_600_000_000_000_u128),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        if nanos >= size {
            text.push_str(&format!("{}{unit}", nanos / size));
            nanos %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        let table = [
            ("1m30s", Some(90_000)),
            ("200ms", Some(200)),
            ("2.5s", Some(2_500)),
            ("30", Some(30_000)),
            ("0", Some(0)),
            ("0ms", Some(0)),
            ("999999999ms", Some(999_999_999)),
            ("0000000001s", Some(1_000)),
            ("999999999d", None),
            ("1h 5m", Some(3_900_000)),
            ("1d", Some(86_400_000)),
            ("5 parsecs", None),
            ("", None),
            ("-1s", None),
            ("-1", None),
            ("s", None),
            ("1.2.3s", None),
            ("inf", None),
            ("NaN", None),
        ];
        for (text, millis) in table {
            assert_eq!(parse(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn names_the_unit_that_is_wrong() {
        let message = parse("5 parsecs").unwrap_err().to_string();
        assert!(message.contains("`parsecs`") && message.contains("ms"), "{message}");
    }

    proptest! {
        #[test]
        fn parse_reads_back_what_format_prints(nanos in 0_u64..400_000_000_000_000) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }
    }
}
