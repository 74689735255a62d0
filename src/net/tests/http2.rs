//! HTTP/2 against a server in the test's own process, by prior knowledge and by ALPN, with streams that are waited for.

mod faults;
pub(in crate::net) mod frames;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use tokio::sync::{Notify, Semaphore};

use super::tls::{Authority, https};
use super::*;

/// What a server does with one stream: its number on the connection, its request, its answer.
pub(in crate::net) type Handle = Rc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = ()>>>>;

/// One request on a stream.
pub(in crate::net) struct Asked {
    pub connection: usize,
    pub nth: usize,
    pub request: http::Request<RecvStream>,
    pub answer: SendResponse<Bytes>,
}

impl Asked {
    pub(in crate::net) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// Answers with 200 and a body.
    pub(in crate::net) fn ok(mut self, body: impl Into<Bytes>) {
        let body = body.into();
        let mut stream = self
            .answer
            .send_response(http::Response::new(()), body.is_empty())
            .unwrap();
        if !body.is_empty() {
            stream.reserve_capacity(body.len());
            let _ = stream.send_data(body, true);
        }
    }
}

pub(in crate::net) fn handle<Fut: Future<Output = ()> + 'static>(handle: impl Fn(Asked) -> Fut + 'static) -> Handle {
    Rc::new(move |asked| Box::pin(handle(asked)))
}

/// Serves one connection to its end.
pub(in crate::net) async fn talk2(number: usize, stream: impl Duplex, streams: Option<u32>, handle: Handle) {
    let mut builder = Builder::new();
    if let Some(streams) = streams {
        builder.max_concurrent_streams(streams);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let mut nth = 0;
    while let Some(Ok((request, answer))) = connection.accept().await {
        let asked = Asked {
            connection: number,
            nth,
            request,
            answer,
        };
        spawn_local(handle(asked));
        nth += 1;
    }
}

/// A server by prior knowledge that allows so many streams.
pub(in crate::net) async fn serve2(streams: Option<u32>, handle: Handle) -> Server {
    Server::raw(move |number, stream| talk2(number, stream, streams, Rc::clone(&handle))).await
}

/// A server that picks of these protocols.
async fn serve_tls(authority: &Authority, protocols: &[&str]) -> Server {
    let acceptor = authority.acceptor_of(&["localhost"], protocols);
    Server::raw(move |number, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut tls) = acceptor.accept(stream).await else {
                return;
            };
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                talk2(number, tls, None, handle(|asked| async move { asked.ok("two") })).await;
            } else {
                talk(number, &mut tls, &|_| ok("one")).await;
            }
        }
    })
    .await
}

pub(in crate::net) fn http2() -> Client {
    client_with(|config| config.version = HttpVersion::Http2)
}

fn echo() -> Handle {
    handle(|asked| async move {
        let line = format!("{} {} {}", asked.connection, asked.nth, asked.request.uri());
        asked.ok(line);
    })
}

#[test]
fn requests_by_prior_knowledge_use_one_connection() {
    run(async {
        let server = serve2(None, echo()).await;
        let client = http2();
        let mut bytes = (0, 0);
        for nth in 0..3 {
            let exchange = send(&client, get(server.url("/a?b"))).await;
            assert_eq!(exchange.text(), format!("0 {nth} {}", server.url("/a?b")));
            assert_eq!(exchange.response().version, http::Version::HTTP_2);
            assert_eq!((exchange.reused, exchange.retried), (nth > 0, false));
            assert_eq!(exchange.remote_addr, Some(server.addr));
            assert_eq!(exchange.timings.connecting > Duration::ZERO, nth == 0);
            assert_eq!(exchange.timings.blocked, Duration::ZERO);
            assert!(exchange.timings.sending + exchange.timings.waiting > Duration::ZERO);
            assert!(exchange.sent > 0 && exchange.received > 0, "{exchange:?}");
            bytes = (bytes.0 + exchange.sent, bytes.1 + exchange.received);
        }
        assert_eq!(server.connections.get(), 1);
        // Preface and settings are 24 + 9 + 24 + 13 bytes; three requests of about 20 to 60.
        assert!(bytes.0 > 100 && bytes.0 < 400, "{bytes:?}");
    });
}

#[test]
fn what_is_spoken_is_what_both_want() {
    run(async {
        let authority = Authority::new();
        let both = serve_tls(&authority, &["h2", "http/1.1"]).await;
        let old = serve_tls(&authority, &["http/1.1"]).await;
        let silent = serve_tls(&authority, &[]).await;
        let speaking = |version| {
            client_with(|config| {
                config.tls.ca = Some(authority.pem());
                config.version = version;
            })
        };
        for (server, version, expected) in [
            (&both, HttpVersion::Auto, Ok("two")),
            (&both, HttpVersion::Http1, Ok("one")),
            (&both, HttpVersion::Http2, Ok("two")),
            (&old, HttpVersion::Auto, Ok("one")),
            (&silent, HttpVersion::Auto, Ok("one")),
            (&old, HttpVersion::Http2, Err(ErrorKind::NoHttp2)),
            (&silent, HttpVersion::Http2, Err(ErrorKind::NoHttp2)),
        ] {
            let client = speaking(version);
            for round in 0..2 {
                let exchange = send(&client, https(server, "localhost")).await;
                match (&exchange.outcome, expected) {
                    (Ok(response), Ok(text)) => {
                        assert_eq!(response.body(), text.as_bytes(), "{version:?}");
                        assert_eq!(exchange.reused, round > 0);
                    }
                    (Err(error), Err(kind)) => {
                        assert_eq!(error.kind, kind, "{error}");
                        assert!(error.message.contains("does not offer HTTP/2"), "{error}");
                    }
                    other => panic!("{version:?}: {other:?}"),
                }
            }
        }
    });
}

#[test]
fn a_batch_is_one_connection_once_it_is_known_to_be_http2() {
    run(async {
        let authority = Authority::new();
        let both = serve_tls(&authority, &["h2", "http/1.1"]).await;
        let old = serve_tls(&authority, &["http/1.1"]).await;
        let client = client_with(|config| config.tls.ca = Some(authority.pem()));
        for (server, connections) in [(&both, 1), (&old, 5)] {
            for round in 0..2 {
                let batch = (0..5).map(|_| send(&client, https(server, "localhost")));
                let exchanges = futures_util::future::join_all(batch).await;
                for exchange in &exchanges {
                    exchange.response();
                }
                let waited = exchanges.iter().filter(|e| e.timings.blocked > Duration::ZERO).count();
                assert_eq!(waited, if round == 0 { 4 } else { 0 });
            }
            assert_eq!(server.connections.get(), connections);
        }
    });
}

#[test]
fn streams_beyond_the_servers_limit_are_waited_for_as_blocked() {
    run(async {
        let (most, now) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let release = Rc::new(Semaphore::new(0));
        let server = serve2(Some(3), {
            let (most, now, release) = (Rc::clone(&most), Rc::clone(&now), Rc::clone(&release));
            handle(move |asked| {
                let (most, now, release) = (Rc::clone(&most), Rc::clone(&now), Rc::clone(&release));
                async move {
                    now.set(now.get() + 1);
                    most.set(most.get().max(now.get()));
                    release.acquire().await.unwrap().forget();
                    now.set(now.get() - 1);
                    asked.ok("x");
                }
            })
        })
        .await;
        let client = http2();
        let request = |timeout| {
            let mut request = get(server.url("/"));
            request.timeout = Some(Duration::from_millis(timeout));
            send(&client, request)
        };
        let patient = futures_util::future::join_all((0..3).map(|_| request(9_000)));
        let impatient = async {
            let exchanges = futures_util::future::join_all((0..7).map(|_| request(300))).await;
            release.add_permits(100);
            exchanges
        };
        let (patient, impatient) = tokio::join!(patient, impatient);
        for exchange in &impatient {
            assert_eq!(exchange.error().kind, ErrorKind::Timeout);
            let text = "timed out after 300ms while waiting for a free stream: the server allows 3 on a connection";
            assert_eq!(exchange.error().message, text);
            assert_eq!(exchange.timings.duration(), Duration::ZERO);
            assert!(
                exchange.timings.blocked >= Duration::from_millis(299),
                "{:?}",
                exchange.timings
            );
        }
        for exchange in &patient {
            assert_eq!(exchange.text(), "x");
            assert!(
                exchange.timings.duration() >= Duration::from_millis(200),
                "{:?}",
                exchange.timings
            );
        }
        for exchange in futures_util::future::join_all((0..10).map(|_| request(9_000))).await {
            assert_eq!(exchange.text(), "x");
        }
        assert!(most.get() <= 3, "{}", most.get());
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn bodies_travel_both_ways_whatever_their_size() {
    run(async {
        let server = serve2(
            None,
            handle(|mut asked| async move {
                let mut size = 0;
                let body = asked.request.body_mut();
                while let Some(Ok(chunk)) = body.data().await {
                    size += chunk.len();
                    let _ = body.flow_control().release_capacity(chunk.len());
                }
                let length = asked.request.headers().get("content-length").unwrap().to_str().unwrap();
                assert_eq!(length, size.to_string());
                asked.ok(vec![b'x'; size]);
            }),
        )
        .await;
        let client = http2();
        let discarding = client_with(|config| {
            config.version = HttpVersion::Http2;
            config.discard_body = true;
        });
        for size in [0, 1, 16 << 10, (16 << 10) + 1, 100_000, 5 << 20] {
            let mut request = Request::new(http::Method::POST, server.url("/"));
            request.body = Bytes::from(vec![b'y'; size]);
            let exchange = send(&client, request.clone()).await;
            assert_eq!(exchange.response().body().len(), size);
            assert!(exchange.sent >= size as u64 && exchange.received >= size as u64);
            assert_eq!(send(&discarding, request.clone()).await.response().body().len(), 0);
            // A request's own word counts.
            request.discard_body = Some(false);
            assert_eq!(send(&discarding, request).await.response().body().len(), size);
        }
    });
}

#[test]
fn a_body_over_the_limit_costs_its_stream_only() {
    run(async {
        let announce = handle(|mut asked: Asked| async move {
            let mut head = http::Response::new(());
            if asked.path() == "/announced" {
                head.headers_mut().insert("content-length", 2_000.into());
            }
            let mut stream = asked.answer.send_response(head, false).unwrap();
            let _ = stream.send_data(Bytes::from(vec![0; 2_000]), true);
        });
        let server = serve2(None, announce).await;
        let client = client_with(|config| {
            config.version = HttpVersion::Http2;
            config.max_body = 1_999;
        });
        for path in ["/announced", "/not", "/announced"] {
            let exchange = send(&client, get(server.url(path))).await;
            assert_eq!(exchange.error().kind, ErrorKind::BodyTooLarge);
        }
        let mut discarded = get(server.url("/not"));
        discarded.discard_body = Some(true);
        assert_eq!(send(&client, discarded).await.response().status, 200);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn answers_without_body_and_trailers() {
    run(async {
        let server = serve2(
            None,
            handle(|mut asked| async move {
                let mut head = http::Response::new(());
                head.headers_mut().insert("content-length", 5.into());
                match asked.path().to_owned().as_str() {
                    "/head" => drop(asked.answer.send_response(head, true)),
                    "/304" => {
                        *head.status_mut() = http::StatusCode::NOT_MODIFIED;
                        drop(asked.answer.send_response(head, true));
                    }
                    "/204" => {
                        *head.status_mut() = http::StatusCode::NO_CONTENT;
                        head.headers_mut().clear();
                        drop(asked.answer.send_response(head, true));
                    }
                    _ => {
                        let mut stream = asked.answer.send_response(head, false).unwrap();
                        stream.send_data(Bytes::from_static(b"12345"), false).unwrap();
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("x-late", 1.into());
                        stream.send_trailers(trailers).unwrap();
                    }
                }
            }),
        )
        .await;
        let client = http2();
        for (method, path, status, body) in [
            (http::Method::HEAD, "/head", 200, ""),
            (http::Method::GET, "/304", 304, ""),
            (http::Method::GET, "/204", 204, ""),
            (http::Method::GET, "/trailers", 200, "12345"),
        ] {
            let exchange = send(&client, Request::new(method, server.url(path))).await;
            assert_eq!((exchange.response().status, exchange.text()), (status, body), "{path}");
            assert_eq!(exchange.response().headers.get("x-late"), None);
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn headers_of_one_connection_stay_at_home() {
    run(async {
        let server = serve2(
            None,
            handle(|asked| async move {
                let names: Vec<String> = asked.request.headers().keys().map(ToString::to_string).collect();
                let authority = asked.request.uri().authority().unwrap().to_string();
                asked.ok(format!("{authority} {}", names.join(" ")));
            }),
        )
        .await;
        let mut request = get(server.url("/"));
        for (name, value) in [
            ("connection", "close"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("host", "other.test"),
            ("x-mine", "1"),
        ] {
            request
                .headers
                .append(http::HeaderName::from_static(name), value.parse().unwrap());
        }
        assert_eq!(send(&http2(), request).await.text(), "other.test user-agent x-mine");
    });
}

#[test]
fn a_request_may_end_its_connection() {
    run(async {
        let server = serve2(None, echo()).await;
        let client = http2();
        for (value, connection) in [
            ("close", "0 0"),
            ("close", "1 0"),
            ("keep-alive", "2 0"),
            ("close", "2 1"),
        ] {
            let mut request = get(server.url("/"));
            request.headers.append(http::header::CONNECTION, value.parse().unwrap());
            let exchange = send(&client, request).await;
            assert!(exchange.text().starts_with(connection), "{}", exchange.text());
        }
        assert_eq!(server.connections.get(), 3);
    });
}

#[test]
fn redirects_cookies_and_encodings_work_as_ever() {
    run(async {
        let server = serve2(
            None,
            handle(|mut asked| async move {
                let cookie = asked.request.headers().get("cookie").cloned();
                if asked.path() == "/from" {
                    let mut head = http::Response::new(());
                    *head.status_mut() = http::StatusCode::FOUND;
                    head.headers_mut().insert("location", "/to".parse().unwrap());
                    head.headers_mut().insert("set-cookie", "a=1".parse().unwrap());
                    drop(asked.answer.send_response(head, true));
                    return;
                }
                let mut head = http::Response::new(());
                head.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
                let body = body::compress(body::Codec::Gzip, cookie.unwrap().as_bytes());
                let mut stream = asked.answer.send_response(head, false).unwrap();
                stream.send_data(body.unwrap(), true).unwrap();
            }),
        )
        .await;
        let client = http2();
        let mut hops = Vec::new();
        let mut request = get(server.url("/from"));
        client.send(&mut request, &mut |hop, _| hops.push(hop)).await;
        assert_eq!((hops[1].text(), hops.len()), ("a=1", 2));
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn connections_live_as_long_as_the_options_say() {
    run(async {
        let closed = Rc::new(Semaphore::new(0));
        let server = Server::raw({
            let closed = Rc::clone(&closed);
            move |number, stream| {
                let closed = Rc::clone(&closed);
                async move {
                    talk2(number, stream, None, echo()).await;
                    closed.add_permits(1);
                }
            }
        })
        .await;
        for (connections, expected) in [(Connections::PerVu, 1), (Connections::PerIteration, 4)] {
            let client = client_with(|config| {
                config.version = HttpVersion::Http2;
                config.connections = connections;
            });
            for _ in 0..3 {
                send(&client, get(server.url("/"))).await.response();
                client.end_iteration();
            }
            assert_eq!(server.connections.get(), expected);
        }
        // All are closed in the end, those of the clients that are gone too.
        drop(closed.acquire_many(4).await);
    });
}
