//! Between JSON and Lua values, in both directions, without an intermediate tree. Which module calls it is not known here.
//!
//! Rules: an integer that a double cannot hold arrives as a string; `null` is absent in an object and
//! [`mlua::Value::NULL`] (`kt.json.null`) in an array, so that positions stay; an empty array remembers that it is one.

use std::fmt;

use mlua::{Lua, Table, Value};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

/// The largest integer up to which a double is exact.
const EXACT: u64 = 1 << 53;

/// How deep tables may nest, which also ends circular ones.
const MAX_DEPTH: usize = 100;

/// The metatable that marks arrays, one for each VM.
#[derive(Debug, Clone)]
pub struct ArrayMark(pub Table);

impl ArrayMark {
    /// Creates the mark of a VM; called once, before the sandbox closes.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn install(lua: &Lua) -> mlua::Result<()> {
        let mark = lua.create_table()?;
        mark.set("__kt", "array")?;
        mark.set_readonly(true);
        lua.set_app_data(Self(mark));
        Ok(())
    }

    /// Marks `table` as an array.
    ///
    /// # Errors
    /// When the table is read-only.
    pub fn apply(lua: &Lua, table: &Table) -> mlua::Result<()> {
        let mark = lua.app_data_ref::<Self>().map(|mark| mark.0.clone());
        table.set_metatable(mark)
    }

    fn is_on(table: &Table) -> bool {
        table
            .metatable()
            .is_some_and(|meta| meta.raw_get::<mlua::LuaString>("__kt").is_ok())
    }
}

/// Reads one JSON value into Lua.
#[derive(Debug, Clone, Copy)]
pub struct IntoLuaSeed<'a> {
    /// The VM.
    pub lua: &'a Lua,
    /// Keep `null` in objects too.
    pub keep_null: bool,
}

impl<'de> DeserializeSeed<'de> for IntoLuaSeed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IntoLuaSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > EXACT {
            return self.visit_str(&value.to_string());
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > EXACT {
            return self.visit_str(&value.to_string());
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.lua.create_string(value).map(Value::String).map_err(E::custom)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let table = self.lua.create_table().map_err(de::Error::custom)?;
        while let Some(value) = seq.next_element_seed(self)? {
            table.raw_push(value).map_err(de::Error::custom)?;
        }
        if table.is_empty() {
            ArrayMark::apply(self.lua, &table).map_err(de::Error::custom)?;
        }
        Ok(Value::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let table = self.lua.create_table().map_err(de::Error::custom)?;
        while let Some(key) = map.next_key_seed(self)? {
            let value = map.next_value_seed(self)?;
            if self.keep_null || value != Value::NULL {
                table.raw_set(key, value).map_err(de::Error::custom)?;
            }
        }
        Ok(Value::Table(table))
    }
}

/// Parses JSON text into a Lua value.
///
/// # Errors
/// serde_json's message with line and column.
pub fn parse(lua: &Lua, text: &[u8], keep_null: bool) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = IntoLuaSeed { lua, keep_null }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Converts a JSON tree into a Lua value.
///
/// # Errors
/// When the VM is out of memory.
pub fn from_tree(lua: &Lua, tree: &serde_json::Value) -> Result<Value, serde_json::Error> {
    IntoLuaSeed { lua, keep_null: false }.deserialize(tree)
}

/// Makes a table and everything in it read-only, for values that all VUs of a VM share.
pub fn freeze(value: &Value) {
    if let Value::Table(table) = value
        && !table.is_readonly()
    {
        table.set_readonly(true);
        for (_, inner) in table.pairs::<Value, Value>().flatten() {
            freeze(&inner);
        }
    }
}

/// A Lua value as JSON: sequences are arrays, string keys are objects, anything else is an error that names the place.
#[derive(Debug)]
pub struct AsJson<'a> {
    value: &'a Value,
    depth: usize,
}

impl<'a> AsJson<'a> {
    /// Wraps a value for any serde format.
    #[must_use]
    pub fn new(value: &'a Value) -> Self {
        Self { value, depth: 0 }
    }

    fn nested(&self, value: &'a Value) -> Self {
        Self {
            value,
            depth: self.depth + 1,
        }
    }

    fn table<S: Serializer>(&self, table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
        if self.depth >= MAX_DEPTH {
            return Err(S::Error::custom(
                "tables nest deeper than 100 levels, or one contains itself",
            ));
        }
        let length = table.raw_len();
        let mut pairs = 0;
        let mut entries: Vec<(String, Value)> = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(S::Error::custom)?;
            pairs += 1;
            match key {
                Value::Integer(_) | Value::Number(_) if length > 0 => {}
                Value::String(key) => entries.push((key.to_string_lossy(), value)),
                other => {
                    let text = other.to_string().unwrap_or_default();
                    return Err(S::Error::custom(format!(
                        "a key is {} `{text}`; JSON objects have string keys",
                        other.type_name()
                    )));
                }
            }
        }
        if length > 0 || (pairs == 0 && ArrayMark::is_on(table)) {
            if pairs != length {
                return Err(S::Error::custom(
                    "a table is both a list and a map, or has holes; JSON can be only one",
                ));
            }
            let mut seq = serializer.serialize_seq(Some(length))?;
            for value in table.sequence_values::<Value>() {
                let value = value.map_err(S::Error::custom)?;
                seq.serialize_element(&self.nested_owned(&value))?;
            }
            return seq.end();
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut map = serializer.serialize_map(Some(entries.len()))?;
        for (key, value) in &entries {
            let inner = self.nested(value);
            map.serialize_entry(key, &inner)
                .map_err(|error| S::Error::custom(format!("{key}: {error}")))?;
        }
        map.end()
    }

    fn nested_owned<'b>(&self, value: &'b Value) -> AsJson<'b> {
        AsJson {
            value,
            depth: self.depth + 1,
        }
    }
}

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Nil => serializer.serialize_unit(),
            value if *value == Value::NULL => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => serializer.serialize_i64(*value),
            Value::Number(value) => number(*value, serializer),
            Value::String(value) => match value.to_str() {
                Ok(text) => serializer.serialize_str(&text),
                Err(_) => Err(S::Error::custom("a string is not UTF-8; encode it (base64) first")),
            },
            Value::Table(table) => self.table(table, serializer),
            other => Err(S::Error::custom(format!(
                "{} cannot be JSON",
                article(other.type_name())
            ))),
        }
    }
}

/// Numbers without a fraction print as integers, as Lua prints them.
fn number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if !value.is_finite() {
        return Err(S::Error::custom("JSON has no number for NaN or infinity"));
    }
    #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
    if value.fract() == 0.0 && value.abs() <= EXACT as f64 {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be an exact integer")]
        return serializer.serialize_i64(value as i64);
    }
    serializer.serialize_f64(value)
}

fn article(name: &str) -> String {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        format!("an {name}")
    } else {
        format!("a {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lua() -> Lua {
        let lua = Lua::new();
        ArrayMark::install(&lua).unwrap();
        lua
    }

    fn encode(lua: &Lua, code: &str) -> Result<String, String> {
        let value: Value = lua.load(code).eval().unwrap();
        serde_json::to_string(&AsJson::new(&value)).map_err(|error| error.to_string())
    }

    #[test]
    fn encodes_what_journeys_write() {
        let lua = lua();
        let table = [
            ("{ 1, 2.5, 'x' }", Ok("[1,2.5,\"x\"]")),
            ("{ b = 1, a = { c = true } }", Ok("{\"a\":{\"c\":true},\"b\":1}")),
            ("{}", Ok("{}")),
            ("9007199254740992", Ok("9007199254740992")),
            ("1e21", Ok("1e+21")),
            ("0/0", Err("NaN")),
            ("{ f = print }", Err("f: a function cannot be JSON")),
            ("{ 1, a = 2 }", Err("both a list and a map")),
            ("{ 1, nil, 3 }", Err("holes")),
            ("{ [true] = 1 }", Err("boolean")),
            (
                "(function() local t = {} t.t = t return t end)()",
                Err("contains itself"),
            ),
        ];
        for (code, expected) in table {
            match (encode(&lua, code), expected) {
                (Ok(json), Ok(wanted)) => assert_eq!(json, wanted, "{code}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{code}: {error}"),
                (got, wanted) => panic!("{code}: {got:?}, wanted {wanted:?}"),
            }
        }
    }

    #[test]
    fn big_integers_arrive_as_strings_and_nulls_keep_positions() {
        let lua = lua();
        let value = parse(
            &lua,
            br#"{"id":9007199254740993,"ok":1,"gone":null,"list":[1,null,2],"none":[]}"#,
            false,
        )
        .unwrap();
        lua.globals().set("v", value.clone()).unwrap();
        lua.globals().set("null", Value::NULL).unwrap();
        lua.load("assert(v.id == '9007199254740993' and v.ok == 1 and v.gone == nil)")
            .exec()
            .unwrap();
        lua.load("assert(#v.list == 3 and v.list[2] == null)").exec().unwrap();
        let json = serde_json::to_string(&AsJson::new(&value)).unwrap();
        assert_eq!(json, r#"{"id":"9007199254740993","list":[1,null,2],"none":[],"ok":1}"#);
    }

    #[test]
    fn frozen_tables_refuse_changes_at_any_depth() {
        let lua = lua();
        let value = parse(&lua, br#"{"a":{"b":[1]}}"#, false).unwrap();
        freeze(&value);
        lua.globals().set("v", value).unwrap();
        assert!(lua.load("v.a.b[1] = 2").exec().is_err());
        assert!(lua.load("v.x = 2").exec().is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Into::into),
            (-(1_i64 << 53)..(1_i64 << 53)).prop_map(Into::into),
            any::<f32>()
                .prop_filter("finite", |x| x.is_finite() && x.fract() != 0.0)
                .prop_map(|x| f64::from(x).into()),
            "\\PC{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_parsed_prints_the_same(tree in json()) {
            let lua = lua();
            let text = serde_json::to_string(&tree).unwrap();
            let value = parse(&lua, text.as_bytes(), false).unwrap();
            let back: serde_json::Value = serde_json::from_str(&serde_json::to_string(&AsJson::new(&value)).unwrap()).unwrap();
            prop_assert_eq!(back, tree);
        }
    }
}
