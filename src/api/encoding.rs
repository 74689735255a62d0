//! `kt.encoding`: bytes to text and back: base64, hexadecimal, percent signs, query strings. Lua strings are bytes, and
//! whatever is encoded comes back as it was. JSON is `kt.json`'s.

use std::rc::Rc;

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mlua::{Table, Value};

use crate::script::fields::describe;
use crate::script::{ApiError, Args, Host};

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    host.add(&table, "encoding.base64_encode", |_, args| {
        base64_encode(args, &STANDARD, true)
    })?;
    host.add(&table, "encoding.base64_decode", |_, args| {
        base64_decode(args, &STANDARD)
    })?;
    host.add(&table, "encoding.base64url_encode", |_, args| {
        base64_encode(args, &URL_SAFE, false)
    })?;
    host.add(&table, "encoding.base64url_decode", |_, args| {
        base64_decode(args, &URL_SAFE)
    })?;
    host.add(&table, "encoding.hex_encode", |_, args| hex_encode(args))?;
    host.add(&table, "encoding.hex_decode", |_, args| {
        Ok(from_hex(args.bytes(1, "text")?))
    })?;
    host.add(&table, "encoding.url_encode", |_, args| {
        Ok(to_percent(args.bytes(1, "text")?))
    })?;
    host.add(&table, "encoding.url_decode", |_, args| {
        Ok(from_percent(args.bytes(1, "text")?, false))
    })?;
    host.add(&table, "encoding.query_encode", |_, args| query_encode(args))?;
    host.add(&table, "encoding.query_decode", query_decode)?;
    Ok(Value::Table(table))
}

/// The one option, true or false, of the table that is the second argument.
fn option(args: &Args<'_, '_>, name: &'static str) -> Result<Option<bool>, ApiError> {
    match args.options(2, &[name])? {
        Some(options) => options.boolean(name),
        None => Ok(None),
    }
}

fn base64_encode(args: &Args<'_, '_>, alphabet: &Alphabet, padded: bool) -> Result<String, ApiError> {
    let data = args.bytes(1, "data")?;
    let config = GeneralPurposeConfig::new().with_encode_padding(option(args, "padding")?.unwrap_or(padded));
    Ok(GeneralPurpose::new(alphabet, config).encode(data))
}

fn base64_decode(args: &Args<'_, '_>, alphabet: &Alphabet) -> Result<Result<Vec<u8>, String>, ApiError> {
    let text = args.bytes(1, "text")?;
    let mode = match option(args, "padding")? {
        Some(true) => DecodePaddingMode::RequireCanonical,
        Some(false) => DecodePaddingMode::RequireNone,
        // What the crate calls indifferent takes half of a padding too.
        None if text.ends_with(b"=") => DecodePaddingMode::RequireCanonical,
        None => DecodePaddingMode::RequireNone,
    };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(mode);
    let result = GeneralPurpose::new(alphabet, config).decode(text);
    Ok(result.map_err(|error| error.to_string()))
}

fn hex_encode(args: &Args<'_, '_>) -> Result<String, ApiError> {
    let data = args.bytes(1, "data")?;
    Ok(to_hex(data, option(args, "upper")? == Some(true)))
}

/// Two hexadecimal digits for each byte.
pub(super) fn to_hex(bytes: &[u8], upper: bool) -> String {
    let digits: &[u8; 16] = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(digits[usize::from(byte >> 4)]));
        text.push(char::from(digits[usize::from(byte & 15)]));
    }
    text
}

fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    if text.len() % 2 == 1 {
        return Err(format!("{} digits are no whole number of bytes", text.len()));
    }
    let pairs = text.chunks_exact(2).enumerate();
    pairs
        .map(|(index, pair)| byte(pair).ok_or_else(|| format!("no hexadecimal digits at position {}", index * 2 + 1)))
        .collect()
}

/// The byte that two hexadecimal digits stand for.
fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*pair.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// Leaves the unreserved characters of RFC 3986 as they are.
fn to_percent(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&to_hex(&[byte], true));
        }
    }
    text
}

/// `plus_is_space` is the rule of query strings.
fn from_percent(text: &[u8], plus_is_space: bool) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&next) = text.get(at) {
        if next == b'%' {
            let pair = text.get(at + 1..at + 3).and_then(byte);
            bytes.push(pair.ok_or_else(|| format!("no two hexadecimal digits after the `%` at position {}", at + 1))?);
            at += 3;
        } else {
            bytes.push(if plus_is_space && next == b'+' { b' ' } else { next });
            at += 1;
        }
    }
    Ok(bytes)
}

/// Sorted by name, because the order of a table's keys is not the same in every VM.
fn query_encode(args: &Args<'_, '_>) -> Result<String, ApiError> {
    let mut pairs = Vec::new();
    for pair in args.table(1, "fields")?.pairs::<Value, Value>() {
        let (name, value) = pair?;
        let Value::String(name) = &name else {
            return Err(args.error(format!("a field's name must be a string, got {}", describe(&name))));
        };
        let name = name.as_bytes().to_vec();
        match &value {
            Value::Table(list) => {
                if list.pairs::<Value, Value>().count() != list.raw_len() {
                    let name = String::from_utf8_lossy(&name);
                    let what = "is a table with names or holes, where a list is wanted";
                    return Err(args.error(format!("`{name}` {what}")));
                }
                for value in list.sequence_values::<Value>() {
                    pairs.push((name.clone(), text_of(args, &name, &value?)?));
                }
            }
            value => pairs.push((name.clone(), text_of(args, &name, value)?)),
        }
    }
    // Stable, so that a list keeps its order.
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    let plus = |bytes: &[u8]| to_percent(bytes).replace("%20", "+");
    let fields: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", plus(name), plus(value)))
        .collect();
    Ok(fields.join("&"))
}

fn text_of(args: &Args<'_, '_>, name: &[u8], value: &Value) -> Result<Vec<u8>, ApiError> {
    match value {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => Ok(describe(value).into_bytes()),
        other => {
            let (name, got) = (String::from_utf8_lossy(name), describe(other));
            Err(args.error(format!(
                "`{name}` must be a string, a number, true or false, or a list of these, got {got}"
            )))
        }
    }
}

fn query_decode(host: &Rc<Host>, args: &mut Args<'_, '_>) -> Result<Result<Table, String>, ApiError> {
    let text = args.bytes(1, "text")?;
    Ok(fields_of(host, text.strip_prefix(b"?").unwrap_or(text))?)
}

/// A value for each name; a list where the name comes several times.
fn fields_of(host: &Host, text: &[u8]) -> mlua::Result<Result<Table, String>> {
    let fields = host.lua.create_table()?;
    for part in text.split(|byte| *byte == b'&').filter(|part| !part.is_empty()) {
        let split = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let (name, value) = (&part[..split], part.get(split + 1..).unwrap_or_default());
        let (name, value) = match (from_percent(name, true), from_percent(value, true)) {
            (Ok(name), Ok(value)) => (host.lua.create_string(name)?, host.lua.create_string(value)?),
            (Err(problem), _) | (_, Err(problem)) => {
                return Ok(Err(format!("`{}`: {problem}", String::from_utf8_lossy(part))));
            }
        };
        match fields.raw_get::<Value>(&name)? {
            Value::Nil => fields.raw_set(name, value)?,
            Value::Table(list) => list.raw_push(value)?,
            first => fields.raw_set(name, host.lua.create_sequence_from([first, Value::String(value)])?)?,
        }
    }
    Ok(Ok(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_come_back_as_they_were(bytes in prop::collection::vec(any::<u8>(), 0..64), upper: bool) {
            prop_assert_eq!(from_hex(to_hex(&bytes, upper).as_bytes()), Ok(bytes.clone()));
            let percent = to_percent(&bytes);
            prop_assert_eq!(from_percent(percent.as_bytes(), false), Ok(bytes.clone()));
            prop_assert_eq!(from_percent(percent.replace("%20", "+").as_bytes(), true), Ok(bytes));
        }
    }
}
