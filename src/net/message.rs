//! The request as hyper sends it: target form and headers. No sending and no cookies of its own.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body_util::Full;
use url::{Position, Url};

use super::exchange::Request;
use super::shared::Shared;
use super::target::{Target, Via};
use super::{ErrorKind, NetError};

/// A request for hyper.
pub(super) type Message = http::Request<Full<Bytes>>;

/// Builds the message. The caller's headers win, except for `content-length`: what the body is long is known here.
///
/// # Errors
/// A URL that the `http` crate cannot hold.
pub(super) fn build(
    request: &Request,
    target: &Target,
    shared: &Shared,
    auth: Option<&HeaderValue>,
    cookies: Option<HeaderValue>,
) -> Result<Message, NetError> {
    let mut message = http::Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri(&request.url, target)?;
    let given = &request.headers;
    let headers = message.headers_mut();
    headers.reserve(given.len() + 4);
    let mut default = |name, value: Option<HeaderValue>| {
        if let Some(value) = value.filter(|_| !given.contains_key(&name)) {
            headers.insert(name, value);
        }
    };
    default(header::HOST, Some(target.host.clone()));
    default(header::USER_AGENT, shared.user_agent.clone());
    default(header::AUTHORIZATION, auth.cloned());
    default(header::COOKIE, cookies);
    if shared.config.compression {
        default(
            header::ACCEPT_ENCODING,
            Some(HeaderValue::from_static("gzip, deflate, br, zstd")),
        );
    }
    if let Via::Forward(auth) = &target.via {
        default(header::PROXY_AUTHORIZATION, auth.clone());
    }
    // RFC 9110, section 8.6: methods that expect content say so when there is none. hyper does the other cases.
    if request.body.is_empty() && matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    append(headers, given);
    Ok(message)
}

fn append(headers: &mut HeaderMap, given: &HeaderMap) {
    for (name, value) in given {
        if name != header::CONTENT_LENGTH {
            headers.append(name, value.clone());
        }
    }
}

/// Origin form, or absolute form for a proxy (RFC 9112, section 3.2). The fragment stays at home.
fn uri(url: &Url, target: &Target) -> Result<Uri, NetError> {
    let uri = match target.via {
        Via::Forward(_) => Uri::try_from(&url[..Position::AfterQuery]).ok(),
        Via::Direct | Via::Tunnel(..) => {
            let path = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery]);
            path.ok().map(Uri::from)
        }
    };
    uri.ok_or_else(|| NetError::new(ErrorKind::BadRequest, format!("a URL that cannot be sent: {url}")))
}
