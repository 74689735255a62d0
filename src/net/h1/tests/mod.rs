//! The codec against byte streams: by tables, against hyper, and written requests read back.

mod oracle;
mod requests;
mod responses;

use http::Method;

use self::oracle::{Ending, Outcome};
use super::receive::Rules;
use crate::net::ErrorKind;
use crate::net::codec::{Failure, receive};

/// What our codec makes of these pieces.
fn ours(pieces: &[&[u8]], ending: Ending, method: &Method) -> Outcome {
    match receive(pieces, ending == Ending::Eof, method) {
        Ok(received) => Outcome::Response {
            status: received.status,
            minor: received.minor,
            headers: received.headers,
            body: received.body,
            reusable: received.reusable && ending == Ending::Silence,
        },
        Err(Failure::Malformed) => Outcome::Malformed,
        Err(Failure::Closed) => Outcome::Closed,
        Err(Failure::Incomplete) if ending == Ending::Reset => Outcome::Reset,
        Err(Failure::Incomplete) => Outcome::Waiting,
    }
}
