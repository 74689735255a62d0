//! The request as HTTP/2 carries it: pseudo-headers and headers. No sending and no cookies of its own.

use http::uri::{Parts, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Uri, header};
use url::Position;

use crate::net::exchange::Request;
use crate::net::shared::Shared;
use crate::net::target::Target;
use crate::net::{ErrorKind, NetError};

/// What belongs to one HTTP/1.1 connection and must not be sent here (RFC 9113, section 8.2.2); `host` has become
/// `:authority`, and what the body is long is known here.
fn is_left_out(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE | header::HOST | header::CONTENT_LENGTH
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Builds the message. The caller's headers win over those of the options.
///
/// # Errors
/// A URL or a `host` that cannot be sent.
pub(in crate::net) fn build(
    request: &Request,
    target: &Target,
    shared: &Shared,
    auth: Option<&HeaderValue>,
    cookies: Option<HeaderValue>,
) -> Result<http::Request<()>, NetError> {
    let mut message = http::Request::new(());
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = uri(request, target)?;
    *message.version_mut() = http::Version::HTTP_2;
    let given = &request.headers;
    let headers = message.headers_mut();
    headers.reserve(given.len() + 4);
    let mut default = |name, value: Option<HeaderValue>| {
        if let Some(value) = value.filter(|_| !given.contains_key(&name)) {
            headers.insert(name, value);
        }
    };
    default(header::USER_AGENT, shared.user_agent.clone());
    default(header::AUTHORIZATION, auth.cloned());
    default(header::COOKIE, cookies);
    if shared.config.compression {
        default(
            header::ACCEPT_ENCODING,
            Some(HeaderValue::from_static("gzip, deflate, br, zstd")),
        );
    }
    let expects_body = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
    if expects_body || !request.body.is_empty() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    }
    for (name, value) in given {
        let only_trailers = name != header::TE || value == "trailers";
        if only_trailers && !is_left_out(name) {
            headers.append(name, value.clone());
        }
    }
    Ok(message)
}

fn uri(request: &Request, target: &Target) -> Result<Uri, NetError> {
    let url = &request.url;
    let unfit = || NetError::new(ErrorKind::BadRequest, format!("a URL that cannot be sent: {url}"));
    let host = request.headers.get(header::HOST).unwrap_or(&target.host);
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let mut parts = Parts::default();
    parts.scheme = Some(if target.tls_name.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(host.as_bytes().try_into().map_err(|_| unfit())?);
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(|_| unfit())?);
    Uri::from_parts(parts).map_err(|_| unfit())
}
