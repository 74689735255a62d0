//! Exchanges against servers in the test's own process that say exactly what a test wants, byte for byte.

mod arrival;
mod bodies;
mod connections;
mod cookies;
mod early;
mod faults;
pub(super) mod http2;
mod names;
mod proxy;
mod redirects;
mod shared;
mod timings;
pub(super) mod tls;
mod traces;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use super::*;
use crate::clock;

/// Runs a test as virtual users run, on a thread of its own with somebody who sends, and bounds it: no test may hang.
pub(super) fn run<F: Future>(test: F) -> F::Output {
    let attended = async {
        let sender = spawn_local(outbox::attend());
        let tested = test.await;
        sender.abort();
        tested
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new()
        .block_on(&runtime, clock::timeout(Duration::from_secs(30), attended))
        .expect("the test hangs")
}

/// A byte stream: TCP or TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A request as the server sees it.
pub(super) struct Seen {
    /// The number of its connection, from 0.
    pub connection: usize,
    /// Its number on the connection, from 0.
    pub nth: usize,
    /// Its head, lines ended by `\r\n`.
    pub head: String,
    /// Its body (by `content-length`).
    pub body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn first_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn path(&self) -> &str {
        self.first_line().split(' ').nth(1).unwrap_or_default()
    }
}

/// A server on a free port of the loopback; ends with the test.
pub(super) struct Server {
    pub addr: SocketAddr,
    /// Connections taken so far.
    pub connections: Rc<Cell<usize>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Hands every connection to `handler`.
    pub(super) async fn raw<Fut: Future<Output = ()> + 'static>(
        handler: impl Fn(usize, TcpStream) -> Fut + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Rc::new(Cell::new(0));
        let counter = Rc::clone(&connections);
        let task = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.replace(counter.get() + 1);
                spawn_local(handler(number, stream));
            }
        });
        Self {
            addr,
            connections,
            task,
        }
    }

    /// Answers requests with the bytes that `answer` makes of them; closes the connection after an answer that says so.
    pub(super) async fn answering(answer: impl Fn(&Seen) -> Vec<u8> + 'static) -> Self {
        let answer = Rc::new(answer);
        Self::raw(move |number, mut stream| {
            let answer = Rc::clone(&answer);
            async move { talk(number, &mut stream, &*answer).await }
        })
        .await
    }

    /// The same, remembering the requests.
    pub(super) async fn remembering(answer: impl Fn(&Seen) -> Vec<u8> + 'static) -> (Self, Rc<RefCell<Vec<Seen>>>) {
        let all = Rc::<RefCell<Vec<Seen>>>::default();
        let memory = Rc::clone(&all);
        let answer = Rc::new(answer);
        let server = Self::raw(move |number, mut stream| {
            let (answer, memory) = (Rc::clone(&answer), Rc::clone(&memory));
            async move {
                let mut nth = 0;
                while let Some(seen) = request(&mut stream, number, nth).await {
                    let bytes = answer(&seen);
                    memory.borrow_mut().push(seen);
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                    nth += 1;
                }
            }
        })
        .await;
        (server, all)
    }

    pub(super) fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{}{path}", self.addr)).unwrap()
    }
}

/// Answers requests on one stream until its end, or until an answer says `connection: close`.
pub(super) async fn talk(number: usize, stream: &mut impl Duplex, answer: &dyn Fn(&Seen) -> Vec<u8>) {
    let mut nth = 0;
    while let Some(seen) = request(stream, number, nth).await {
        let bytes = answer(&seen);
        let close = bytes.windows(17).any(|w| w == b"connection: close");
        if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if close {
            // The answer must get there before the end does.
            let _ = stream.shutdown().await;
            return;
        }
        nth += 1;
    }
}

/// Reads one request; None at the end of the stream.
pub(super) async fn request(stream: &mut impl Duplex, connection: usize, nth: usize) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut seen = Seen {
        connection,
        nth,
        head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
        body: bytes.split_off(end),
    };
    let length: usize = seen.header("content-length").map_or(0, |v| v.parse().unwrap());
    while seen.body.len() < length {
        if stream.read_buf(&mut seen.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(seen)
}

/// A response with `content-length`.
pub(super) fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    with("200 OK", &[], body)
}

/// A response with status line, headers and `content-length`.
pub(super) fn with(status: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut out = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    out
}

/// A client with options.
pub(super) fn client_with(change: impl FnOnce(&mut HttpConfig)) -> Client {
    let mut config = HttpConfig {
        timeout: Duration::from_secs(10),
        ..HttpConfig::default()
    };
    change(&mut config);
    Client::new(Shared::new(config).unwrap(), 0)
}

/// A client with the default options.
pub(super) fn client() -> Client {
    client_with(|_| {})
}

/// A GET request.
pub(super) fn get(url: url::Url) -> Request {
    Request::new(http::Method::GET, url)
}

/// Sends, without watching the hops.
pub(super) async fn send(client: &Client, request: Request) -> Exchange {
    client.fetch(request).await
}

impl Exchange {
    /// The response of an exchange that worked.
    pub(super) fn response(&self) -> &Response {
        self.outcome.as_ref().unwrap()
    }

    /// The error of one that did not.
    pub(super) fn error(&self) -> &NetError {
        self.outcome.as_ref().unwrap_err()
    }

    /// The body as text.
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(self.response().body()).unwrap()
    }
}

/// Polls a future once; for tests that drop exchanges half-way.
pub(super) async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}
