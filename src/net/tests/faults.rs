//! Servers that misbehave: each fault has its own error, in bounded time.

use http::Method;

use super::*;

#[test]
fn a_refused_port() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let exchange = send(&client(), get(url::Url::parse(&format!("http://{addr}/")).unwrap())).await;
        assert_eq!(exchange.error().code, 1212);
        assert!(
            exchange.error().message.contains(&addr.to_string()),
            "{}",
            exchange.error()
        );
        assert_eq!(exchange.remote_addr, Some(addr));
        assert_eq!((exchange.sent, exchange.received), (0, 0));
        assert_eq!(exchange.timings.duration(), Duration::ZERO);
    });
}

#[test]
fn a_name_that_does_not_exist() {
    run(async {
        let exchange = send(&client(), get(url::Url::parse("http://nonexistent.invalid/").unwrap())).await;
        assert!([1100, 1101].contains(&exchange.error().code), "{}", exchange.error());
    });
}

#[test]
fn urls_that_cannot_be_requested() {
    run(async {
        for url in ["ftp://127.0.0.1/", "data:text/plain,x", "file:///etc/hosts"] {
            let exchange = send(&client(), get(url::Url::parse(url).unwrap())).await;
            assert_eq!(exchange.error().code, 1020, "{url}");
        }
    });
}

#[test]
fn a_reset() {
    run(async {
        let server = Server::raw(|_, stream| async move {
            // Closing with unread data resets the connection.
            let _ = stream.readable().await;
        })
        .await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.error().code, 1220, "{}", exchange.error());
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn answers_that_are_no_http() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            let Some(seen) = request(&mut stream, number, 0).await else {
                return;
            };
            let answer: &[u8] = match seen.path() {
                "/ssh" => b"SSH-2.0-OpenSSH_9.2\r\n",
                "/binary" => b"\0\x01\x02\xff\xfe\r\n\r\n",
                "/version" => b"HTTP/3.7 200 OK\r\n\r\n",
                "/status" => b"HTTP/1.1 abc OK\r\n\r\n",
                "/length" => b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
                "/lengths" => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
                "/chunk" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                "/header" => b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
                _ => unreachable!(),
            };
            let _ = stream.write_all(answer).await;
            // Until the client hangs up: the fault is in the bytes, not in the end.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        for path in [
            "/ssh", "/binary", "/version", "/status", "/length", "/lengths", "/chunk", "/header",
        ] {
            let exchange = send(&client(), get(server.url(path))).await;
            assert_eq!(exchange.error().code, 1703, "{path}: {}", exchange.error());
        }
    });
}

#[test]
fn headers_without_end() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            request(&mut stream, number, 0).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        })
        .await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.error().code, 1703, "{}", exchange.error());
        assert!(exchange.received < 4 << 20);
    });
}

#[test]
fn an_early_end() {
    run(async {
        for answer in [
            "",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nha",
        ] {
            let server = Server::raw(move |number, mut stream| async move {
                request(&mut stream, number, 0).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            })
            .await;
            let client = client();
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.error().code, 1221, "{answer:?}: {}", exchange.error());
            assert_eq!(exchange.received, answer.len() as u64);
            client.idle_connections_for_test(0);
        }
    });
}

#[test]
fn a_timeout_says_what_it_interrupted() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            // A body that is larger than the socket's buffers is never read.
            let mut head = [0; 6];
            let _ = stream.read_exact(&mut head).await;
            if &head == b"PUT /s" {
                std::future::pending::<()>().await;
            }
            let seen = request(&mut stream, number, 0).await;
            if seen.is_some_and(|seen| seen.head.contains("eceiving")) {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                    .await;
            }
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let client = client();
        for (path, phase) in [
            ("/sending", "sending the request"),
            ("/waiting", "waiting for the response"),
            ("/receiving", "receiving the response"),
        ] {
            let mut request = Request::new(Method::PUT, server.url(path));
            if path == "/sending" {
                request.body = vec![0; 32 << 20].into();
            }
            request.timeout = Some(Duration::from_millis(200));
            let exchange = send(&client, request).await;
            let error = exchange.error();
            assert_eq!(
                (error.code, error.message.as_str()),
                (1050, format!("timed out after 200ms while {phase}").as_str())
            );
            let timings = exchange.timings;
            let longest = timings.sending.max(timings.waiting).max(timings.receiving);
            let expected = match path {
                "/sending" => timings.sending,
                "/waiting" => timings.waiting,
                _ => timings.receiving,
            };
            assert_eq!(longest, expected, "{path}: {timings:?}");
            assert!(expected >= Duration::from_millis(100), "{path}: {timings:?}");
            client.idle_connections_for_test(0);
        }
    });
}
