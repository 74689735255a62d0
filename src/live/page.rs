//! What the page is made of: the document, with the headers that keep it by itself, and the stream that it lives on. What
//! the document looks like is `report`'s.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use super::feed::Feed;
use super::guard;

/// The page's paths. `html` is the document, complete: it loads nothing but the stream.
pub(super) fn router(html: String, feed: Arc<Feed>) -> Router {
    let policy = HeaderValue::try_from(policy(&html)).ok();
    let html = Bytes::from(html);
    let document = async move || {
        let mut response = (common("text/html; charset=utf-8"), html).into_response();
        if let Some(policy) = policy {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    };
    Router::new()
        .route("/", get(document))
        // Browsers ask for one by themselves.
        .route("/favicon.ico", get(async || StatusCode::NO_CONTENT))
        .route("/events", get(events))
        .layer(from_fn(guard::by_address))
        .with_state(feed)
}

async fn events(State(feed): State<Arc<Feed>>, headers: HeaderMap) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    match feed.read(last.unwrap_or(0)) {
        Some(stream) => (common("text/event-stream"), Body::from_stream(stream)).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "too many look at this run already\n").into_response(),
    }
}

fn common(kind: &'static str) -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// Nothing but the document's own scripts, named by their hashes, may run, and nothing but its own server be asked.
fn policy(html: &str) -> String {
    let hashes: Vec<_> = scripts(html)
        .map(|script| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(script))))
        .collect();
    let scripts = if hashes.is_empty() {
        "'none'".to_owned()
    } else {
        hashes.join(" ")
    };
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The contents of a document's scripts.
fn scripts(html: &str) -> impl Iterator<Item = &str> {
    html.split("<script").skip(1).filter_map(|rest| {
        let (_, body) = rest.split_once('>')?;
        Some(body.split_once("</script")?.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_scripts_of_the_document() {
        let html = "<html><script>alert(1)</script><p>x</p><script type=\"module\">b()</script></html>";
        assert_eq!(scripts(html).collect::<Vec<_>>(), ["alert(1)", "b()"]);
        let policy = policy(html);
        // `printf 'alert(1)' | openssl dgst -sha256 -binary | base64`
        assert!(
            policy.contains("'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"),
            "{policy}"
        );
        assert_eq!(policy.matches("sha256-").count(), 2);
        assert!(super::policy("<p>no script</p>").contains("script-src 'none'"));
    }
}
