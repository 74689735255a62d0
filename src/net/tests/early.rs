//! Answers that come before the request is written, and what of a connection outlives its exchange.

use http::{HeaderName, HeaderValue, Method, header};
use tokio::sync::oneshot;

use super::*;

/// More than the buffers of both sockets take.
fn large() -> Request {
    let mut request = Request::new(Method::PUT, url::Url::parse("http://h/").unwrap());
    request.body = vec![b'x'; 32 << 20].into();
    request
}

#[test]
fn an_answer_to_half_a_request_counts() {
    run(async {
        let closes = Rc::new(Cell::new(false));
        let over = Rc::clone(&closes);
        let server = Server::raw(move |_, mut stream| {
            let over = Rc::clone(&over);
            async move {
                let mut head = [0; 64];
                let _ = stream.read_exact(&mut head).await;
                let _ = stream.write_all(&with("413 Too Large", &[], "no")).await;
                if !over.get() {
                    // It goes on listening, but not reading, until the client hangs up.
                    let _ = stream.ready(tokio::io::Interest::ERROR).await;
                }
            }
        })
        .await;
        let client = client();
        for closing in [false, true] {
            closes.set(closing);
            let mut request = large();
            request.address = server.url("/").into();
            let exchange = send(&client, request).await;
            if closing && exchange.outcome.is_err() {
                // The reset may overtake the answer; then it is what happened.
                assert!([1201, 1220].contains(&exchange.error().code), "{}", exchange.error());
            } else {
                assert_eq!((exchange.response().status, exchange.text()), (413, "no"));
            }
            // Half a request is still on its way.
            client.idle_connections_for_test(0);
        }
    });
}

#[test]
fn large_and_chunked_bodies_arrive_as_they_are() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let client = client();
        let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        for size in [0, 1, 16 << 10, (16 << 10) + 1, body.len()] {
            let mut request = Request::new(Method::POST, server.url("/"));
            request.body = body[..size].to_vec().into();
            let exchange = send(&client, request).await;
            exchange.response();
            assert_eq!(seen.borrow().last().unwrap().body, body[..size], "{size}");
            assert!(exchange.sent > size as u64);
        }
        client.idle_connections_for_test(1);
    });
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            let seen = request(&mut stream, number, 0).await.unwrap();
            let mut body = seen.body.clone();
            while !body.ends_with(b"0\r\n\r\n") && stream.read_buf(&mut body).await.unwrap_or_default() > 0 {}
            let _ = stream.write_all(&ok([seen.head.as_bytes(), &body].concat())).await;
        })
        .await;
        let mut request = Request::new(Method::POST, server.url("/"));
        request.body = "twelve bytes".into();
        request
            .headers
            .insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        let exchange = send(&client(), request).await;
        assert!(
            exchange
                .text()
                .ends_with("transfer-encoding: chunked\r\n\r\nc\r\ntwelve bytes\r\n0\r\n\r\n"),
            "{}",
            exchange.text()
        );
        assert!(!exchange.text().contains("content-length"));
    });
}

#[test]
fn an_upgrade_is_refused() {
    run(async {
        let server = Server::answering(|_| b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_vec()).await;
        let client = client();
        let exchange = send(&client, get(server.url("/"))).await;
        assert_eq!(exchange.error().code, 1703);
        assert!(exchange.error().message.contains("101"), "{}", exchange.error());
        client.idle_connections_for_test(0);
    });
}

#[test]
fn who_says_close_gets_no_second_request() {
    run(async {
        let server = Server::answering(|seen| match seen.path() {
            "/old" => b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx".to_vec(),
            _ => ok("x"),
        })
        .await;
        let client = client();
        send(&client, get(server.url("/old"))).await.response();
        client.idle_connections_for_test(1);
        let mut request = get(server.url("/"));
        request
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        assert!(send(&client, request).await.reused);
        client.idle_connections_for_test(0);
    });
}

#[test]
fn headers_of_the_plan_are_sent_and_stay_with_their_origin() {
    run(async {
        let (there, seen_there) = Server::remembering(|_| ok("there")).await;
        let location = there.url("/").to_string();
        let (here, seen) = Server::remembering(move |seen| match seen.path() {
            "/away" => with("307 Moved", &[("location", location.as_str())], ""),
            _ => ok("here"),
        })
        .await;
        let client = client_with(|config| {
            for (name, value) in [("authorization", "Bearer t"), ("x-plan", "1"), ("user-agent", "plan")] {
                config
                    .headers
                    .append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
        });
        let mut own = get(here.url("/"));
        own.headers
            .append(HeaderName::from_static("x-plan"), HeaderValue::from_static("2"));
        send(&client, own).await.response();
        send(&client, get(here.url("/away"))).await.response();
        // request, authorization, x-plan
        let first = &seen.borrow()[0];
        assert_eq!(
            (first.header("authorization"), first.header("x-plan")),
            (Some("Bearer t"), Some("2"))
        );
        assert_eq!(first.header("user-agent"), Some("plan"));
        let second = &seen.borrow()[1];
        assert_eq!(
            (second.header("authorization"), second.header("x-plan")),
            (Some("Bearer t"), Some("1"))
        );
        let third = &seen_there.borrow()[0];
        assert_eq!(
            (third.header("authorization"), third.header("x-plan")),
            (None, Some("1"))
        );
    });
}

#[test]
fn a_connection_that_waits_wakes_nobody() {
    run(async {
        let (go, gone) = (Rc::new(tokio::sync::Notify::new()), Rc::new(tokio::sync::Notify::new()));
        let (go_on, has_gone) = (Rc::clone(&go), Rc::clone(&gone));
        let server = Server::raw(move |number, mut stream| {
            let (go, gone) = (Rc::clone(&go_on), Rc::clone(&has_gone));
            async move {
                request(&mut stream, number, 0).await;
                let _ = stream.write_all(&ok("x")).await;
                go.notified().await;
                drop(stream);
                gone.notify_one();
            }
        })
        .await;
        let client = client();
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        // A user that rests after its request: only what it waits for may wake it.
        let (rest, rested) = oneshot::channel::<()>();
        let user = spawn_local(async move {
            send(&client, get(server.url("/"))).await.response();
            let mut rested = Box::pin(rested);
            std::future::poll_fn(|cx| {
                count.set(count.get() + 1);
                rested.as_mut().poll(cx)
            })
            .await
            .unwrap();
            client.idle_connections_for_test(1);
            assert!(!send(&client, get(server.url("/"))).await.reused);
        });
        while polls.get() == 0 {
            tokio::task::yield_now().await;
        }
        go.notify_one();
        gone.notified().await;
        // The end of the connection is an event; a round trip elsewhere makes sure that it has been seen.
        let other = Server::answering(|_| ok("y")).await;
        send(&super::client(), get(other.url("/"))).await.response();
        assert_eq!(polls.get(), 1);
        rest.send(()).unwrap();
        user.await.unwrap();
    });
}
