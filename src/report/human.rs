//! Numbers as people read them: `1.23ms`, `2,711`, `4.1MB`, `99.98%`. Three digits say enough; the exact ones are in the JSON.

use std::time::Duration;

/// Milliseconds: `0.4µs`, `123µs`, `1.23ms`, `12.3s`, `2m03s`, `1h02m`.
pub(super) fn time(ms: f64) -> String {
    const MINUTE: f64 = 60_000.0;
    let magnitude = ms.abs();
    // The limits are where three digits would round up to the next unit's 1.
    if magnitude == 0.0 {
        "0".to_owned()
    } else if magnitude < 0.999_5 {
        format!("{}µs", digits(ms * 1e3))
    } else if magnitude < 999.5 {
        format!("{}ms", digits(ms))
    } else if magnitude < 59_950.0 {
        format!("{}s", digits(ms / 1e3))
    } else if magnitude < 60.0 * MINUTE - 500.0 {
        let seconds = (ms / 1e3).round();
        format!("{}m{:02}s", (seconds / 60.0).trunc(), seconds % 60.0)
    } else {
        let minutes = (ms / MINUTE).round();
        format!("{}h{:02}m", (minutes / 60.0).trunc(), minutes % 60.0)
    }
}

/// A run's length, as [`time`].
pub(super) fn duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    time(duration.as_secs_f64() * 1e3)
}

/// Bytes in powers of 1000: `512B`, `4.10kB`, `1.23GB`.
pub(super) fn bytes(bytes: f64) -> String {
    scaled(bytes, &["B", "kB", "MB", "GB", "TB", "PB"])
}

/// A number of things: `2,711`.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Any number: whole ones up to a million in full (`2,711`), others with three digits (`9.99`, `1.23M`).
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e6 {
        return grouped(&format!("{value}"));
    }
    if value.abs() < 0.001 {
        return format!("{value:.1e}");
    }
    if value.abs() < 1e6 {
        return grouped(&digits(value));
    }
    scaled(value, &["", "k", "M", "G", "T", "P"])
}

/// A share: `96.67%`. 0 % and 100 % only when it is exactly so.
pub(super) fn percent(share: f64) -> String {
    let hundredths = share * 1e4;
    if share <= 0.0 || share >= 1.0 {
        return format!("{:.0}%", share * 100.0);
    }
    let shown = hundredths.round().clamp(1.0, 9_999.0);
    format!("{:.2}%", shown / 100.0)
}

/// Something for each second: `90.4/s`.
pub(super) fn per_second(rate: f64) -> String {
    format!("{}/s", number(rate))
}

/// Three significant digits, without an exponent: `0.123`, `1.23`, `12.3`, `123`, `1234`.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    let places = if magnitude < 0.999_5 {
        3
    } else if magnitude < 9.995 {
        2
    } else if magnitude < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.places$}")
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut unit = 0;
    while value.abs() >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    let is_whole = unit == 0 && value.fract() == 0.0;
    let number = if is_whole { format!("{value}") } else { digits(value) };
    format!("{number}{}", units[unit])
}

fn grouped(number: &str) -> String {
    let (sign, rest) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (whole, fraction) = match rest.find('.') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let mut text = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_change_their_unit_before_they_lose_their_digits() {
        let table = [
            (0.0, "0"),
            (0.000_1, "0.100µs"),
            (0.012_34, "12.3µs"),
            (0.999_4, "999µs"),
            (0.999_6, "1.00ms"),
            (1.0, "1.00ms"),
            (9.994, "9.99ms"),
            (9.996, "10.0ms"),
            (99.96, "100ms"),
            (999.4, "999ms"),
            (999.6, "1.00s"),
            (59_900.0, "59.9s"),
            (59_960.0, "1m00s"),
            (123_000.0, "2m03s"),
            (3_599_400.0, "59m59s"),
            (3_599_600.0, "1h00m"),
            (3_720_000.0, "1h02m"),
            (86_400_000.0, "24h00m"),
        ];
        for (ms, text) in table {
            assert_eq!(time(ms), text, "{ms}");
            assert!(text.chars().count() <= 7);
        }
        assert_eq!(duration(Duration::from_millis(30_040)), "30.0s");
        assert_eq!(duration(Duration::ZERO), "0s");
    }

    #[test]
    fn numbers_keep_three_digits_or_all() {
        let table = [
            (0.0, "0"),
            (2711.0, "2,711"),
            (-2711.0, "-2,711"),
            (999_999.0, "999,999"),
            (1_234_567.0, "1.23M"),
            (9.99, "9.99"),
            (90.44, "90.4"),
            (1234.5, "1,234"), // ties to even
            (0.5, "0.500"),
            (0.000_012, "1.2e-5"),
            (1e12, "1.00T"),
        ];
        for (value, text) in table {
            assert_eq!(number(value), text, "{value}");
        }
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(count(0), "0");
        assert_eq!(per_second(90.44), "90.4/s");
    }

    #[test]
    fn bytes_have_decimal_units() {
        let table = [
            (0.0, "0B"),
            (512.0, "512B"),
            (999.0, "999B"),
            (999.7, "1.00kB"),
            (4_096.0, "4.10kB"),
            (1.5e9, "1.50GB"),
            (1e18, "1000PB"),
        ];
        for (value, text) in table {
            assert_eq!(bytes(value), text, "{value}");
        }
    }

    #[test]
    fn nothing_is_rounded_to_all_or_none() {
        let table = [
            (0.0, "0%"),
            (1.0, "100%"),
            (0.5, "50.00%"),
            (0.999_999, "99.99%"),
            (0.000_001, "0.01%"),
            (2.0 / 3.0, "66.67%"),
        ];
        for (share, text) in table {
            assert_eq!(percent(share), text, "{share}");
        }
    }
}
