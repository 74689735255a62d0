//! HTTP/2 on the `h2` crate: a connection and the task that drives it, and an exchange on one of its streams. Which
//! connection an exchange uses is the pool's, what it asks for the client's.
//!
//! One task for each connection reads, writes and answers pings and settings; exchanges hand it frames and wait for theirs.
//! Handles of a connection may be used on any thread, its task stays on the core that opened it.

mod error;
mod exchange;
mod line;
mod message;
mod wire;

pub(super) use error::classify;
pub(super) use exchange::{Again, Failure, ONE_FRAME, SMALL, exchange};
pub(super) use line::{Line, start};
pub(super) use wire::Watch;

/// Flow-control window of a stream, in bytes: a response of this size needs no round trip besides its own.
const STREAM_WINDOW: u32 = 2 << 20;

/// Flow-control window of a connection, in bytes: what a stream has not read yet does not hold up its neighbours.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// The largest header list of a response, in bytes as RFC 9113, section 6.5.2 counts them.
const MAX_HEADER_LIST: u32 = 256 << 10;
