//! From a Lua value on the stack to the bytes of a message, by its shape; what does not fit is told with its field. Fields
//! are given by their name in the proto or by the one that JSON has.

use std::rc::Rc;

use bytes::{BufMut as _, BytesMut};

use super::number::{double, whole};
use super::shape::{Field, Form, Id, Shape, Special, Type, Types};
use super::special;
use super::wire::{WireType, begin_nested, end_nested, put_bytes, put_varint, zigzag};
use super::wrong::{Failed, Got, Wrong, element, got, key_text, mismatch, show, step, told, unknown};
use crate::net::grpc::Message;
use crate::script::fields::suggest;
use crate::script::raw::{Kind, Stack};
use crate::script::value::ArrayMark;

/// How deep messages may nest, which also ends circular tables.
const MAX_DEPTH: usize = 100;

/// Writes one message.
pub struct Writer<'t> {
    pub(super) types: &'t Types,
    pub(super) out: BytesMut,
}

impl<'t> Writer<'t> {
    /// The value at `index` as a message. Nil is an empty one.
    ///
    /// # Errors
    /// What does not fit, as `Event.payload` and what is wrong there.
    pub fn message(types: &'t Types, stack: &mut Stack<'_>, index: i32, id: Id) -> Result<Message, String> {
        Message::write(|buffer| {
            let out = std::mem::take(buffer);
            let mut writer = Self { types, out };
            let shape = writer.shape(stack, id).map_err(|wrong| wrong.what)?;
            let top = stack.top();
            let written = match stack.kind(index) {
                Kind::Nil if shape.special == Special::None => writer.required(stack, None, &shape),
                _ => writer.of_message(stack, index, &shape, 0),
            };
            stack.truncate(top);
            *buffer = writer.out;
            written.map_err(|failed| match failed {
                Failed::Inside(wrong) => wrong.of(&shape.name),
                Failed::Got(got) => format!("`{}` is a message, got {}{}", shape.name, got.what, got.hint),
            })
        })
    }

    pub(super) fn shape(&self, stack: &Stack<'_>, id: Id) -> Result<Rc<Shape>, Wrong> {
        self.types
            .shape(|| stack.lua(), id)
            .map_err(|error| Wrong::new(error.to_string()))
    }

    /// The content of a message, without anything around it.
    pub(super) fn of_message(
        &mut self,
        stack: &mut Stack<'_>,
        index: i32,
        shape: &Shape,
        depth: usize,
    ) -> Result<(), Failed> {
        if depth > MAX_DEPTH {
            return Err(Wrong::new("nests deeper than 100 levels, or contains itself").into());
        }
        if shape.special != Special::None {
            return special::write(self, stack, index, shape, depth);
        }
        if stack.kind(index) != Kind::Table {
            return Err(got(stack, index).into());
        }
        self.table(stack, index, shape, depth, None)
    }

    /// The entries of a table as the fields of a message; one of them may be left out.
    pub(super) fn table(
        &mut self,
        stack: &mut Stack<'_>,
        table: i32,
        shape: &Shape,
        depth: usize,
        except: Option<&[u8]>,
    ) -> Result<(), Failed> {
        let (top, mut at, mut chosen) = (stack.top(), 0, 0_u64);
        while let Some(next) = stack.next(table, at) {
            let (key, value) = (top + 1, top + 2);
            let Some(name) = stack.bytes(key) else {
                let what = format!("is a message, got {} as the name of a field", show(stack, key));
                return Err(Wrong::new(what).into());
            };
            if let Some(field) = shape.by_name(name) {
                if name != field.name.as_bytes() {
                    self.not_twice(stack, table, field)?;
                }
                if self.field(stack, value, field, depth)? {
                    choose(shape, field, &mut chosen, stack, table)?;
                }
            } else if except != Some(name) {
                return Err(unknown(shape, &stack.lossy(key).unwrap_or_default()).into());
            }
            stack.truncate(top);
            at = next;
        }
        self.required(stack, Some(table), shape)
    }

    /// A field that was given by its JSON name must not be there under its other one too.
    fn not_twice(&self, stack: &mut Stack<'_>, table: i32, field: &Field) -> Result<(), Failed> {
        stack.push_field_pinned(table, &field.pin);
        let top = stack.top();
        let is_there = stack.kind(top) != Kind::Nil;
        stack.truncate(top - 1);
        if is_there {
            return Err(Wrong::new("is given twice, by both of its names")
                .inside(&step(&field.name))
                .into());
        }
        Ok(())
    }

    fn required(&self, stack: &mut Stack<'_>, table: Option<i32>, shape: &Shape) -> Result<(), Failed> {
        if !shape.has_required {
            return Ok(());
        }
        for field in shape.fields.iter().filter(|field| field.required) {
            let top = stack.top();
            let is_there = table.is_some_and(|table| {
                stack.push_field_pinned(table, &field.pin);
                stack.kind(top + 1) != Kind::Nil
            });
            stack.truncate(top);
            if !is_there {
                return Err(Wrong::new(format!("is required ({})", field.describe()))
                    .inside(&step(&field.name))
                    .into());
            }
        }
        Ok(())
    }

    /// One field; gives whether it was set: null is as if it were absent.
    fn field(&mut self, stack: &mut Stack<'_>, value: i32, field: &Field, depth: usize) -> Result<bool, Failed> {
        if stack.is_null(value) && !self.takes_null(stack, field)? {
            return Ok(false);
        }
        let written = match &field.form {
            Form::One => self
                .one(stack, value, field, depth)
                .map_err(|failed| told(failed, field, "")),
            Form::Many { packed, .. } => self.list(stack, value, field, *packed, depth),
            Form::Map { keys, .. } => self.map(stack, value, field, keys, depth),
        };
        written.map_err(|wrong| wrong.inside(&step(&field.name)))?;
        Ok(true)
    }

    fn takes_null(&self, stack: &Stack<'_>, field: &Field) -> Result<bool, Wrong> {
        match (&field.of, &field.form) {
            (Type::Message(id, _), Form::One) => Ok(self.shape(stack, *id)?.special == Special::Value),
            (Type::Enum(names), Form::One) => Ok(names.is_null),
            _ => Ok(false),
        }
    }

    /// A field with one value: key and value. What has no presence is left out when it is the default.
    pub(super) fn one(&mut self, stack: &mut Stack<'_>, value: i32, field: &Field, depth: usize) -> Result<(), Failed> {
        let start = self.out.len();
        put_varint(&mut self.out, field.key);
        let at = self.out.len();
        self.value(stack, value, &field.of, depth)?;
        if !field.presence && self.out[at..].iter().all(|byte| *byte == 0) {
            self.out.truncate(start);
        } else if let Type::Group(..) = field.of {
            put_varint(&mut self.out, u64::from(field.number) << 3 | WireType::End as u64);
        }
        Ok(())
    }

    /// A list as the elements of a field.
    pub(super) fn list(
        &mut self,
        stack: &mut Stack<'_>,
        list: i32,
        field: &Field,
        packed: bool,
        depth: usize,
    ) -> Result<(), Wrong> {
        let length = length(stack, list).map_err(|got| mismatch(field, &got, ""))?;
        if length == 0 {
            return Ok(());
        }
        if packed {
            put_varint(&mut self.out, field.key);
            let start = begin_nested(&mut self.out);
            self.elements(stack, list, length, |writer, stack, value| {
                writer.value(stack, value, &field.of, depth)
            })
            .map_err(|(failed, position)| element(failed, field, position))?;
            end_nested(&mut self.out, start);
            return Ok(());
        }
        self.elements(stack, list, length, |writer, stack, value| {
            put_varint(&mut writer.out, field.key);
            writer.value(stack, value, &field.of, depth)?;
            if let Type::Group(..) = field.of {
                put_varint(&mut writer.out, u64::from(field.number) << 3 | WireType::End as u64);
            }
            Ok(())
        })
        .map_err(|(failed, position)| element(failed, field, position))
    }

    fn elements(
        &mut self,
        stack: &mut Stack<'_>,
        list: i32,
        length: i32,
        mut write: impl FnMut(&mut Self, &mut Stack<'_>, i32) -> Result<(), Failed>,
    ) -> Result<(), (Failed, i32)> {
        let top = stack.top();
        for position in 1..=length {
            stack.push_item(list, position);
            write(self, stack, top + 1).map_err(|failed| (failed, position))?;
            stack.truncate(top);
        }
        Ok(())
    }

    /// A table as the entries of a map.
    pub(super) fn map(
        &mut self,
        stack: &mut Stack<'_>,
        table: i32,
        field: &Field,
        keys: &Type,
        depth: usize,
    ) -> Result<(), Wrong> {
        if stack.kind(table) != Kind::Table {
            return Err(mismatch(field, &got(stack, table), ""));
        }
        let (top, mut at) = (stack.top(), 0);
        while let Some(next) = stack.next(table, at) {
            let (key, value) = (top + 1, top + 2);
            put_varint(&mut self.out, field.key);
            let start = begin_nested(&mut self.out);
            put_varint(&mut self.out, 1 << 3 | keys.wire_type() as u64);
            self.key(stack, key, keys).map_err(|got| {
                let got = Got::new(format!("{} as a key", got.what)).hint(got.hint);
                mismatch(field, &got, "")
            })?;
            put_varint(&mut self.out, 2 << 3 | field.of.wire_type() as u64);
            self.value(stack, value, &field.of, depth).map_err(|failed| {
                let key = key_text(stack, key);
                match failed {
                    Failed::Got(got) => mismatch(field, &got, &format!(" at key `{key}`")),
                    Failed::Inside(wrong) => wrong.inside(&format!("[\"{key}\"]")),
                }
            })?;
            end_nested(&mut self.out, start);
            stack.truncate(top);
            at = next;
        }
        Ok(())
    }

    /// A key of a map: what is no text may be written as text, because JSON can only have those.
    fn key(&mut self, stack: &mut Stack<'_>, key: i32, of: &Type) -> Result<(), Got> {
        if let (Type::Bool, Some(text)) = (of, stack.bytes(key)) {
            let value = match text {
                b"true" => 1,
                b"false" => 0,
                _ => return Err(got(stack, key)),
            };
            put_varint(&mut self.out, value);
            return Ok(());
        }
        match self.value(stack, key, of, 0) {
            Ok(()) => Ok(()),
            Err(Failed::Got(got)) => Err(got),
            // Keys are no messages.
            Err(Failed::Inside(wrong)) => Err(Got::new(wrong.what)),
        }
    }

    /// One value, without its key.
    #[inline]
    pub(super) fn value(&mut self, stack: &mut Stack<'_>, index: i32, of: &Type, depth: usize) -> Result<(), Failed> {
        match of {
            Type::String => match stack.text(index) {
                Some(text) => put_bytes(&mut self.out, text.as_bytes()),
                None if stack.kind(index) == Kind::String => {
                    let hint = "; text is UTF-8, other bytes need a field of type bytes";
                    return Err(Got::new("a string that is not UTF-8").hint(hint).into());
                }
                None => return Err(got(stack, index).into()),
            },
            Type::Message(id, _) => {
                let shape = self.shape(stack, *id)?;
                let start = begin_nested(&mut self.out);
                self.of_message(stack, index, &shape, depth + 1)?;
                end_nested(&mut self.out, start);
            }
            Type::Group(id, _) => {
                let shape = self.shape(stack, *id)?;
                self.of_message(stack, index, &shape, depth + 1)?;
            }
            Type::Bool => match stack.kind(index) {
                Kind::Boolean => self.out.put_u8(u8::from(stack.is_true(index))),
                _ => return Err(got(stack, index).into()),
            },
            Type::Bytes => match stack.bytes(index).map(super::text::from_base64) {
                Some(Some(bytes)) => put_bytes(&mut self.out, &bytes),
                Some(None) => {
                    let hint = "; bytes are given as base64: kt.encoding.base64_encode(…)";
                    return Err(Got::new("a string that is not base64").hint(hint).into());
                }
                None => return Err(got(stack, index).into()),
            },
            Type::Enum(names) => self.enumerated(stack, index, names)?,
            Type::Double => {
                let value = double(stack, index)?;
                self.out.extend_from_slice(&value.to_le_bytes());
            }
            Type::Float => {
                let value = double(stack, index)?;
                if value.is_finite() && value.abs() > f64::from(f32::MAX) {
                    return Err(Got::new(format!("{value}, which is out of range")).into());
                }
                #[expect(clippy::cast_possible_truncation, reason = "in range; a float has fewer digits")]
                self.out.extend_from_slice(&(value as f32).to_le_bytes());
            }
            _ => self.integer(stack, index, of)?,
        }
        Ok(())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in the range of the type"
    )]
    fn integer(&mut self, stack: &Stack<'_>, index: i32, of: &Type) -> Result<(), Got> {
        let (least, most) = match of {
            Type::Int32 | Type::Sint32 | Type::Sfixed32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
            Type::Uint32 | Type::Fixed32 => (0, i128::from(u32::MAX)),
            Type::Uint64 | Type::Fixed64 => (0, i128::from(u64::MAX)),
            _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
        };
        let value = whole(stack, index)?;
        if value < least || value > most {
            return Err(Got::new(format!("{value}, which is out of range")));
        }
        let out = &mut self.out;
        match of {
            Type::Fixed32 | Type::Sfixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
            Type::Fixed64 | Type::Sfixed64 => out.extend_from_slice(&(value as u64).to_le_bytes()),
            Type::Sint32 | Type::Sint64 => put_varint(out, zigzag(value as i64)),
            // A negative number is one of 64 bits, even of 32.
            _ => put_varint(out, value as u64),
        }
        Ok(())
    }

    #[expect(
        clippy::cast_sign_loss,
        reason = "negative values are numbers of 64 bits on the wire"
    )]
    fn enumerated(&mut self, stack: &Stack<'_>, index: i32, names: &super::shape::Names) -> Result<(), Got> {
        let value = match stack.kind(index) {
            Kind::String => {
                let name = stack.bytes(index).unwrap_or_default();
                *names.by_name.get(name).ok_or_else(|| {
                    let name = stack.lossy(index).unwrap_or_default();
                    let hint = match suggest(&name, names.all.iter().map(|name| &**name)) {
                        hint if hint.is_empty() => {
                            let some: Vec<&str> = names.all.iter().take(8).map(|name| &**name).collect();
                            format!(
                                "; it has {}{}",
                                some.join(", "),
                                if names.all.len() > 8 { ", …" } else { "" }
                            )
                        }
                        hint => hint,
                    };
                    Got::new(format!("\"{name}\"")).hint(hint)
                })?
            }
            Kind::Pointer if names.is_null && stack.is_null(index) => 0,
            Kind::Number => {
                let value = whole(stack, index)?;
                i32::try_from(value).map_err(|_| Got::new(format!("{value}, which is out of range")))?
            }
            _ => return Err(got(stack, index)),
        };
        put_varint(&mut self.out, i64::from(value) as u64);
        Ok(())
    }
}

/// Of the fields of a oneof, one at most is set.
fn choose(shape: &Shape, field: &Field, chosen: &mut u64, stack: &mut Stack<'_>, table: i32) -> Result<(), Failed> {
    let Some(oneof) = field.oneof else { return Ok(()) };
    let bit = 1_u64.checked_shl(u32::from(oneof)).unwrap_or_default();
    let is_second = *chosen & bit != 0;
    *chosen |= bit;
    if !is_second && bit != 0 {
        return Ok(());
    }
    // Which others are set; with more than 64 oneofs, that is looked up each time.
    let top = stack.top();
    let others: Vec<&str> = shape
        .fields
        .iter()
        .filter(|other| other.oneof == field.oneof && other.number != field.number)
        .filter(|other| {
            stack.push_field_pinned(table, &other.pin);
            let is_set = stack.kind(top + 1) != Kind::Nil && !stack.is_null(top + 1);
            stack.truncate(top);
            is_set
        })
        .map(|other| &*other.name)
        .collect();
    if others.is_empty() && !is_second {
        return Ok(());
    }
    let mut names = vec![&*field.name];
    names.extend(others);
    names.sort_unstable();
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let what = format!(
        "is a oneof: only one of its fields may be set, got {}",
        names.join(" and ")
    );
    Err(Wrong::new(what).inside(&step(&shape.oneofs[usize::from(oneof)])).into())
}

/// The length of a list that is nothing else.
pub(super) fn length(stack: &mut Stack<'_>, list: i32) -> Result<i32, Got> {
    if stack.kind(list) != Kind::Table {
        return Err(got(stack, list));
    }
    let length = stack.list_len(list);
    let (top, mut at, mut pairs) = (stack.top(), 0, 0);
    while let Some(next) = stack.next(list, at) {
        if stack.number(top + 1).is_none() {
            let got = Got::new(format!("a table with key `{}`", key_text(stack, top + 1)));
            stack.truncate(top);
            return Err(got);
        }
        stack.truncate(top);
        pairs += 1;
        at = next;
    }
    if pairs != length {
        return Err(Got::new("a list with holes"));
    }
    i32::try_from(length).map_err(|_| Got::new("a list that is too long"))
}

/// Whether a table is a list: it has elements, or is marked as one.
pub(super) fn is_list(stack: &mut Stack<'_>, table: i32) -> bool {
    stack.list_len(table) > 0 || ArrayMark::is_on(stack, table)
}
