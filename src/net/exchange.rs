//! What goes in and what comes out: requests, responses, timings. Plain data, no behaviour beyond sums.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Version};

use super::{Address, HeaderList, Headers, NetError, Trace};
use crate::clock::Instant;

/// A request as the caller wants it. Its headers win over everything that the client would add, except `content-length`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where it goes; its userinfo becomes basic auth unless there is an `authorization` header.
    pub address: Address,
    /// Headers besides those that the client adds.
    pub headers: HeaderList,
    /// The body, already encoded.
    pub body: Bytes,
    /// Limit for this request with its redirects; [`super::HttpConfig::timeout`] otherwise.
    pub timeout: Option<Duration>,
    /// Redirects to follow; zero returns the redirect itself.
    pub redirects: u32,
    /// Whether the response's body is read and dropped, whatever its size; [`super::HttpConfig::discard_body`] otherwise.
    pub discard_body: Option<bool>,
    /// Cookies of this request, over those of the jar; not kept in the jar and not sent to other origins. A `cookie` among the
    /// headers is sent in the place of all cookies.
    pub cookies: Vec<(Vec<u8>, Vec<u8>)>,
    /// Sees the request as it goes out, each hop and each attempt.
    pub on_send: Option<OnSend>,
    /// Its trace, which the client gives it where requests carry them.
    pub trace: Option<Trace>,
}

impl Request {
    /// A request without headers and body that follows up to ten redirects.
    #[must_use]
    pub fn new(method: Method, address: impl Into<Address>) -> Self {
        Self {
            method,
            address: address.into(),
            headers: HeaderList::new(),
            body: Bytes::new(),
            timeout: None,
            redirects: 10,
            discard_body: None,
            cookies: Vec::new(),
            on_send: None,
            trace: None,
        }
    }
}

/// A request as it goes out.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The method of this hop.
    pub method: &'a Method,
    /// Where this hop goes.
    pub address: &'a Address,
    /// All headers, those of the client included.
    pub headers: &'a HeaderList,
    /// The body as sent.
    pub body: &'a Bytes,
    /// Whether it goes out a second time, because the kept connection had gone stale.
    pub again: bool,
}

/// A request as it went out, for those who see how it ended; nothing is worked out before they ask.
pub struct Asked<'a> {
    sent: &'a dyn Headed,
    is_followed: bool,
}

/// Who knows what went out.
pub(super) trait Headed {
    fn headers(&self) -> HeaderList;
    fn body(&self) -> &Bytes;
}

impl<'a> Asked<'a> {
    /// Of an answer that is the last.
    pub(super) fn end(sent: &'a dyn Headed) -> Self {
        let is_followed = false;
        Self { sent, is_followed }
    }

    /// Of a redirect that is followed.
    pub(super) fn step(sent: &'a dyn Headed) -> Self {
        let is_followed = true;
        Self { sent, is_followed }
    }

    /// All headers, those of the plan and the client included; of one that could not be sent, those that are known.
    #[must_use]
    pub fn headers(&self) -> HeaderList {
        self.sent.headers()
    }

    /// The body as it is sent.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.sent.body()
    }

    /// Whether the answer was a redirect that is followed: a step, and not the end.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.is_followed
    }
}

/// Somebody who wants to see requests go out.
#[derive(Clone)]
pub struct OnSend(Rc<dyn Fn(&Sent<'_>)>);

impl OnSend {
    /// Calls `see` for every request.
    pub fn new(see: impl Fn(&Sent<'_>) + 'static) -> Self {
        Self(Rc::new(see))
    }

    pub(super) fn see(&self, sent: &Sent<'_>) {
        (self.0)(sent);
    }
}

impl std::fmt::Debug for OnSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnSend")
    }
}

/// One request as sent, and how it ended.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Where this hop went.
    pub address: Address,
    /// The method of this hop.
    pub method: Method,
    /// The response, whatever its status, or why there is none.
    pub outcome: Result<Response, NetError>,
    /// Where the time went; phases that were not reached are zero.
    pub timings: Timings,
    /// Bytes written to the socket, TLS and proxy handshakes included; with HTTP/2 its body and a part of the rest.
    pub sent: u64,
    /// Bytes read from the socket, likewise.
    pub received: u64,
    /// The peer; a proxy if there is one.
    pub remote_addr: Option<SocketAddr>,
    /// Whether an idle connection was used.
    pub reused: bool,
    /// Whether it was sent again, because the reused connection had gone stale.
    pub retried: bool,
    /// Its trace, where requests carry them.
    pub trace: Option<Trace>,
    /// When the client took it up.
    pub started_at: Instant,
    /// When the last byte arrived (decoding not included), or it failed.
    pub finished_at: Instant,
}

/// Where the time of an exchange went; the stamps are taken next to the system calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for a free stream or a free shared connection; no service of the server's.
    pub blocked: Duration,
    /// Name resolution.
    pub dns: Duration,
    /// TCP handshake, and opening a proxy's tunnel.
    pub connecting: Duration,
    /// TLS handshake.
    pub tls_handshaking: Duration,
    /// First to last byte of the request.
    pub sending: Duration,
    /// Last byte of the request to first byte of the response.
    pub waiting: Duration,
    /// First to last byte of the response.
    pub receiving: Duration,
}

impl Timings {
    /// Service time as k6 counts it: sending, waiting and receiving.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.sending + self.waiting + self.receiving
    }

    /// Whether anything of the request itself went out: before that it has no service time. Handshakes are none of it.
    #[must_use]
    pub fn has_service(&self) -> bool {
        !self.duration().is_zero()
    }
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The headers as received, `content-encoding` included.
    pub headers: Headers,
    /// The body, unless it is behind the headers' lines.
    pub(super) body: Option<Bytes>,
}

impl Response {
    /// A response without a body.
    #[must_use]
    pub const fn new(status: u16, version: Version, headers: Headers) -> Self {
        Self {
            status,
            version,
            headers,
            body: None,
        }
    }

    /// The decoded body; empty when discarded.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_else(|| self.headers.behind())
    }

    /// The same as one more owner of its memory.
    #[must_use]
    pub fn shared_body(&self) -> Bytes {
        self.body.clone().unwrap_or_else(|| self.headers.share_behind())
    }
}
