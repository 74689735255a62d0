//! What scripts write and read as messages, and what they are told when it does not fit. The laws are `laws.rs`.

mod laws;

use mlua::{Lua, Value};
use prost_reflect::{DescriptorPool, DynamicMessage};

use super::*;
use crate::net::grpc::{Message, Schema};
use crate::script::raw;
use crate::script::value::{ArrayMark, to_json};

const PROTO: &str = r#"
syntax = "proto3";
package shop;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Colour { NONE = 0; RED = 1; GREEN = 2; BLUE = -5; }

message Event {
  string user_id = 1;
  map<string, string> payload = 2;
  int64 big = 3;
  repeated string tags = 4;
  Colour colour = 5;
  Inner inner = 6;
  repeated Inner items = 7;
  oneof kind { string text = 8; int32 number = 9; Inner other = 10; }
  bytes blob = 11;
  optional int32 maybe = 12;
  map<int32, Inner> by_number = 13;
}

message Inner { string name = 1; double price = 2; Inner deeper = 3; }

message All {
  double f1 = 1; float f2 = 2; int32 f3 = 3; int64 f4 = 4; uint32 f5 = 5; uint64 f6 = 6; sint32 f7 = 7; sint64 f8 = 8;
  fixed32 f9 = 9; fixed64 f10 = 10; sfixed32 f11 = 11; sfixed64 f12 = 12; bool f13 = 13; string f14 = 14; bytes f15 = 15;
  Colour f16 = 16;
  repeated double r1 = 21; repeated float r2 = 22; repeated int32 r3 = 23; repeated int64 r4 = 24; repeated uint32 r5 = 25;
  repeated uint64 r6 = 26; repeated sint32 r7 = 27; repeated sint64 r8 = 28; repeated fixed32 r9 = 29;
  repeated fixed64 r10 = 30; repeated sfixed32 r11 = 31; repeated sfixed64 r12 = 32; repeated bool r13 = 33;
  repeated string r14 = 34; repeated bytes r15 = 35; repeated Colour r16 = 36; repeated int32 r17 = 37 [packed = false];
  repeated All many = 38;
  map<string, double> m1 = 41; map<int64, string> m2 = 42; map<bool, All> m3 = 43; map<sint32, bytes> m4 = 44;
  map<fixed64, Colour> m5 = 45;
  All self = 51;
  oneof choice_of_one { string o1 = 52; int64 o2 = 53; All o3 = 54; Colour o4 = 55; }
  optional string p1 = 61; optional int64 p2 = 62; optional bool p3 = 63;
  google.protobuf.Timestamp at = 71; google.protobuf.Duration took = 72; google.protobuf.FieldMask mask = 73;
  google.protobuf.Struct free = 74; google.protobuf.Value any_value = 75; google.protobuf.ListValue list = 76;
  google.protobuf.Any anything = 77; google.protobuf.Empty empty = 78;
  google.protobuf.DoubleValue w1 = 81; google.protobuf.FloatValue w2 = 82; google.protobuf.Int64Value w3 = 83;
  google.protobuf.UInt64Value w4 = 84; google.protobuf.Int32Value w5 = 85; google.protobuf.UInt32Value w6 = 86;
  google.protobuf.BoolValue w7 = 87; google.protobuf.StringValue w8 = 88; google.protobuf.BytesValue w9 = 89;
  repeated google.protobuf.Timestamp times = 90; map<string, google.protobuf.Value> values = 91;
  repeated google.protobuf.Int64Value wrapped = 92; google.protobuf.NullValue nothing = 93;
  string far = 100000;
}
"#;

const OLD: &str = r#"
syntax = "proto2";
package old;
message Order {
  required string id = 1;
  optional int32 count = 2 [default = 7];
  repeated group Line = 3 { optional string sku = 4; optional group Part = 5 { optional int32 n = 6; } }
  repeated int32 packed = 7 [packed = true];
  repeated int32 plain = 8;
}
"#;

pub(super) fn pool() -> DescriptorPool {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("shop.proto", PROTO), ("old.proto", OLD)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let files = ["shop.proto", "old.proto"].map(|name| folder.path().join(name));
    Schema::compile(&files, &[]).unwrap().pool().clone()
}

pub(super) struct Bench {
    pub(super) lua: Lua,
    pub(super) types: std::rc::Rc<Types>,
    pub(super) pool: DescriptorPool,
}

impl Bench {
    pub(super) fn new() -> Self {
        let lua = Lua::new();
        ArrayMark::install(&lua).unwrap();
        lua.globals().set("null", Value::NULL).unwrap();
        let pool = pool();
        Self {
            lua,
            types: Types::new(pool.clone()),
            pool,
        }
    }

    pub(super) fn id(&self, message: &str) -> Id {
        self.types.id(&self.pool.get_message_by_name(message).unwrap())
    }

    pub(super) fn write(&self, message: &str, value: &Value) -> Result<Message, String> {
        let id = self.id(message);
        raw::with_stack(&self.lua, value, |stack| {
            let written = Writer::message(&self.types, stack, 1, id);
            assert_eq!(stack.top(), 1, "nothing is left on the stack");
            written
        })
        .unwrap()
    }

    pub(super) fn read(&self, message: &str, bytes: &[u8]) -> Result<Value, String> {
        let id = self.id(message);
        let checked = verify(&self.types, &self.lua, bytes, id);
        let read = raw::make(&self.lua, |stack| {
            let read = Reader::new(&self.types).push(stack, bytes, id);
            assert_eq!(stack.top(), i32::from(read.is_ok()), "one value, or none");
            read
        })
        .unwrap();
        if let Err(what) = &read {
            assert!(checked.is_err(), "checked, but not read: {what}");
        }
        assert!(read.is_err() || checked.is_ok(), "read, but {checked:?}");
        read
    }

    pub(super) fn decode(&self, message: &str, bytes: &[u8]) -> DynamicMessage {
        DynamicMessage::decode(self.pool.get_message_by_name(message).unwrap(), bytes).unwrap()
    }

    fn eval(&self, code: &str) -> Value {
        self.lua.load(code).eval().unwrap()
    }

    /// What a message is after it was written and read.
    fn back(&self, message: &str, code: &str) -> Result<String, String> {
        let written = self.write(message, &self.eval(code))?;
        to_json(&self.lua, &self.read(message, &written.bytes())?)
    }
}

/// A value of `Event`, and what is wrong with it.
const MISFITS: &[(&str, &str)] = &[
    (
        "{ payload = { value = 1 } }",
        "`Event.payload` is map<string,string>, got number at key `value`",
    ),
    ("{ payload = 'x' }", "`Event.payload` is map<string,string>, got string"),
    (
        "{ payload = { 'x' } }",
        "`Event.payload` is map<string,string>, got number as a key",
    ),
    (
        "{ playload = {} }",
        "`Event` has no field `playload`; did you mean `payload`?",
    ),
    ("{ user_id = 7 }", "`Event.user_id` is string, got number"),
    (
        "{ userId = 'a', user_id = 'b' }",
        "`Event.user_id` is given twice, by both of its names",
    ),
    (
        "{ user_id = '\\255' }",
        "`Event.user_id` is string, got a string that is not UTF-8; text is UTF-8, other bytes need a field of type bytes",
    ),
    (
        "{ big = 2^53 + 2 }",
        "`Event.big` is int64, got 9007199254740994; numbers above 2^53 lose digits in Lua: give them as strings",
    ),
    (
        "{ big = 1.5 }",
        "`Event.big` is int64, got 1.5, which is no whole number",
    ),
    ("{ big = 'ten' }", "`Event.big` is int64, got string \"ten\""),
    (
        "{ big = '9223372036854775808' }",
        "`Event.big` is int64, got 9223372036854775808, which is out of range",
    ),
    (
        "{ maybe = 2^31 }",
        "`Event.maybe` is int32, got 2147483648, which is out of range",
    ),
    (
        "{ tags = { 'a', 2 } }",
        "`Event.tags` is repeated string, got number at index 2",
    ),
    ("{ tags = 'a' }", "`Event.tags` is repeated string, got string"),
    (
        "{ tags = { a = 'b' } }",
        "`Event.tags` is repeated string, got a table with key `a`",
    ),
    (
        "{ tags = { 'a', nil, 'c' } }",
        "`Event.tags` is repeated string, got a list with holes",
    ),
    (
        "{ colour = 'GREN' }",
        "`Event.colour` is Colour, got \"GREN\"; did you mean `GREEN`?",
    ),
    (
        "{ colour = 'x' }",
        "`Event.colour` is Colour, got \"x\"; it has NONE, RED, GREEN, BLUE",
    ),
    ("{ colour = true }", "`Event.colour` is Colour, got boolean"),
    ("{ inner = { name = 1 } }", "`Event.inner.name` is string, got number"),
    (
        "{ items = { {}, { deeper = { nam = 1 } } } }",
        "`Event.items[2].deeper` has no field `nam`; did you mean `name`?",
    ),
    (
        "{ items = { {}, 5 } }",
        "`Event.items` is repeated shop.Inner, got number at index 2",
    ),
    (
        "{ by_number = { [3] = { price = 'x' } } }",
        "`Event.by_number[\"3\"].price` is double, got \"x\"",
    ),
    (
        "{ text = 'a', number = 1 }",
        "`Event.kind` is a oneof: only one of its fields may be set, got `number` and `text`",
    ),
    (
        "{ blob = '*' }",
        "`Event.blob` is bytes, got a string that is not base64; bytes are given as base64: kt.encoding.base64_encode(…)",
    ),
    ("{ 'x' }", "`Event` is a message, got 1 as the name of a field"),
    (
        "(function() local t = {} t.deeper = t return { inner = t } end)()",
        "nests deeper than 100 levels, or contains itself",
    ),
    ("5", "`Event` is a message, got number"),
];

/// The same of `All`.
const SPECIAL_MISFITS: &[(&str, &str)] = &[
    (
        "{ at = 5 }",
        "`All.at` is google.protobuf.Timestamp, got number; write it as in RFC 3339: \"2026-01-31T12:00:00Z\"",
    ),
    (
        "{ at = 'now' }",
        "`All.at` is google.protobuf.Timestamp, got \"now\"; write it as in RFC 3339: \"2026-01-31T12:00:00Z\"",
    ),
    (
        "{ took = 'x' }",
        "`All.took` is google.protobuf.Duration, got \"x\"; write it as seconds: \"1.5s\", or 1.5",
    ),
    ("{ w3 = {} }", "`All.w3` is google.protobuf.Int64Value, got table"),
    ("{ free = 1 }", "`All.free` is google.protobuf.Struct, got number"),
    (
        "{ any_value = print }",
        "`All.any_value` is google.protobuf.Value, got function",
    ),
    (
        "{ anything = { x = 1 } }",
        "`All.anything` is google.protobuf.Any, got a table without `@type`; a message of any type says which: { [\"@type\"] = \"pkg.Message\", … }",
    ),
    (
        "{ anything = { ['@type'] = 'shop.Ivent' } }",
        "`All.anything` is google.protobuf.Any, got `@type` \"shop.Ivent\", which no proto declares; did you mean `shop.Event`?",
    ),
    (
        "{ anything = { ['@type'] = 'shop.Event', nope = 1 } }",
        "`All.anything` has no field `nope`; it has user_id, payload, big, tags, colour, inner, items, text, number, other, blob, maybe, …",
    ),
];

#[test]
fn what_does_not_fit_is_told_with_its_field() {
    let bench = Bench::new();
    for (code, wanted) in MISFITS {
        let error = bench.write("shop.Event", &bench.eval(code)).unwrap_err();
        let deep = wanted.starts_with("nests") && error.ends_with(wanted);
        assert!(error == *wanted || deep, "{code}\n{error}");
    }
    for (code, wanted) in SPECIAL_MISFITS {
        assert_eq!(
            bench.write("shop.All", &bench.eval(code)).unwrap_err(),
            *wanted,
            "{code}"
        );
    }
    let error = bench.write("old.Order", &bench.eval("{}")).unwrap_err();
    assert_eq!(error, "`Order.id` is required (string)");
    assert_eq!(bench.write("old.Order", &Value::Nil).unwrap_err(), error);
}

#[test]
fn what_is_written_is_read_in_its_one_form() {
    let bench = Bench::new();
    // a value, as it is read
    let table = [
        (
            "{ userId = 'u', big = 5, colour = 2, blob = 'aGk', tags = { 'a' }, number = 0, by_number = { ['1'] = {} } }",
            r#"{"big":"5","blob":"aGk=","by_number":{"1":{"name":"","price":0}},"colour":"GREEN","items":[],"number":0,"payload":{},"tags":["a"],"user_id":"u"}"#,
        ),
        (
            "{ colour = 77, maybe = 0, inner = {}, big = '-9223372036854775808', tags = null }",
            r#"{"big":"-9223372036854775808","blob":"","by_number":{},"colour":77,"inner":{"name":"","price":0},"items":[],"maybe":0,"payload":{},"tags":[],"user_id":""}"#,
        ),
    ];
    for (code, wanted) in table {
        assert_eq!(bench.back("shop.Event", code).unwrap(), wanted, "{code}");
    }
    // a field of `All`, its value, as it is read
    let table = [
        ("at", "'2026-01-01T01:00:00+01:00'", "\"2026-01-01T00:00:00Z\""),
        ("at", "{ seconds = 1, nanos = 5e6 }", "\"1970-01-01T00:00:01.005Z\""),
        ("took", "'200ms'", "\"0.200s\""),
        ("took", "-1.5", "\"-1.500s\""),
        ("took", "'3.5s'", "\"3.500s\""),
        ("mask", "'user.displayName,photo'", "\"user.displayName,photo\""),
        ("mask", "{ paths = { 'display_name' } }", "\"displayName\""),
        ("w3", "'9007199254740993'", "\"9007199254740993\""),
        ("w1", "0", "0"),
        ("w8", "''", "\"\""),
        (
            "free",
            "{ a = { 1, true, null, { b = 'c' } } }",
            r#"{"a":[1,true,null,{"b":"c"}]}"#,
        ),
        ("free", "{}", "{}"),
        ("any_value", "null", "null"),
        ("any_value", "{ 1, 'x' }", r#"[1,"x"]"#),
        ("list", "{ 1, {} }", "[1,{}]"),
        ("empty", "{}", "{}"),
        ("f2", "0.1", "0.1"),
        ("f3", "'12'", "12"),
        ("f3", "'1e3'", "1000"),
        ("m3", "{ [true] = {} }", ""),
        (
            "anything",
            "{ ['@type'] = 'type.googleapis.com/shop.Inner', name = 'n' }",
            r#"{"@type":"type.googleapis.com/shop.Inner","name":"n","price":0}"#,
        ),
        (
            "anything",
            "{ ['@type'] = 'google.protobuf.Duration', value = '1s' }",
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}"#,
        ),
    ];
    for (field, code, wanted) in table {
        let json = bench.back("shop.All", &format!("{{ {field} = {code} }}")).unwrap();
        let part = format!("\"{field}\":{wanted}");
        assert!(json.contains(&part), "{code}: {part} is not in {json}");
    }
    let wanted = r#"{"id":"a","line":[{"part":{"n":1},"sku":"s"}],"packed":[1,2],"plain":[3]}"#;
    let code = "{ id = 'a', line = { { sku = 's', part = { n = 1 } } }, packed = { 1, 2 }, plain = { 3 } }";
    assert_eq!(bench.back("old.Order", code).unwrap(), wanted);
}

#[test]
fn numbers_that_json_lacks_are_lua_s_own() {
    let bench = Bench::new();
    let written = bench.write(
        "shop.All",
        &bench.eval("{ f1 = 0/0, f2 = -1/0, r1 = { 'NaN', 'Infinity', -0.0 } }"),
    );
    let value = bench.read("shop.All", &written.unwrap().bytes()).unwrap();
    bench.lua.globals().set("v", value).unwrap();
    let code =
        "assert(v.f1 ~= v.f1 and v.f2 == -1/0 and v.r1[1] ~= v.r1[1] and v.r1[2] == 1/0 and 1 / v.r1[3] == -1/0)";
    bench.lua.load(code).exec().unwrap();
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let bench = Bench::new();
    // bytes, what is wrong with them
    let table: [(&[u8], &str); 8] = [
        (b"\x0a", "`Event.user_id`: it ends in the middle of a field"),
        (b"\x0a\x05ab", "`Event.user_id`: it ends in the middle of a field"),
        (b"\x0a\x01\xff", "`Event.user_id`: a string is not UTF-8"),
        (
            b"\x08\x01",
            "`Event.user_id`: it is of another type on the wire: the server has another schema",
        ),
        (b"\x0f", "a field has an unknown wire type"),
        (b"\x00", "a field has an impossible number"),
        (
            b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            "`Event.big`: a number has more than 64 bits",
        ),
        (
            b"\x32\x02\x0a\x05",
            "`Event.inner`: `Inner.name`: it ends in the middle of a field",
        ),
    ];
    for (bytes, wanted) in table {
        assert_eq!(bench.read("shop.Event", bytes).unwrap_err(), wanted, "{bytes:x?}");
    }
    let other = "it is of another type on the wire: the server has another schema";
    // The seconds of a span are a double; the type's name is a number; the key of an entry is a string.
    let table: [(&[u8], String); 5] = [
        (
            b"\xc2\x04\x09\x09\0\0\0\0\0\0\0\0",
            format!("`All.took`: `Duration.seconds`: {other}"),
        ),
        // The year 10000; a span whose parts have two signs.
        (
            b"\xba\x04\x07\x08\x80\x83\xd1\xff\xaf\x07",
            "`All.at`: google.protobuf.Timestamp is out of range".to_owned(),
        ),
        (
            b"\xc2\x04\x0d\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "`All.took`: google.protobuf.Duration is out of range".to_owned(),
        ),
        (b"\xea\x04\x02\x08\x01", format!("`All.anything`: {other}")),
        (b"\xd2\x02\x02\x0a\0", format!("`All.m2`: {other}")),
    ];
    for (bytes, wanted) in table {
        assert_eq!(bench.read("shop.All", bytes).unwrap_err(), wanted, "{bytes:x?}");
    }
    let deep = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut out = vec![0x1a];
        prost::encoding::encode_varint(inner.len() as u64, &mut out);
        [out, inner].concat()
    });
    assert!(
        bench
            .read("shop.Inner", &deep)
            .unwrap_err()
            .ends_with("messages nest deeper than 100 levels")
    );
}

#[test]
fn parts_of_a_message_are_put_together() {
    let bench = Bench::new();
    let first = bench
        .write(
            "shop.Event",
            &bench.eval("{ inner = { name = 'a' }, tags = { 'x' }, text = 't' }"),
        )
        .unwrap();
    let then = bench
        .write(
            "shop.Event",
            &bench.eval("{ inner = { price = 2 }, tags = { 'y' }, number = 4 }"),
        )
        .unwrap();
    let both = [first.bytes(), then.bytes()].concat();
    let json = to_json(&bench.lua, &bench.read("shop.Event", &both).unwrap()).unwrap();
    for part in [
        r#""inner":{"name":"a","price":2}"#,
        r#""tags":["x","y"]"#,
        r#""number":4"#,
    ] {
        assert!(json.contains(part), "{part} is not in {json}");
    }
    assert!(!json.contains("text"), "{json}");
}

#[test]
fn of_an_entry_the_last_value_counts() {
    let bench = Bench::new();
    // 7 = "\xff", and then "a".
    let value = bench
        .read("shop.All", b"\xd2\x02\x08\x08\x07\x12\x01\xff\x12\x01a")
        .unwrap();
    let json = to_json(&bench.lua, &value).unwrap();
    assert!(json.contains(r#""m2":{"7":"a"}"#), "{json}");
}
