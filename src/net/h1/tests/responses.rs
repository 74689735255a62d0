//! Responses: what hyper says of them, what they cost in memory, and limits.

use http::Method;
use proptest::prelude::*;

use super::oracle::{self, agree};
use super::*;
use crate::net::h1::head;
use crate::net::h1::heads::Heads;
use crate::net::h1::receive::{self, Reception};

/// Responses of every kind, sound and broken.
const SAMPLES: &[&str] = &[
    "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: x\r\n\r\n",
    "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nxy",
    "HTTP/1.1 200 OK\ncontent-length: 2\n\nxy",
    "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\n\r\nto the end",
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nconnection: keep-alive, CLOSE\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\nconnection: close\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\netag: x\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n00F \t;a\r\n0123456789abcde\r\n000\r\nx-trailer: 1\r\ny: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nto the end",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: x\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
    "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nx",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\nx",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\rx",
    "HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nblank : a\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nx: \u{e9}\t \r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 099 No\r\n\r\n",
    "HTTP/1.1 abc No\r\n\r\n",
    "HTTP/3.7 200 OK\r\n\r\n",
    "HTTP/2 200\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny",
];

const ENDINGS: [Ending; 3] = [Ending::Eof, Ending::Reset, Ending::Silence];

fn compare(pieces: &[&[u8]], ending: Ending, method: &Method) {
    let ours = ours(pieces, ending, method);
    let theirs = oracle::hyper(pieces, ending, method);
    let shown: Vec<_> = pieces.iter().map(|piece| String::from_utf8_lossy(piece)).collect();
    assert!(
        agree(&ours, &theirs, pieces),
        "{method} {shown:?} {ending:?}\n  ours:   {ours:?}\n  hyper's: {theirs:?}"
    );
}

#[test]
fn hyper_agrees_wherever_a_stream_is_cut() {
    for sample in SAMPLES {
        let bytes = sample.as_bytes();
        for method in [Method::GET, Method::HEAD] {
            for ending in ENDINGS {
                for at in 0..=bytes.len() {
                    // What ends here, and what goes on after a pause.
                    compare(&[&bytes[..at]], ending, &method);
                    compare(&[&bytes[..at], &bytes[at..]], ending, &method);
                }
                let single: Vec<&[u8]> = bytes.chunks(1).collect();
                compare(&single, ending, &method);
            }
        }
    }
}

/// What can be done to a stream.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let telling = proptest::sample::select(vec![
        b"\r\n".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"\n".to_vec(),
        b" ".to_vec(),
        b":".to_vec(),
        b"0".to_vec(),
        b",".to_vec(),
        b"connection: close\r\n".to_vec(),
        b"connection: keep-alive\r\n".to_vec(),
        b"content-length: 3\r\n".to_vec(),
        b"transfer-encoding: chunked\r\n".to_vec(),
        b"x-more: y\r\n".to_vec(),
        b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(),
    ]);
    let inserted = prop_oneof![3 => telling, 1 => proptest::collection::vec(any::<u8>(), 1..5)];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), inserted).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<usize>(), 1..6_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), 1..40_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: Change) {
    let len = bytes.len();
    let span = |at: usize, count: usize| {
        let at = at % (len + 1);
        at..(at + count).min(len)
    };
    match change {
        Change::Set(at, byte) if len > 0 => bytes[at % len] = byte,
        Change::Set(..) => {}
        Change::Insert(at, inserted) => {
            let at = at % (len + 1);
            bytes.splice(at..at, inserted);
        }
        Change::Remove(at, count) => drop(bytes.drain(span(at, count))),
        Change::Repeat(at, count) => {
            let span = span(at, count);
            let again = bytes[span.clone()].to_vec();
            bytes.splice(span.end..span.end, again);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn hyper_agrees_on_changed_streams(
        sample in proptest::sample::select(SAMPLES),
        changes in proptest::collection::vec(change(), 0..4),
        cuts in proptest::collection::vec(any::<usize>(), 0..4),
        ending in proptest::sample::select(&ENDINGS[..]),
        method in proptest::sample::select(vec![Method::GET, Method::HEAD, Method::POST]),
    ) {
        let mut bytes = sample.as_bytes().to_vec();
        for change in changes {
            apply(&mut bytes, change);
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        compare(&pieces, ending, &method);
    }

    #[test]
    fn a_response_is_the_same_however_it_is_cut(
        sample in proptest::sample::select(SAMPLES),
        changes in proptest::collection::vec(change(), 0..3),
        cut in any::<usize>(),
    ) {
        let mut bytes = sample.as_bytes().to_vec();
        for change in changes {
            apply(&mut bytes, change);
        }
        let (first, second) = bytes.split_at(cut % (bytes.len() + 1));
        for ending in [Ending::Eof, Ending::Reset] {
            let (whole, cut) = (ours(&[&bytes], ending, &Method::GET), ours(&[first, second], ending, &Method::GET));
            prop_assert_eq!(whole, cut, "{:?} | {:?}", String::from_utf8_lossy(first), String::from_utf8_lossy(second));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_remembered_head_says_what_it_says_when_it_is_read(
        answers in proptest::collection::vec(
            (
                proptest::sample::select(SAMPLES),
                proptest::collection::vec(change(), 0..2),
                proptest::sample::select(vec![Method::GET, Method::HEAD, Method::POST]),
            ),
            1..12,
        ),
    ) {
        let mut heads = Heads::default();
        let answers = answers.into_iter().map(|(sample, changes, method)| {
            let mut bytes = sample.as_bytes().to_vec();
            changes.into_iter().for_each(|change| apply(&mut bytes, change));
            (bytes, method)
        });
        let answers: Vec<_> = answers.collect();
        for (bytes, method) in answers.iter().chain(&answers) {
            let read = head::parse(bytes, method).map_err(|error| error.kind);
            let heard = heads.parse(bytes, method).map_err(|error| error.kind);
            if let Ok(Some((head, Some(text)))) = &heard {
                prop_assert_eq!(&**text, &bytes[..head.len]);
            }
            prop_assert_eq!(heard.map(|heard| heard.map(|(head, _)| head)), read, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}

fn received(bytes: &[u8], limit: u64, discard: bool) -> Result<bytes::Bytes, Option<ErrorKind>> {
    let method = Method::GET;
    let rules = Rules {
        method: &method,
        limit,
        discard,
    };
    receive::outcome(rules, &[bytes], true).map(|(received, _)| bytes::Bytes::copy_from_slice(received.body()))
}

#[test]
fn bodies_have_a_limit_unless_they_are_discarded() {
    let samples = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n12345",
    ];
    for sample in samples {
        assert_eq!(received(sample.as_bytes(), 5, false).unwrap(), "12345", "{sample}");
        assert_eq!(
            received(sample.as_bytes(), 4, false).err(),
            Some(Some(ErrorKind::BodyTooLarge)),
            "{sample}"
        );
        assert_eq!(received(sample.as_bytes(), 4, true).unwrap(), "", "{sample}");
    }
}

#[test]
fn what_stands_beside_the_body_has_limits_too() {
    let head = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let table = [
        format!("{head}{}\r\n", "a: b\r\n".repeat(101)),
        format!("{head}a: {}", "b".repeat(256 << 10)),
        format!("{chunked}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(16 << 10)),
        format!("{chunked}{}0\r\n\r\n", "1;eeeeeeeeeeeeeeee\r\nx\r\n".repeat(1 << 10)),
        format!("{chunked}0\r\na: {}\r\n\r\n", "b".repeat(16 << 10)),
        format!("{chunked}0\r\n{}\r\n", "a: b\r\n".repeat(101)),
    ];
    for text in table {
        let outcome = received(text.as_bytes(), 10_000, false);
        assert_eq!(outcome.err(), Some(Some(ErrorKind::Malformed)), "{:.60}", text);
    }
    let many = format!("{head}{}content-length: 1\r\n\r\nx", "a: b\r\n".repeat(99));
    assert_eq!(received(many.as_bytes(), 100, false).unwrap(), "x");
}

#[test]
fn memory_is_not_set_aside_on_a_servers_word() {
    let method = Method::GET;
    let mut reception = Reception::new(Rules {
        method: &method,
        limit: u64::MAX,
        discard: false,
    });
    let fed = reception.feed(
        b"HTTP/1.1 200 OK\r\ncontent-length: 9999999999999\r\n\r\nx",
        &mut Heads::default(),
        |_| (),
    );
    assert!(fed.unwrap().is_none());
    assert!(reception.memory_for_test() <= (1 << 20) + 100);
}
