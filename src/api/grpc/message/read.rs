//! From the bytes of a message to a Lua value on the stack, by its shape. Fields have their names in the proto; those that
//! always have a value have it, also when it is not on the wire.

use std::io::Write as _;
use std::rc::Rc;

use super::shape::{Field, Form, Id, Shape, Special, Type, Types};
use super::special;
use super::wire::{Wire, WireType, unzigzag};
use crate::script::raw::{Kind, Stack};
use crate::script::value::ArrayMark;

/// How deep messages may nest.
pub(super) const MAX_DEPTH: usize = 100;

/// Reads messages of a schema.
pub struct Reader<'t> {
    pub(super) types: &'t Types,
}

/// The list or the map that was read last, which stays on the stack for its next element.
#[derive(Clone, Copy)]
struct Open {
    number: u32,
    count: i32,
}

impl<'t> Reader<'t> {
    /// A reader of messages of a schema.
    #[must_use]
    pub fn new(types: &'t Types) -> Self {
        Self { types }
    }

    /// Pushes a message.
    ///
    /// # Errors
    /// What is wrong with the bytes; nothing is left on the stack.
    pub fn push(&self, stack: &mut Stack<'_>, bytes: &[u8], id: Id) -> Result<(), String> {
        let top = stack.top();
        let pushed = self
            .shape(stack, id)
            .and_then(|shape| self.message(stack, &mut Wire::new(bytes), &shape, None, 0));
        if pushed.is_err() {
            stack.truncate(top);
        }
        pushed
    }

    pub(super) fn shape(&self, stack: &Stack<'_>, id: Id) -> Result<Rc<Shape>, String> {
        self.types.shape(|| stack.lua(), id).map_err(|error| error.to_string())
    }

    /// Pushes a message, which ends with the bytes or, if it is a group, with its key.
    pub(super) fn message(
        &self,
        stack: &mut Stack<'_>,
        wire: &mut Wire<'_>,
        shape: &Shape,
        group: Option<u32>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("messages nest deeper than 100 levels".to_owned());
        }
        if shape.special != Special::None {
            return special::read(self, stack, wire, shape, depth);
        }
        stack.push_clone(&shape.template);
        let table = stack.top();
        self.fill(stack, table, wire, shape, group, depth)
    }

    /// Reads fields into a table.
    pub(super) fn fill(
        &self,
        stack: &mut Stack<'_>,
        table: i32,
        wire: &mut Wire<'_>,
        shape: &Shape,
        group: Option<u32>,
        depth: usize,
    ) -> Result<(), String> {
        let top = stack.top();
        let (mut open, mut collections, mut chosen) = (None::<Open>, 0_u64, 0_u64);
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            if wire_type == WireType::End {
                if group != Some(number) {
                    return Err("a group ends that has not begun".to_owned());
                }
                stack.truncate(top);
                self.close(stack, table, shape, collections);
                return Ok(());
            }
            let Some(field) = shape.by_number(number) else {
                wire.skip(number, wire_type)?;
                continue;
            };
            let read = match &field.form {
                Form::One => {
                    stack.truncate(top);
                    open = None;
                    if field.oneof.is_some() {
                        forget_others(stack, table, shape, field, &mut chosen);
                    }
                    self.one(stack, table, wire, field, wire_type, depth)
                }
                Form::Many { collection, .. } | Form::Map { collection, .. } => {
                    collections |= 1_u64.checked_shl(u32::from(*collection)).unwrap_or_default();
                    let mut own = match open {
                        Some(open) if open.number == number => open,
                        _ => {
                            stack.truncate(top);
                            opened(stack, table, field)
                        }
                    };
                    let read = self.more(stack, top + 1, wire, field, wire_type, depth, &mut own.count);
                    open = Some(own);
                    read
                }
            };
            read.map_err(|what| format!("`{}.{}`: {what}", shape.name, field.name))?;
        }
        if group.is_some() {
            return Err("a group does not end".to_owned());
        }
        stack.truncate(top);
        self.close(stack, table, shape, collections);
        Ok(())
    }

    /// Lists and maps that were not on the wire are empty.
    fn close(&self, stack: &mut Stack<'_>, table: i32, shape: &Shape, collections: u64) {
        if u32::from(shape.collections) == collections.count_ones() {
            return;
        }
        let top = stack.top();
        for field in &shape.fields {
            let (Form::Many { collection, .. } | Form::Map { collection, .. }) = &field.form else {
                continue;
            };
            if collections & 1_u64.checked_shl(u32::from(*collection)).unwrap_or_default() != 0 {
                continue;
            }
            stack.push_field_pinned(table, &field.pin);
            let is_there = stack.kind(top + 1) != Kind::Nil;
            stack.truncate(top);
            if !is_there {
                stack.push_pinned(&field.pin);
                self.push_default(stack, field);
                stack.set(table);
            }
        }
    }

    /// Pushes the value of a field that is not on the wire.
    pub(super) fn push_default(&self, stack: &mut Stack<'_>, field: &Field) {
        match (&field.form, &field.of) {
            (Form::Many { .. }, _) => {
                stack.push_table(0, 0);
                let table = stack.top();
                ArrayMark::mark(stack, table);
            }
            (Form::Map { .. }, _) => stack.push_table(0, 0),
            (Form::One, Type::Bool) => stack.push_bool(false),
            (Form::One, Type::String | Type::Bytes) => stack.push_bytes(b""),
            (Form::One, Type::Int64 | Type::Uint64) => stack.push_bytes(b"0"),
            (Form::One, _) => stack.push_number(0.0),
        }
    }

    fn one(
        &self,
        stack: &mut Stack<'_>,
        table: i32,
        wire: &mut Wire<'_>,
        field: &Field,
        wire_type: WireType,
        depth: usize,
    ) -> Result<(), String> {
        fits(&field.of, wire_type)?;
        let top = stack.top();
        // A message that comes in two parts is one.
        if let Type::Message(id, _) = &field.of {
            let shape = self.shape(stack, *id)?;
            if shape.special == Special::None {
                stack.push_field_pinned(table, &field.pin);
                if stack.kind(top + 1) == Kind::Table {
                    let mut inner = Wire::new(wire.bytes()?);
                    return self.fill(stack, top + 1, &mut inner, &shape, None, depth + 1);
                }
                stack.truncate(top);
            }
        }
        stack.push_pinned(&field.pin);
        self.value(stack, wire, &field.of, field.number, depth)?;
        stack.set(table);
        Ok(())
    }

    /// One more element of a list or a map, or many that are packed.
    #[expect(clippy::too_many_arguments, reason = "an element, and where it goes")]
    fn more(
        &self,
        stack: &mut Stack<'_>,
        list: i32,
        wire: &mut Wire<'_>,
        field: &Field,
        wire_type: WireType,
        depth: usize,
        count: &mut i32,
    ) -> Result<(), String> {
        if let Form::Map { keys, .. } = &field.form {
            if wire_type != WireType::Bytes {
                return Err(OTHER_TYPE.to_owned());
            }
            return self.entry(stack, list, wire.bytes()?, field, keys, depth);
        }
        if wire_type == WireType::Bytes && !matches!(field.of.wire_type(), WireType::Bytes | WireType::Start) {
            let mut packed = Wire::new(wire.bytes()?);
            while !packed.is_empty() {
                *count += 1;
                self.value(stack, &mut packed, &field.of, field.number, depth)?;
                stack.set_item(list, *count);
            }
            return Ok(());
        }
        fits(&field.of, wire_type)?;
        *count += 1;
        self.value(stack, wire, &field.of, field.number, depth)?;
        stack.set_item(list, *count);
        Ok(())
    }

    /// An entry of a map; keys are strings, as JSON has them.
    fn entry(
        &self,
        stack: &mut Stack<'_>,
        map: i32,
        bytes: &[u8],
        field: &Field,
        keys: &Type,
        depth: usize,
    ) -> Result<(), String> {
        let top = stack.top();
        let (mut wire, mut key, mut value) = (Wire::new(bytes), None, None);
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            let place = match number {
                1 => (&mut key, keys),
                2 => (&mut value, &field.of),
                _ => {
                    wire.skip(number, wire_type)?;
                    continue;
                }
            };
            fits(place.1, wire_type)?;
            *place.0 = Some(wire.clone());
            wire.skip(number, wire_type)?;
        }
        match key {
            Some(mut wire) => self.key(stack, &mut wire, keys, depth)?,
            None if matches!(keys, Type::String) => stack.push_bytes(b""),
            None if matches!(keys, Type::Bool) => stack.push_bytes(b"false"),
            None => stack.push_bytes(b"0"),
        }
        match (value, &field.of) {
            (Some(mut wire), of) => self.value(stack, &mut wire, of, 2, depth)?,
            (None, Type::Message(id, _)) => {
                let shape = self.shape(stack, *id)?;
                self.message(stack, &mut Wire::new(&[]), &shape, None, depth + 1)?;
            }
            // A varint of 0, eight bytes of it, and a length of 0 are all zeroes.
            (None, of) => self.value(stack, &mut Wire::new(&[0; 8]), of, 2, depth)?,
        }
        stack.set(map);
        stack.truncate(top);
        Ok(())
    }

    fn key(&self, stack: &mut Stack<'_>, wire: &mut Wire<'_>, of: &Type, depth: usize) -> Result<(), String> {
        match of {
            Type::Bool => {
                let text: &[u8] = if wire.varint()? == 0 { b"false" } else { b"true" };
                stack.push_bytes(text);
            }
            Type::Int32 | Type::Uint32 | Type::Sint32 | Type::Fixed32 | Type::Sfixed32 => {
                self.value(stack, wire, of, 1, depth)?;
                let top = stack.top();
                let number = stack.number(top).unwrap_or_default().to_string();
                stack.truncate(top - 1);
                stack.push_bytes(number.as_bytes());
            }
            _ => self.value(stack, wire, of, 1, depth)?,
        }
        Ok(())
    }

    /// Pushes one value.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "numbers of 32 bits are the lower half of what is on the wire; signed ones are so there"
    )]
    fn value(
        &self,
        stack: &mut Stack<'_>,
        wire: &mut Wire<'_>,
        of: &Type,
        number: u32,
        depth: usize,
    ) -> Result<(), String> {
        match of {
            Type::String => {
                let text = wire.bytes()?;
                std::str::from_utf8(text).map_err(|_| NOT_UTF8)?;
                stack.push_bytes(text);
            }
            Type::Message(id, _) => {
                let mut inner = Wire::new(wire.bytes()?);
                let shape = self.shape(stack, *id)?;
                self.message(stack, &mut inner, &shape, None, depth + 1)?;
            }
            Type::Group(id, _) => {
                let shape = self.shape(stack, *id)?;
                self.message(stack, wire, &shape, Some(number), depth + 1)?;
            }
            Type::Bytes => stack.push_bytes(super::text::to_base64(wire.bytes()?).as_bytes()),
            Type::Bool => stack.push_bool(wire.varint()? != 0),
            Type::Enum(names) => {
                let value = wire.varint()? as i32;
                match names.by_number.get(&value) {
                    Some(_) if names.is_null => stack.push_null(),
                    Some(name) => stack.push_bytes(name.as_bytes()),
                    None => stack.push_number(f64::from(value)),
                }
            }
            Type::Double => stack.push_number(f64::from_bits(wire.fixed64()?)),
            Type::Float => stack.push_number(widen(f32::from_bits(wire.fixed32()?))),
            Type::Int32 => stack.push_number(f64::from(wire.varint()? as i32)),
            Type::Uint32 => stack.push_number(f64::from(wire.varint()? as u32)),
            Type::Sint32 => stack.push_number(f64::from(unzigzag(wire.varint()?) as i32)),
            Type::Fixed32 => stack.push_number(f64::from(wire.fixed32()?)),
            Type::Sfixed32 => stack.push_number(f64::from(wire.fixed32()? as i32)),
            Type::Int64 => push_signed(stack, wire.varint()? as i64),
            Type::Sint64 => push_signed(stack, unzigzag(wire.varint()?)),
            Type::Sfixed64 => push_signed(stack, wire.fixed64()? as i64),
            Type::Uint64 => push_unsigned(stack, wire.varint()?),
            Type::Fixed64 => push_unsigned(stack, wire.fixed64()?),
        }
        Ok(())
    }
}

pub(super) const OTHER_TYPE: &str = "it is of another type on the wire: the server has another schema";
pub(super) const NOT_UTF8: &str = "a string is not UTF-8";

/// Whether a value of a type is delimited so.
pub(super) fn fits(of: &Type, wire_type: WireType) -> Result<(), String> {
    if of.wire_type() == wire_type {
        Ok(())
    } else {
        Err(OTHER_TYPE.to_owned())
    }
}

/// Pushes the list or the map of a field, which is made at its first element.
fn opened(stack: &mut Stack<'_>, table: i32, field: &Field) -> Open {
    let at = stack.top() + 1;
    stack.push_field_pinned(table, &field.pin);
    if stack.kind(at) != Kind::Table {
        stack.truncate(at - 1);
        stack.push_table(0, 0);
        stack.push_pinned(&field.pin);
        stack.push_copy(at);
        stack.set(table);
    }
    Open {
        number: field.number,
        count: i32::try_from(stack.list_len(at)).unwrap_or(i32::MAX),
    }
}

/// Of the fields of a oneof, the last one on the wire counts.
fn forget_others(stack: &mut Stack<'_>, table: i32, shape: &Shape, field: &Field, chosen: &mut u64) {
    let bit = field
        .oneof
        .and_then(|oneof| 1_u64.checked_shl(u32::from(oneof)))
        .unwrap_or_default();
    if bit != 0 && *chosen & bit == 0 {
        *chosen |= bit;
        return;
    }
    for other in &shape.fields {
        if other.oneof == field.oneof && other.number != field.number {
            stack.push_pinned(&other.pin);
            stack.push_nil();
            stack.set(table);
        }
    }
}

/// The shortest decimal number that is this float, as JSON has it.
fn widen(value: f32) -> f64 {
    let wide = f64::from(value);
    if value.fract() == 0.0 || !value.is_finite() {
        return wide;
    }
    value.to_string().parse().unwrap_or(wide)
}

fn push_signed(stack: &Stack<'_>, value: i64) {
    let mut text = [0_u8; 20];
    let mut rest = &mut text[..];
    // There is room for the longest.
    let _ = write!(rest, "{value}");
    let left = rest.len();
    stack.push_bytes(&text[..text.len() - left]);
}

fn push_unsigned(stack: &Stack<'_>, value: u64) {
    let mut text = [0_u8; 20];
    let mut rest = &mut text[..];
    let _ = write!(rest, "{value}");
    let left = rest.len();
    stack.push_bytes(&text[..text.len() - left]);
}
