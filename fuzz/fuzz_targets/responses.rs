//! Feeds the same streams to our HTTP/1.1 codec and to hyper; the two must say the same, but for the differences that the
//! oracle names. The first byte of the input chooses method and ending, the second how the rest is cut.

#![no_main]

#[path = "../../src/net/h1/tests/oracle.rs"]
mod oracle;

use kingtide::net::codec::{Failure, receive};
use libfuzzer_sys::fuzz_target;
use oracle::{Ending, Outcome, agree};

fuzz_target!(|input: &[u8]| {
    let [choice, cut, stream @ ..] = input else { return };
    let method = if choice & 1 == 0 { http::Method::GET } else { http::Method::HEAD };
    let ending = [Ending::Eof, Ending::Reset, Ending::Silence][usize::from(choice >> 1) % 3];
    let (first, second) = stream.split_at(usize::from(*cut).min(stream.len()));
    let pieces: Vec<&[u8]> = [first, second].into_iter().filter(|piece| !piece.is_empty()).collect();
    let ours = match receive(&pieces, ending == Ending::Eof, &method) {
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
    };
    let theirs = oracle::hyper(&pieces, ending, &method);
    assert!(agree(&ours, &theirs, &pieces), "ours: {ours:?}\nhyper's: {theirs:?}");
});
