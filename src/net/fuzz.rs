//! What `fuzz/` may reach of the codec; compiled for cargo-fuzz and for tests, which share their oracle.

use http::{Method, Version};

use super::ErrorKind;
use super::h1::{Rules, outcome};

/// A response as plain data.
#[derive(Debug)]
pub struct Plain {
    /// The status code.
    pub status: u16,
    /// The minor version.
    pub minor: u8,
    /// Names in lower case, sorted.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether another request may follow if nothing else comes.
    pub reusable: bool,
}

/// Why there is none.
#[derive(Debug)]
pub enum Failure {
    /// What came is no response.
    Malformed,
    /// It ended too early.
    Closed,
    /// More is needed.
    Incomplete,
}

/// What the codec makes of these pieces, after which the stream ends or not.
///
/// # Errors
/// There is no response in them.
///
/// # Panics
/// If the codec fails in a way that it must not.
pub fn receive(pieces: &[&[u8]], ends: bool, method: &Method) -> Result<Plain, Failure> {
    let rules = Rules {
        method,
        limit: u64::MAX,
        discard: false,
    };
    let (received, is_all) = outcome(rules, pieces, ends).map_err(|kind| match kind {
        None => Failure::Incomplete,
        Some(ErrorKind::Malformed) => Failure::Malformed,
        Some(ErrorKind::Closed) => Failure::Closed,
        Some(other) => panic!("no such error here: {other:?}"),
    })?;
    let headers = received.headers.iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
        .collect();
    headers.sort();
    assert_eq!(headers.len(), received.headers.len(), "each header is counted once");
    Ok(Plain {
        status: received.status,
        minor: u8::from(received.version == Version::HTTP_11),
        headers,
        body: received.body.to_vec(),
        reusable: received.keep_alive && is_all,
    })
}
