//! Messages between Lua and protobuf, by descriptors that are compiled at run time: written straight from the stack to wire
//! bytes and read straight from wire bytes onto the stack, without a tree in between. Which calls they belong to is not
//! known here.
//!
//! The mapping is the canonical one of JSON: integers of 64 bits are strings (numbers are taken too), bytes are base64,
//! enumerations are names (numbers are taken too), the keys of maps are strings, moments are RFC 3339. Fields have their
//! names in the proto; the names that JSON has are taken too. What differs: NaN and infinity are Lua's own numbers, and what
//! always has a value has it when it is not on the wire.

mod number;
mod read;
mod shape;
mod special;
mod text;
mod verify;
mod wire;
mod write;
mod wrong;

#[cfg(test)]
mod tests;

pub use read::Reader;
pub use shape::{Id, Types};
pub use verify::verify;
pub use write::Writer;
