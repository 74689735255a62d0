//! Servers that break off, or break the protocol: each has its own outcome, and none hangs.

use std::cell::Cell;

use bytes::Bytes;
use h2::Reason;
use tokio::io::AsyncReadExt;

use super::*;
use crate::net::tests;
use crate::net::tests::http2::frames::{bare, framing, hollow};
use crate::net::tests::http2::{Asked, Handle, handle, serve2};

pub(super) fn answering<Fut: Future<Output = ()> + 'static>(answer: impl Fn(Asked) -> Fut + 'static) -> Handle {
    handle(answer)
}

fn head() -> http::Response<()> {
    let mut head = http::Response::new(());
    head.headers_mut()
        .insert("content-type", "application/grpc+proto".parse().unwrap());
    head
}

fn trailers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect()
}

fn framed(text: &str) -> Bytes {
    message(&ask(text)).framed(None, usize::MAX).unwrap()
}

/// Answers with these bytes and these trailers.
fn answer(mut asked: Asked, data: Bytes, end: &[(&'static str, &str)]) {
    let mut stream = asked.answer.send_response(head(), false).unwrap();
    stream.reserve_capacity(data.len());
    let _ = stream.send_data(data, end.is_empty());
    if !end.is_empty() {
        let _ = stream.send_trailers(trailers(end));
    }
}

/// Answers as one that works.
pub(super) fn ok(asked: Asked, text: &str) {
    answer(asked, framed(text), &[("grpc-status", "0")]);
}

async fn one(channel: &Channel, timeout: u64) -> Reply {
    let method = method("One");
    let mut asked = call(&method, &ask("x"));
    asked.timeout = Duration::from_millis(timeout);
    channel.unary(&asked).await
}

#[test]
fn resets_mean_what_the_specification_says() {
    run(async {
        let reason = Rc::new(Cell::new(Reason::NO_ERROR));
        let halfway = Rc::new(Cell::new(false));
        let (set, late) = (Rc::clone(&reason), Rc::clone(&halfway));
        let server = serve2(
            None,
            answering(move |mut asked| {
                let (reason, halfway) = (set.get(), late.get());
                async move {
                    if halfway {
                        let mut stream = asked.answer.send_response(head(), false).unwrap();
                        stream.send_data(framed("x").slice(..4), false).unwrap();
                        clock::sleep(Duration::from_millis(5)).await;
                        stream.send_reset(reason);
                    } else {
                        asked.answer.send_reset(reason);
                    }
                }
            }),
        )
        .await;
        let channel = channel(server.addr, &plaintext());
        for half in [false, true] {
            halfway.set(half);
            for (code, number) in [
                (Code::Internal, 0),
                (Code::Internal, 1),
                (Code::Internal, 2),
                (Code::Internal, 3),
                (Code::Unknown, 5),
                (Code::Unavailable, 7),
                (Code::Cancelled, 8),
                (Code::Internal, 9),
                (Code::ResourceExhausted, 11),
                (Code::PermissionDenied, 12),
                (Code::Unknown, 13),
            ] {
                reason.set(Reason::from(number));
                let reply = one(&channel, 9_000).await;
                assert_eq!(
                    reply.ending(),
                    (code, Some(ErrorKind::StreamReset)),
                    "{number} {half}: {reply:?}"
                );
                // Only what the server has not looked at is sent once more.
                assert_eq!(reply.retried, number == 7, "{number}");
            }
        }
        assert_eq!(server.connections.get(), 1);
    });
}

/// Answers in one of many ways that are wrong.
fn misanswer(mut asked: Asked, case: &str) {
    let mut plain = http::Response::new(());
    plain.headers_mut().insert("content-type", "text/html".parse().unwrap());
    let only = |pairs| {
        let mut response = head();
        response.headers_mut().extend(trailers(pairs));
        response
    };
    match case {
        "trailers" => drop(
            asked
                .answer
                .send_response(only(&[("grpc-status", "5"), ("grpc-message", "gone")]), true),
        ),
        "empty" => drop(asked.answer.send_response(head(), true)),
        "none" => answer(asked, framed("x"), &[]),
        "other" => answer(asked, framed("x"), &[("x-a", "b")]),
        "odd" => answer(asked, framed("x"), &[("grpc-status", "nonsense")]),
        "cut" => answer(asked, framed("xyz").slice(..6), &[("grpc-status", "0")]),
        "two" => answer(
            asked,
            [framed("x"), framed("y")].concat().into(),
            &[("grpc-status", "0")],
        ),
        "silent" => answer(asked, Bytes::new(), &[("grpc-status", "0")]),
        "packed" => answer(asked, vec![1, 0, 0, 0, 1, 9].into(), &[("grpc-status", "0")]),
        "flag" => answer(asked, vec![9, 0, 0, 0, 0].into(), &[("grpc-status", "0")]),
        "huge" => answer(asked, vec![0, 255, 255, 255, 255].into(), &[("grpc-status", "0")]),
        "coding" => drop(asked.answer.send_response(only(&[("grpc-encoding", "rot13")]), false)),
        "html" => drop(asked.answer.send_response(plain, false)),
        "said" => {
            *plain.status_mut() = http::StatusCode::BAD_GATEWAY;
            plain.headers_mut().extend(trailers(&[("grpc-status", "9")]));
            drop(asked.answer.send_response(plain, false));
        }
        status => {
            *plain.status_mut() = status.parse().unwrap();
            drop(asked.answer.send_response(plain, true));
        }
    }
}

/// The way, what it means, and what is said.
const MISANSWERS: &[(&str, Code, Option<ErrorKind>, &str)] = &[
    ("trailers", Code::NotFound, None, "gone"),
    ("empty", Code::Unknown, ODD, "no `grpc-status`"),
    ("none", Code::Unknown, ODD, "without `grpc-status`"),
    ("other", Code::Unknown, ODD, "without `grpc-status`"),
    ("odd", Code::Unknown, None, "\"nonsense\""),
    ("cut", Code::Internal, ODD, "inside of a message"),
    ("two", Code::Internal, ODD, "more than one message"),
    ("silent", Code::Internal, ODD, "no message"),
    ("packed", Code::Internal, ODD, "no `grpc-encoding`"),
    ("flag", Code::Internal, ODD, "flag 9"),
    (
        "huge",
        Code::ResourceExhausted,
        Some(ErrorKind::BodyTooLarge),
        "4294967295 bytes",
    ),
    ("coding", Code::Internal, ODD, "rot13"),
    ("html", Code::Unknown, ODD, "HTTP 200 with content type \"text/html\""),
    ("said", Code::FailedPrecondition, None, ""),
    ("404", Code::Unimplemented, ODD, "HTTP 404"),
    ("401", Code::Unauthenticated, ODD, "HTTP 401"),
    ("503", Code::Unavailable, ODD, "HTTP 503"),
    ("500", Code::Unknown, ODD, "HTTP 500"),
];
const ODD: Option<ErrorKind> = Some(ErrorKind::NotGrpc);

#[test]
fn answers_that_are_not_grpc() {
    run(async {
        let server = serve2(
            None,
            answering(|asked| async move {
                let case = asked.request.headers()["x-case"].to_str().unwrap().to_owned();
                misanswer(asked, &case);
            }),
        )
        .await;
        let channel = channel(server.addr, &plaintext());
        let method = method("One");
        for (case, code, kind, text) in MISANSWERS {
            let mut metadata = Metadata::new();
            metadata.append("x-case", case.as_bytes()).unwrap();
            let mut asked = call(&method, &ask("x"));
            asked.metadata = &metadata;
            let reply = channel.unary(&asked).await;
            assert_eq!(reply.ending(), (*code, *kind), "{case}: {reply:?}");
            assert!(reply.status.message.contains(text), "{case}: {}", reply.status);
            assert_eq!(reply.message, None);
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_refused_connection_and_one_that_is_never_answered() {
    run(async {
        let gone = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        for options in [plaintext(), sharing(1)] {
            let channel = channel(gone, &options);
            // Some at once: each has its own outcome.
            let calls = (0..20).map(|_| one(&channel, 9_000));
            for reply in futures_util::future::join_all(calls).await {
                assert_eq!(reply.ending(), (Code::Unavailable, Some(ErrorKind::Refused)));
                assert_eq!(&*reply.status.message, format!("connection refused by {gone}"));
            }
        }
        // Listens, but takes nobody: the system does, up to a point, and nobody ever speaks.
        let silent = tests::Server::raw(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let options = Options {
            connect_timeout: Duration::from_millis(100),
            ..Options::default()
        };
        let reply = one(&channel(silent.addr, &options), 9_000).await;
        assert_eq!(
            reply.ending(),
            (Code::Unavailable, Some(ErrorKind::ConnectTimeout)),
            "{reply:?}"
        );
        assert_eq!(
            &*reply.status.message,
            format!("no connection to {} within 100ms", silent.addr)
        );
        // No settings ever.
        let (one, two) = {
            let channel = channel(silent.addr, &plaintext());
            futures_util::future::join(one(&channel, 150), one(&channel, 100)).await
        };
        // The first of a connection goes out all the same.
        assert_eq!(
            &*one.status.message,
            "timed out after 150ms while waiting for the response; the server has not sent its HTTP/2 settings"
        );
        assert_eq!(
            &*two.status.message,
            "timed out after 100ms while waiting for the server's HTTP/2 settings"
        );
        assert_eq!(
            (one.status.code, two.status.code),
            (Code::DeadlineExceeded, Code::DeadlineExceeded)
        );
        assert_eq!((one.blocked_by, two.blocked_by), (None, Some(Bound::Connection)));
    });
}

#[test]
fn a_call_with_a_short_limit_leaves_the_connection_to_the_next() {
    run(async {
        let authority = crate::net::tests::tls::Authority::new();
        let acceptor = authority.acceptor_of(&["localhost"], &["h2"]);
        let server = tests::Server::raw(move |number, stream| {
            let acceptor = acceptor.clone();
            async move {
                // Longer than the first call has.
                clock::sleep(Duration::from_millis(150)).await;
                if let Ok(tls) = acceptor.accept(stream).await {
                    tests::http2::talk2(number, tls, None, answering(|asked| async move { ok(asked, "") })).await;
                }
            }
        })
        .await;
        let mut options = Options::default();
        options.tls.ca = Some(authority.pem());
        let address = format!("localhost:{}", server.addr.port());
        let channel = Channel::new(&Endpoint::of(&shared(), &address, &options).unwrap(), 0);
        let reply = one(&channel, 50).await;
        assert_eq!(reply.ending(), (Code::DeadlineExceeded, Some(ErrorKind::Timeout)));
        let reply = one(&channel, 9_000).await;
        assert_eq!(
            (reply.status.code, reply.blocked_by),
            (Code::Ok, Some(Bound::Connection)),
            "{reply:?}"
        );
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn servers_that_speak_something_else() {
    run(async {
        let http1 = tests::Server::raw(|_, mut stream| async move {
            let _ = stream.read_buf(&mut Vec::with_capacity(100)).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let reply = one(&channel(http1.addr, &plaintext()), 9_000).await;
        assert_eq!(
            reply.ending(),
            (Code::Unavailable, Some(ErrorKind::NoHttp2)),
            "{reply:?}"
        );
        let closing = tests::Server::raw(|_, mut stream| async move {
            let _ = stream.read_buf(&mut Vec::with_capacity(100)).await;
        })
        .await;
        let reply = one(&channel(closing.addr, &plaintext()), 9_000).await;
        assert_eq!(reply.status.code, Code::Unavailable, "{reply:?}");
        assert!(
            matches!(reply.ending().1, Some(ErrorKind::Closed | ErrorKind::Reset)),
            "{reply:?}"
        );
    });
}

#[test]
fn a_connection_that_goes_away_is_replaced() {
    run(async {
        // Each connection takes two calls and says goodbye; what came meanwhile was not looked at.
        let server = tests::Server::raw(|number, stream| async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut taken = 0;
            while let Some(Ok((request, answer))) = connection.accept().await {
                let asked = Asked {
                    connection: number,
                    nth: taken,
                    request,
                    answer,
                };
                ok(asked, &number.to_string());
                taken += 1;
                if taken == 2 {
                    connection.graceful_shutdown();
                }
            }
        })
        .await;
        for options in [plaintext(), sharing(1)] {
            let channel = channel(server.addr, &options);
            for _ in 0..10 {
                let reply = one(&channel, 9_000).await;
                assert_eq!(reply.status.code, Code::Ok, "{reply:?}");
            }
        }
        assert!(
            (8..=20).contains(&server.connections.get()),
            "{}",
            server.connections.get()
        );
    });
}

#[test]
fn a_long_stream_on_a_connection_that_goes_away_holds_nobody_up() {
    run(async {
        let server = tests::Server::raw(|number, stream| async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let mut held = Vec::new();
            while let Some(Ok((request, answer))) = connection.accept().await {
                let mut asked = Asked {
                    connection: number,
                    nth: 0,
                    request,
                    answer,
                };
                if asked.path().ends_with("/Many") {
                    held.push(asked.answer.send_response(head(), false).unwrap());
                    connection.graceful_shutdown();
                } else {
                    ok(asked, "x");
                }
            }
        })
        .await;
        let channel = channel(server.addr, &sharing(1));
        let many = method("Many");
        let mut stream = channel.open(&call(&many, &ask(""))).await;
        stream.headers().await;
        while server.connections.get() < 2 {
            let reply = one(&channel, 2_000).await;
            assert_eq!(reply.status.code, Code::Ok, "{reply:?}");
        }
        assert_eq!(stream.cancel().status.code, Code::Cancelled);
    });
}

#[test]
fn a_server_that_is_killed_ends_its_calls() {
    run(async {
        let mut server = super::server::Server::start();
        let channel = channel(server.addr, &sharing(1));
        let (one_, talk) = (method("One"), method("Talk"));
        let slow = Ask {
            count: 20_000,
            ..ask("sleep")
        };
        let mut stream = channel.open(&call_of_many(&talk)).await;
        assert!(stream.send(message(&ask("x"))).await);
        assert!(matches!(stream.recv().await, Received::Message(_)));
        let asked = call(&one_, &slow);
        let kill = async {
            while server.seen.now.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                clock::sleep(Duration::from_millis(5)).await;
            }
            server.kill();
        };
        let (reply, ()) = futures_util::future::join(channel.unary(&asked), kill).await;
        assert_eq!(reply.status.code, Code::Unavailable, "{reply:?}");
        assert!(reply.error.is_some());
        while stream.send(message(&ask("x"))).await {}
        assert_eq!(stream.finish().await.status.code, Code::Unavailable);
        // And then there is nobody.
        let reply = one(&channel, 9_000).await;
        assert_eq!(reply.ending(), (Code::Unavailable, Some(ErrorKind::Refused)));
    });
}

#[test]
fn a_connection_that_has_gone_silent_is_left_with_the_deadline() {
    run(async {
        let server = framing(|number, _, id| match number {
            0 => Vec::new(),
            _ => bare(id, &[("content-type", "application/grpc"), ("grpc-status", "5")]),
        })
        .await;
        let options = Options {
            connect_timeout: Duration::from_secs(1),
            ..plaintext()
        };
        let (method, channel) = (method("One"), channel(server.addr, &options));
        // During the first the server's settings come.
        for limit in [100, 1_100] {
            let mut silent = call(&method, &ask("x"));
            silent.timeout = Duration::from_millis(limit);
            let reply = channel.unary(&silent).await;
            assert_eq!(reply.status.code, Code::DeadlineExceeded, "{reply:?}");
        }
        let next = channel.unary(&call(&method, &ask("x"))).await;
        assert_eq!((next.status.code, next.reused), (Code::NotFound, false), "{next:?}");
        assert_eq!(server.connections.get(), 2);
    });
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");

#[test]
fn an_end_that_has_come_counts_for_whoever_gives_up_after_it() {
    run(async {
        let server = framing(|_, nth, id| match nth {
            0 => hollow(id, &[GRPC], &[("grpc-status", "9")]),
            1 => hollow(id, &[GRPC], &[("grpc-status", "1")]),
            _ => bare(id, &[GRPC, ("grpc-status", "5")]),
        })
        .await;
        let (talk, channel) = (method("Talk"), channel(server.addr, &plaintext()));
        let mut first = channel.open(&call_of_many(&talk)).await;
        let mut second = channel.open(&call_of_many(&talk)).await;
        // This answer comes behind theirs.
        assert_eq!(one(&channel, 9_000).await.status.code, Code::NotFound);
        assert!(first.is_over() && second.is_over());
        assert_eq!(first.cancel().ending(), (Code::FailedPrecondition, None));
        assert_eq!(second.cancel().ending(), (Code::Cancelled, None));
    });
}

#[test]
fn a_deadline_that_has_passed_counts_for_whoever_gives_up_after_it() {
    run(async {
        let server = serve2(None, answering(|_held| std::future::pending())).await;
        let (talk, channel) = (method("Talk"), channel(server.addr, &plaintext()));
        let mut asked = call_of_many(&talk);
        let mut open = channel.open(&asked).await;
        assert!(!open.is_over());
        assert_eq!(open.cancel().ending(), (Code::Cancelled, Some(ErrorKind::Other)));
        asked.timeout = Duration::from_millis(50);
        let mut late = channel.open(&asked).await;
        clock::sleep(asked.timeout).await;
        assert!(late.is_over());
        assert_eq!(
            late.cancel().ending(),
            (Code::DeadlineExceeded, Some(ErrorKind::Timeout))
        );
    });
}

#[test]
fn a_sender_is_told_that_the_server_has_ended_the_call() {
    run(async {
        // Neither gives its windows back nor resets the stream.
        let server = framing(|_, nth, id| match nth {
            0 => bare(id, &[GRPC, ("grpc-status", "9")]),
            _ => hollow(id, &[GRPC], &[("grpc-status", "9")]),
        })
        .await;
        let (sum, channel) = (method("Sum"), channel(server.addr, &plaintext()));
        let big = Ask {
            data: vec![1; 40_000],
            ..Ask::default()
        };
        // The end behind a head is only seen by who looks for messages.
        for limit in [9_000, 300] {
            let mut asked = call_of_many(&sum);
            asked.timeout = Duration::from_millis(limit);
            let mut stream = channel.open(&asked).await;
            if limit == 300 {
                stream.headers().await;
            }
            let mut sent = 0;
            while stream.send(message(&big)).await {
                sent += 1;
                assert!(sent < 4, "the windows are full");
            }
            let reply = stream.finish().await;
            assert_eq!(reply.ending(), (Code::FailedPrecondition, None), "{reply:?}");
        }
    });
}
