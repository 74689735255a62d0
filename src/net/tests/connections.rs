//! Which connection a request travels on, and what is written on it.

use http::{HeaderName, HeaderValue, Method, header};
use tokio::sync::{Notify, oneshot};

use super::*;

#[test]
fn a_request_as_it_is_written() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("hi")).await;
        let client = client();
        let mut request = Request::new(Method::POST, server.url("/a%20b?q=1&r={x}#fragment"));
        request
            .headers
            .insert(HeaderName::from_static("x-own"), HeaderValue::from_static("1"));
        request
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from_static("999"));
        request.body = "body".into();
        let exchange = send(&client, request).await;
        assert_eq!(exchange.text(), "hi");
        assert_eq!(exchange.remote_addr, Some(server.addr));
        let seen = seen.borrow();
        let expected = format!(
            "POST /a%20b?q=1&r={{x}} HTTP/1.1\r\nhost: {}\r\nuser-agent: {USER_AGENT}\r\nx-own: 1\r\ncontent-length: 4\r\n\r\n",
            server.addr
        );
        assert_eq!(seen[0].head, expected);
        assert_eq!(seen[0].body, b"body");
        assert_eq!(exchange.sent, (expected.len() + 4) as u64);
        assert_eq!(exchange.received, ok("hi").len() as u64);
    });
}

#[test]
fn the_callers_headers_win() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let client = client_with(|config| config.compression = true);
        let mut url = server.url("/");
        url.set_username("user").unwrap();
        url.set_password(Some("secret")).unwrap();
        let exchange = send(&client, get(url.clone())).await;
        assert!(!exchange.address.as_str().contains("secret"), "{}", exchange.address);
        let mut request = get(url);
        let own = [
            (header::HOST, "other"),
            (header::USER_AGENT, "mine"),
            (header::AUTHORIZATION, "Bearer t"),
            (header::ACCEPT_ENCODING, "br"),
            (header::COOKIE, "c=1"),
        ];
        for (name, value) in own {
            request.headers.insert(name, HeaderValue::from_static(value));
        }
        request.cookies.push(("d".into(), "2".into()));
        send(&client, request).await.response();
        let seen = seen.borrow();
        for (name, first, second) in [
            ("host", server.addr.to_string().as_str(), "other"),
            ("user-agent", USER_AGENT, "mine"),
            ("authorization", "Basic dXNlcjpzZWNyZXQ=", "Bearer t"),
            ("accept-encoding", "gzip, deflate, br, zstd", "br"),
        ] {
            assert_eq!(seen[0].header(name), Some(first), "{name}");
            assert_eq!(seen[1].header(name), Some(second), "{name}");
        }
        assert_eq!(seen[1].header("cookie"), Some("c=1"));
    });
}

#[test]
fn empty_bodies_have_a_length_where_one_is_expected() {
    run(async {
        let (server, seen) = Server::remembering(|_| with("204 No Content", &[], "")).await;
        let client = client();
        let expected = [
            (Method::GET, None),
            (Method::POST, Some("0")),
            (Method::PUT, Some("0")),
            (Method::PATCH, Some("0")),
            (Method::DELETE, None),
            (Method::OPTIONS, None),
        ];
        for (method, _) in &expected {
            send(&client, Request::new(method.clone(), server.url("/")))
                .await
                .response();
        }
        for (seen, (method, length)) in seen.borrow().iter().zip(&expected) {
            assert_eq!(seen.header("content-length"), *length, "{method}");
            assert_eq!(seen.header("transfer-encoding"), None, "{method}");
        }
    });
}

#[test]
fn an_idle_connection_is_used_again() {
    run(async {
        let server = Server::answering(|seen| ok(format!("{} {}", seen.connection, seen.nth))).await;
        let client = client();
        for nth in 0..3 {
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.text(), format!("0 {nth}"));
            assert_eq!(exchange.reused, nth > 0);
            assert!(!exchange.retried);
            client.end_iteration();
        }
        // Another VU has connections of its own.
        let other = Client::new(Rc::clone(client.shared()), 1);
        assert_eq!(send(&other, get(server.url("/"))).await.text(), "1 0");
    });
}

#[test]
fn connections_of_an_iteration_end_with_it() {
    run(async {
        let server = Server::answering(|seen| ok(format!("{} {}", seen.connection, seen.nth))).await;
        let client = client_with(|config| config.connections = Connections::PerIteration);
        for iteration in 0..2 {
            for nth in 0..2 {
                let exchange = send(&client, get(server.url("/"))).await;
                assert_eq!(exchange.text(), format!("{iteration} {nth}"));
            }
            client.end_iteration();
        }
    });
}

#[test]
fn a_connection_that_will_be_closed_is_not_used_again() {
    run(async {
        let server = Server::answering(|seen| match seen.path() {
            "/close" => with("200 OK", &[("connection", "close")], "x"),
            "/old" => b"HTTP/1.0 200 OK\r\nx: connection: close\r\n\r\nuntil the end".to_vec(),
            _ => ok("x"),
        })
        .await;
        let client = client();
        for (path, body) in [("/close", "x"), ("/old", "until the end"), ("/", "x")] {
            let exchange = send(&client, get(server.url(path))).await;
            assert_eq!(exchange.text(), body);
            assert!(!exchange.reused);
        }
        assert_eq!(server.connections.get(), 3);
    });
}

/// The server takes the second request and hangs up without a word.
async fn hangs_up_on_the_second() -> Server {
    Server::raw(|number, mut stream| async move {
        let mut nth = 0;
        while let Some(seen) = request(&mut stream, number, nth).await {
            if number == 0 && nth == 1 {
                return;
            }
            let _ = stream.write_all(&ok(seen.first_line())).await;
            nth += 1;
        }
    })
    .await
}

#[test]
fn a_stale_connection_is_retried_once_if_that_is_safe() {
    run(async {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let server = hangs_up_on_the_second().await;
            let client = client();
            send(&client, get(server.url("/"))).await.response();
            let exchange = send(&client, Request::new(method.clone(), server.url("/"))).await;
            assert_eq!(exchange.text(), format!("{method} / HTTP/1.1"));
            assert!(exchange.retried && !exchange.reused);
            assert_eq!(server.connections.get(), 2);
        }
        let server = hangs_up_on_the_second().await;
        let client = client();
        send(&client, get(server.url("/"))).await.response();
        let exchange = send(&client, Request::new(Method::POST, server.url("/"))).await;
        assert_eq!(exchange.error().kind, ErrorKind::Closed);
        assert!(exchange.reused && !exchange.retried);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn who_was_told_to_go_on_is_not_retried() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            request(&mut stream, number, 0).await;
            let _ = stream.write_all(&ok("x")).await;
            request(&mut stream, number, 1).await;
            let _ = stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        })
        .await;
        let client = client();
        send(&client, get(server.url("/"))).await.response();
        let exchange = send(&client, get(server.url("/"))).await;
        assert_eq!(exchange.error().kind, ErrorKind::Closed);
        assert!(exchange.reused && !exchange.retried);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_fresh_connection_is_never_retried() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            request(&mut stream, number, 0).await;
        })
        .await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.error().kind, ErrorKind::Closed);
        assert_eq!(exchange.error().code, 1221);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_connection_closed_while_idle_is_replaced_even_for_post() {
    run(async {
        let closed = Rc::new(Notify::new());
        let notice = Rc::clone(&closed);
        let server = Server::raw(move |number, mut stream| {
            let notice = Rc::clone(&notice);
            async move {
                if request(&mut stream, number, 0).await.is_some() {
                    let _ = stream.write_all(&ok("x")).await;
                }
                drop(stream);
                notice.notify_one();
            }
        })
        .await;
        let other = Server::answering(|_| ok("y")).await;
        let client = client();
        send(&client, get(server.url("/"))).await.response();
        closed.notified().await;
        // A round trip elsewhere turns the event loop, which has seen the end of the first connection by then.
        send(&client, get(other.url("/"))).await.response();
        let exchange = send(&client, Request::new(Method::POST, server.url("/"))).await;
        assert_eq!(exchange.text(), "x");
        assert!(!exchange.reused && !exchange.retried);
        assert_eq!(server.connections.get(), 2);
    });
}

#[test]
fn a_connection_that_was_reset_while_idle_is_replaced_even_for_post() {
    run(async {
        let served = Rc::<Cell<Option<TcpStream>>>::default();
        let hand_over = Rc::clone(&served);
        let server = Server::raw(move |number, mut stream| {
            let hand_over = Rc::clone(&hand_over);
            async move {
                if request(&mut stream, number, 0).await.is_some() {
                    let _ = stream.write_all(&ok("x")).await;
                    hand_over.set(Some(stream));
                }
            }
        })
        .await;
        let client = client();
        send(&client, get(server.url("/"))).await.response();
        let stream = served.take().unwrap();
        stream.set_zero_linger().unwrap();
        drop(stream);
        // The event loop has not turned since: writing is what finds out.
        let exchange = send(&client, Request::new(Method::POST, server.url("/"))).await;
        assert_eq!((exchange.text(), exchange.reused, exchange.retried), ("x", false, true));
    });
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next() {
    run(async {
        let server = Server::answering(|seen| {
            let mut twice = ok(format!("{}", seen.connection));
            twice.extend(ok("stray"));
            twice
        })
        .await;
        let client = client();
        for connection in 0..2 {
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.text(), format!("{connection}"));
        }
    });
}

#[test]
fn a_dropped_exchange_takes_its_connection_along() {
    run(async {
        let (hung_up, gone) = oneshot::channel();
        let hung_up = Rc::new(Cell::new(Some(hung_up)));
        let server = Server::raw(move |number, mut stream| {
            let hung_up = Rc::clone(&hung_up);
            async move {
                while let Some(seen) = request(&mut stream, number, 0).await {
                    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
                    let answer = if number == 0 && seen.path() == "/half" {
                        half.to_vec()
                    } else {
                        ok("whole")
                    };
                    let _ = stream.write_all(&answer).await;
                }
                if let Some(hung_up) = hung_up.take() {
                    let _ = hung_up.send(number);
                }
            }
        })
        .await;
        let client = client();
        send(&client, get(server.url("/"))).await.response();
        let mut pending = Box::pin(client.fetch(get(server.url("/half"))));
        // Long enough that the first half of the answer has been received.
        for _ in 0..50 {
            assert!(!poll_once(&mut pending).await);
            tokio::task::yield_now().await;
        }
        drop(pending);
        assert_eq!(gone.await, Ok(0));
        let exchange = send(&client, get(server.url("/"))).await;
        assert_eq!(exchange.text(), "whole");
        assert!(!exchange.reused);
    });
}

#[test]
fn a_batch_uses_as_many_connections_as_it_needs_and_keeps_them() {
    run(async {
        let all_there = Rc::new(tokio::sync::Barrier::new(5));
        let barrier = Rc::clone(&all_there);
        let server = Server::raw(move |number, mut stream| {
            let barrier = Rc::clone(&barrier);
            async move {
                let mut nth = 0;
                while let Some(seen) = request(&mut stream, number, nth).await {
                    barrier.wait().await;
                    let _ = stream.write_all(&ok(seen.path())).await;
                    nth += 1;
                }
            }
        })
        .await;
        let client = client();
        for round in 0..3 {
            let requests = (0..5).map(|n| send(&client, get(server.url(&format!("/{n}")))));
            let exchanges = futures_util::future::join_all(requests).await;
            for (n, exchange) in exchanges.iter().enumerate() {
                assert_eq!(exchange.text(), format!("/{n}"));
                assert_eq!(exchange.reused, round > 0);
            }
        }
        assert_eq!(server.connections.get(), 5);
    });
}
