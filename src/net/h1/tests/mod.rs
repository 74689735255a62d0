//! The codec against byte streams: by tables, against hyper, and written requests read back.

mod oracle;
mod requests;
mod responses;

use http::Method;

use self::oracle::{Ending, Outcome};
use super::receive::Rules;
use crate::net::ErrorKind;

/// What our codec makes of these pieces.
fn ours(pieces: &[&[u8]], ending: Ending, method: &Method) -> Outcome {
    let rules = Rules {
        method,
        limit: 1 << 40,
        discard: false,
    };
    super::receive::outcome(rules, pieces, ending == Ending::Eof).map_or_else(
        |kind| match (kind, ending) {
            (None, Ending::Reset) => Outcome::Reset,
            (None, _) => Outcome::Waiting,
            (Some(ErrorKind::Malformed), _) => Outcome::Malformed,
            (Some(ErrorKind::Closed), _) => Outcome::Closed,
            (Some(other), _) => panic!("no such error here: {other:?}"),
        },
        |(received, is_all)| {
            let headers = received.headers.iter();
            let mut headers: Vec<_> = headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec()))
                .collect();
            headers.sort();
            assert_eq!(headers.len(), received.headers.len());
            Outcome::Response {
                status: received.status,
                minor: u8::from(received.version == http::Version::HTTP_11),
                headers,
                body: received.body.to_vec(),
                reusable: received.keep_alive && is_all && ending == Ending::Silence,
            }
        },
    )
}
