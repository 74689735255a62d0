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
