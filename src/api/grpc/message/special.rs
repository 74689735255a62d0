//! The messages that JSON has a form of their own for: moments and spans of time as text, wrappers as what they wrap, values
//! of any kind as themselves, and messages of any type with their name. All others are `read.rs` and `write.rs`.

use super::read::{MAX_DEPTH, OTHER_TYPE, Reader};
use super::shape::{Field, Form, Shape, Special};
use super::text;
use super::wire::{Wire, WireType, begin_nested, end_nested, put_bytes, put_varint};
use super::write::{Writer, is_list};
use super::wrong::{Failed, Got, Wrong, got};
use crate::script::fields::{nearest, to_duration};
use crate::script::raw::{Kind, Stack};

/// How the type of a message of any type is told.
const TYPE: &[u8] = b"@type";

/// What comes before the name of a type.
const TYPE_PREFIX: &str = "type.googleapis.com/";

/// Writes the content of such a message.
pub(super) fn write(
    writer: &mut Writer<'_>,
    stack: &mut Stack<'_>,
    index: i32,
    shape: &Shape,
    depth: usize,
) -> Result<(), Failed> {
    match shape.special {
        Special::Timestamp => moment(writer, stack, index, shape, depth),
        Special::Duration => span(writer, stack, index, shape, depth),
        Special::FieldMask => mask(writer, stack, index, shape, depth),
        Special::Any => any(writer, stack, index, depth),
        Special::Value => value(writer, stack, index, shape, depth),
        Special::Wrapper => writer.one(stack, index, &shape.fields[0], depth),
        Special::Struct => match &shape.fields[0] {
            field @ Field {
                form: Form::Map { keys, .. },
                ..
            } if stack.kind(index) == Kind::Table => Ok(writer.map(stack, index, field, keys, depth)?),
            _ => Err(got(stack, index).into()),
        },
        Special::List if stack.kind(index) == Kind::Table => {
            Ok(writer.list(stack, index, &shape.fields[0], false, depth)?)
        }
        Special::List => Err(got(stack, index).into()),
        Special::None => writer.table(stack, index, shape, depth, None),
    }
}

#[expect(
    clippy::cast_sign_loss,
    reason = "negative values are numbers of 64 bits on the wire"
)]
fn put_time(writer: &mut Writer<'_>, (seconds, nanos): (i64, i32)) {
    for (key, value) in [(1 << 3, seconds), (2 << 3, i64::from(nanos))] {
        if value != 0 {
            put_varint(&mut writer.out, key);
            put_varint(&mut writer.out, value as u64);
        }
    }
}

fn moment(
    writer: &mut Writer<'_>,
    stack: &mut Stack<'_>,
    index: i32,
    shape: &Shape,
    depth: usize,
) -> Result<(), Failed> {
    match stack.kind(index) {
        Kind::String => {
            let text = stack.lossy(index).unwrap_or_default();
            let Some(time) = text::parse_moment(&text) else {
                let hint = "; write it as in RFC 3339: \"2026-01-31T12:00:00Z\"";
                return Err(Got::new(format!("\"{text}\"")).hint(hint).into());
            };
            put_time(writer, time);
            Ok(())
        }
        Kind::Table => writer.table(stack, index, shape, depth, None),
        _ => {
            let hint = "; write it as in RFC 3339: \"2026-01-31T12:00:00Z\"";
            Err(got(stack, index).hint(hint).into())
        }
    }
}

fn span(writer: &mut Writer<'_>, stack: &mut Stack<'_>, index: i32, shape: &Shape, depth: usize) -> Result<(), Failed> {
    let time = match stack.kind(index) {
        Kind::Table => return writer.table(stack, index, shape, depth, None),
        Kind::String => {
            let text = stack.lossy(index).unwrap_or_default();
            text::parse_span(&text).or_else(|| of_duration(&crate::plan::duration::parse(&text).ok()?))
        }
        Kind::Number => {
            let seconds = stack.number(index).unwrap_or_default();
            let time = to_duration(&mlua::Value::Number(seconds.abs())).ok();
            let sign = if seconds < 0.0 { -1 } else { 1 };
            time.and_then(|time| of_duration(&time))
                .map(|(seconds, nanos)| (seconds * i64::from(sign), nanos * sign))
        }
        _ => None,
    };
    let Some(time) = time else {
        let hint = "; write it as seconds: \"1.5s\", or 1.5";
        return Err(match stack.kind(index) {
            Kind::String => Got::new(format!("\"{}\"", stack.lossy(index).unwrap_or_default())).hint(hint),
            _ => got(stack, index).hint(hint),
        }
        .into());
    };
    put_time(writer, time);
    Ok(())
}

fn of_duration(time: &std::time::Duration) -> Option<(i64, i32)> {
    let seconds = i64::try_from(time.as_secs())
        .ok()
        .filter(|seconds| *seconds <= text::MOST_SECONDS)?;
    Some((seconds, i32::try_from(time.subsec_nanos()).ok()?))
}

fn mask(writer: &mut Writer<'_>, stack: &mut Stack<'_>, index: i32, shape: &Shape, depth: usize) -> Result<(), Failed> {
    match stack.kind(index) {
        Kind::String => {
            let Some(paths) = stack.text(index) else {
                return Err(Got::new("a string that is not UTF-8").into());
            };
            for path in paths.split(',').map(str::trim).filter(|path| !path.is_empty()) {
                put_varint(&mut writer.out, shape.fields[0].key);
                put_bytes(&mut writer.out, text::to_snake(path).as_bytes());
            }
            Ok(())
        }
        Kind::Table => writer.table(stack, index, shape, depth, None),
        _ => {
            let hint = "; write it as paths with commas: \"user.name,photo\"";
            Err(got(stack, index).hint(hint).into())
        }
    }
}

/// `{ ["@type"] = "type.googleapis.com/pkg.Message", … }`.
fn any(writer: &mut Writer<'_>, stack: &mut Stack<'_>, index: i32, depth: usize) -> Result<(), Failed> {
    if stack.kind(index) != Kind::Table {
        return Err(got(stack, index).into());
    }
    let top = stack.top();
    if stack.next(index, 0).is_none() {
        // No message at all, which may be.
        return Ok(());
    }
    stack.truncate(top);
    stack.push_field(index, c"@type");
    let Some(url) = stack.text(top + 1).map(str::to_owned) else {
        let hint = "; a message of any type says which: { [\"@type\"] = \"pkg.Message\", … }";
        return Err(Got::new("a table without `@type`").hint(hint).into());
    };
    stack.truncate(top);
    let name = url.rsplit_once('/').map_or(&*url, |(_, name)| name);
    let Some(message) = writer.types.pool().get_message_by_name(name) else {
        let names: Vec<String> = writer
            .types
            .pool()
            .all_messages()
            .map(|known| known.full_name().to_owned())
            .collect();
        let near = nearest(name, names.iter().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(Got::new(format!("`@type` \"{url}\", which no proto declares"))
            .hint(hint)
            .into());
    };
    let id = writer.types.id(&message);
    let inner = writer.shape(stack, id)?;
    let url = if url.contains('/') {
        url
    } else {
        format!("{TYPE_PREFIX}{url}")
    };
    put_varint(&mut writer.out, 1 << 3 | WireType::Bytes as u64);
    put_bytes(&mut writer.out, url.as_bytes());
    put_varint(&mut writer.out, 2 << 3 | WireType::Bytes as u64);
    let start = begin_nested(&mut writer.out);
    if inner.special == Special::None {
        if depth > MAX_DEPTH {
            return Err(Wrong::new("nests deeper than 100 levels, or contains itself").into());
        }
        writer.table(stack, index, &inner, depth + 1, Some(TYPE))?;
    } else {
        stack.push_field(index, c"value");
        writer.of_message(stack, top + 1, &inner, depth + 1)?;
        stack.truncate(top);
    }
    end_nested(&mut writer.out, start);
    Ok(())
}

/// A value of any kind.
fn value(
    writer: &mut Writer<'_>,
    stack: &mut Stack<'_>,
    index: i32,
    shape: &Shape,
    depth: usize,
) -> Result<(), Failed> {
    let number = match stack.kind(index) {
        Kind::Pointer if stack.is_null(index) => 1,
        Kind::Number if stack.number(index).is_some_and(f64::is_finite) => 2,
        Kind::Number => return Err(Got::new("a number that is not finite").into()),
        Kind::String => 3,
        Kind::Boolean => 4,
        Kind::Table if is_list(stack, index) => 6,
        Kind::Table => 5,
        _ => return Err(got(stack, index).into()),
    };
    match shape.by_number(number) {
        Some(field) => writer.one(stack, index, field, depth),
        None => Err(got(stack, index).into()),
    }
}

/// Pushes the value of such a message.
pub(super) fn read(
    reader: &Reader<'_>,
    stack: &mut Stack<'_>,
    wire: &mut Wire<'_>,
    shape: &Shape,
    depth: usize,
) -> Result<(), String> {
    let top = stack.top();
    // What the fields of the message would be; from them, its own form is made.
    match shape.special {
        Special::Timestamp | Special::Duration => {
            let (seconds, nanos) = time(wire, shape)?;
            let text = if shape.special == Special::Timestamp {
                text::format_moment(seconds, nanos)
            } else {
                text::format_span(seconds, nanos)
            };
            // Its range was looked at.
            let text = text.unwrap_or_default();
            stack.push_bytes(text.as_bytes());
            return Ok(());
        }
        Special::Any => return read_any(reader, stack, wire, depth),
        _ => {}
    }
    stack.push_table(0, 2);
    reader.fill(stack, top + 1, wire, shape, None, depth)?;
    let of = match shape.special {
        Special::Value => {
            let mut fields = shape.fields.iter();
            let set = fields.find(|field| {
                stack.truncate(top + 1);
                stack.push_field_pinned(top + 1, &field.pin);
                stack.kind(top + 2) != Kind::Nil
            });
            if set.is_none() {
                stack.truncate(top);
                stack.push_null();
                return Ok(());
            }
            None
        }
        _ => shape.fields.first(),
    };
    if let Some(field) = of {
        stack.push_field_pinned(top + 1, &field.pin);
        if stack.kind(top + 2) == Kind::Nil {
            stack.truncate(top + 1);
            reader.push_default(stack, field);
        }
    }
    if shape.special == Special::FieldMask {
        let paths = paths(stack, top + 2);
        stack.truncate(top);
        stack.push_bytes(paths.as_bytes());
        return Ok(());
    }
    stack.replace(top + 1);
    stack.truncate(top + 1);
    Ok(())
}

fn paths(stack: &mut Stack<'_>, list: i32) -> String {
    let top = stack.top();
    let count = i32::try_from(stack.list_len(list)).unwrap_or(i32::MAX);
    let paths: Vec<String> = (1..=count)
        .map(|position| {
            stack.push_item(list, position);
            let path = text::to_camel(&stack.lossy(top + 1).unwrap_or_default());
            stack.truncate(top);
            path
        })
        .collect();
    paths.join(",")
}

/// Seconds and nanoseconds of a moment or a span.
#[expect(
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "signed numbers are so on the wire"
)]
pub(super) fn time(wire: &mut Wire<'_>, shape: &Shape) -> Result<(i64, i32), String> {
    let (mut seconds, mut nanos) = (0, 0);
    while !wire.is_empty() {
        match wire.key()? {
            (1, WireType::Varint) => seconds = wire.varint()? as i64,
            (2, WireType::Varint) => nanos = wire.varint()? as i32,
            (number, wire_type) => match shape.by_number(number) {
                Some(field) => return Err(format!("`{}.{}`: {OTHER_TYPE}", shape.name, field.name)),
                None => wire.skip(number, wire_type)?,
            },
        }
    }
    let fits = match shape.special {
        Special::Timestamp => text::is_moment(seconds, nanos),
        _ => text::is_span(seconds, nanos),
    };
    match fits {
        true => Ok((seconds, nanos)),
        false => Err(format!("{} is out of range", shape.full_name)),
    }
}

/// The type and the bytes of a message of any type.
pub(super) fn any_parts<'a>(wire: &mut Wire<'a>) -> Result<(&'a str, &'a [u8]), String> {
    let (mut url, mut bytes) = ("", &[][..]);
    while !wire.is_empty() {
        match wire.key()? {
            (1, WireType::Bytes) => {
                url = std::str::from_utf8(wire.bytes()?).map_err(|_| "the name of a type is not UTF-8")?;
            }
            (2, WireType::Bytes) => bytes = wire.bytes()?,
            (1 | 2, _) => return Err(OTHER_TYPE.to_owned()),
            (number, wire_type) => wire.skip(number, wire_type)?,
        }
    }
    Ok((url, bytes))
}

/// A message whose type nobody has declared has its bytes in `value`, as base64.
fn read_any(reader: &Reader<'_>, stack: &mut Stack<'_>, wire: &mut Wire<'_>, depth: usize) -> Result<(), String> {
    let (url, bytes) = any_parts(wire)?;
    let top = stack.top();
    if url.is_empty() && bytes.is_empty() {
        stack.push_table(0, 0);
        return Ok(());
    }
    let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
    let table = top + 1;
    match reader.types.pool().get_message_by_name(name) {
        None => {
            stack.push_table(0, 2);
            stack.push_bytes(text::to_base64(bytes).as_bytes());
            stack.set_field(table, c"value");
        }
        Some(message) => {
            let inner = reader.shape(stack, reader.types.id(&message))?;
            let mut wire = Wire::new(bytes);
            if inner.special == Special::None {
                reader.message(stack, &mut wire, &inner, None, depth + 1)?;
            } else {
                stack.push_table(0, 2);
                reader.message(stack, &mut wire, &inner, None, depth + 1)?;
                stack.set_field(table, c"value");
            }
        }
    }
    stack.push_bytes(url.as_bytes());
    stack.set_field(table, c"@type");
    Ok(())
}
