//! The request as HTTP/2 carries it: pseudo-headers and headers. No sending and no cookies of its own.

use http::uri::{Parts, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri, header};

use crate::net::exchange::Request;
use crate::net::target::Target;
use crate::net::{ErrorKind, HeaderList, NetError};

/// What belongs to one HTTP/1.1 connection and must not be sent here (RFC 9113, section 8.2.2).
fn is_left_out(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// Builds the message.
///
/// # Errors
/// A URL or a `host` that cannot be sent.
pub(in crate::net) fn build(
    request: &Request,
    target: &Target,
    headers: &HeaderList,
) -> Result<http::Request<()>, NetError> {
    let mut message = http::Request::new(());
    *message.method_mut() = request.method.clone();
    *message.version_mut() = http::Version::HTTP_2;
    let map = message.headers_mut();
    map.reserve(headers.len());
    let mut authority = &target.host;
    for (name, value) in headers {
        if *name == header::HOST {
            authority = value;
        } else if !is_left_out(name) && (*name != header::TE || value == "trailers") {
            map.append(name.clone(), value.clone());
        }
    }
    *message.uri_mut() = uri(request, target, authority)?;
    Ok(message)
}

fn uri(request: &Request, target: &Target, authority: &HeaderValue) -> Result<Uri, NetError> {
    let address = &request.address;
    let unfit = || NetError::new(ErrorKind::BadRequest, format!("a URL that cannot be sent: {address}"));
    let mut parts = Parts::default();
    parts.scheme = Some(match target.tls_name {
        Some(_) => Scheme::HTTPS,
        None => Scheme::HTTP,
    });
    parts.authority = match &target.authority {
        Some(known) if *authority == target.host => Some(known.clone()),
        _ => Some(authority.as_bytes().try_into().map_err(|_| unfit())?),
    };
    parts.path_and_query = Some(PathAndQuery::try_from(address.origin_form()).map_err(|_| unfit())?);
    Uri::from_parts(parts).map_err(|_| unfit())
}
