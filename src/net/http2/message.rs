//! The request as HTTP/2 carries it: pseudo-headers and headers. No sending.

use http::uri::{Parts, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri, header};

use crate::net::message::{CODINGS, Length, Outgoing};
use crate::net::{ErrorKind, NetError};

/// What belongs to one HTTP/1.1 connection and must not be sent here (RFC 9113, section 8.2.2), and `host`, which has
/// become `:authority`.
fn is_left_out(name: &HeaderName, value: &HeaderValue) -> bool {
    match *name {
        header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE | header::HOST => true,
        header::TE => value != "trailers",
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
    }
}

/// Builds the message.
///
/// # Errors
/// A URL or a `host` that cannot be sent.
pub(super) fn build(outgoing: &Outgoing<'_>) -> Result<http::Request<()>, NetError> {
    let mut message = http::Request::new(());
    *message.method_mut() = outgoing.request.method.clone();
    *message.version_mut() = http::Version::HTTP_2;
    *message.uri_mut() = uri(outgoing)?;
    let headers = message.headers_mut();
    headers.reserve(outgoing.request.headers.len() + outgoing.common.len() + 6);
    let defaults = [
        (header::USER_AGENT, outgoing.shared.user_agent.as_ref()),
        (header::AUTHORIZATION, outgoing.auth),
        (header::COOKIE, outgoing.cookies),
        (
            header::ACCEPT_ENCODING,
            outgoing.shared.config.compression.then_some(&CODINGS),
        ),
    ];
    for (name, value) in defaults {
        if let Some(value) = value.filter(|_| outgoing.is_free(&name)) {
            headers.append(name, value.clone());
        }
    }
    for (name, value) in outgoing.trace() {
        headers.append(name, value);
    }
    for (name, value) in outgoing.own() {
        if !is_left_out(name, value) {
            headers.append(name.clone(), value.clone());
        }
    }
    // Frames tell where a body ends; chunks are HTTP/1.1's.
    if outgoing.length() != Length::Silent {
        headers.append(header::CONTENT_LENGTH, HeaderValue::from(outgoing.request.body.len()));
    }
    Ok(message)
}

fn uri(outgoing: &Outgoing<'_>) -> Result<Uri, NetError> {
    let (address, target) = (&outgoing.request.address, outgoing.target);
    let unfit = || NetError::new(ErrorKind::BadRequest, format!("a URL that cannot be sent: {address}"));
    let given = outgoing.own().find(|(name, _)| name == header::HOST);
    let mut parts = Parts::default();
    parts.scheme = Some(match target.tls_name {
        Some(_) => Scheme::HTTPS,
        None => Scheme::HTTP,
    });
    parts.authority = Some(match (given, &target.authority) {
        (Some((_, host)), _) => host.as_bytes().try_into().map_err(|_| unfit())?,
        (None, Some(known)) => known.clone(),
        (None, None) => return Err(unfit()),
    });
    parts.path_and_query = Some(PathAndQuery::try_from(address.origin_form()).map_err(|_| unfit())?);
    Uri::from_parts(parts).map_err(|_| unfit())
}
