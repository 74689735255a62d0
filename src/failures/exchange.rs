//! What is kept of an HTTP exchange that failed.

use bytes::Bytes;

use super::redact::Redactor;
use super::{MOST_BODY, MOST_HEADERS, MOST_LINE, Scene};
use crate::metrics::TraceId;
use crate::net::{Exchange, HeaderList, Headers};
use crate::results::{FailedMessage, FailedRequest};

/// What went out.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// With those of the plan and the client, as far as they are known.
    pub headers: &'a HeaderList,
    /// As it was sent.
    pub body: &'a Bytes,
}

/// An exchange, as much of it as is kept. `written`: the URL as the script wrote it, of one that could not be sent.
#[must_use]
pub fn of_exchange(
    scene: &Scene,
    redactor: &Redactor,
    exchange: &Exchange,
    sent: Option<Sent<'_>>,
    (name, written): (&str, Option<&str>),
) -> FailedRequest {
    let url = written.unwrap_or(exchange.address.as_str());
    let (status, error, response) = match &exchange.outcome {
        Ok(response) => {
            let kind = response.headers.get("content-type").map(String::from_utf8_lossy);
            let mut message = body(redactor, response.body(), &kind.unwrap_or_default());
            message.headers = received(redactor, &response.headers);
            (Some(response.status), None, Some(message))
        }
        Err(error) => (None, Some(redactor.line(&error.message, MOST_LINE)), None),
    };
    FailedRequest {
        lifecycle: scene.lifecycle.map(str::to_owned),
        vu: scene.vu,
        iteration: scene.iteration,
        name: redactor.line(name, MOST_LINE),
        method: exchange.method.to_string(),
        url: redactor.line(url, MOST_LINE),
        status,
        error,
        request: sent.map(|sent| request(redactor, sent)),
        response,
        trace_id: exchange.trace.and_then(|trace| TraceId::new(trace.id())),
        timings: super::timings(&exchange.timings),
        ..FailedRequest::default()
    }
}

fn request(redactor: &Redactor, sent: Sent<'_>) -> FailedMessage {
    let header = |name: http::HeaderName| {
        sent.headers
            .get(&name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    let kind = header(http::header::CONTENT_TYPE).unwrap_or_default();
    let headers = sent.headers.iter().take(MOST_HEADERS);
    let shown = |(name, value): &(http::HeaderName, http::HeaderValue)| {
        let value = redactor.header(name.as_str(), value.as_bytes(), value.is_sensitive(), MOST_LINE);
        (name.to_string(), value)
    };
    FailedMessage {
        headers: headers.map(shown).collect(),
        ..body(redactor, sent.body, &kind)
    }
}

fn received(redactor: &Redactor, headers: &Headers) -> Vec<(String, String)> {
    let shown = |(name, value): (&str, &[u8])| (name.to_owned(), redactor.header(name, value, false, MOST_LINE));
    headers.iter().take(MOST_HEADERS).map(shown).collect()
}

/// A message with this body and no headers.
fn body(redactor: &Redactor, body: &[u8], content_type: &str) -> FailedMessage {
    let (text, cut) = redactor.body(body, content_type, MOST_BODY);
    FailedMessage {
        body: text.filter(|_| !body.is_empty()),
        body_bytes: body.len() as u64,
        cut,
        ..FailedMessage::default()
    }
}
