//! Whether bytes are a message, without reading it: a response whose message nobody reads must still be one.

use super::read::{MAX_DEPTH, NOT_UTF8, OTHER_TYPE, fits};
use super::shape::{Form, Id, Shape, Special, Type, Types};
use super::special::{any_parts, time};
use super::wire::{Wire, WireType};
use mlua::Lua;

/// Checks the bytes of a message.
///
/// # Errors
/// What is wrong with them.
pub fn verify(types: &Types, lua: &Lua, bytes: &[u8], id: Id) -> Result<(), String> {
    Verifier { types, lua }.message(&mut Wire::new(bytes), id, None, 0)
}

struct Verifier<'t> {
    types: &'t Types,
    lua: &'t Lua,
}

impl Verifier<'_> {
    fn message(&self, wire: &mut Wire<'_>, id: Id, group: Option<u32>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("messages nest deeper than 100 levels".to_owned());
        }
        let shape = self
            .types
            .shape(|| self.lua.clone(), id)
            .map_err(|error| error.to_string())?;
        match shape.special {
            Special::Any => return self.any(wire, depth),
            Special::Timestamp | Special::Duration => return time(wire, &shape).map(drop),
            _ => {}
        }
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            if wire_type == WireType::End {
                return if group == Some(number) {
                    Ok(())
                } else {
                    Err("a group ends that has not begun".to_owned())
                };
            }
            self.field(wire, &shape, number, wire_type, depth)?;
        }
        if group.is_some() {
            return Err("a group does not end".to_owned());
        }
        Ok(())
    }

    fn field(
        &self,
        wire: &mut Wire<'_>,
        shape: &Shape,
        number: u32,
        wire_type: WireType,
        depth: usize,
    ) -> Result<(), String> {
        let Some(field) = shape.by_number(number) else {
            return Ok(wire.skip(number, wire_type)?);
        };
        let checked = match &field.form {
            Form::Map { keys, .. } => match wire_type {
                WireType::Bytes => self.entry(&mut Wire::new(wire.bytes()?), keys, &field.of, depth),
                _ => Err(OTHER_TYPE.to_owned()),
            },
            Form::Many { .. }
                if wire_type == WireType::Bytes
                    && !matches!(field.of.wire_type(), WireType::Bytes | WireType::Start) =>
            {
                let mut packed = Wire::new(wire.bytes()?);
                let mut all = Ok(());
                while all.is_ok() && !packed.is_empty() {
                    all = self.value(&mut packed, &field.of, number, depth);
                }
                all
            }
            _ => fits(&field.of, wire_type).and_then(|()| self.value(wire, &field.of, number, depth)),
        };
        checked.map_err(|what| format!("`{}.{}`: {what}", shape.name, field.name))
    }

    /// An entry of a map, of which the last key and the last value count: those before them are not looked into.
    fn entry(&self, wire: &mut Wire<'_>, keys: &Type, values: &Type, depth: usize) -> Result<(), String> {
        let (mut key, mut value) = (None, None);
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            let (place, of) = match number {
                1 => (&mut key, keys),
                2 => (&mut value, values),
                _ => {
                    wire.skip(number, wire_type)?;
                    continue;
                }
            };
            fits(of, wire_type)?;
            *place = Some(wire.clone());
            wire.skip(number, wire_type)?;
        }
        for (number, found, of) in [(1, key, keys), (2, value, values)] {
            if let Some(mut wire) = found {
                self.value(&mut wire, of, number, depth)?;
            }
        }
        Ok(())
    }

    fn value(&self, wire: &mut Wire<'_>, of: &Type, number: u32, depth: usize) -> Result<(), String> {
        match of {
            Type::String => {
                std::str::from_utf8(wire.bytes()?).map_err(|_| NOT_UTF8)?;
                Ok(())
            }
            Type::Message(id, _) => self.message(&mut Wire::new(wire.bytes()?), *id, None, depth + 1),
            Type::Group(id, _) => self.message(wire, *id, Some(number), depth + 1),
            of => Ok(wire.skip(number, of.wire_type())?),
        }
    }

    fn any(&self, wire: &mut Wire<'_>, depth: usize) -> Result<(), String> {
        let (url, bytes) = any_parts(wire)?;
        let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        match self.types.pool().get_message_by_name(name) {
            Some(message) => self.message(&mut Wire::new(bytes), self.types.id(&message), None, depth + 1),
            None => Ok(()),
        }
    }
}
