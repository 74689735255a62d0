//! What hyper makes of the bytes that our codec gets, and where the two may differ. Used by the property tests beside it and
//! by `fuzz/fuzz_targets/responses.rs`.

use std::collections::VecDeque;
use std::error::Error as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper::rt::{Read, ReadBufCursor, Write};

/// What follows the last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The server has closed the connection.
    Eof,
    /// It has reset it.
    Reset,
    /// Nothing, as yet.
    Silence,
}

/// What a client makes of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A complete response.
    Response {
        status: u16,
        /// The minor version.
        minor: u8,
        /// Names in lower case; sorted, as hyper's map has another order for repeated names.
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
        /// Whether the connection can be used again.
        reusable: bool,
    },
    /// It is no response.
    Malformed,
    /// The stream ended too early.
    Closed,
    /// It was reset.
    Reset,
    /// More is needed.
    Waiting,
}

/// Why the two may differ, or that they must not. Every deliberate difference is here:
///
/// - 101 is refused, because nobody here speaks another protocol afterwards; hyper hands the connection over.
/// - Who sends both `content-length` and `transfer-encoding` gets no second request (RFC 9112, section 6.3).
/// - A head that arrives in pieces is checked with each, so that a fault is told at once; hyper waits for its end.
/// - Lists in `connection` and `transfer-encoding` are read byte by byte; hyper passes over lines of them with bytes that are
///   no ASCII.
#[must_use]
pub fn agree(ours: &Outcome, theirs: &Outcome, pieces: &[&[u8]]) -> bool {
    let all = pieces.concat();
    match (ours, theirs) {
        (Outcome::Malformed, Outcome::Response { status: 101, .. }) => true,
        (Outcome::Malformed, Outcome::Closed | Outcome::Reset | Outcome::Waiting) => {
            pieces.len() > 1 && ends_in_a_head(&all)
        }
        _ if ours == theirs => true,
        _ if has_odd_list(&all) => true,
        _ => {
            let both = ["transfer-encoding", "content-length"];
            both.iter().all(|name| names(&all, name)) && without_reuse(ours) == without_reuse(theirs)
        }
    }
}

fn names(all: &[u8], name: &str) -> bool {
    let text = all.to_ascii_lowercase();
    text.windows(name.len()).any(|found| found == name.as_bytes())
}

/// Whether the end of the final head has not come: only heads of status 1xx are complete.
fn ends_in_a_head(all: &[u8]) -> bool {
    let mut rest = all;
    loop {
        // Empty lines in front of a head are none of it.
        while let Some((b'\r' | b'\n', after)) = rest.split_first() {
            rest = after;
        }
        let end =
            (1..rest.len()).find(|&at| rest[at] == b'\n' && matches!(&rest[..at], [.., b'\n'] | [.., b'\n', b'\r']));
        let Some(end) = end else { return true };
        let is_interim = rest
            .split(|byte| *byte == b' ')
            .nth(1)
            .is_some_and(|status| status.starts_with(b"1"));
        if !is_interim {
            return false;
        }
        rest = &rest[end + 1..];
    }
}

/// Whether a line of `connection` or `transfer-encoding` has bytes that are no ASCII.
fn has_odd_list(all: &[u8]) -> bool {
    all.split(|byte| *byte == b'\n').any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let is_list = name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"transfer-encoding");
        is_list && !line.is_ascii()
    })
}

fn without_reuse(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    if let Outcome::Response { reusable, .. } = &mut outcome {
        *reusable = false;
    }
    outcome
}

/// A server that has said all that it will say before anybody listens.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    ending: Ending,
    /// A server does not answer before it is asked.
    asked: bool,
}

impl Read for Script {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.asked {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return match self.ending {
                Ending::Eof => Poll::Ready(Ok(())),
                Ending::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Ending::Silence => Poll::Pending,
            };
        };
        let rest = piece.split_off(piece.len().min(buf.remaining()));
        buf.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Script {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.asked = true;
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls until it is over, or nothing would ever wake it.
fn run<F: Future>(future: F) -> Option<F::Output> {
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if !flag.0.swap(false, Ordering::Relaxed) {
            return None;
        }
    }
}

fn class(error: &hyper::Error) -> Outcome {
    if let Some(error) = error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return match error.kind() {
            io::ErrorKind::ConnectionReset => Outcome::Reset,
            io::ErrorKind::UnexpectedEof => Outcome::Closed,
            _ => Outcome::Malformed,
        };
    }
    if error.is_parse() {
        Outcome::Malformed
    } else {
        Outcome::Closed
    }
}

fn collect(body: hyper::body::Incoming, drive: &mut dyn FnMut(&mut Context<'_>) -> bool) -> Result<Vec<u8>, Outcome> {
    let mut body = pin!(body.collect());
    let body = run(std::future::poll_fn(|cx| {
        if let Poll::Ready(body) = body.as_mut().poll(cx) {
            return Poll::Ready(body);
        }
        drive(cx);
        body.as_mut().poll(cx)
    }));
    match body {
        None => Err(Outcome::Waiting),
        Some(Err(error)) => Err(class(&error)),
        Some(Ok(body)) => Ok(body.to_bytes().to_vec()),
    }
}

/// What hyper's client makes of these pieces.
///
/// # Panics
/// If hyper cannot be started.
#[must_use]
pub fn hyper(pieces: &[&[u8]], ending: Ending, method: &http::Method) -> Outcome {
    let script = Script {
        pieces: pieces
            .iter()
            .filter(|piece| !piece.is_empty())
            .map(|piece| piece.to_vec())
            .collect(),
        ending,
        asked: false,
    };
    let handshake = run(http1::handshake::<_, Empty<Bytes>>(script)).expect("it waits for nothing");
    let (mut sender, connection) = handshake.expect("it has no error");
    let mut request = http::Request::new(Empty::new());
    *request.method_mut() = method.clone();
    let mut connection = Some(Box::pin(connection));
    let mut drive = |cx: &mut Context<'_>| {
        if connection
            .as_mut()
            .is_some_and(|connection| connection.as_mut().poll(cx).is_ready())
        {
            connection = None;
        }
        connection.is_some()
    };
    let response = {
        let mut response = pin!(sender.send_request(request));
        run(std::future::poll_fn(|cx| {
            drive(cx);
            response.as_mut().poll(cx)
        }))
    };
    let (head, body) = match response {
        None => return Outcome::Waiting,
        Some(Err(error)) => return class(&error),
        Some(Ok(response)) => response.into_parts(),
    };
    let body = match collect(body, &mut drive) {
        Ok(body) => body,
        Err(outcome) => return outcome,
    };
    let open = run(std::future::poll_fn(|cx| Poll::Ready(drive(cx)))).unwrap_or_default();
    let headers = head.headers.iter();
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    headers.sort();
    Outcome::Response {
        status: head.status.as_u16(),
        minor: u8::from(head.version == http::Version::HTTP_11),
        headers,
        body,
        reusable: open && sender.is_ready(),
    }
}
