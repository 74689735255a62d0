//! The gRPC client: calls over HTTP/2 connections that are one VU's or everybody's. Messages are encoded protobuf; what is in
//! them, Lua and metrics are other rooms' business.
//!
//! | Type | Is |
//! |---|---|
//! | [`Schema`] | the services and messages of `.proto` files, descriptor sets or a server's reflection; `Send`, cheap to clone |
//! | [`Method`] | one method of a schema: its path and its descriptor |
//! | [`Options`] | how a server is reached, and by how many |
//! | [`Endpoint`] | a server under these options, once for each core: `Endpoint::of(&shared, address, &options)`. Endpoints of one process with equal address and options have their shared connections and their cap in common |
//! | [`Channel`] | what one virtual user calls with: `Channel::new(&endpoint, vu_id)` |
//! | [`Call`] | what is called: method, metadata, message, limit |
//! | [`Reply`] | how it ended, whatever happened: [`Channel::unary`] and [`Stream::finish`] never raise and never hang |
//! | [`Stream`] | a call of several messages: `send`, `close_send`, `recv`, `finish`; dropping it resets it |
//!
//! [`reflect`] asks a server for its schema, [`health()`] for its state.

mod call;
mod channel;
mod endpoint;
mod flight;
mod health;
mod message;
mod metadata;
mod options;
mod progress;
mod reflection;
mod reply;
mod schema;
mod status;
mod stream;

#[cfg(test)]
mod tests;

pub use channel::{Call, Channel};
pub use endpoint::Endpoint;
pub(in crate::net) use endpoint::{Common, Endpoints};
pub use health::{Health, health};
pub use message::{Compression, Message};
pub use metadata::{Fields, Metadata, MetadataError};
pub use options::{Options, OptionsError};
pub use reflection::{Ask, ReflectError, reflect};
pub use reply::{Bound, Reply};
pub use schema::{Method, Schema, SchemaError};
pub use status::{Code, Status};
pub use stream::{Received, Stream};
