//! Puts a request together from a method, a URL, the options of the script and those of the plan. Reading options is
//! `options.rs`; nothing is sent here.

use std::borrow::Cow;
use std::rc::Rc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use mlua::{Function, Value};
use url::ParseError;

use crate::clock;
use crate::metrics::TagSet;
use crate::net::body::compress;
use crate::net::{Address, ErrorKind, Exchange, NetError, Request, Timings, begins_with_host};
use crate::script::bridge::{self, end_value};
use crate::script::fields::describe;
use crate::script::raw::{Coroutine, Kind as ValueKind, Stack};
use crate::script::{ApiError, Kind, VuContext};

use super::options::Options;
use super::record::Recording;

/// A request that is ready to be sent, or one that cannot be.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Result<Request, Box<Unsendable>>,
    pub(super) recording: Recording,
    /// A function of the script that makes the bearer token.
    token: Option<(&'static str, Function)>,
}

/// Reads a method's name.
pub(super) fn method(owner: &str, stack: &Stack<'_>, index: i32) -> Result<http::Method, ApiError> {
    let Some(text) = stack.lossy(index) else {
        let got = describe(&stack.value(index)?);
        return Err(ApiError::Text(format!("{owner}: `method` must be a string, got {got}")));
    };
    let text = text.to_ascii_uppercase();
    http::Method::from_bytes(text.as_bytes())
        .map_err(|_| ApiError::Text(format!("{owner}: `{text}` is no HTTP method")))
}

/// Puts a request together from the URL at `url` and the options after it. Misuse is an error, as an address without scheme is;
/// a URL that cannot be parsed is a failed request, because it may come from data.
pub(super) fn prepare(
    vu: &Rc<VuContext>,
    owner: &'static str,
    method: http::Method,
    stack: &mut Stack<'_>,
    url: i32,
) -> Result<Box<Prepared>, ApiError> {
    let before = stack.top();
    if stack.kind(url) != ValueKind::String {
        let got = describe(&stack.value(url)?);
        return Err(ApiError::Text(format!("{owner}: `url` must be a string, got {got}")));
    }
    let mut options = Options::default();
    options.read(vu, owner, stack, url + 1)?;
    let text = url_text(stack, url);
    let found = match sendable(address(vu, &text), &text) {
        Err(Unsent::Bare) => return Err(ApiError::Text(no_scheme(owner, &text))),
        Err(Unsent::NoBase) => return Err(ApiError::Text(no_base(vu, owner, &text))),
        Err(Unsent::NoUrl(message)) => Err(message),
        Ok(address) if options.query.is_empty() => Ok(address),
        Ok(address) => Ok(address.with_query(&options.query)),
    };
    let tags = tags(vu, stack, &options, found.as_ref().ok())?;
    let body = body(owner, &mut options)?;
    let usual = || vu.plan().map(|plan| plan.http.config.max_redirects);
    let redirects = options.redirects.or_else(usual);
    // Put together where it stays, like all that is large and made for each request.
    let prepared = Box::new_uninit();
    let prepared = Box::write(
        prepared,
        Prepared {
            request: match found {
                Ok(address) => Ok(Request {
                    headers: options.headers,
                    body,
                    cookies: options.cookies,
                    timeout: options.timeout,
                    redirects: redirects.unwrap_or_default(),
                    discard_body: options.discard_body,
                    ..Request::new(method, address)
                }),
                Err(message) => Err(Box::new(Unsendable::new(text.into_owned(), method, message))),
            },
            recording: Recording {
                tags,
                expect: options.expect.unwrap_or_default(),
            },
            token: options.token.map(|token| (owner, token)),
        },
    );
    stack.truncate(before);
    Ok(prepared)
}

/// The tags of the samples of a request to `address`, if there is one: its name, which is the address's unless it was given, and
/// its own.
fn tags(vu: &VuContext, stack: &Stack<'_>, options: &Options, address: Option<&Address>) -> Result<TagSet, ApiError> {
    let automatic = match (options.name, address) {
        (None, Some(address)) => Some(vu.host.automatic_name(address.name())),
        _ => None,
    };
    let name = match (options.name, &automatic) {
        (Some(name), _) => stack.lossy(name).unwrap_or_default(),
        (None, Some(name)) => Cow::Borrowed(&**name),
        (None, None) => "(bad URL)".into(),
    };
    let (recorder, base) = (vu.host.recorder()?, vu.tags()?);
    if options.tags.is_empty() {
        return Ok(recorder.tags(&base, &[("name", &name)]));
    }
    let own = options.tags.iter();
    let mut extra: Vec<(&str, &str)> = Vec::with_capacity(1 + own.len());
    extra.push(("name", &name));
    extra.extend(own.map(|(key, value)| (key.as_str(), value.as_str())));
    Ok(recorder.tags(&base, &extra))
}

impl Prepared {
    /// Whether its token is still to be made.
    pub(super) fn is_unauthorised(&self) -> bool {
        self.token.is_some()
    }

    /// Has the script make its token, if it said so.
    pub(super) async fn authorise(&mut self, vu: &Rc<VuContext>) -> Result<(), ApiError> {
        if let Some((owner, token)) = self.token.take()
            && let Ok(request) = &mut self.request
        {
            let token = bearer(vu, owner, &token).await?;
            request.headers.insert(AUTHORIZATION, token);
        }
        Ok(())
    }
}

/// Calls the script's function for a token, on a coroutine of its own, so that it may fetch one.
async fn bearer(vu: &Rc<VuContext>, owner: &str, token: &Function) -> Result<HeaderValue, ApiError> {
    let coroutine = Coroutine::new(&vu.host.lua)?;
    let made = match bridge::call(vu, &coroutine, token, ()).await {
        Ok(mut results) => results.pop_front().unwrap_or(Value::Nil),
        Err(error) if matches!(error.kind, Kind::Failed | Kind::Aborted | Kind::Retired) => {
            return Err(ApiError::Value(end_value(&vu.host, &error.kind, &error.message)?));
        }
        Err(error) => return Err(ApiError::Text(format!("{owner}: `auth.bearer`: {error}"))),
    };
    match &made {
        Value::String(token) => secret_header(owner, [b"Bearer ", &*token.as_bytes()].concat()),
        other => Err(ApiError::Text(format!(
            "{owner}: `auth.bearer` must return a string, got {}",
            describe(other)
        ))),
    }
}

/// A header value that nothing may print.
pub(super) fn secret_header(owner: &str, text: Vec<u8>) -> Result<HeaderValue, ApiError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| ApiError::Text(format!("{owner}: `auth` holds a character that headers cannot carry")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The text of the URL at `index`. Bytes that are no text are percent-encoded, as those of text beyond ASCII are.
fn url_text<'a>(stack: &'a Stack<'_>, index: i32) -> Cow<'a, str> {
    if let Some(text) = stack.text(index) {
        return Cow::Borrowed(text);
    }
    let bytes = stack.bytes(index).unwrap_or_default();
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    Cow::Owned(text)
}

/// Reads a URL; a relative one is the plan's `base_url`'s.
fn address(vu: &VuContext, text: &str) -> Result<Address, ParseError> {
    let plan = vu.plan();
    let base = plan.as_ref().and_then(|plan| plan.http.base_url.as_ref());
    match vu.host.net() {
        Ok(net) => net.address(text, base),
        // While the file loads, the request fails for that, not for its URL.
        Err(_) => match (Address::parse(text), base) {
            (Err(ParseError::RelativeUrlWithoutBase), Some(base)) => Address::from(base.clone()).join(text),
            (parsed, _) => parsed,
        },
    }
}

/// What to do about an address whose scheme is missing.
fn no_scheme(owner: &str, text: &str) -> String {
    format!("{owner}: `{text}` has no scheme; write http://{text}")
}

/// What to do about a relative URL that is relative to nothing.
fn no_base(vu: &VuContext, owner: &str, text: &str) -> String {
    let is_test = vu.plan().is_some_and(|plan| {
        plan.scenarios
            .iter()
            .all(|scenario| scenario.name == crate::script::testing::SCENARIO)
    });
    let wanted = if is_test {
        "give `-e BASE_URL=…`, or `--demo` for the built-in systems".to_owned()
    } else {
        let missed = vu.host.session.missed();
        match missed.first() {
            Some(name) => format!(
                "the plan's `http = {{ base_url = … }}` is missing; `{name}` is not set, if it was to come from there: \
                 give `-e {name}=…`, or `--demo` for the built-in systems"
            ),
            None => "the plan has no `http = { base_url = … }`".to_owned(),
        }
    };
    format!("{owner}: `{text}` is relative to nothing: {wanted}")
}

/// Why there is nothing to send a request to.
enum Unsent {
    /// It begins with a host and a port.
    Bare,
    /// The URL is relative to nothing.
    NoBase,
    /// It is none, or not one that can be requested.
    NoUrl(String),
}

/// What a request can be sent to, or why there is none.
fn sendable(found: Result<Address, ParseError>, text: &str) -> Result<Address, Unsent> {
    if begins_with_host(text) {
        return Err(Unsent::Bare);
    }
    match found {
        Ok(address) if address.is_http() => Ok(address),
        Ok(_) => Err(Unsent::NoUrl(format!("`{text}` is no http:// or https:// URL"))),
        Err(ParseError::RelativeUrlWithoutBase) => Err(Unsent::NoBase),
        Err(error) => Err(Unsent::NoUrl(format!("`{text}` is no URL: {error}"))),
    }
}

/// A request that nobody can send, as the failed exchange that stands for it.
#[derive(Debug)]
pub(super) struct Unsendable {
    /// As the script wrote it.
    pub(super) url: String,
    pub(super) exchange: Exchange,
}

impl Unsendable {
    fn new(url: String, method: http::Method, message: String) -> Self {
        let now = clock::now();
        let exchange = Exchange {
            address: Address::parse("http://invalid.invalid/").expect("a constant URL parses"),
            method,
            outcome: Err(NetError::new(ErrorKind::BadRequest, message)),
            timings: Timings::default(),
            sent: 0,
            received: 0,
            remote_addr: None,
            reused: false,
            retried: false,
            trace: None,
            started_at: now,
            finished_at: now,
        };
        Self { url, exchange }
    }
}

/// The body as it goes out; the headers tell what it is.
fn body(owner: &str, options: &mut Options) -> Result<Bytes, ApiError> {
    let Some((_, body, content_type)) = options.body.take() else {
        return Ok(Bytes::new());
    };
    let headers = &mut options.headers;
    if let Some(kind) = content_type
        && !headers.contains(&CONTENT_TYPE)
    {
        headers.append(CONTENT_TYPE, kind);
    }
    let Some(codec) = options.compress else {
        return Ok(body);
    };
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(codec.name()));
    compress(codec, &body).map_err(|error| ApiError::Text(format!("{owner}: {error}")))
}

pub(super) fn header(owner: &str, name: &[u8], value: Vec<u8>) -> Result<(HeaderName, HeaderValue), ApiError> {
    let name = HeaderName::from_bytes(name).map_err(|_| {
        let name = String::from_utf8_lossy(name);
        ApiError::Text(format!("{owner}: `{name}` is no header name"))
    })?;
    let value = HeaderValue::try_from(value).map_err(|_| {
        ApiError::Text(format!(
            "{owner}: the value of header `{name}` holds a character that headers cannot carry"
        ))
    })?;
    Ok((name, value))
}
