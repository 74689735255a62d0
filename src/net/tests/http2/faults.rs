//! What servers may do to HTTP/2: refuse, reset, go away, get lost, or speak something else.

use super::*;

#[test]
fn an_early_answer_ends_the_upload() {
    run(async {
        // Answers at once, reads nothing, and says that it will not (RST_STREAM with NO_ERROR).
        let server = serve2(None, handle(|asked| async move { asked.ok("enough") })).await;
        let client = http2();
        for _ in 0..3 {
            let mut request = Request::new(http::Method::POST, server.url("/"));
            request.body = Bytes::from(vec![0; 1 << 20]);
            assert_eq!(send(&client, request).await.text(), "enough");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_reset_stream_is_an_error_and_a_refused_one_is_sent_once_more() {
    run(async {
        let server = serve2(
            None,
            handle(|mut asked| async move {
                match (asked.path().to_owned().as_str(), asked.nth) {
                    ("/reset", _) => asked.answer.send_reset(Reason::INTERNAL_ERROR),
                    ("/refuse", _) | ("/once", 0) => asked.answer.send_reset(Reason::REFUSED_STREAM),
                    ("/half", _) => {
                        let mut stream = asked.answer.send_response(http::Response::new(()), false).unwrap();
                        stream.send_data(Bytes::from_static(b"half"), false).unwrap();
                        stream.send_reset(Reason::CANCEL);
                    }
                    _ => asked.ok("fine"),
                }
            }),
        )
        .await;
        let client = http2();
        let post = |path: &str| Request::new(http::Method::POST, server.url(path));
        let exchange = send(&client, post("/once")).await;
        assert_eq!((exchange.text(), exchange.retried), ("fine", true));
        for (path, reason, retried) in [
            ("/reset", "INTERNAL_ERROR", false),
            ("/refuse", "REFUSED_STREAM", true),
            ("/half", "CANCEL", false),
        ] {
            let exchange = send(&client, post(path)).await;
            assert_eq!(
                (exchange.error().kind, exchange.retried),
                (ErrorKind::StreamReset, retried)
            );
            assert!(exchange.error().message.contains(reason), "{}", exchange.error());
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_connection_that_is_going_away_finishes_its_streams_and_takes_no_more() {
    run(async {
        let going = Rc::new(Notify::new());
        let release = Rc::new(Notify::new());
        let server = Server::raw({
            let (going, release) = (Rc::clone(&going), Rc::clone(&release));
            move |number, stream| {
                let (going, release) = (Rc::clone(&going), Rc::clone(&release));
                async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_, mut answer))) = connection.accept().await {
                        let body = Bytes::from(format!("{number}"));
                        if number > 0 {
                            let mut stream = answer.send_response(http::Response::new(()), false).unwrap();
                            stream.send_data(body, true).unwrap();
                            continue;
                        }
                        connection.graceful_shutdown();
                        let (going, release) = (Rc::clone(&going), Rc::clone(&release));
                        spawn_local(async move {
                            going.notify_one();
                            release.notified().await;
                            let mut stream = answer.send_response(http::Response::new(()), false).unwrap();
                            stream.send_data(body, true).unwrap();
                        });
                    }
                }
            }
        })
        .await;
        let client = http2();
        let first = send(&client, get(server.url("/")));
        let others = async {
            going.notified().await;
            // The server's word is on its way; whoever comes before it arrives is refused, and sent again.
            for _ in 0..3 {
                assert_eq!(
                    send(&client, Request::new(http::Method::POST, server.url("/")))
                        .await
                        .text(),
                    "1"
                );
            }
            release.notify_one();
        };
        let (first, ()) = tokio::join!(first, others);
        assert_eq!(first.text(), "0");
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_connection_that_is_lost_fails_its_streams_and_is_replaced() {
    run(async {
        let seen = Rc::new(Cell::new(0));
        let count = Rc::clone(&seen);
        let server = Server::raw(move |_, stream| {
            let count = Rc::clone(&count);
            async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut answer))) = connection.accept().await {
                    count.set(count.get() + 1);
                    if request.uri().path() == "/lose" {
                        return;
                    }
                    let mut stream = answer.send_response(http::Response::new(()), false).unwrap();
                    stream.send_data(Bytes::from_static(b"x"), true).unwrap();
                }
            }
        })
        .await;
        let client = http2();
        assert_eq!(send(&client, get(server.url("/"))).await.text(), "x");
        // A POST may have been acted on; a GET is sent once more.
        let lost = send(&client, Request::new(http::Method::POST, server.url("/lose"))).await;
        assert_eq!(
            (lost.error().kind, lost.retried),
            (ErrorKind::Closed, false),
            "{}",
            lost.error()
        );
        assert_eq!(seen.get(), 2);
        assert_eq!(send(&client, get(server.url("/"))).await.text(), "x");
        let lost = send(&client, get(server.url("/lose"))).await;
        assert_eq!(
            (lost.error().kind, lost.retried),
            (ErrorKind::Closed, true),
            "{}",
            lost.error()
        );
        assert_eq!(seen.get(), 5);
    });
}

#[test]
fn a_connection_closed_while_idle_is_replaced() {
    run(async {
        let close = Rc::new(Notify::new());
        let server = Server::raw({
            let close = Rc::clone(&close);
            move |number, stream| {
                let close = Rc::clone(&close);
                async move {
                    let talk = talk2(number, stream, None, echo());
                    tokio::select! { () = talk => {}, () = close.notified() => {} }
                }
            }
        })
        .await;
        let client = http2();
        send(&client, get(server.url("/"))).await.response();
        close.notify_one();
        let other = serve2(None, echo()).await;
        // A round trip elsewhere turns the event loop, which has seen the end of the first connection by then.
        send(&client, get(other.url("/"))).await.response();
        let exchange = send(&client, Request::new(http::Method::POST, server.url("/"))).await;
        assert!(exchange.text().starts_with("1 0"), "{}", exchange.text());
        assert!(!exchange.reused && !exchange.retried);
    });
}

#[test]
fn a_dropped_exchange_cancels_its_stream_and_leaves_its_connection() {
    run(async {
        let (cancelled, reason) = tokio::sync::oneshot::channel();
        let cancelled = Rc::new(Cell::new(Some(cancelled)));
        let started = Rc::new(Notify::new());
        let server = serve2(None, {
            let started = Rc::clone(&started);
            handle(move |mut asked| {
                let (cancelled, started) = (Rc::clone(&cancelled), Rc::clone(&started));
                async move {
                    if asked.path() != "/wait" {
                        return asked.ok("x");
                    }
                    started.notify_one();
                    let reset = std::future::poll_fn(|cx| asked.answer.poll_reset(cx)).await;
                    let _ = cancelled.take().unwrap().send(reset.unwrap());
                }
            })
        })
        .await;
        let client = http2();
        tokio::select! {
            exchange = send(&client, get(server.url("/wait"))) => panic!("{exchange:?}"),
            () = started.notified() => {}
        }
        assert_eq!(reason.await, Ok(Reason::CANCEL));
        let exchange = send(&client, get(server.url("/"))).await;
        assert_eq!((exchange.text(), exchange.reused), ("x", true));
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn servers_that_do_not_speak_it() {
    run(async {
        let http1 = Server::raw(|_, mut stream| async move {
            let _ = stream.read_buf(&mut Vec::with_capacity(4096)).await;
            let _ = stream
                .write_all(&with("400 Bad Request", &[("connection", "close")], "no"))
                .await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let closing = Server::raw(|_, stream| async move { drop(stream) }).await;
        let silent = Server::raw(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        // A frame on stream 0 that is none after good settings.
        let broken = Server::raw(|_, mut stream| async move {
            let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
            let data_on_no_stream = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
            let _ = stream.write_all(&[&settings[..], &data_on_no_stream].concat()).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let huge = serve2(
            None,
            handle(|mut asked| async move {
                let mut head = http::Response::new(());
                let value: http::HeaderValue = "v".repeat(4_000).parse().unwrap();
                for _ in 0..80 {
                    head.headers_mut().append("x-much", value.clone());
                }
                let _ = asked.answer.send_response(head, true);
            }),
        )
        .await;
        let client = http2();
        for (server, kinds, hint) in [
            (&http1, &[ErrorKind::NoHttp2][..], "does not speak HTTP/2"),
            (&closing, &[ErrorKind::Closed, ErrorKind::Reset], ""),
            (
                &silent,
                &[ErrorKind::Timeout],
                "while waiting for the response; the server has not sent its HTTP/2 settings",
            ),
            (&broken, &[ErrorKind::Http2Protocol], "PROTOCOL_ERROR"),
            (&huge, &[ErrorKind::Malformed], "262144 bytes"),
        ] {
            let mut request = get(server.url("/"));
            request.timeout = Some(Duration::from_millis(400));
            let exchange = send(&client, request).await;
            let error = exchange.error();
            assert!(kinds.contains(&error.kind), "{:?}: {error}", error.kind);
            assert!(error.message.contains(hint), "{error}");
        }
    });
}
