//! How a call ended. Plain data.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Fields, Status};
use crate::clock::Instant;
use crate::net::{NetError, Timings, Trace};

/// What a call had to wait for before it could begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The cap on calls in flight.
    Cap,
    /// The stream limit of the server: so many on a connection.
    Streams(usize),
    /// A connection that was being opened.
    Connection,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct Reply {
    /// What the server said, or what it means that it did not.
    pub status: Status,
    /// The message of a unary call or of a client stream; always there when the status is OK and nothing was discarded.
    pub message: Option<Bytes>,
    /// The metadata that came before the first message.
    pub headers: Fields,
    /// The metadata that came at the end.
    pub trailers: Fields,
    /// Where the time went. `waiting` of a stream is until the first byte of the answer.
    pub timings: Timings,
    /// What `timings.blocked` was, mostly.
    pub blocked_by: Option<Bound>,
    /// Why there is no status of the server's; none where there is one.
    pub error: Option<NetError>,
    /// Messages sent and received.
    pub messages: (u64, u64),
    /// Bytes written: the messages and a part of what the connection needs besides.
    pub sent: u64,
    /// Bytes read, likewise.
    pub received: u64,
    /// The peer.
    pub remote_addr: Option<SocketAddr>,
    /// Whether the connection was open before.
    pub reused: bool,
    /// Whether it was sent a second time, because the server had not looked at the first.
    pub retried: bool,
    /// Its trace, where calls carry them.
    pub trace: Option<Trace>,
    /// When it was begun, before any waiting.
    pub started_at: Instant,
    /// When the last byte arrived, or it failed.
    pub finished_at: Instant,
}
