//! The texts that JSON has for moments, spans of time, field masks and bytes. The messages behind them are read and written
//! next door.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z.
const MOMENTS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The most seconds of a span: 10,000 years.
pub(super) const MOST_SECONDS: i64 = 315_576_000_000;

const DAY: i64 = 86_400;

/// Bytes of base64, with or without padding, of either alphabet.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let engine = if text.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        BASE64_URL
    } else {
        BASE64
    };
    engine.decode(text).ok()
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// RFC 3339, as seconds since 1970 and nanoseconds.
pub(super) fn parse_moment(text: &str) -> Option<(i64, i32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let sign = |at: usize, wanted: &[u8]| bytes.get(at).filter(|byte| wanted.contains(byte));
    (sign(4, b"-")
        .and(sign(7, b"-"))
        .and(sign(10, b"Tt "))
        .and(sign(13, b":"))
        .and(sign(16, b":")))?;
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_date = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, rest) = match &text[19..] {
        rest if rest.starts_with('.') => {
            let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
            (fraction(&rest[1..=digits])?, &rest[digits + 1..])
        }
        rest => (0, rest),
    };
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let at = text.len() - 5;
            let (hours, minutes) = (number(at, at + 2)?, number(at + 3, at + 5)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 3_600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let seconds = days_from_civil(year, month, day) * DAY + hour * 3_600 + minute * 60 + second - offset;
    MOMENTS.contains(&seconds).then_some((seconds, nanos))
}

/// Whether it is a moment that has a text.
pub(super) fn is_moment(seconds: i64, nanos: i32) -> bool {
    MOMENTS.contains(&seconds) && (0..1_000_000_000).contains(&nanos)
}

/// RFC 3339 in UTC, with none, three, six or nine digits of a second's fraction.
pub(super) fn format_moment(seconds: i64, nanos: i32) -> Option<String> {
    if !is_moment(seconds, nanos) {
        return None;
    }
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY));
    let time = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    let fraction = show_fraction(nanos);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    ))
}

/// `3.5s`, as seconds and nanoseconds, which have the same sign.
pub(super) fn parse_span(text: &str) -> Option<(i64, i32)> {
    let number = text.strip_suffix('s')?;
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || (part.is_empty() && number.contains('.')) {
        return None;
    }
    let seconds: i64 = whole.parse().ok().filter(|seconds| *seconds <= MOST_SECONDS)?;
    let nanos = if part.is_empty() { 0 } else { fraction(part)? };
    Some(if is_negative {
        (-seconds, -nanos)
    } else {
        (seconds, nanos)
    })
}

/// Whether it is a span that has a text.
pub(super) fn is_span(seconds: i64, nanos: i32) -> bool {
    let fits = (-MOST_SECONDS..=MOST_SECONDS).contains(&seconds) && (-999_999_999..=999_999_999).contains(&nanos);
    fits && (seconds <= 0 || nanos >= 0) && (seconds >= 0 || nanos <= 0)
}

/// `3.500s`.
pub(super) fn format_span(seconds: i64, nanos: i32) -> Option<String> {
    if !is_span(seconds, nanos) {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Some(format!("{sign}{}{}s", seconds.abs(), show_fraction(nanos.abs())))
}

/// Up to nine digits behind a point, as nanoseconds.
fn fraction(digits: &str) -> Option<i32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let value: i32 = digits.parse().ok()?;
    Some(value * 10_i32.pow(9 - u32::try_from(digits.len()).ok()?))
}

fn show_fraction(nanos: i32) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a Gregorian date: years begin in March, so that the leap day is the last (H. Hinnant,
/// "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way round.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A path of a field mask as JSON has it: `user.display_name` is `user.displayName`.
pub(super) fn to_camel(path: &str) -> String {
    let mut camel = String::with_capacity(path.len());
    let mut is_raised = false;
    for c in path.chars() {
        match c {
            '_' => is_raised = true,
            c if is_raised => {
                camel.push(c.to_ascii_uppercase());
                is_raised = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

/// The other way round; what is written as in the proto stays.
pub(super) fn to_snake(path: &str) -> String {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_read_and_shown() {
        // text, seconds, nanoseconds, as shown
        let table = [
            ("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"),
            (
                "2024-02-29T23:59:59.5Z",
                1_709_251_199,
                500_000_000,
                "2024-02-29T23:59:59.500Z",
            ),
            ("2026-01-01T01:30:00+01:30", 1_767_225_600, 0, "2026-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (
                "9999-12-31T23:59:59.999999999Z",
                253_402_300_799,
                999_999_999,
                "9999-12-31T23:59:59.999999999Z",
            ),
        ];
        for (text, seconds, nanos, shown) in table {
            assert_eq!(parse_moment(text), Some((seconds, nanos)), "{text}");
            assert_eq!(format_moment(seconds, nanos).as_deref(), Some(shown));
        }
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2025-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "0001-01-01T00:00:00+01:00",
            "2026-01-01T00:00:00é",
            "é026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_read_and_shown() {
        let table = [
            ("0s", 0, 0, "0s"),
            ("3.5s", 3, 500_000_000, "3.500s"),
            ("-0.000000001s", 0, -1, "-0.000000001s"),
            ("-2.5s", -2, -500_000_000, "-2.500s"),
        ];
        for (text, seconds, nanos, shown) in table {
            assert_eq!(parse_span(text), Some((seconds, nanos)), "{text}");
            assert_eq!(format_span(seconds, nanos).as_deref(), Some(shown));
        }
        for text in [
            "",
            "s",
            "1",
            "1.s",
            ".5s",
            "1e3s",
            "315576000001s",
            "--1s",
            "1.0000000001s",
        ] {
            assert_eq!(parse_span(text), None, "{text}");
        }
        assert_eq!(format_span(1, -1), None);
    }

    #[test]
    fn masks_change_their_case() {
        assert_eq!(to_camel("user.display_name"), "user.displayName");
        assert_eq!(to_snake("user.displayName"), "user.display_name");
        assert_eq!(to_snake("user.display_name"), "user.display_name");
    }

    proptest! {
        #[test]
        fn a_moment_survives_its_text(seconds in MOMENTS, nanos in 0..1_000_000_000_i32) {
            let text = format_moment(seconds, nanos).unwrap();
            prop_assert_eq!(parse_moment(&text), Some((seconds, nanos)));
        }
    }
}
