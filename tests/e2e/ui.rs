//! The live page of a real run: its stream is what the summary says, whoever looks on and whenever they come.

use std::time::Duration;

use kingtide::clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::kit::{Project, Running};

const LOAD: &str = "
return { scenarios = { a = { executor = 'constant-arrival-rate', rate = 40, duration = '3s', exec = function()
  check(1, { ['one is one'] = function(n) return n == 1 end }) end } } }";

/// Host and port of the page, and the token.
async fn page(running: &mut Running<'_>) -> (String, String) {
    let line = running.said("ui: ").await;
    let url = line.strip_prefix("ui: http://").expect("it is as documented");
    let (host, token) = url.split_once("/#token=").expect("the token is in the fragment");
    (host.to_owned(), token.to_owned())
}

/// Everything that is answered to a request, until the connection ends.
async fn ask(host: &str, request: &str, headers: &str) -> String {
    let asking = async {
        let mut stream = TcpStream::connect(host).await.expect("the page is served");
        let text = format!("{request} HTTP/1.1\r\nhost: {host}\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).await.expect("it listens");
        let mut answer = String::new();
        // The process may be gone before all is read, which is seen in what is missing.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    };
    clock::timeout(Duration::from_secs(60), asking)
        .await
        .expect("it answers in time")
}

/// The data of the events of a kind.
fn events(stream: &str, kind: &str) -> Vec<Value> {
    let head = format!("event: {kind}\ndata: ");
    let parts = stream.split(&head).skip(1);
    parts
        .map(|part| serde_json::from_str(part.lines().next().unwrap_or_default()).expect("events are JSON"))
        .collect()
}

#[tokio::test]
async fn the_stream_adds_up_to_the_summary() {
    let project = Project::with(LOAD);
    let mut running = project.start(&["j.lua", "--ui=127.0.0.1:0"]);
    let (host, token) = page(&mut running).await;
    let document = ask(&host, "GET /", "").await;
    assert!(
        document.starts_with("HTTP/1.1 200 ") && document.contains("EventSource"),
        "{document}"
    );
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert!(ask(&host, "GET /v1/status", &bearer).await.starts_with("HTTP/1.1 200 "));
    assert!(ask(&host, "GET /v1/status", "").await.starts_with("HTTP/1.1 401 "));
    let stream = ask(&host, "GET /events", "").await;
    let ran = running.ran().await;
    ran.exits(0);
    let headers = events(&stream, "header");
    assert_eq!(
        (headers.len(), &headers[0]["run"]["scenarios"][0]["name"]),
        (1, &"a".into())
    );
    let intervals = events(&stream, "interval");
    let sum = |pointer: &str| {
        intervals
            .iter()
            .filter_map(|one| one.pointer(pointer)?.as_u64())
            .sum::<u64>()
    };
    let [offered, started, completed, ..] = ran.counts("a");
    assert_eq!(offered, 120);
    let counts = ["offered", "started", "completed"].map(|count| sum(&format!("/scenarios/a/iterations/{count}")));
    assert_eq!(counts, [offered, started, completed]);
    assert_eq!(sum("/checks/0/passes"), completed);
    let ends = events(&stream, "end");
    assert_eq!((ends.len(), &ends[0]["verdict"]), (1, &ran.summary["verdict"]));
    assert_eq!(ends[0]["scenarios"], ran.summary["scenarios"]);
}

#[tokio::test]
async fn a_taken_port_is_no_error_and_quick_has_the_page_too() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a free port");
    let addr = taken.local_addr().expect("it has an address").to_string();
    let project = Project::new();
    let mut running = project.start_quick(&[&format!("http://{addr}/"), "--ui", "-n", "1", "--timeout", "1s"]);
    let (default, _) = page(&mut running).await;
    assert!(default.starts_with("127.0.0.1:"), "{default}");
    running.ran().await;
    let mut running = project.start_quick(&[
        &format!("http://{addr}/"),
        &format!("--ui={addr}"),
        "-n",
        "1",
        "--timeout",
        "1s",
    ]);
    let (next, _) = page(&mut running).await;
    assert_ne!(next, addr);
    running.ran().await;
}

#[tokio::test]
async fn page_and_live_control_are_one_server() {
    let project = Project::with(LOAD);
    let mut running = project.start(&["j.lua", "--ui", "--control", "127.0.0.1:0"]);
    let (host, token) = page(&mut running).await;
    let control = running.said("control: ").await;
    assert_eq!(control, format!("control: http://{host} token: {token}"));
    let stop = ask(&host, "POST /v1/stop", &format!("authorization: Bearer {token}\r\n")).await;
    assert!(stop.starts_with("HTTP/1.1 200 "), "{stop}");
    running.ran().await.exits(103);
    let both = ["run", "j.lua", "--ui=127.0.0.1:1", "--control", "127.0.0.1:2"];
    project
        .call(&both)
        .await
        .says(2, &["page and live control are one server"]);
}
