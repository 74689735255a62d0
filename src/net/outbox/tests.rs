//! What waits and what goes, on sockets of the loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::*;
use crate::net::h1::Conn;
use crate::net::io::{Counted, Meter, Stream};
use crate::net::message::Outgoing;
use crate::net::wire::Posted;
use crate::net::{Address, ErrorKind, HttpConfig, Request, Shared};

/// Counts how often an exchange is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection: a socket that requests are posted for, and the server's end.
struct Line {
    wire: Rc<Wire>,
    peer: TcpStream,
    woken: Arc<Woken>,
}

impl Line {
    async fn new() -> Self {
        let (tcp, peer) = connect(None).await;
        Self {
            wire: Wire::new(tcp, Rc::new(Meter::default())),
            peer,
            woken: Arc::default(),
        }
    }

    /// Posts `text`; whether it was taken.
    fn post(&self, text: &[u8]) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let posted = post(Some(&self.wire), &Context::from_waker(&waker), |out| {
            out.extend_from_slice(text);
            Bytes::new()
        });
        match posted {
            Ok(()) => true,
            Err(unposted) => {
                assert_eq!(
                    unposted.write(|own, _| own.to_vec()),
                    text,
                    "the others' is not its own"
                );
                false
            }
        }
    }

    fn waits(&self) -> bool {
        matches!(self.wire.posted(), Posted::Waiting)
    }

    /// Whether the socket has what was posted, and the server gets it.
    async fn sent(&mut self, text: &[u8]) -> bool {
        let is_sent = matches!(self.wire.posted(), Posted::Sent) && self.woken.0.load(Ordering::Relaxed) == 0;
        let mut got = vec![0; text.len()];
        is_sent && self.peer.read_exact(&mut got).await.is_ok() && got == text
    }
}

/// Both ends of a connection, with socket buffers of about `buffer` bytes.
async fn connect(buffer: Option<u32>) -> (TcpStream, TcpStream) {
    let (listens, connects) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    if let Some(bytes) = buffer {
        listens.set_recv_buffer_size(bytes).unwrap();
        connects.set_send_buffer_size(bytes).unwrap();
    }
    listens.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = listens.listen(1).unwrap();
    let (tcp, accepted) = tokio::join!(connects.connect(listener.local_addr().unwrap()), listener.accept());
    (tcp.unwrap(), accepted.unwrap().0)
}

/// Runs a test beside somebody who sends.
async fn attended(test: impl AsyncFnOnce(&JoinHandle<()>)) {
    let test = async {
        let sender = spawn_local(attend());
        yield_now().await;
        test(&sender).await;
    };
    let users = LocalSet::new();
    let bounded = clock::timeout(Duration::from_secs(30), users.run_until(test));
    bounded.await.expect("the test hangs");
}

#[tokio::test]
async fn those_who_are_ready_go_together_when_all_have_had_their_turn() {
    attended(async |_| {
        let mut lines = [Line::new().await, Line::new().await, Line::new().await];
        for (line, text) in lines.iter().zip([b"one", b"two", b"six"]) {
            assert!(line.post(text));
        }
        assert!(lines.iter().all(Line::waits));
        yield_now().await;
        for (line, text) in lines.iter_mut().zip([b"one", b"two", b"six"]) {
            assert!(line.sent(text).await);
            let reading = line.wire.meter.read();
            assert_eq!(reading.sent, 3);
            assert!(reading.first_write.is_some() && reading.last_write == reading.first_write);
        }
        // And once more, with what was used.
        assert!(lines[1].post(b"again"));
        yield_now().await;
        assert!(lines[1].sent(b"again").await);
    })
    .await;
}

#[tokio::test]
async fn a_full_batch_waits_for_nobody() {
    attended(async |_| {
        let mut lines = Vec::new();
        for _ in 0..BATCH {
            lines.push(Line::new().await);
        }
        hold(true);
        for line in &lines[1..] {
            assert!(line.post(b"text"));
        }
        assert!(lines[1..].iter().all(Line::waits));
        assert!(lines[0].post(b"text"));
        for line in &mut lines {
            assert!(line.sent(b"text").await);
        }
        hold(false);
    })
    .await;
}

#[tokio::test]
async fn requests_wait_for_users_who_are_about_to_run() {
    attended(async |_| {
        let mut line = Line::new().await;
        hold(true);
        assert!(line.post(b"text"));
        for _ in 0..3 {
            yield_now().await;
            assert!(line.waits());
        }
        hold(false);
        assert!(line.waits(), "it goes with the sender's turn");
        yield_now().await;
        assert!(line.sent(b"text").await);

        // They may be thousands, and send nothing themselves.
        for _ in 0..BATCH {
            hold(true);
        }
        assert!(line.post(b"more"));
        for _ in 1..BATCH {
            hold(true);
            assert!(line.waits());
        }
        hold(true);
        assert!(line.sent(b"more").await);
        hold(false);
    })
    .await;
}

#[tokio::test]
async fn without_a_sender_requests_go_at_once() {
    let line = Line::new().await;
    assert!(!line.post(b"text"));
    attended(async |sender| {
        let mut waiting = Line::new().await;
        assert!(waiting.post(b"last"));
        // What waits when the sender leaves is sent by it.
        sender.abort();
        yield_now().await;
        assert!(waiting.sent(b"last").await);
        assert!(!waiting.post(b"text"));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_text_alone_goes_at_once() {
    attended(async |_| {
        let (before, line) = (Line::new().await, Line::new().await);
        assert!(before.post(b"before"));
        let waker = Waker::noop();
        let unposted = post(Some(&line.wire), &Context::from_waker(waker), |out| {
            out.extend_from_slice(b"head");
            Bytes::from_static(b"large body")
        });
        let written = unposted
            .expect_err("it has a rest")
            .write(|head, rest| [head, &rest].concat());
        assert_eq!(written, b"headlarge body");
        let mut before = before;
        yield_now().await;
        assert!(before.sent(b"before").await);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_exchange_sends_nothing() {
    attended(async |_| {
        let (mut dropped, mut kept) = (Line::new().await, Line::new().await);
        assert!(dropped.post(b"dropped") && kept.post(b"kept"));
        drop(dropped.wire);
        yield_now().await;
        let mut got = Vec::new();
        dropped.peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"");
        assert!(kept.sent(b"kept").await);
    })
    .await;
}

#[tokio::test]
async fn an_error_is_told_to_its_exchange_once() {
    attended(async |_| {
        let line = Line::new().await;
        line.peer.set_zero_linger().unwrap();
        drop(line.peer);
        poll_fn(|cx| line.wire.tcp.borrow().poll_read_ready(cx)).await.unwrap();
        let waker = Waker::from(Arc::clone(&line.woken));
        let posted = post(Some(&line.wire), &Context::from_waker(&waker), |out| {
            out.extend_from_slice(b"text");
            Bytes::new()
        });
        assert!(posted.is_ok());
        yield_now().await;
        assert_eq!(line.woken.0.load(Ordering::Relaxed), 1);
        match line.wire.posted() {
            Posted::Failed(error) => {
                assert!(
                    matches!(error.kind, ErrorKind::Reset | ErrorKind::BrokenPipe),
                    "{error:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(line.wire.posted(), Posted::Sent));
    })
    .await;
}

#[tokio::test]
async fn what_a_socket_does_not_take_is_written_by_its_exchange() {
    attended(async |_| {
        let shared = Shared::new(HttpConfig::default()).unwrap();
        let mut request = Request::new(Method::POST, Address::parse("http://shop.test/").unwrap());
        request.body = vec![b'x'; 16 << 10].into();
        let target = shared.target(&request.address).unwrap();
        let outgoing = Outgoing {
            request: &request,
            common: &shared.config().headers,
            auth: None,
            cookies: None,
            target: &target,
            span: None,
            vu: 1,
            shared: &shared,
        };
        let (tcp, mut peer) = connect(Some(2_048)).await;
        let meter = Rc::new(Meter::default());
        let stream = Stream::plain(Counted::new(tcp, Rc::clone(&meter)));
        let mut conn = Conn::new(stream, Rc::clone(&meter), Rc::clone(&target), None);
        let server = async {
            // Until the socket is full, nobody reads.
            while !meter.read().write_blocked {
                yield_now().await;
            }
            let mut got = Vec::new();
            while got.iter().filter(|byte| **byte == b'x').count() < request.body.len() {
                assert_ne!(peer.read_buf(&mut got).await.unwrap(), 0);
            }
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await
                .unwrap();
            got.len()
        };
        let (received, got) = tokio::join!(conn.exchange(&outgoing, 1_024, false), server);
        assert_eq!(received.unwrap().body(), b"ok");
        let reading = meter.read();
        assert_eq!(usize::try_from(reading.sent).unwrap(), got);
        assert!(reading.last_write > reading.first_write);
        assert!(conn.is_idle(), "the next request may follow");
    })
    .await;
}

#[test]
fn where_scripts_compute_for_long_nobody_waits() {
    let outbox = Outbox::new();
    outbox.attended.set(true);
    let late = PATIENCE + Duration::from_micros(1);
    // As when the system takes the core away now and then.
    for _ in 0..10 {
        for waited in [late, late, late, PATIENCE] {
            outbox.judge(waited);
            assert!(outbox.takes_letters());
        }
    }
    for _ in 0..LATE {
        assert!(outbox.takes_letters());
        outbox.judge(late);
    }
    for _ in 0..HASTY {
        assert!(!outbox.takes_letters());
    }
    assert!(outbox.takes_letters());
}
