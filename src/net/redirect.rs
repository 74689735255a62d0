//! Which request follows a redirect (RFC 9110, section 15.4). No sending.

use http::{Method, StatusCode, header};

use super::exchange::{Request, Response};
use super::{Address, CREDENTIALS, ErrorKind, HeaderList, NetError};

/// The place that a response points to; None if it is not a redirect.
///
/// # Errors
/// A redirect to something that is not an http or https URL.
pub(super) fn location(response: &Response, from: &Address) -> Option<Result<Address, NetError>> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers.get("location")?;
    let bad = |text: &str| NetError::new(ErrorKind::BadRedirect, format!("cannot follow a redirect to {text:?}"));
    // Servers send raw UTF-8 here, which `url` encodes as browsers do.
    let Ok(text) = std::str::from_utf8(location) else {
        return Some(Err(bad("bytes that are not text")));
    };
    // Without the userinfo that the first address may have had: who is sent on to the same origin keeps its header.
    Some(match from.url().join(text).map(Address::from) {
        Ok(next) if next.is_http() => Ok(next),
        _ => Err(bad(text)),
    })
}

/// Turns a request into the one that follows. What was meant for one origin is not carried to another.
pub(super) fn follow(request: &mut Request, status: u16, next: Address) {
    let see_other = matches!(
        StatusCode::from_u16(status),
        Ok(StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER)
    );
    if see_other && request.method != Method::HEAD {
        request.method = Method::GET;
        request.body.clear();
        remove(
            &mut request.headers,
            &[
                header::CONTENT_TYPE,
                header::CONTENT_ENCODING,
                header::CONTENT_LANGUAGE,
                header::CONTENT_LOCATION,
                header::TRANSFER_ENCODING,
            ],
        );
    }
    if request.address.url().origin() != next.url().origin() {
        remove(&mut request.headers, &CREDENTIALS);
        remove(&mut request.headers, &[header::HOST]);
        request.cookies.clear();
    }
    request.address = next;
}

fn remove(headers: &mut HeaderList, names: &[header::HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
