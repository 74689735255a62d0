//! The page and its stream over real connections, as browsers and others ask for them.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::results::{Header, Interval, Patience, Sink};

const DOCUMENT: &str = "<!doctype html><p>the page</p><script>go()</script>";

fn start() -> Server {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Server::start(Place::At(anywhere), Arc::new(Control::new()), Some(DOCUMENT.to_owned())).unwrap()
}

fn sink(server: &Server) -> Box<dyn Sink> {
    server.sink().unwrap().expect("a page is served")
}

fn header() -> Arc<Header> {
    let header = json!({ "schema": "kingtide.intervals/1", "run": { "script": "j.lua", "seed": 1,
        "started_at": "2026-11-20T10:00:00Z", "started_at_ms": 0, "scenarios": [], "thresholds": [],
        "buckets": { "doubling": 1024, "units_per_ms": 1.0, "units_per_one": 1.0 } } });
    Arc::new(serde_json::from_value(header).unwrap())
}

fn second(second: u64) -> Arc<Interval> {
    Arc::new(Interval {
        second,
        duration_ms: 1_000,
        ..Interval::default()
    })
}

fn summary() -> crate::results::Summary {
    let summary = json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
        "run": { "script": "j.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 1_000 },
        "scenarios": {}, "metrics": {}, "checks": [], "thresholds": [],
        "generator": { "verdict": "valid", "cpu_percent": 0.0, "reasons": [] } });
    serde_json::from_value(summary).unwrap()
}

/// A request with these further headers, and what comes back until the connection ends.
async fn ask(server: &Server, request: &str, headers: &str) -> String {
    let mut stream = open(server, request, headers).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn open(server: &Server, request: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let text = format!("{request} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

fn own(server: &Server) -> String {
    format!("host: {}\r\n", server.addr())
}

async fn until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let reading = async {
        let mut piece = vec![0; 4_096];
        while !text.contains(wanted) {
            let n = stream.read(&mut piece).await.unwrap();
            assert!(n > 0, "it ended before {wanted}: {text}");
            text.push_str(std::str::from_utf8(&piece[..n]).unwrap());
        }
    };
    clock::timeout(Duration::from_secs(30), reading)
        .await
        .expect("it comes in time");
    text
}

#[tokio::test]
async fn the_page_is_for_itself_and_needs_no_token() {
    let server = start();
    let answer = ask(&server, "GET /", &own(&server)).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(DOCUMENT),
        "{answer}"
    );
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert!(!answer.contains("access-control"), "{answer}");
    let token = server.token().as_str();
    assert!(!answer.contains(token), "who sees the page cannot steer");
    assert_eq!(server.page_url(), format!("http://{}/#token={token}", server.addr()));
}

#[tokio::test]
async fn other_peoples_pages_learn_nothing_and_change_nothing() {
    let server = start();
    let own = own(&server);
    let bearer = format!("authorization: Bearer {}\r\n", server.token().as_str());
    // (request, headers, status)
    let rebound = "host: attacker.example:5665\r\n".to_owned();
    let foreign = format!("{own}origin: http://attacker.example\r\n");
    let same = format!("{own}origin: http://{}\r\n", server.addr());
    let table = [
        ("GET /", own.clone(), 200),
        ("GET /", "host: localhost:1\r\n".to_owned(), 200),
        ("GET /", rebound.clone(), 421),
        ("GET /events", rebound, 421),
        ("GET /", foreign.clone(), 403),
        ("GET /events", foreign.clone(), 403),
        ("GET /v1/status", own.clone(), 401),
        ("GET /v1/status", format!("{own}{bearer}"), 200),
        ("GET /v1/status", format!("{same}{bearer}"), 200),
        ("GET /v1/status", format!("{foreign}{bearer}"), 403),
        ("POST /v1/stop", format!("{foreign}{bearer}"), 403),
        ("OPTIONS /v1/stop", foreign, 403),
        ("GET /nowhere", own.clone(), 401),
        ("POST /", own, 405),
    ];
    for (request, headers, status) in table {
        let answer = ask(&server, request, &headers).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request} {headers}: {answer}"
        );
    }
}

#[tokio::test]
async fn readers_get_everything_and_a_stalled_one_holds_up_nobody() {
    let server = start();
    let mut sink = sink(&server);
    let mut early = open(&server, "GET /events", &own(&server)).await;
    sink.begin(&header());
    sink.interval(&second(0));
    let text = until(&mut early, "id: 1\nevent: interval\n").await;
    assert!(
        text.contains("content-type: text/event-stream") && text.contains("event: header\ndata: {"),
        "{text}"
    );
    // Reads nothing until the end.
    let mut stalled = open(&server, "GET /events", &own(&server)).await;
    for number in 1..50 {
        sink.interval(&second(number));
        until(&mut early, &format!("id: {}\nevent: interval\n", number + 1)).await;
    }
    let mut late = open(
        &server,
        "GET /events",
        &format!("{}last-event-id: 48\r\n", own(&server)),
    )
    .await;
    let text = until(&mut late, "\"second\":49").await;
    assert_eq!(text.matches("event: interval").count(), 2, "where it was: {text}");
    let reports = sink.end(&summary(), &Patience::default()).await;
    assert!(reports.is_empty(), "nothing was dropped");
    for reader in [&mut early, &mut late, &mut stalled] {
        let mut text = until(reader, "event: end\n").await;
        reader.read_to_string(&mut text).await.unwrap();
        let last = text.rsplit("data: ").next().unwrap().lines().next().unwrap();
        let end: Value = serde_json::from_str(last).unwrap();
        assert_eq!(end["verdict"], "pass");
    }
    server.close().await;
    assert_eq!(stalled.read(&mut [0; 64]).await.unwrap_or(0), 0, "it is closed");
}

#[tokio::test]
async fn the_end_of_a_run_without_a_load_has_a_header_before_it() {
    let server = start();
    let sink = sink(&server);
    let mut reader = open(&server, "GET /events", &own(&server)).await;
    assert!(sink.end(&summary(), &Patience::default()).await.is_empty());
    let text = until(&mut reader, "event: end\n").await;
    let (_, header) = text.split_once("event: header\ndata: ").expect("it comes first");
    let header: Value = serde_json::from_str(header.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&header["run"]["script"], &header["run"]["seed"]),
        (&"j.lua".into(), &1.into())
    );
}

#[tokio::test]
async fn a_taken_port_is_followed_by_the_next() {
    let first = start();
    let next = Server::start(Place::From(first.addr()), Arc::new(Control::new()), None).unwrap();
    assert_ne!(next.addr().port(), first.addr().port());
    let exact = Server::start(Place::At(first.addr()), Arc::new(Control::new()), None);
    assert!(matches!(exact, Err(LiveError::Listen { .. })));
}
