//! Keeps other people's pages away: a name that leads to this machine by a trick of DNS, and requests that a page of
//! another origin has sent. Who may steer is the token's business.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets through what was asked by an address or as `localhost`, and not from a page of another origin.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if is_foreign(headers) {
        return (StatusCode::FORBIDDEN, "a page of another origin may not ask\n").into_response();
    }
    next.run(request).await
}

/// As [`same_origin`]; and nothing is answered to a name that somebody else's DNS may have pointed here.
pub(super) async fn by_address(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    if !host.is_some_and(names_no_stranger) {
        let text = "open this page by the address that kingtide printed, or as localhost\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    next.run(request).await
}

/// Browsers name the origin of the page that asks; programs do not.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let own = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let asked = origin.as_bytes().strip_prefix(b"http://");
    asked.is_none() || asked != own
}

/// Whether a host is an address or `localhost`: no DNS leads to these.
fn names_no_stranger(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    if let Some(inner) = inner {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_no_strangers() {
        let table = [
            ("127.0.0.1:5665", true),
            ("127.0.0.1", true),
            ("localhost:5665", true),
            ("LocalHost", true),
            ("[::1]:5665", true),
            ("[::1]", true),
            ("192.168.0.7:80", true),
            ("attacker.example:5665", false),
            ("127.0.0.1.attacker.example:5665", false),
            ("localhost.attacker.example", false),
            ("127.0.0.1:80:attacker", false),
            ("[attacker]:80", false),
            ("", false),
        ];
        for (host, expected) in table {
            assert_eq!(names_no_stranger(&HeaderValue::from_static(host)), expected, "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_own_one_or_foreign() {
        // (host, origin, foreign)
        let table = [
            (Some("127.0.0.1:5665"), None, false),
            (Some("127.0.0.1:5665"), Some("http://127.0.0.1:5665"), false),
            (Some("127.0.0.1:5665"), Some("http://127.0.0.1:5666"), true),
            (Some("127.0.0.1:5665"), Some("http://attacker.example"), true),
            (Some("127.0.0.1:5665"), Some("https://127.0.0.1:5665"), true),
            (Some("127.0.0.1:5665"), Some("null"), true),
            (None, Some("http://127.0.0.1:5665"), true),
        ];
        for (host, origin, foreign) in table {
            let mut headers = HeaderMap::new();
            let pairs = [(header::HOST, host), (header::ORIGIN, origin)];
            headers.extend(
                pairs
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, HeaderValue::from_static(value?)))),
            );
            assert_eq!(is_foreign(&headers), foreign, "{host:?} {origin:?}");
        }
    }
}
