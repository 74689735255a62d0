//! Numbers for fields: Lua's own, and the texts that JSON has for them.

use super::wrong::{Got, got, show};
use crate::script::raw::Stack;

/// The largest whole number up to which a double is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number, or one of the texts that JSON has for those that it cannot hold.
pub(super) fn double(stack: &Stack<'_>, index: i32) -> Result<f64, Got> {
    if let Some(value) = stack.number(index) {
        return Ok(value);
    }
    match stack.text(index) {
        Some("NaN") => Ok(f64::NAN),
        Some("Infinity") => Ok(f64::INFINITY),
        Some("-Infinity") => Ok(f64::NEG_INFINITY),
        Some(text) => {
            let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
            let value = text.parse::<f64>().ok().filter(|value| is_number && value.is_finite());
            value.ok_or_else(|| Got::new(show(stack, index)))
        }
        None => Err(got(stack, index)),
    }
}

/// A whole number, as a number or as text.
pub(super) fn whole(stack: &Stack<'_>, index: i32) -> Result<i128, Got> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and exact")]
    let exact = |value: f64| (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128);
    if let Some(value) = stack.number(index) {
        return exact(value).ok_or_else(|| {
            if value.fract() == 0.0 {
                let hint = "; numbers above 2^53 lose digits in Lua: give them as strings";
                return Got::new(value.to_string()).hint(hint);
            }
            Got::new(format!("{value}, which is no whole number"))
        });
    }
    let Some(text) = stack.text(index) else {
        return Err(got(stack, index));
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.is_empty() && digits.len() <= 30 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| Got::new(show(stack, index)));
    }
    // JSON allows `1.0` and `1e3` for whole numbers.
    let value = text
        .parse::<f64>()
        .ok()
        .filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()));
    value
        .and_then(exact)
        .ok_or_else(|| Got::new(format!("string {}", show(stack, index))))
}
