//! What may reach the HTTP/1.1 codec without a connection: `fuzz/` and its oracle in the tests, and the benches.

use http::{Method, Version};

use super::h1::{Rules, outcome, render};
use super::message::Outgoing;
use super::{ErrorKind, HeaderList, HttpConfig, Request, Shared};

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
        body: received.body().to_vec(),
        reusable: received.keep_alive && is_all,
    })
}

/// The status of a response that is all there, read as the client does.
#[must_use]
pub fn status(response: &[u8]) -> Option<u16> {
    let rules = Rules {
        method: &Method::GET,
        limit: u64::MAX,
        discard: false,
    };
    let (received, _) = outcome(rules, &[response], false).ok()?;
    Some(received.status)
}

/// Writes a request again and again into the same buffer; gives how many bytes it takes.
///
/// # Panics
/// If its address cannot be one of a request.
pub fn writing(request: Request) -> impl FnMut() -> usize {
    let shared = Shared::new(HttpConfig::default()).expect("the defaults are options that work");
    let target = shared.target(&request.address).expect("the address has a target");
    let common = HeaderList::default();
    let mut out = Vec::new();
    move || {
        let outgoing = Outgoing {
            request: &request,
            common: &common,
            auth: None,
            cookies: None,
            target: &target,
            span: None,
            vu: 0,
            shared: &shared,
        };
        let rest = render(&outgoing, &mut out);
        out.len() + rest.len()
    }
}
