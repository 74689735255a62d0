//! JSON onto a stack, by a serde visitor: a value is pushed as it is read. A path can be read without the rest.

use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{ArrayMark, EXACT};
use crate::script::raw::Stack;

/// How many items of an array, or fields of an object, may lie on the stack until their table is made: most are complete
/// by then, so that the table has the right size at once. Those of larger ones follow in portions, and it grows.
const PORTION: i32 = 32;

/// Pushes one value.
#[derive(Debug)]
pub struct Onto<'s, 'l> {
    /// Where to.
    pub stack: &'s mut Stack<'l>,
    /// Keep `null` in objects too.
    pub keep_null: bool,
}

impl<'l> Onto<'_, 'l> {
    fn again(&mut self) -> Onto<'_, 'l> {
        Onto {
            stack: self.stack,
            keep_null: self.keep_null,
        }
    }
}

/// What has been pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// `null`.
    Null,
    /// Anything else.
    Value,
}

impl<'de> DeserializeSeed<'de> for Onto<'_, '_> {
    type Value = Pushed;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Pushed, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Onto<'_, '_> {
    type Value = Pushed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Pushed, E> {
        self.stack.push_bool(value);
        Ok(Pushed::Value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Pushed, E> {
        if value.unsigned_abs() > EXACT {
            return self.visit_str(&value.to_string());
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        self.stack.push_number(value as f64);
        Ok(Pushed::Value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Pushed, E> {
        if value > EXACT {
            return self.visit_str(&value.to_string());
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        self.stack.push_number(value as f64);
        Ok(Pushed::Value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Pushed, E> {
        self.stack.push_number(value);
        Ok(Pushed::Value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Pushed, E> {
        self.stack.push_bytes(value.as_bytes());
        Ok(Pushed::Value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Pushed, E> {
        self.stack.push_null();
        Ok(Pushed::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Pushed, A::Error> {
        self.stack.push_nil();
        let table = self.stack.top();
        let (mut moved, mut waiting) = (0, 0);
        while seq.next_element_seed(self.again())?.is_some() {
            waiting += 1;
            if waiting == PORTION {
                moved = self.stack.move_items(table, moved);
                waiting = 0;
            }
        }
        if self.stack.move_items(table, moved) == 0 {
            ArrayMark::mark(self.stack, table);
        }
        Ok(Pushed::Value)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Pushed, A::Error> {
        self.stack.push_nil();
        let table = self.stack.top();
        let (mut waiting, mut seen, mut twice) = (0, 0, false);
        while let Some(name) = map.next_key_seed(Name(self.stack))? {
            if map.next_value_seed(self.again())? == Pushed::Null && !self.keep_null {
                self.stack.truncate(table + 2 * waiting);
                continue;
            }
            twice |= seen & name != 0;
            seen |= name;
            waiting += 1;
            if waiting == PORTION {
                self.stack.move_fields(table, twice);
                (waiting, seen, twice) = (0, 0, false);
            }
        }
        self.stack.move_fields(table, twice);
        Ok(Pushed::Value)
    }
}

/// Pushes the key of a field. Gives one of 64 bits, which is the same for the same key.
struct Name<'s, 'l>(&'s mut Stack<'l>);

impl<'de> DeserializeSeed<'de> for Name<'_, '_> {
    type Value = u64;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_, '_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<u64, E> {
        self.0.push_bytes(key.as_bytes());
        let (first, last) = (key.bytes().next(), key.bytes().next_back());
        let [first, last] = [first, last].map(|byte| usize::from(byte.unwrap_or(0)));
        Ok(1 << ((key.len() + 5 * first + 11 * last) % 64))
    }
}

/// Pushes what a path leads to, if anything: keys of objects, and positions in arrays from 1 as in Lua. Gives whether it did.
#[derive(Debug)]
pub struct Seek<'s, 'l, 'p> {
    /// Where to.
    pub stack: &'s mut Stack<'l>,
    /// The rest of the path: keys with a dot between them; nothing when this is the place.
    pub path: Option<&'p str>,
}

impl<'de> DeserializeSeed<'de> for Seek<'_, '_, '_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        match self.path {
            Some(_) => deserializer.deserialize_any(self),
            None => {
                let (stack, keep_null) = (self.stack, false);
                let pushed = Onto { stack, keep_null }.deserialize(deserializer);
                pushed.map(|_| true)
            }
        }
    }
}

/// The first key of a path, and what comes after it.
fn split(path: Option<&str>) -> (&str, Option<&str>) {
    let path = path.unwrap_or_default();
    path.split_once('.')
        .map_or((path, None), |(first, rest)| (first, Some(rest)))
}

impl<'de> Visitor<'de> for Seek<'_, '_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let (first, rest) = split(self.path);
        let before = first.parse::<usize>().ok().and_then(|position| position.checked_sub(1));
        let mut found = false;
        if let Some(before) = before {
            let mut is_there = true;
            for _ in 0..before {
                is_there = seq.next_element::<IgnoredAny>()?.is_some();
                if !is_there {
                    break;
                }
            }
            if is_there {
                let inner = Seek {
                    stack: &mut *self.stack,
                    path: rest,
                };
                found = seq.next_element_seed(inner)?.unwrap_or(false);
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let (first, rest) = split(self.path);
        let top = self.stack.top();
        let mut found = false;
        while let Some(is_it) = map.next_key_seed(Is(first))? {
            if !is_it {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // Of a key that comes twice, the last counts, as everywhere.
            self.stack.truncate(top);
            found = map.next_value_seed(Seek {
                stack: &mut *self.stack,
                path: rest,
            })?;
        }
        Ok(found)
    }
}

/// Whether a key is this one.
struct Is<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}
