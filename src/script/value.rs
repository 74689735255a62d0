//! Between JSON and Lua values, in both directions, without a tree in between: text is read straight onto a stack and
//! written straight from one. Which module calls it is not known here.
//!
//! Rules: an integer that a double cannot hold arrives as a string; `null` is absent in an object and
//! [`mlua::Value::NULL`] (`kt.json.null`) in an array, so that positions stay; an empty array remembers that it is one.

mod read;
mod write;

use mlua::{Lua, Table, Value};
use serde::Deserializer;
use serde::de::DeserializeSeed as _;

use super::raw::{self, Pinned, Stack};

pub use read::{Onto, Seek};
pub use write::{Json, Style};

/// The largest integer up to which a double is exact.
const EXACT: u64 = 1 << 53;

/// The metatable that marks arrays, one for each VM.
#[derive(Debug)]
pub struct ArrayMark {
    table: Table,
    pinned: Pinned,
}

impl ArrayMark {
    /// Creates the mark of a VM; called once, before the sandbox closes.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn install(lua: &Lua) -> mlua::Result<()> {
        let table = lua.create_table()?;
        table.set("__kt", "array")?;
        table.set_readonly(true);
        let pinned = Pinned::new(lua, &table)?;
        lua.set_app_data(Self { table, pinned });
        Ok(())
    }

    /// `table`, marked as an array. One that is frozen can become neither empty nor full: it is given as it is, but for an
    /// empty one without the mark, which is given as another.
    ///
    /// # Errors
    /// When the VM is out of memory.
    pub fn apply(lua: &Lua, table: Table) -> mlua::Result<Table> {
        let mark = lua.app_data_ref::<Self>().map(|mark| mark.table.clone());
        if !table.is_readonly() {
            table.set_metatable(mark)?;
            return Ok(table);
        }
        if table.metatable() == mark || !table.is_empty() {
            return Ok(table);
        }
        let other = lua.create_table()?;
        other.set_metatable(mark)?;
        other.set_readonly(true);
        Ok(other)
    }

    /// Marks the table at `index` as an array.
    pub fn mark(stack: &mut Stack<'_>, index: i32) {
        let lua = stack.lua();
        if let Some(mark) = lua.app_data_ref::<Self>() {
            stack.push_pinned(&mark.pinned);
            stack.set_metatable(index);
        }
    }

    /// Whether the table at `index` is marked.
    pub fn is_on(stack: &mut Stack<'_>, index: i32) -> bool {
        if !stack.push_metatable(index) {
            return false;
        }
        let meta = stack.top();
        stack.push_field(meta, c"__kt");
        let marked = stack.bytes(meta + 1).is_some();
        stack.truncate(meta - 1);
        marked
    }
}

/// Parses JSON text onto a stack.
///
/// # Errors
/// serde_json's message with line and column; nothing is left on the stack.
pub fn push_json(stack: &mut Stack<'_>, text: &[u8], keep_null: bool) -> Result<(), serde_json::Error> {
    let top = stack.top();
    // Checked as a whole, which is faster than each string of it. What is not UTF-8 is no JSON: serde_json says where.
    let Ok(text) = std::str::from_utf8(text) else {
        return push(stack, &serde_json::from_slice::<serde_json::Value>(text)?);
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Onto { stack, keep_null }.deserialize(&mut deserializer);
    let read = read.and_then(|_| deserializer.end());
    if read.is_err() {
        stack.truncate(top);
    }
    read
}

/// Parses JSON text into a Lua value.
///
/// # Errors
/// serde_json's message with line and column.
pub fn parse(lua: &Lua, text: &[u8], keep_null: bool) -> Result<Value, serde_json::Error> {
    made(lua, |stack| push_json(stack, text, keep_null))
}

/// Converts a JSON tree into a Lua value.
///
/// # Errors
/// When the VM is out of memory.
pub fn from_tree(lua: &Lua, tree: &serde_json::Value) -> Result<Value, serde_json::Error> {
    made(lua, |stack| push(stack, tree))
}

/// Pushes a JSON tree.
///
/// # Errors
/// None for trees that exist; the type is serde's.
pub fn push<'de, D: Deserializer<'de>>(stack: &mut Stack<'_>, tree: D) -> Result<(), D::Error> {
    let keep_null = false;
    Onto { stack, keep_null }.deserialize(tree).map(|_| ())
}

fn made(
    lua: &Lua,
    work: impl FnOnce(&mut Stack<'_>) -> Result<(), serde_json::Error>,
) -> Result<Value, serde_json::Error> {
    raw::make(lua, work).map_err(serde::de::Error::custom)?
}

/// A Lua value as JSON text: sequences are arrays, string keys are objects, sorted by key.
///
/// # Errors
/// What JSON cannot hold, with its place.
pub fn to_json(lua: &Lua, value: &Value) -> Result<String, String> {
    text(lua, value, Style::Plain)
}

/// As [`to_json`], for what [`push_json`] reads again.
///
/// # Errors
/// As [`to_json`].
pub fn to_kept_json(lua: &Lua, value: &Value) -> Result<String, String> {
    text(lua, value, Style::Kept)
}

fn text(lua: &Lua, value: &Value, style: Style) -> Result<String, String> {
    raw::with_stack(lua, value, |stack| Json::default().text(stack, 1, style)).map_err(|error| error.to_string())?
}

/// A Lua value as a JSON tree.
///
/// # Errors
/// As [`to_json`].
pub fn to_tree(lua: &Lua, value: &Value) -> Result<serde_json::Value, String> {
    serde_json::from_str(&to_json(lua, value)?).map_err(|error| error.to_string())
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
        to_json(lua, &value)
    }

    #[test]
    fn encodes_what_journeys_write() {
        let lua = lua();
        let table = [
            ("{ 1, 2.5, 'x' }", Ok("[1,2.5,\"x\"]")),
            ("{ b = 1, a = { c = true } }", Ok("{\"a\":{\"c\":true},\"b\":1}")),
            ("{}", Ok("{}")),
            ("9007199254740992", Ok("9007199254740992")),
            ("9007199254740994", Ok("9007199254740994")),
            ("-1.7953840247633e18", Ok("-1795384024763300096")),
            ("2 ^ 62", Ok("4611686018427387904")),
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
    fn what_is_kept_comes_back_as_it_was() {
        let lua = lua();
        for code in ["2 ^ 53", "2 ^ 53 + 2", "-2 ^ 62", "2 ^ 63", "-2 ^ 63", "1.5", "1e300"] {
            let value: Value = lua.load(code).eval().unwrap();
            let text = to_kept_json(&lua, &value).unwrap();
            let back = parse(&lua, text.as_bytes(), false).unwrap();
            assert_eq!(back.as_number(), value.as_number(), "{code}: {text}");
            assert!(back.is_number() || back.is_integer(), "{code}: {text}");
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
        let json = to_json(&lua, &value).unwrap();
        assert_eq!(json, r#"{"id":"9007199254740993","list":[1,null,2],"none":[],"ok":1}"#);
    }

    /// Tables are made when they are complete, or after a portion of what is in them.
    #[test]
    fn tables_of_every_size_hold_what_was_read() {
        let lua = lua();
        for size in (0..=70).chain([127, 128, 129, 1000]) {
            let items: Vec<_> = (1..=size).collect();
            let twice = items.iter().chain(&items).enumerate();
            let fields: Vec<_> = twice
                .map(|(at, item)| format!("\"k{item}\":{at},\"n{at}\":null"))
                .collect();
            let text = format!("{{\"list\":[{items:?},null],\"map\":{{{}}}}}", fields.join(","));
            let value = parse(&lua, text.as_bytes(), false).unwrap();
            lua.globals().set("v", value).unwrap();
            lua.globals().set("size", size).unwrap();
            let checked = lua
                .load(
                    "local list, fields = v.list[1], 0 \
                     assert(#v.list == 2 and #list == size, 'length') \
                     for at = 1, size do assert(list[at] == at, 'item') end \
                     for key, value in v.map do \
                       fields += 1 \
                       assert(key == 'k' .. value - size + 1, key) \
                     end \
                     assert(fields == size, 'fields')",
                )
                .exec();
            checked.unwrap_or_else(|error| panic!("{size}: {error}"));
        }
    }

    #[test]
    fn what_is_not_utf_8_is_no_json() {
        let lua = lua();
        for text in [
            &b"{\"a\": \"\xff\"}"[..],
            b"[1, \xc3\x28]",
            b"\xef\xbb\xbf{}",
            b"{\"\xe9\": 1}",
        ] {
            let error = parse(&lua, text, false).unwrap_err();
            assert!(error.to_string().contains("line 1 column"), "{error}");
        }
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
            let back: serde_json::Value = serde_json::from_str(&to_json(&lua, &value).unwrap()).unwrap();
            prop_assert_eq!(back, tree);
        }
    }
}
