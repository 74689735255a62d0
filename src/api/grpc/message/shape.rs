//! Messages as tables of what has to be known of each field: made of a descriptor at first use, once for each VM, with the
//! names as values of that VM. Reading and writing by them is `read.rs` and `write.rs`.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::Lua;
use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use rustc_hash::FxHashMap;

use super::wire::WireType;
use crate::script::raw::Pinned;

/// Which message of a [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(usize);

/// The messages of a schema, as one VM knows them.
pub struct Types {
    pool: DescriptorPool,
    list: RefCell<Vec<Entry>>,
    ids: RefCell<FxHashMap<Box<str>, Id>>,
}

enum Entry {
    Described(MessageDescriptor),
    Compiled(Rc<Shape>),
}

/// A message.
pub(super) struct Shape {
    /// Without the package, as errors name it.
    pub(super) name: Box<str>,
    pub(super) full_name: Box<str>,
    pub(super) special: Special,
    pub(super) fields: Vec<Field>,
    /// The index of a field by its number, for numbers that are small.
    dense: Vec<u16>,
    /// All numbers with their indices, sorted.
    sparse: Vec<(u32, u16)>,
    /// By the name in the proto, and by the one that JSON has.
    names: FxHashMap<Box<[u8]>, u16>,
    /// The oneofs that have a choice.
    pub(super) oneofs: Vec<Box<str>>,
    pub(super) has_required: bool,
    /// How many fields are lists or maps.
    pub(super) collections: u16,
    /// A table with the values of all fields that always have one.
    pub(super) template: Pinned,
}

/// Messages that JSON has a form of their own for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    None,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Wrapper,
    Struct,
    Value,
    List,
}

/// A field of a message.
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) number: u32,
    pub(super) of: Type,
    pub(super) form: Form,
    /// Whether its absence is told apart from its default.
    pub(super) presence: bool,
    pub(super) required: bool,
    /// Which oneof with a choice it belongs to.
    pub(super) oneof: Option<u8>,
    /// Its key, as it is written.
    pub(super) key: u64,
    /// Its name.
    pub(super) pin: Pinned,
}

/// How many values a field has.
pub(super) enum Form {
    One,
    /// `collection`: which of the message's lists and maps it is.
    Many {
        packed: bool,
        collection: u16,
    },
    /// [`Field::of`] is the type of the values.
    Map {
        keys: Type,
        collection: u16,
    },
}

/// What a value is.
pub(super) enum Type {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(Rc<Names>),
    Message(Id, Box<str>),
    Group(Id, Box<str>),
}

/// The values of an enumeration.
pub(super) struct Names {
    pub(super) name: Box<str>,
    pub(super) is_null: bool,
    pub(super) by_name: FxHashMap<Box<[u8]>, i32>,
    pub(super) by_number: FxHashMap<i32, Box<str>>,
    /// In the order of the declaration.
    pub(super) all: Vec<Box<str>>,
}

const NO_FIELD: u16 = u16::MAX;

/// Numbers below this are looked up at once.
const DENSE: u32 = 128;

impl Types {
    /// The messages of `pool`.
    pub fn new(pool: DescriptorPool) -> Rc<Self> {
        Rc::new(Self {
            pool,
            list: RefCell::default(),
            ids: RefCell::default(),
        })
    }

    /// All that is declared.
    pub(super) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// A message, to be known more of when it is used.
    pub fn id(&self, message: &MessageDescriptor) -> Id {
        let mut ids = self.ids.borrow_mut();
        if let Some(id) = ids.get(message.full_name()) {
            return *id;
        }
        let mut list = self.list.borrow_mut();
        let id = Id(list.len());
        list.push(Entry::Described(message.clone()));
        ids.insert(message.full_name().into(), id);
        id
    }

    /// What has to be known of it.
    pub(super) fn shape(&self, lua: impl FnOnce() -> Lua, id: Id) -> mlua::Result<Rc<Shape>> {
        let described = match &self.list.borrow()[id.0] {
            Entry::Compiled(shape) => return Ok(Rc::clone(shape)),
            Entry::Described(message) => message.clone(),
        };
        let shape = Rc::new(self.compile(&lua(), &described)?);
        self.list.borrow_mut()[id.0] = Entry::Compiled(Rc::clone(&shape));
        Ok(shape)
    }

    fn compile(&self, lua: &Lua, message: &MessageDescriptor) -> mlua::Result<Shape> {
        // An optional field is a oneof of its own, which has no choice.
        let oneofs: Vec<_> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        let (mut fields, mut collections) = (Vec::new(), 0);
        let (mut names, mut sparse) = (FxHashMap::default(), Vec::new());
        let template = lua.create_table_with_capacity(0, message.fields().len())?;
        let mut described: Vec<_> = message.fields().collect();
        described.sort_by_key(FieldDescriptor::number);
        for (index, field) in (0_u16..).zip(&described) {
            let own = self.field(lua, field, &mut collections)?;
            let oneof = field.containing_oneof();
            let at = oneof.and_then(|oneof| oneofs.iter().position(|known| *known == oneof));
            let own = Field {
                oneof: at.and_then(|at| u8::try_from(at).ok()),
                ..own
            };
            if matches!(own.form, Form::One) && !own.presence {
                template.raw_set(&*own.name, default(lua, &own.of)?)?;
            }
            names.insert(field.json_name().as_bytes().into(), index);
            sparse.push((field.number(), index));
            fields.push(own);
        }
        // The name in the proto counts where both could be meant.
        for (index, field) in (0_u16..).zip(&described) {
            names.insert(field.name().as_bytes().into(), index);
        }
        let dense_to = sparse
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| *number < DENSE);
        let mut dense = vec![NO_FIELD; dense_to.max().map_or(0, |number| number as usize + 1)];
        for (number, index) in &sparse {
            if let Some(place) = dense.get_mut(*number as usize) {
                *place = *index;
            }
        }
        Ok(Shape {
            name: message.name().into(),
            full_name: message.full_name().into(),
            special: Special::of(message.full_name()),
            has_required: fields.iter().any(|field| field.required),
            fields,
            dense,
            sparse,
            names,
            oneofs: oneofs.iter().map(|oneof| oneof.name().into()).collect(),
            collections,
            template: Pinned::new(lua, template)?,
        })
    }

    fn field(&self, lua: &Lua, field: &FieldDescriptor, collections: &mut u16) -> mlua::Result<Field> {
        let mut of = self.of(field);
        let mut collection = || {
            *collections += 1;
            *collections - 1
        };
        let form = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                of = self.of(&entry.map_entry_value_field());
                Form::Map {
                    keys: self.of(&entry.map_entry_key_field()),
                    collection: collection(),
                }
            }
            _ if field.is_list() => Form::Many {
                packed: field.is_packed() && of.wire_type() != WireType::Bytes,
                collection: collection(),
            },
            _ => Form::One,
        };
        let wire_type = match form {
            Form::One | Form::Many { packed: false, .. } => of.wire_type(),
            Form::Many { packed: true, .. } | Form::Map { .. } => WireType::Bytes,
        };
        Ok(Field {
            name: field.name().into(),
            number: field.number(),
            form,
            presence: field.supports_presence(),
            required: field.is_required(),
            oneof: None,
            key: u64::from(field.number()) << 3 | wire_type as u64,
            pin: Pinned::new(lua, field.name())?,
            of,
        })
    }

    fn of(&self, field: &FieldDescriptor) -> Type {
        match field.kind() {
            Kind::Double => Type::Double,
            Kind::Float => Type::Float,
            Kind::Int32 => Type::Int32,
            Kind::Int64 => Type::Int64,
            Kind::Uint32 => Type::Uint32,
            Kind::Uint64 => Type::Uint64,
            Kind::Sint32 => Type::Sint32,
            Kind::Sint64 => Type::Sint64,
            Kind::Fixed32 => Type::Fixed32,
            Kind::Fixed64 => Type::Fixed64,
            Kind::Sfixed32 => Type::Sfixed32,
            Kind::Sfixed64 => Type::Sfixed64,
            Kind::Bool => Type::Bool,
            Kind::String => Type::String,
            Kind::Bytes => Type::Bytes,
            Kind::Enum(descriptor) => Type::Enum(Rc::new(Names::new(&descriptor))),
            Kind::Message(message) if field.is_group() => Type::Group(self.id(&message), message.full_name().into()),
            Kind::Message(message) => Type::Message(self.id(&message), message.full_name().into()),
        }
    }
}

impl Names {
    fn new(descriptor: &EnumDescriptor) -> Self {
        let mut by_number = FxHashMap::default();
        for value in &descriptor.enum_descriptor_proto().value {
            // Of aliases, the first is the name.
            by_number.entry(value.number()).or_insert_with(|| value.name().into());
        }
        Self {
            name: descriptor.name().into(),
            is_null: descriptor.full_name() == "google.protobuf.NullValue",
            by_name: descriptor
                .values()
                .map(|value| (value.name().as_bytes().into(), value.number()))
                .collect(),
            by_number,
            all: descriptor
                .enum_descriptor_proto()
                .value
                .iter()
                .map(|value| value.name().into())
                .collect(),
        }
    }
}

impl Shape {
    pub(super) fn by_number(&self, number: u32) -> Option<&Field> {
        let index = if number < DENSE {
            *self.dense.get(number as usize)?
        } else {
            let at = self.sparse.binary_search_by_key(&number, |(number, _)| *number).ok()?;
            self.sparse[at].1
        };
        self.fields.get(usize::from(index))
    }

    pub(super) fn by_name(&self, name: &[u8]) -> Option<&Field> {
        self.names.get(name).map(|index| &self.fields[usize::from(*index)])
    }
}

impl Special {
    fn of(full_name: &str) -> Self {
        match full_name.strip_prefix("google.protobuf.") {
            Some("Any") => Self::Any,
            Some("Timestamp") => Self::Timestamp,
            Some("Duration") => Self::Duration,
            Some("FieldMask") => Self::FieldMask,
            Some("Struct") => Self::Struct,
            Some("Value") => Self::Value,
            Some("ListValue") => Self::List,
            Some(
                "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
                | "BoolValue" | "StringValue" | "BytesValue",
            ) => Self::Wrapper,
            _ => Self::None,
        }
    }
}

impl Field {
    /// Its type as messages have it.
    pub(super) fn describe(&self) -> String {
        match &self.form {
            Form::One => self.of.describe(),
            Form::Many { .. } => format!("repeated {}", self.of.describe()),
            Form::Map { keys, .. } => format!("map<{},{}>", keys.describe(), self.of.describe()),
        }
    }
}

impl Type {
    pub(super) fn wire_type(&self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::Message(..) => WireType::Bytes,
            Self::Group(..) => WireType::Start,
            _ => WireType::Varint,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Double => "double",
            Self::Float => "float",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Enum(names) => &names.name,
            Self::Message(_, name) | Self::Group(_, name) => name,
        }
        .to_owned()
    }
}

/// The value of a field that is not on the wire.
fn default(lua: &Lua, of: &Type) -> mlua::Result<mlua::Value> {
    let text = |text: &str| lua.create_string(text).map(mlua::Value::String);
    match of {
        Type::Bool => Ok(mlua::Value::Boolean(false)),
        Type::String | Type::Bytes => text(""),
        Type::Int64 | Type::Uint64 | Type::Sint64 | Type::Fixed64 | Type::Sfixed64 => text("0"),
        Type::Enum(names) if names.is_null => Ok(mlua::Value::NULL),
        Type::Enum(names) => names
            .by_number
            .get(&0)
            .map_or(Ok(mlua::Value::Integer(0)), |name| text(name)),
        _ => Ok(mlua::Value::Integer(0)),
    }
}
