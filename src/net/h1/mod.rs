//! HTTP/1.1 on one connection: a codec of our own, because the load must cost less than the system under test. hyper, which
//! it took the place of, is the oracle of its tests. No policy: who may use a connection, and again, is the client's.

mod chunks;
mod conn;
mod head;
mod heads;
mod receive;
mod request;
#[cfg(test)]
mod tests;

pub(super) use conn::{Conn, Scratch};
pub(super) use receive::{Received, Rules, outcome};
pub(super) use request::{line, number, render, says_close};

use super::{ErrorKind, NetError};

/// The error of bytes that are no response.
fn malformed(reason: impl std::fmt::Display) -> NetError {
    NetError::new(ErrorKind::Malformed, format!("malformed response: {reason}"))
}
