//! A call on a stream: its frames out and in, until the server says how it ended. Waiting for a stream and limits are
//! others'.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::uri::{Parts, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, Uri, header};

use super::message::Inbox;
use super::progress::{Ended, Progress};
use super::{Call, Channel, Code, Compression, Fields, Status};
use crate::clock;
use crate::net::http2::{Again, ONE_FRAME, Watch, classify};
use crate::net::pool::Lease;
use crate::net::{ErrorKind, NetError};

static GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
static TRAILERS: HeaderValue = HeaderValue::from_static("trailers");
static CODINGS: HeaderValue = HeaderValue::from_static("identity,gzip");
static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
static ACCEPT: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// What has come.
#[derive(Debug)]
pub(super) enum Event {
    /// A message.
    Message(Bytes),
    /// The end.
    End(Ended),
}

/// A call on a stream. Dropping it resets the stream, unless both sides have ended it.
pub(super) struct Flight {
    out: SendStream<Bytes>,
    /// What is to be handed over yet.
    rest: Bytes,
    /// Whether nothing follows that.
    is_last: bool,
    /// Whether nothing more can be handed over.
    is_closed: bool,
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    inbox: Inbox,
    /// After the stream: it must be gone when another takes its place.
    lease: Lease,
}

/// The head of a call.
pub(super) fn head(channel: &Channel, call: &Call<'_>, progress: &Progress) -> Result<http::Request<()>, Ended> {
    let endpoint = &*channel.endpoint;
    let mut request = http::Request::new(());
    *request.method_mut() = HttpMethod::POST;
    *request.version_mut() = http::Version::HTTP_2;
    let mut parts = Parts::default();
    parts.scheme = Some(match endpoint.options().plaintext {
        true => Scheme::HTTP,
        false => Scheme::HTTPS,
    });
    parts.authority = Some(endpoint.authority.clone());
    parts.path_and_query = Some(call.method.path_and_query().clone());
    let unfit = |error: http::uri::InvalidUriParts| NetError::new(ErrorKind::BadRequest, error.to_string());
    *request.uri_mut() = Uri::from_parts(parts).map_err(unfit)?;
    let headers = request.headers_mut();
    let common = &endpoint.options().metadata;
    headers.reserve(9 + call.metadata.len() + common.len());
    headers.insert(header::TE, TRAILERS.clone());
    headers.insert(header::CONTENT_TYPE, GRPC.clone());
    headers.insert(TIMEOUT.clone(), endpoint.told(progress.left()));
    headers.insert(ACCEPT.clone(), CODINGS.clone());
    if let Some(compression) = call.compression {
        headers.insert(ENCODING.clone(), HeaderValue::from_static(compression.name()));
    }
    if let Some((name, value)) = endpoint.user_agent() {
        headers.insert(name, value);
    }
    channel.tell_trace(call, progress, headers);
    call.metadata.write(common, headers);
    Ok(request)
}

impl Flight {
    /// Opens the stream. `message`: all that there is to send, or that some follow.
    ///
    /// # Errors
    /// The connection takes no more streams: nothing was sent.
    pub fn begin(
        lease: Lease,
        head: http::Request<()>,
        message: Option<Bytes>,
        inbox: Inbox,
        watch: &mut Watch,
    ) -> Result<Self, Ended> {
        watch.begin();
        let (response, out) = match lease.line.open(head, false) {
            Ok(opened) => opened,
            Err(error) => return Err(unsent(&lease, error)),
        };
        let mut flight = Self {
            out,
            rest: Bytes::new(),
            is_last: false,
            is_closed: false,
            response: Some(response),
            body: None,
            inbox,
            lease,
        };
        match message {
            Some(message) => flight.put(message, true, watch),
            None => watch.hand_over(0, false),
        }
        Ok(flight)
    }

    /// Whether all that was put has been handed over.
    pub fn is_idle(&self) -> bool {
        self.is_closed || (self.rest.is_empty() && !self.is_last)
    }

    /// Whether nothing more may be put.
    pub fn is_closing(&self) -> bool {
        self.is_closed || self.is_last
    }

    /// Puts a framed message, handing it over at once if it is small.
    pub fn put(&mut self, framed: Bytes, is_last: bool, watch: &mut Watch) {
        let length = framed.len();
        if length <= ONE_FRAME && self.is_idle() {
            // A connection that has failed meanwhile tells it by its response.
            self.is_closed = self.out.send_data(framed, is_last).is_err() || is_last;
            watch.hand_over(length, is_last);
            return;
        }
        self.put_when_wanted(framed, watch);
        self.is_last = is_last;
    }

    /// Puts a framed message, to be handed over as far as the server's windows allow.
    pub fn put_when_wanted(&mut self, framed: Bytes, watch: &mut Watch) {
        watch.hand_over(0, false);
        self.out.reserve_capacity(framed.len());
        self.rest = framed;
    }

    /// Nothing follows.
    pub fn close(&mut self, watch: &mut Watch) {
        if self.is_closed || self.is_last {
            return;
        }
        if self.rest.is_empty() {
            let _ = self.out.send_data(Bytes::new(), true);
            self.is_closed = true;
            watch.hand_over(0, true);
        } else {
            self.is_last = true;
        }
    }

    /// Hands over what the windows allow; ready when there is no more to do. False: the server does not want more.
    pub fn poll_upload(&mut self, cx: &mut Context<'_>, watch: &mut Watch) -> Poll<bool> {
        if self.is_idle() {
            return Poll::Ready(!self.is_closed);
        }
        while !self.rest.is_empty() {
            // What is granted already is not told again.
            let granted = match self.out.capacity() {
                0 => ready!(self.out.poll_capacity(cx)),
                granted => Some(Ok(granted)),
            };
            let Some(Ok(granted)) = granted else {
                // What the server says tells why.
                (self.rest, self.is_closed) = (Bytes::new(), true);
                return Poll::Ready(false);
            };
            if granted == 0 {
                continue;
            }
            let chunk = self.rest.split_to(granted.min(self.rest.len()));
            let (length, is_end) = (chunk.len(), self.rest.is_empty() && self.is_last);
            if self.out.send_data(chunk, is_end).is_err() {
                (self.rest, self.is_closed) = (Bytes::new(), true);
                return Poll::Ready(false);
            }
            self.is_closed |= is_end;
            watch.hand_over(length, is_end);
        }
        Poll::Ready(!self.is_closed)
    }

    /// Waits for what comes next.
    pub fn poll_event(&mut self, cx: &mut Context<'_>, progress: &mut Progress) -> Poll<Event> {
        Poll::Ready(match ready!(self.poll_next(cx, progress)) {
            Ok(message) => {
                progress.messages.1 += 1;
                Event::Message(message)
            }
            Err(ended) => Event::End(settled(ended, progress)),
        })
    }

    /// Waits for the head of the answer, or for the end of a call that ends with it.
    pub fn poll_begun(&mut self, cx: &mut Context<'_>, progress: &mut Progress) -> Poll<Result<(), Ended>> {
        let begun = ready!(self.poll_head(cx, progress));
        Poll::Ready(begun.map_err(|ended| settled(ended, progress)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, progress: &mut Progress) -> Poll<Result<Bytes, Ended>> {
        ready!(self.poll_head(cx, progress))?;
        loop {
            if let Some(message) = self.inbox.next()? {
                return Poll::Ready(Ok(message));
            }
            let Some(body) = &mut self.body else {
                return Poll::Ready(Err(Ended::broken(Code::Internal, "the answer is over")));
            };
            match ready!(body.poll_data(cx)) {
                Some(Ok(chunk)) => {
                    if let Some(watch) = progress.hop.stream() {
                        watch.chunk(chunk.len());
                    }
                    // Read is read: the server may send more.
                    let _ = body.flow_control().release_capacity(chunk.len());
                    self.inbox.push(chunk);
                }
                Some(Err(error)) => return Poll::Ready(Err(self.failed(&error))),
                None => {
                    let trailers = ready!(body.poll_trailers(cx));
                    return Poll::Ready(Err(match trailers {
                        Ok(trailers) => self.over(trailers.as_ref(), progress),
                        Err(error) => self.failed(&error),
                    }));
                }
            }
        }
    }

    /// Waits for the head of the answer.
    fn poll_head(&mut self, cx: &mut Context<'_>, progress: &mut Progress) -> Poll<Result<(), Ended>> {
        let Some(response) = &mut self.response else {
            return Poll::Ready(Ok(()));
        };
        let answer = ready!(Pin::new(response).poll(cx));
        self.response = None;
        let (head, body) = match answer {
            Ok(answer) => answer.into_parts(),
            Err(error) => {
                let mut ended = self.failed(&error);
                if let Some(watch) = progress.hop.stream() {
                    ended.again = watch.again(ended.again);
                }
                return Poll::Ready(Err(ended));
            }
        };
        if let Some(watch) = progress.hop.stream() {
            watch.head();
        }
        if body.is_end_stream() {
            // Trailers alone.
            progress.trailers = Fields::copied(&head.headers);
            let status = Status::of(&head.headers);
            return Poll::Ready(Err(status.map_or_else(|| no_status(&head), Ended::said)));
        }
        progress.headers = Fields::copied(&head.headers);
        if head.status != http::StatusCode::OK || !is_grpc(&head.headers) {
            let status = Status::of(&head.headers);
            return Poll::Ready(Err(status.map_or_else(|| no_status(&head), Ended::said)));
        }
        self.inbox.packing = match head.headers.get(&ENCODING).map(HeaderValue::as_bytes) {
            Some(b"gzip") => Some(Compression::Gzip),
            None | Some(b"identity") => None,
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                let message = format!("the server compresses by {other:?}, which was not offered");
                return Poll::Ready(Err(Ended::broken(Code::Internal, message)));
            }
        };
        self.body = Some(body);
        Poll::Ready(Ok(()))
    }

    /// The answer is over.
    fn over(&self, trailers: Option<&HeaderMap>, progress: &mut Progress) -> Ended {
        let status = trailers.and_then(|trailers| {
            progress.trailers = Fields::copied(trailers);
            Status::of(trailers)
        });
        match status {
            None => Ended::broken(Code::Unknown, "the answer ended without `grpc-status`"),
            Some(status) if status.code == Code::Ok && self.inbox.is_cut() => {
                Ended::broken(Code::Internal, "the answer ended inside of a message")
            }
            Some(status) => Ended::said(status),
        }
    }

    fn failed(&self, error: &h2::Error) -> Ended {
        if !error.is_reset() {
            self.lease.retire();
        }
        let (failure, again) = self.lease.line.explain(error);
        let code = match error.reason().filter(|_| error.is_reset() && error.is_remote()) {
            Some(reason) => Code::of_reset(reason),
            None => Code::of_failure(failure.kind),
        };
        let mut ended = Ended::with(code, super::channel::in_our_terms(failure));
        ended.again = again;
        ended
    }
}

/// The end as the caller is told it.
fn settled(ended: Ended, progress: &mut Progress) -> Ended {
    // A server that keeps to the limit may be the first to say so.
    if ended.status.code == Code::Cancelled && clock::now() >= progress.deadline() {
        return progress.timed_out();
    }
    if ended.is_complete()
        && let Some(watch) = progress.hop.stream()
    {
        watch.end();
    }
    ended
}

fn unsent(lease: &Lease, error: Option<h2::Error>) -> Ended {
    let user = |error: &h2::Error| !error.is_io() && !error.is_go_away() && !error.is_reset();
    match error {
        Some(error) if user(&error) => classify(&error, true).0.into(),
        _ => {
            lease.retire();
            let mut ended = Ended::from(NetError::new(ErrorKind::GoAway, ErrorKind::GoAway.text()));
            ended.again = Again::Unsent;
            ended
        }
    }
}

/// `application/grpc`, with anything after `+` or `;`.
fn is_grpc(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = value.and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// What an answer means that is not gRPC's.
fn no_status(head: &http::response::Parts) -> Ended {
    let kind = head
        .headers
        .get(header::CONTENT_TYPE)
        .map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    let kind = kind.map_or_else(|| "no content type".to_owned(), |kind| format!("content type {kind:?}"));
    let message = format!(
        "the server answered HTTP {} with {kind} and no `grpc-status`",
        head.status.as_u16()
    );
    Ended::broken(Code::of_http(head.status), message)
}
