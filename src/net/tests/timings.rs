//! Where the time goes.

use super::*;

#[test]
fn phases_are_told_apart() {
    run(async {
        const PAUSE: Duration = Duration::from_millis(100);
        let server = Server::raw(|number, mut stream| async move {
            while request(&mut stream, number, 0).await.is_some() {
                clock::sleep(PAUSE).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo")
                    .await;
                clock::sleep(PAUSE * 2).await;
                let _ = stream.write_all(b"dy").await;
            }
        })
        .await;
        let client = client();
        for reused in [false, true] {
            let exchange = send(&client, get(server.url("/"))).await;
            let timings = exchange.timings;
            assert_eq!(exchange.text(), "body");
            assert!(timings.waiting >= PAUSE && timings.waiting < PAUSE * 2, "{timings:?}");
            assert!(
                timings.receiving >= PAUSE * 2 && timings.receiving < PAUSE * 3,
                "{timings:?}"
            );
            assert!(timings.sending < PAUSE, "{timings:?}");
            assert_eq!(timings.connecting == Duration::ZERO, reused);
            for phase in [timings.blocked, timings.dns, timings.tls_handshaking] {
                assert_eq!(phase, Duration::ZERO);
            }
            // Nothing is counted twice, and next to nothing is lost.
            let whole = exchange.finished_at - exchange.started_at;
            let parts = timings.connecting + timings.duration();
            assert!(parts <= whole && whole - parts < PAUSE, "{parts:?} of {whole:?}");
        }
    });
}

#[test]
fn names_are_timed() {
    run(async {
        let server = Server::answering(|_| ok("")).await;
        let url = url::Url::parse(&format!("http://localhost:{}/", server.addr.port())).unwrap();
        let exchange = send(&client(), get(url)).await;
        exchange.response();
        assert!(exchange.timings.dns > Duration::ZERO);
        assert_eq!(exchange.remote_addr, Some(server.addr));
    });
}

#[test]
fn what_comes_before_the_response_is_waited_through() {
    run(async {
        const PAUSE: Duration = Duration::from_millis(100);
        // what comes at once, what comes after the pause, whether the response has begun before it
        const PIECES: [(&str, &str, bool); 5] = [
            (
                "HTTP/1.1 100 Continue\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
                false,
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n",
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
                false,
            ),
            (
                "HTTP/1.1 103 Early Hints\r\nli",
                "nk: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
                false,
            ),
            (
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 20",
                "0 OK\r\ncontent-length: 1\r\n\r\nx",
                true,
            ),
            (
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n",
                "x",
                true,
            ),
        ];
        let server = Server::raw(|number, mut stream| async move {
            for (nth, (at_once, later, _)) in PIECES.into_iter().enumerate() {
                request(&mut stream, number, nth).await;
                let _ = stream.write_all(at_once.as_bytes()).await;
                clock::sleep(PAUSE).await;
                let _ = stream.write_all(later.as_bytes()).await;
            }
        })
        .await;
        let client = client();
        for (at_once, later, has_begun) in PIECES {
            let exchange = send(&client, get(server.url("/"))).await;
            let timings = exchange.timings;
            assert_eq!(exchange.text(), "x");
            let (short, long) = match has_begun {
                true => (timings.waiting, timings.receiving),
                false => (timings.receiving, timings.waiting),
            };
            assert!(short < PAUSE && long >= PAUSE, "{at_once:?}, {later:?}: {timings:?}");
        }
    });
}

#[test]
fn a_response_that_is_only_announced_is_waited_for() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            request(&mut stream, number, 0).await;
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let mut request = get(server.url("/"));
        request.timeout = Some(Duration::from_millis(100));
        let exchange = send(&client(), request).await;
        assert_eq!(
            exchange.error().message,
            "timed out after 100ms while waiting for the response"
        );
        assert_eq!(exchange.timings.receiving, Duration::ZERO);
    });
}
