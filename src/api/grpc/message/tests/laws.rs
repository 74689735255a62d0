//! Our reading and writing against prost-reflect's, whose JSON is the canonical one: both ways, for messages of all types.

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MapKey, MessageDescriptor, ReflectMessage as _, SerializeOptions, Value};
use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use super::Bench;
use crate::script::value::{parse, to_json};

/// Makes messages.
struct Maker {
    dice: Pcg64Mcg,
}

impl Maker {
    fn message(&mut self, descriptor: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        if self.is_special(&mut message, depth) {
            return message;
        }
        let is_value = descriptor.full_name() == "google.protobuf.Value";
        let choice = self.dice.random_range(0..4_u32);
        let members = descriptor
            .oneofs()
            .map(|oneof| self.dice.random_range(0..oneof.fields().len()))
            .collect::<Vec<_>>();
        for field in descriptor.fields() {
            if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
                let at = descriptor.oneofs().position(|known| known == oneof).unwrap();
                let chosen = oneof.fields().nth(members[at]).unwrap();
                // A value is never none.
                let chosen = match chosen.kind() {
                    Kind::Message(_) if is_value && depth > 3 => oneof.fields().nth(1).unwrap(),
                    _ => chosen,
                };
                if chosen != field {
                    continue;
                }
            }
            let is_deep = depth > 3 && matches!(field.kind(), Kind::Message(_)) && !is_value;
            let is_left_out = self.dice.random_range(0..4) < choice && !is_value && !field.is_required();
            if is_deep || is_left_out || (depth > 1 && matches!(field.name(), "self" | "many" | "m3" | "o3")) {
                continue;
            }
            let count = self.dice.random_range(0..3);
            let value = if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
                let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let entries = (0..count).map(|_| (self.key(&keys.kind()), self.value(&values.kind(), depth)));
                Value::Map(entries.collect())
            } else if field.is_list() {
                Value::List((0..count * 3).map(|_| self.value(&field.kind(), depth)).collect())
            } else {
                self.value(&field.kind(), depth)
            };
            message.set_field(&field, value);
        }
        message
    }

    /// Fills a message that JSON has a form of its own for, if it is one that not every value is good for.
    fn is_special(&mut self, message: &mut DynamicMessage, depth: u32) -> bool {
        let descriptor = message.descriptor();
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                message.set_field_by_name(
                    "seconds",
                    Value::I64(self.dice.random_range(-62_135_596_800..253_402_300_800)),
                );
                message.set_field_by_name("nanos", Value::I32(self.dice.random_range(0..1_000_000_000)));
                true
            }
            "google.protobuf.Duration" => {
                let sign = if self.dice.random() { 1 } else { -1 };
                message.set_field_by_name("seconds", Value::I64(sign * self.dice.random_range(0..315_576_000_001)));
                let nanos = i32::try_from(sign).unwrap() * self.dice.random_range(0..1_000_000_000);
                message.set_field_by_name("nanos", Value::I32(nanos));
                true
            }
            "google.protobuf.FieldMask" => {
                let paths = ["user.display_name", "photo", "a_b.c_d"];
                let paths = paths
                    .iter()
                    .filter(|_| self.dice.random())
                    .map(|path| Value::String((*path).to_owned()));
                message.set_field_by_name("paths", Value::List(paths.collect()));
                true
            }
            "google.protobuf.Any" => {
                let pool = descriptor.parent_pool();
                let name = if self.dice.random() {
                    "shop.All"
                } else {
                    "google.protobuf.Duration"
                };
                let inner = self.message(&pool.get_message_by_name(name).unwrap(), depth + 1);
                message.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
                message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
                true
            }
            _ => false,
        }
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(value) => MapKey::Bool(value),
            Value::I32(value) => MapKey::I32(value),
            Value::I64(value) => MapKey::I64(value),
            Value::U32(value) => MapKey::U32(value),
            Value::U64(value) => MapKey::U64(value),
            Value::String(value) => MapKey::String(value),
            other => panic!("{other:?} is no key"),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Value {
        match kind {
            // JSON cannot hold the others.
            Kind::Double => Value::F64(if self.dice.random() {
                f64::from(self.dice.random_range(-5..5_i32))
            } else {
                (self.dice.random::<f64>() - 0.5) * 10_f64.powi(self.dice.random_range(-300..300))
            }),
            Kind::Float => Value::F32(if self.dice.random() {
                0.1 * self.dice.random_range(-5..5_i16) as f32
            } else {
                (self.dice.random::<f32>() - 0.5) * 10_f32.powi(self.dice.random_range(-30..30))
            }),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.bits() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.bits() as i64),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.bits() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.bits()),
            Kind::Bool => Value::Bool(self.dice.random()),
            Kind::String => {
                let length = self.dice.random_range(0..150_usize) / 3 * usize::from(self.dice.random::<bool>());
                Value::String((0..length).map(|_| self.dice.random::<char>()).collect())
            }
            Kind::Bytes => {
                let mut bytes = vec![0; self.dice.random_range(0..20)];
                self.dice.fill_bytes(&mut bytes);
                Value::Bytes(bytes.into())
            }
            Kind::Enum(names) if names.full_name() == "google.protobuf.NullValue" => Value::EnumNumber(0),
            Kind::Enum(_) => Value::EnumNumber([0, 1, 2, -5, 99][self.dice.random_range(0..5)]),
            Kind::Message(descriptor) => Value::Message(self.message(descriptor, depth + 1)),
        }
    }

    /// A number of any length.
    fn bits(&mut self) -> u64 {
        let bits = self.dice.random::<u64>() >> self.dice.random_range(0..64);
        if self.dice.random() { bits } else { bits.wrapping_neg() }
    }
}

fn canonical(message: &DynamicMessage, options: &SerializeOptions) -> serde_json::Value {
    let json = message.serialize_with_options(serde_json::value::Serializer, options);
    json.unwrap()
}

/// Lua has one kind of number.
fn numbers(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Number(number) => Json::from(number.as_f64().unwrap()),
        Json::Array(list) => list.into_iter().map(numbers).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
        other => other,
    }
}

/// A float is shown with the fewest digits that tell it; prost-reflect shows the double that is equal to it.
fn is_same_float(ours: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    let float = |value: &serde_json::Value| value.as_f64().map(|value| (value, value as f32));
    match (float(ours), float(wanted)) {
        (Some((_, ours)), Some((wide, wanted))) => f64::from(wanted) == wide && ours == wanted,
        _ => false,
    }
}

/// The first place where two values differ.
fn difference(place: &str, ours: &serde_json::Value, wanted: &serde_json::Value) -> Option<String> {
    use serde_json::Value as Json;
    match (ours, wanted) {
        (ours, wanted) if ours == wanted || is_same_float(ours, wanted) => None,
        (Json::Object(a), Json::Object(b)) => {
            let keys = a.keys().chain(b.keys());
            let mut differ = keys.filter_map(|key| {
                let (a, b) = (a.get(key), b.get(key));
                let absent = Json::String("(absent)".to_owned());
                difference(&format!("{place}.{key}"), a.unwrap_or(&absent), b.unwrap_or(&absent))
            });
            differ.next()
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(n, (a, b))| difference(&format!("{place}[{n}]"), a, b))
        }
        _ => Some(format!("{place}: {ours}, wanted {wanted}")),
    }
}

fn same(what: &str, ours: serde_json::Value, wanted: &serde_json::Value) -> Result<(), TestCaseError> {
    match difference(what, &numbers(ours), wanted) {
        None => Ok(()),
        Some(difference) => Err(TestCaseError::fail(difference)),
    }
}

fn check(bench: &Bench, name: &str, seed: u64) -> Result<(), TestCaseError> {
    let descriptor = bench.pool.get_message_by_name(name).unwrap();
    let mut maker = Maker {
        dice: Pcg64Mcg::seed_from_u64(seed),
    };
    let message = maker.message(&descriptor, 0);
    // Read: what JSON says.
    let value = bench
        .read(name, &message.encode_to_vec())
        .map_err(TestCaseError::fail)?;
    let text = to_json(&bench.lua, &value).map_err(TestCaseError::fail)?;
    let ours: serde_json::Value = serde_json::from_str(&text).unwrap();
    let whole = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false);
    let wanted = numbers(canonical(&message, &whole));
    same("read", ours, &wanted)?;
    // Written again: the same message.
    let written = bench.write(name, &value).map_err(TestCaseError::fail)?;
    // By their JSON: what is in an Any is bytes, in which the order of the fields may be another.
    same(
        "written",
        canonical(&bench.decode(name, &written.bytes()), &whole),
        &wanted,
    )?;
    // JSON of any flavour is taken.
    let options = SerializeOptions::new()
        .use_proto_field_name(seed.is_multiple_of(2))
        .skip_default_fields(seed.is_multiple_of(3))
        .use_enum_numbers(seed.is_multiple_of(5));
    let json = canonical(&message, &options).to_string();
    let value = parse(&bench.lua, json.as_bytes(), true).unwrap();
    let written = bench.write(name, &value).map_err(TestCaseError::fail)?;
    same(
        "from JSON",
        canonical(&bench.decode(name, &written.bytes()), &whole),
        &wanted,
    )?;
    Ok(())
}

proptest! {
    #[test]
    fn messages_are_what_their_json_says(seed in any::<u64>()) {
        let bench = Bench::new();
        for (n, name) in (0..).zip(["shop.All", "shop.Event", "old.Order"]) {
            check(&bench, name, seed.wrapping_add(n))?;
        }
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(seed in any::<u64>()) {
        let bench = Bench::new();
        let descriptor = bench.pool.get_message_by_name("shop.All").unwrap();
        let mut dice = Pcg64Mcg::seed_from_u64(seed);
        let mut maker = Maker { dice: Pcg64Mcg::seed_from_u64(seed) };
        let mut bytes = maker.message(&descriptor, 2).encode_to_vec();
        for _ in 0..4 {
            if bytes.is_empty() {
                break;
            }
            let at = dice.random_range(0..bytes.len());
            bytes[at] = dice.random();
            // Inside, it is asserted that checking and reading agree.
            let _ = bench.read("shop.All", &bytes);
            if dice.random_range(0..4) == 0 {
                bytes.truncate(at);
            }
        }
    }
}
