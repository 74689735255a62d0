//! An answer's time ends when it arrives, however late this process comes round to reading it.
#![cfg(target_os = "linux")]

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::http2::{handle, http2, talk2};
use super::tls::{Authority, https};
use super::*;

/// When writes began, and when the thread was free again.
type Spans = Rc<RefCell<Vec<(clock::Instant, clock::Instant)>>>;

/// The server's end of a connection. It holds the thread, which is the client's too, for a while after each write.
struct Busy {
    tcp: TcpStream,
    spans: Spans,
}

impl AsyncRead for Busy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Busy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let began = clock::now();
        let wrote = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf));
        let free = clock::now() + Duration::from_millis(20);
        while clock::now() < free {
            std::hint::spin_loop();
        }
        self.spans.borrow_mut().push((began, clock::now()));
        Poll::Ready(wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A server whose connections hold the thread.
async fn busy<Fut: Future<Output = ()> + 'static>(serve: impl Fn(usize, Busy) -> Fut + 'static) -> (Server, Spans) {
    let all = Spans::default();
    let spans = Rc::clone(&all);
    let server = Server::raw(move |number, tcp| {
        let spans = Rc::clone(&spans);
        // Or the second of two writes leaves when the first is acknowledged.
        tcp.set_nodelay(true).unwrap();
        serve(number, Busy { tcp, spans })
    })
    .await;
    (server, all)
}

/// Whether the answer came, from its first byte to its last, while the thread was held.
fn came_meanwhile(exchange: &Exchange, spans: &Spans) -> bool {
    assert_eq!(exchange.text(), "body");
    let (at, receiving) = (exchange.finished_at, exchange.timings.receiving);
    let mut spans = spans.borrow_mut().drain(..).collect::<Vec<_>>().into_iter();
    spans.any(|(began, free)| began <= at && at < free && receiving < free - began)
}

async fn check(client: &Client, request: impl Fn() -> Request, spans: &Spans) {
    // The system begins with its stamps a moment after somebody has asked for the first time.
    while !came_meanwhile(&send(client, request()).await, spans) {}
    for _ in 0..2 {
        assert!(came_meanwhile(&send(client, request()).await, spans));
    }
}

#[test]
fn the_time_of_an_answer_ends_when_it_arrives() {
    run(async {
        let (server, spans) = busy(|number, mut stream| async move {
            talk(number, &mut stream, &|_| ok("body")).await;
        })
        .await;
        check(&client(), || get(server.url("/")), &spans).await;
    });
}

#[test]
fn under_tls_too() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor(&["localhost"]);
        let (server, spans) = busy(move |number, stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut tls = acceptor.accept(stream).await.unwrap();
                talk(number, &mut tls, &|_| ok("body")).await;
            }
        })
        .await;
        let client = client_with(|config| config.tls.ca = Some(authority.pem()));
        check(&client, || https(&server, "localhost"), &spans).await;
    });
}

#[test]
fn and_over_http2() {
    run(async {
        let (server, spans) = busy(|number, stream| {
            let answer = handle(|asked| async move { asked.ok("body") });
            talk2(number, stream, None, answer)
        })
        .await;
        check(&http2(), || get(server.url("/")), &spans).await;
    });
}
