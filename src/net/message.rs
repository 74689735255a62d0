//! The request as hyper sends it: target form and headers. No sending and no cookies of its own.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::Full;

use super::client::Going;
use super::exchange::Request;
use super::shared::Shared;
use super::target::{Target, Via};
use super::{Address, ErrorKind, HeaderList, NetError};

/// A request for hyper.
pub(super) type Message = http::Request<Full<Bytes>>;

/// All headers that go out. The request's win over the plan's and those over the client's, except for `content-length`:
/// what the body is long is known here.
pub(super) fn headers(going: Going<'_>, target: &Target, shared: &Shared, cookies: Option<HeaderValue>) -> HeaderList {
    let Going { request, common, auth } = going;
    let mut headers = HeaderList::new();
    let mut default = |name: HeaderName, value: Option<HeaderValue>| {
        let is_free = !request.headers.contains(&name) && !common.contains(&name);
        if let Some(value) = value.filter(|_| is_free) {
            headers.append(name, value);
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
    let common = common.iter().filter(|(name, _)| !request.headers.contains(name));
    for (name, value) in common.chain(&request.headers) {
        if name != header::CONTENT_LENGTH {
            headers.append(name.clone(), value.clone());
        }
    }
    // RFC 9110, section 8.6: methods that expect content say so when there is none.
    let is_expected = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    if !request.body.is_empty() || is_expected {
        headers.append(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    }
    headers
}

/// Builds the message.
///
/// # Errors
/// A URL that the `http` crate cannot hold.
pub(super) fn build(request: &Request, target: &Target, headers: &HeaderList) -> Result<Message, NetError> {
    let mut message = http::Request::new(Full::new(request.body.clone()));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri(&request.address, target)?;
    for (name, value) in headers {
        message.headers_mut().append(name.clone(), value.clone());
    }
    Ok(message)
}

/// Origin form, or absolute form for a proxy (RFC 9112, section 3.2). The fragment stays at home.
fn uri(address: &Address, target: &Target) -> Result<Uri, NetError> {
    let uri = match target.via {
        Via::Forward(_) => Uri::try_from(address.absolute_form()).ok(),
        Via::Direct | Via::Tunnel(..) => PathAndQuery::try_from(address.origin_form()).ok().map(Uri::from),
    };
    uri.ok_or_else(|| NetError::new(ErrorKind::BadRequest, format!("a URL that cannot be sent: {address}")))
}
