//! Servers on loopback that answer well, late, wrongly or not at all, and count what reaches them. They end with the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kingtide::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a server does with each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers 200 and `ok` after this long.
    Answers(Duration),
    /// Resets the connection.
    Resets,
    /// Sends what is no HTTP, and closes.
    Garbage,
    /// Never answers.
    Silent,
    /// Sends a body that never ends.
    Endless,
    /// Announces a body of 1 TiB and sends a little of it.
    Huge,
    /// Closes in the middle of the body.
    Half,
    /// Closes in the middle of the head.
    HalfHead,
}

/// A server and what it has seen.
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    requests: watch::Sender<u64>,
    sent: Arc<AtomicU64>,
}

impl Server {
    /// A server of that manner.
    pub async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let server = Self {
            address: listener.local_addr().expect("a bound socket has an address"),
            connections: Arc::default(),
            requests: watch::Sender::new(0),
            sent: Arc::default(),
        };
        let (connections, requests) = (Arc::clone(&server.connections), server.requests.clone());
        let sent = Arc::clone(&server.sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, manner, requests.clone(), Arc::clone(&sent)));
            }
        });
        server
    }

    /// One that answers at once.
    pub async fn quick() -> Self {
        Self::start(Manner::Answers(Duration::ZERO)).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections that were made to it.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests that it has read.
    pub fn requests(&self) -> u64 {
        *self.requests.borrow()
    }

    /// Bytes of bodies without end that it could send.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until it has read that many requests.
    pub async fn has_seen(&self, requests: u64) {
        let mut seen = self.requests.subscribe();
        let wait = seen.wait_for(|seen| *seen >= requests);
        let waited = clock::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "{requests} requests were expected");
    }
}

/// A port on which nobody listens.
pub async fn refused_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    format!(
        "http://{}",
        listener.local_addr().expect("a bound socket has an address")
    )
}

async fn serve(mut stream: TcpStream, manner: Manner, requests: watch::Sender<u64>, sent: Arc<AtomicU64>) {
    while read_request(&mut stream).await {
        requests.send_modify(|seen| *seen += 1);
        if answer(&mut stream, manner, &sent).await.is_none() {
            return;
        }
    }
}

/// Reads one request with its body; false when there is none.
async fn read_request(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .split("content-length:")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length is a number"))];
    stream.read_exact(&mut body).await.is_ok()
}

/// Answers as it does; nothing when the connection is over.
async fn answer(stream: &mut TcpStream, manner: Manner, sent: &AtomicU64) -> Option<()> {
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
    match manner {
        Manner::Answers(delay) => {
            if !delay.is_zero() {
                clock::Timer::new().sleep_until(clock::now() + delay).await;
            }
            stream.write_all(OK).await.ok()
        }
        Manner::Resets => {
            stream.set_zero_linger().expect("a socket can be told to reset");
            None
        }
        Manner::Garbage => {
            let _ = stream.write_all(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n").await;
            None
        }
        Manner::Silent => {
            // Until the client gives up.
            let _ = stream.read(&mut [0]).await;
            None
        }
        Manner::Endless => {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(head).await.ok()?;
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {
                sent.fetch_add(0x10000, Ordering::Relaxed);
            }
            None
        }
        Manner::Huge => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\nsome of it";
            stream.write_all(head).await.ok()?;
            let _ = stream.read(&mut [0]).await;
            None
        }
        Manner::Half => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
                .await;
            None
        }
        Manner::HalfHead => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await;
            None
        }
    }
}
