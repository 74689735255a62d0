//! What goes out with a request: the caller's headers, the plan's, and those that the client adds. How they are written is
//! the protocol's.

use std::num::NonZeroU64;

use http::{HeaderName, HeaderValue, Method, header};

use super::HeaderList;
use super::exchange::Request;
use super::shared::Shared;
use super::target::{Target, Via};
use super::trace::{Span, TRACESTATE};

/// The codings that are asked for.
pub(super) static CODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate, br, zstd");

/// A request on its way: with what the client knows about it.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    /// As the caller wants it.
    pub request: &'a Request,
    /// The plan's headers, where the request does not have its own.
    pub common: &'a HeaderList,
    /// User and password of the address.
    pub auth: Option<&'a HeaderValue>,
    /// Cookies of the request, of the jar and of the plan.
    pub cookies: Option<&'a HeaderValue>,
    /// Where it goes.
    pub target: &'a Target,
    /// The id of this sending within the request's trace, if it tells of one. No more than that: it waits with the request.
    pub span: Option<NonZeroU64>,
    /// Whose request it is.
    pub vu: u64,
    /// The options.
    pub shared: &'a Shared,
}

/// How the length of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Not at all: there is no body, and nobody expects one.
    Silent,
    /// By `content-length`.
    Known(usize),
    /// By chunks, because the caller says so; whether `chunked` must be added to what it says.
    Chunked {
        /// Whether `chunked` is not the last coding that the caller names.
        add: bool,
    },
}

impl Outgoing<'_> {
    /// How the body's length is told. The caller's `content-length` does not count: what the body is long is known here.
    pub fn length(&self) -> Length {
        let size = self.request.body.len();
        if size == 0 {
            // RFC 9110, section 8.6: methods that expect content say so when there is none.
            let is_expected = matches!(self.request.method, Method::POST | Method::PUT | Method::PATCH);
            return if is_expected { Length::Known(0) } else { Length::Silent };
        }
        let coding = self.own().filter(|(name, _)| name == header::TRANSFER_ENCODING).last();
        match coding {
            None => Length::Known(size),
            Some((_, value)) => {
                let last = value.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
                let add = !last.trim_ascii().eq_ignore_ascii_case(b"chunked");
                Length::Chunked { add }
            }
        }
    }

    /// Whether neither the request nor the plan has a header of that name. The plan's cookies are among [`Self::cookies`].
    pub fn is_free(&self, name: &HeaderName) -> bool {
        !self.request.headers.contains(name) && (name == header::COOKIE || !self.common.contains(name))
    }

    /// The caller's headers and the plan's, without those that say how long the body is, and the plan's cookies.
    pub fn own(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        let common = self
            .common
            .iter()
            .filter(|(name, _)| name != header::COOKIE && !self.request.headers.contains(name));
        let has_body = !self.request.body.is_empty();
        common
            .chain(&self.request.headers)
            .filter(move |(name, _)| name != header::CONTENT_LENGTH && (has_body || name != header::TRANSFER_ENCODING))
    }

    /// All headers that go out, in their order. The request's win over the plan's and those over the client's.
    pub fn headers(&self) -> HeaderList {
        let mut headers = HeaderList::new();
        let defaults = [
            (header::HOST, Some(&self.target.host)),
            (header::USER_AGENT, self.shared.user_agent.as_ref()),
            (header::AUTHORIZATION, self.auth),
            (header::COOKIE, self.cookies),
            (
                header::ACCEPT_ENCODING,
                self.shared.config.compression.then_some(&CODINGS),
            ),
            (header::PROXY_AUTHORIZATION, self.proxy_auth()),
        ];
        for (name, value) in defaults {
            if let Some(value) = value.filter(|_| self.is_free(&name)) {
                headers.append(name, value.clone());
            }
        }
        for (name, value) in self.trace() {
            headers.append(name, value);
        }
        for (name, value) in self.own() {
            headers.append(name.clone(), value.clone());
        }
        match self.length() {
            Length::Silent | Length::Chunked { add: false } => {}
            Length::Known(size) => headers.append(header::CONTENT_LENGTH, HeaderValue::from(size)),
            Length::Chunked { add: true } => {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
        headers
    }

    /// This sending within its trace.
    pub fn span(&self) -> Option<Span<'_>> {
        let (id, trace) = self.span.zip(self.request.trace.as_ref())?;
        let tracer = self.shared.tracer.as_ref()?;
        Some(tracer.span(trace, id, self.vu))
    }

    /// What is told of its trace.
    pub fn trace(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let span = self.span().map(|span| span.values(self.is_free(&TRACESTATE)));
        span.into_iter().flatten()
    }

    /// Credentials of a proxy that the request itself goes to; those of a tunnel are not told to the server behind it.
    pub fn proxy_auth(&self) -> Option<&HeaderValue> {
        match &self.target.via {
            Via::Forward(auth) => auth.as_ref(),
            Via::Direct | Via::Tunnel(..) => None,
        }
    }
}
