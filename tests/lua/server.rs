//! The server that the Lua tests talk to: it echoes, redirects, encodes, sets cookies, waits and hangs up. Nothing here
//! checks anything.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, RawQuery};
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse, Json, Response};
use axum::routing::{any, get};
use kingtide::clock;
use kingtide::net::body::{Codec, compress};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Where the servers are.
pub struct Server {
    /// The one that answers.
    pub url: String,
    /// One that closes every connection without an answer.
    pub closing_url: String,
    /// A port on which nobody listens.
    pub refused_url: String,
    /// One that never says a word, not even in the TLS handshake. Its address.
    pub silent: String,
    /// Connections to it are the system's; nobody takes them.
    _silence: TcpListener,
}

/// Starts the servers; they end with the runtime.
pub async fn start() -> Server {
    let (listener, url) = listen().await;
    tokio::spawn(async { axum::serve(listener, router()).await });
    let (closing, closing_url) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = closing.accept().await {
            let mut byte = [0];
            let _ = stream.readable().await;
            let _ = stream.try_read(&mut byte);
        }
    });
    let (_, refused_url) = listen().await;
    let (silence, silent_url) = listen().await;
    Server {
        url,
        closing_url,
        refused_url,
        silent: silent_url.replace("http://", ""),
        _silence: silence,
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, format!("http://{address}"))
}

fn router() -> Router {
    Router::new()
        .route("/echo", any(echo))
        .route("/echo/{*rest}", any(echo))
        .route("/json", any(|| async { Json(document()) }))
        .route("/text", get(|| async { "plain text" }))
        .route(
            "/status/{code}",
            any(|Path(code): Path<u16>| async move { status(code) }),
        )
        .route("/redirect/{left}", any(redirect))
        .route("/redirect-to", any(redirect_to))
        .route("/encoded/{codec}", get(encoded))
        .route("/cookies", get(cookies))
        .route("/set-cookie", get(set_cookie))
        .route("/two-cookies", get(two_cookies))
        .route("/delay/{ms}", any(delay))
        .route(
            "/bytes/{count}",
            get(|Path(count): Path<usize>| async move { vec![b'x'; count] }),
        )
        .route("/basic-auth", get(basic_auth))
        .nest("/shop", crate::shop::router())
}

/// What came, as JSON: headers joined by `, `, the body as text.
async fn echo(method: Method, uri: Uri, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let mut map = BTreeMap::<&str, String>::new();
    for (name, value) in &headers {
        // A character for each byte: none is lost.
        let text: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        map.entry(name.as_str())
            .and_modify(|all| *all = format!("{all}, {text}"))
            .or_insert(text);
    }
    Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "query": query.unwrap_or_default(),
        "headers": map,
        "body": String::from_utf8_lossy(&body),
        "bytes": body.len(),
    }))
}

/// What JSON tests read; one id is too large for a double.
fn document() -> Value {
    json!({
        "id": 9_007_199_254_740_993_u64,
        "name": "kingtide",
        "list": [1, null, 3],
        "none": null,
        "empty": [],
        "order": { "items": [{ "sku": "A-1" }, { "sku": "B-2" }] },
    })
}

fn status(code: u16) -> Response {
    match StatusCode::from_u16(code) {
        Ok(code) => code.into_response(),
        Err(_) => (StatusCode::BAD_REQUEST, "no status").into_response(),
    }
}

async fn redirect(Path(left): Path<u32>) -> Response {
    let to = match left {
        0 | 1 => "/json".to_owned(),
        left => format!("/redirect/{}", left - 1),
    };
    (StatusCode::FOUND, [(LOCATION, to)]).into_response()
}

async fn redirect_to(Query(query): Query<BTreeMap<String, String>>) -> Response {
    let code = query.get("code").and_then(|code| code.parse().ok()).unwrap_or(302);
    let to = query.get("to").cloned().unwrap_or_else(|| "/json".to_owned());
    (
        StatusCode::from_u16(code).unwrap_or(StatusCode::FOUND),
        [(LOCATION, to)],
    )
        .into_response()
}

async fn encoded(Path(codec): Path<String>) -> Response {
    let Ok(codec) = codec.parse::<Codec>() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = compress(codec, document().to_string().as_bytes()).expect("a buffer takes everything");
    ([(CONTENT_ENCODING, codec.name())], body).into_response()
}

/// The cookies that came, by name.
async fn cookies(headers: HeaderMap) -> Json<BTreeMap<String, String>> {
    let text = headers
        .get(COOKIE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let pairs = text.split("; ").filter_map(|pair| pair.split_once('='));
    Json(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn set_cookie(RawQuery(query): RawQuery) -> impl IntoResponse {
    [(SET_COOKIE, format!("{}; Path=/", query.unwrap_or_default()))]
}

async fn two_cookies() -> impl IntoResponse {
    AppendHeaders([(SET_COOKIE, "a=1; Path=/"), (SET_COOKIE, "b=2; Path=/")])
}

async fn delay(Path(ms): Path<u64>) -> &'static str {
    clock::sleep(Duration::from_millis(ms)).await;
    "late"
}

/// `user` and `secret`, as RFC 7617 spells them.
async fn basic_auth(headers: HeaderMap) -> StatusCode {
    match headers.get(AUTHORIZATION).map(|value| value.as_bytes()) {
        Some(b"Basic dXNlcjpzZWNyZXQ=") => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    }
}
