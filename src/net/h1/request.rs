//! Writes a request as HTTP/1.1 has it (RFC 9112, sections 3 and 5), into a buffer that is used again. What does not change
//! from one request to the next is there as text already.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use super::head::has_token;
use crate::net::message::{CODINGS, Length, Outgoing};
use crate::net::target::Via;
use crate::net::trace::TRACESTATE;

/// A body up to this size is written with its head; copying it costs less than a second buffer in the system call.
const SMALL_BODY: usize = 16 << 10;

/// Appends the head, and the body if it is small. Gives what is to be written after it.
pub(in crate::net) fn render(outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Bytes {
    let request = outgoing.request;
    out.extend_from_slice(request.method.as_str().as_bytes());
    out.push(b' ');
    let target = match outgoing.target.via {
        Via::Forward(_) => request.address.absolute_form(),
        Via::Direct | Via::Tunnel(..) => request.address.origin_form(),
    };
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if outgoing.is_free(&header::HOST) {
        out.extend_from_slice(&outgoing.target.host_line);
    }
    if outgoing.is_free(&header::USER_AGENT) {
        out.extend_from_slice(&outgoing.shared.user_agent_line);
    }
    let rare = [
        (header::AUTHORIZATION, outgoing.auth),
        (header::COOKIE, outgoing.cookies),
        (
            header::ACCEPT_ENCODING,
            outgoing.shared.config.compression.then_some(&CODINGS),
        ),
        (header::PROXY_AUTHORIZATION, outgoing.proxy_auth()),
    ];
    for (name, value) in rare {
        if let Some(value) = value.filter(|_| outgoing.is_free(&name)) {
            line(out, &name, value);
        }
    }
    if let Some(span) = outgoing.span() {
        span.lines(outgoing.is_free(&TRACESTATE), out);
    }
    for (name, value) in outgoing.own() {
        line(out, name, value);
    }
    body(outgoing, out)
}

/// The end of the head, and the body.
fn body(outgoing: &Outgoing<'_>, out: &mut Vec<u8>) -> Bytes {
    let body = &outgoing.request.body;
    match outgoing.length() {
        Length::Silent => out.extend_from_slice(b"\r\n"),
        Length::Known(size) => {
            out.extend_from_slice(b"content-length: ");
            number(out, size as u64);
            out.extend_from_slice(b"\r\n\r\n");
        }
        Length::Chunked { add } => {
            let added: &[u8] = if add {
                b"transfer-encoding: chunked\r\n\r\n"
            } else {
                b"\r\n"
            };
            out.extend_from_slice(added);
            // One chunk: the body is there as a whole.
            let mut chunk = format!("{:x}\r\n", body.len()).into_bytes();
            chunk.extend_from_slice(body);
            chunk.extend_from_slice(b"\r\n0\r\n\r\n");
            return chunk.into();
        }
    }
    if body.len() > SMALL_BODY {
        return body.clone();
    }
    out.extend_from_slice(body);
    Bytes::new()
}

/// Whether the request itself says that the connection ends with it.
pub(in crate::net) fn says_close(outgoing: &Outgoing<'_>) -> bool {
    let mut own = outgoing.request.headers.iter().chain(outgoing.common);
    own.any(|(name, value)| name == header::CONNECTION && has_token(value.as_bytes(), "close"))
}

/// A header line.
pub(in crate::net) fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A number in decimal digits.
pub(in crate::net) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
