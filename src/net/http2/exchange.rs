//! One request and its response on a stream. What is sent again, and where, is the client's.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::response::Parts;
use http::{Method, header};

use super::error::classify;
use super::message::build;
use super::wire::Watch;
use crate::net::error::too_large;
use crate::net::h1::{Received, says_close};
use crate::net::message::Outgoing;
use crate::net::pool::Lease;
use crate::net::{ErrorKind, Headers, NetError};

/// Bodies up to this size are handed over at once: one frame, which no window holds back for long.
pub(in crate::net) const ONE_FRAME: usize = 16 << 10;

/// Bodies up to this size are copied: as parts of the connection's buffer they would hold all of it.
pub(in crate::net) const SMALL: usize = 4 << 10;

/// How much memory is set aside on a server's word alone.
const TRUSTED: u64 = 1 << 20;

/// Whether a request that failed may be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Again {
    /// The server may have acted on it.
    Never,
    /// The connection was lost before the server answered.
    Idempotent,
    /// The server has said that it did not look at it (RFC 9113, section 8.7), or nothing of it was written.
    Safe,
    /// Nothing was sent: the connection takes no more streams.
    Unsent,
}

/// A failed exchange.
#[derive(Debug)]
pub(in crate::net) struct Failure {
    pub error: NetError,
    pub again: Again,
}

impl From<NetError> for Failure {
    fn from(error: NetError) -> Self {
        Self {
            error,
            again: Again::Never,
        }
    }
}

/// Sends a request and receives its response with a body of at most `limit` bytes, or drops one of any size. Dropping the
/// future resets the stream; its connection stays good.
///
/// # Errors
/// The request cannot be sent, the server refused or reset the stream, the connection failed, or what arrived is no
/// response or too large.
pub(in crate::net) async fn exchange(
    lease: &Lease,
    watch: &mut Watch,
    outgoing: &Outgoing<'_>,
    limit: u64,
    discard: bool,
) -> Result<Received, Failure> {
    let message = build(outgoing)?;
    let is_last = says_close(outgoing);
    let mut receiving = send(lease, watch, message, outgoing.request.body.clone(), is_last).await?;
    let announced = announced(&receiving.head, &outgoing.request.method);
    let limits = Limits {
        limit,
        discard,
        announced,
    };
    let body = receiving.body(lease, watch, limits).await?;
    let head = receiving.head;
    Ok(Received {
        status: head.status.as_u16(),
        version: head.version,
        headers: Headers::copied(&head.headers),
        body: Some(body),
        sets_cookies: head.headers.contains_key(header::SET_COOKIE),
        encoded: head.headers.contains_key(header::CONTENT_ENCODING),
        keep_alive: true,
    })
}

/// How much of a body is kept.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// In bytes.
    limit: u64,
    /// None of it, whatever its size.
    discard: bool,
    /// Bytes, by the server's word.
    announced: Option<u64>,
}

/// A response whose body is still to come.
#[derive(Debug)]
struct Receiving {
    head: Parts,
    body: RecvStream,
    upload: Option<Upload>,
}

/// Sends a request, the last of its connection or not, and waits for the head of the response.
async fn send(
    lease: &Lease,
    watch: &mut Watch,
    request: http::Request<()>,
    body: Bytes,
    is_last: bool,
) -> Result<Receiving, Failure> {
    watch.begin();
    let (response, stream) = match lease.line.open(request, body.is_empty()) {
        Ok(opened) => opened,
        Err(error) => return Err(unsent(lease, error)),
    };
    if is_last {
        lease.retire();
    }
    let mut upload = Upload { stream, rest: body };
    let mut uploading = !upload.begin(watch);
    let mut response = response;
    let answer = poll_fn(|cx| {
        if uploading {
            uploading = upload.poll(cx, watch).is_pending();
        }
        poll_response(&mut response, cx)
    });
    let answer = answer.await.map_err(|error| {
        let failure = failed(lease, &error);
        let again = watch.again(failure.again);
        Failure { again, ..failure }
    })?;
    watch.head();
    let (head, body) = answer.into_parts();
    Ok(Receiving {
        head,
        body,
        upload: uploading.then_some(upload),
    })
}

fn poll_response(
    response: &mut ResponseFuture,
    cx: &mut Context<'_>,
) -> Poll<Result<http::Response<RecvStream>, h2::Error>> {
    Pin::new(response).poll(cx)
}

fn unsent(lease: &Lease, error: Option<h2::Error>) -> Failure {
    let user = |error: &h2::Error| !error.is_io() && !error.is_go_away() && !error.is_reset();
    match error {
        Some(error) if user(&error) => classify(&error, true).0.into(),
        _ => {
            lease.retire();
            Failure {
                error: NetError::new(ErrorKind::GoAway, ErrorKind::GoAway.text()),
                again: Again::Unsent,
            }
        }
    }
}

fn failed(lease: &Lease, error: &h2::Error) -> Failure {
    if !error.is_reset() {
        lease.retire();
    }
    let (error, again) = lease.line.explain(error);
    Failure { error, again }
}

impl Receiving {
    /// Receives the body.
    async fn body(&mut self, lease: &Lease, watch: &mut Watch, limits: Limits) -> Result<Bytes, NetError> {
        let Limits {
            limit,
            discard,
            announced,
        } = limits;
        if !discard && announced.is_some_and(|size| size > limit) && !self.body.is_end_stream() {
            return Err(too_large(limit));
        }
        let (mut first, mut all, mut size) = (Bytes::new(), BytesMut::new(), 0_u64);
        while !self.body.is_end_stream() {
            let chunk = match self.chunk(watch).await {
                None => break,
                Some(Ok(chunk)) => chunk,
                // A reset that follows the end of the body is none here: h2 gives the end. Before it, whatever its reason,
                // the body is cut off (RFC 9113, section 8.1).
                Some(Err(error)) => return Err(failed(lease, &error).error),
            };
            size += chunk.len() as u64;
            watch.chunk(chunk.len());
            // Read is read, kept or not: the server may send more.
            let _ = self.body.flow_control().release_capacity(chunk.len());
            if discard {
                continue;
            }
            if size > limit {
                return Err(too_large(limit));
            }
            if first.is_empty() {
                first = chunk;
                continue;
            }
            if all.is_empty() {
                all.reserve(capacity(announced, first.len() + chunk.len()));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
        watch.end();
        Ok(match (all.is_empty(), first.len()) {
            (false, _) => all.freeze(),
            (true, ..=SMALL) => Bytes::copy_from_slice(&first),
            (true, _) => first,
        })
    }

    /// The next piece of the body, while the request's own goes on.
    async fn chunk(&mut self, watch: &mut Watch) -> Option<Result<Bytes, h2::Error>> {
        poll_fn(|cx| {
            if let Some(upload) = &mut self.upload
                && upload.poll(cx, watch).is_ready()
            {
                self.upload = None;
            }
            self.body.poll_data(cx)
        })
        .await
    }
}

/// How much to set aside for a body of several chunks: what was announced, but never on a server's word alone.
fn capacity(announced: Option<u64>, arrived: usize) -> usize {
    let announced = announced.unwrap_or(0).min(TRUSTED);
    usize::try_from(announced).unwrap_or(0).max(arrived * 2)
}

/// How long the body is to be. The `content-length` of an answer to HEAD is that of a body which does not come (RFC 9110,
/// section 8.6); its stream may end with an empty frame of data.
fn announced(head: &Parts, method: &Method) -> Option<u64> {
    if method == Method::HEAD {
        return None;
    }
    let value = head.headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The rest of a request's body.
#[derive(Debug)]
struct Upload {
    stream: SendStream<Bytes>,
    rest: Bytes,
}

impl Upload {
    /// Hands over what fits into one frame; whether that was all.
    fn begin(&mut self, watch: &mut Watch) -> bool {
        let length = self.rest.len();
        if length == 0 {
            watch.hand_over(0, true);
            return true;
        }
        if length <= ONE_FRAME {
            // A connection that has failed meanwhile tells it by its response.
            let _ = self.stream.send_data(std::mem::take(&mut self.rest), true);
            watch.hand_over(length, true);
            return true;
        }
        watch.hand_over(0, false);
        self.stream.reserve_capacity(length);
        false
    }

    /// Hands over what the windows allow; ready when there is no more to do.
    fn poll(&mut self, cx: &mut Context<'_>, watch: &mut Watch) -> Poll<()> {
        while !self.rest.is_empty() {
            let Poll::Ready(granted) = self.stream.poll_capacity(cx) else {
                return Poll::Pending;
            };
            // A stream that is closed tells by its response why.
            let Some(Ok(granted)) = granted else {
                break;
            };
            let chunk = self.rest.split_to(granted.min(self.rest.len()));
            let (length, is_end) = (chunk.len(), self.rest.is_empty());
            if self.stream.send_data(chunk, is_end).is_err() {
                break;
            }
            watch.hand_over(length, is_end);
        }
        Poll::Ready(())
    }
}
