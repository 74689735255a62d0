//! Unary calls that work, and those that the server refuses.

use std::sync::atomic::Ordering;

use super::server::Server;
use super::*;

#[test]
fn calls_of_one_user_use_one_connection() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("One");
        for nth in 0..3 {
            let reply = channel.unary(&call(&method, &ask("hello"))).await;
            assert_eq!(reply.answer().text, "hello");
            assert_eq!((reply.reused, reply.retried, reply.messages), (nth > 0, false, (1, 1)));
            assert_eq!(reply.headers.get("x-head").as_deref(), Some(&b"1"[..]));
            assert_eq!(reply.headers.get("x-head-bin").as_deref(), Some(&[0, 255, 10][..]));
            assert_eq!(reply.remote_addr, Some(server.addr));
            assert_eq!(
                reply.timings.connecting > Duration::ZERO,
                nth == 0,
                "{:?}",
                reply.timings
            );
            assert_eq!((reply.timings.blocked, reply.blocked_by), (Duration::ZERO, None));
            assert!(reply.timings.sending + reply.timings.waiting > Duration::ZERO);
            let total = reply.finished_at - reply.started_at;
            assert!(
                reply.timings.duration() + reply.timings.connecting <= total,
                "{reply:?}"
            );
            assert!(reply.sent > 12 && reply.received > 12);
            assert_eq!(reply.error, None);
        }
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_status_of_the_servers_is_told_as_it_is() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("One");
        for code in &Code::ALL[1..] {
            let asked = Ask {
                text: "status b\u{e4}d 100%\n".to_owned(),
                count: code.number().into(),
                ..Ask::default()
            };
            let reply = channel.unary(&call(&method, &asked)).await;
            assert_eq!(
                (reply.ending(), &*reply.status.message),
                ((*code, None), "b\u{e4}d 100%\n")
            );
            assert_eq!(reply.trailers.get("x-more").as_deref(), Some(&b"details"[..]));
            assert_eq!(reply.message, None);
        }
        let unknown = schema()
            .merge(&other_service())
            .unwrap()
            .method("other.Service/Do")
            .unwrap();
        let reply = channel.unary(&call(&unknown, &ask(""))).await;
        assert_eq!(reply.ending(), (Code::Unimplemented, None));
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    });
}

fn other_service() -> Schema {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("other.proto");
    let text = "syntax = \"proto3\"; package other; message M {} service Service { rpc Do(M) returns (M); }";
    std::fs::write(&file, text).unwrap();
    Schema::compile(&[file], &[]).unwrap()
}

#[test]
fn metadata_and_the_protocols_own_headers() {
    run(async {
        let server = Server::start();
        let mut common = Metadata::new();
        common.append("authorization", b"Bearer x").unwrap();
        common.append("x-own", b"common").unwrap();
        let options = Options {
            metadata: common,
            user_agent: "tester/1".to_owned(),
            ..plaintext()
        };
        let channel = channel(server.addr, &options);
        let mut metadata = Metadata::new();
        for (name, value) in [("x-own", &b"1"[..]), ("x-own", b"2"), ("x-data-bin", &[0, 1, 255])] {
            metadata.append(name, value).unwrap();
        }
        let method = method("One");
        let mut asked = call(&method, &ask("metadata"));
        asked.metadata = &metadata;
        let answer = channel.unary(&asked).await.answer();
        for part in [
            r#""authorization": ["Bearer x"]"#,
            r#""x-own": ["1", "2"]"#,
            r#""x-data-bin": ["AAH/"]"#,
            r#""user-agent": ["tester/1"]"#,
            r#""content-type": ["application/grpc"]"#,
            r#""te": ["trailers"]"#,
            r#""grpc-accept-encoding": ["identity,gzip"]"#,
        ] {
            assert!(answer.text.contains(part), "{}", answer.text);
        }
        // The first has opened a connection, so that less of its time is left; what the second has waited is nothing.
        let answer = channel.unary(&asked).await.answer();
        assert!(
            answer.text.contains(r#""grpc-timeout": ["10000000u"]"#),
            "{}",
            answer.text
        );
    });
}

#[test]
fn calls_and_streams_carry_their_traces() {
    run(async {
        let server = Server::start();
        let config = HttpConfig {
            trace_sampling: Some(1.0),
            ..HttpConfig::default()
        };
        let shared = Shared::new(config).unwrap();
        let endpoint = Endpoint::of(&shared, &server.addr.to_string(), &plaintext()).unwrap();
        let channel = Channel::new(&endpoint, 12);
        let one = method("One");
        let mut ids = Vec::new();
        for _ in 0..2 {
            let reply = channel.unary(&call(&one, &ask("metadata"))).await;
            let trace = reply.trace.unwrap();
            let text = reply.answer().text;
            assert!(
                trace.is_sampled && text.contains(&format!("\"00-{}-", trace.hex())),
                "{text}"
            );
            assert!(
                text.contains("\"tracestate\": [\"kingtide=") && text.contains(";12\"]"),
                "{text}"
            );
            ids.push(trace.id());
        }
        assert_ne!(ids[0], ids[1]);

        let mut metadata = Metadata::new();
        let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        metadata.append("traceparent", own.as_bytes()).unwrap();
        let mut asked = call(&one, &ask("metadata"));
        asked.metadata = &metadata;
        let reply = channel.unary(&asked).await;
        assert!(!reply.trace.unwrap().is_sampled);
        assert_eq!(reply.trace.unwrap().hex(), "0af7651916cd43dd8448eb211c80319c");
        let text = reply.answer().text;
        assert!(
            text.contains(&format!("\"traceparent\": [\"{own}\"]")) && !text.contains("tracestate"),
            "{text}"
        );

        let many = method("Many");
        let mut asked = call(&many, &ask("x"));
        asked.timeout = Duration::from_secs(5);
        let reply = channel.open(&asked).await.finish().await;
        assert!(reply.trace.is_some());
    });
}

#[test]
fn messages_of_any_size_compressed_or_not() {
    run(async {
        let server = Server::start();
        let options = Options {
            max_receive_size: 9 << 20,
            ..plaintext()
        };
        let channel = channel(server.addr, &options);
        let method = method("One");
        for size in [0, 1, 4_000, 16 << 10, 20_000, 70_000, 4 << 20, 8 << 20] {
            for compression in [None, Some(Compression::Gzip)] {
                // Hardly compressible, so that both ways have as much to do.
                let data: Vec<u8> = (0..size as u64).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
                let asked = Ask {
                    data: data.clone(),
                    ..ask("echo")
                };
                let mut asked = call(&method, &asked);
                asked.compression = compression;
                let reply = channel.unary(&asked).await;
                assert!(reply.answer().data == data, "{size}");
                assert_eq!(reply.headers.get("grpc-encoding").as_deref(), Some(&b"gzip"[..]));
            }
        }
        let mut asked = call(&method, &ask("echo"));
        asked.discard = true;
        let reply = channel.unary(&asked).await;
        assert_eq!(
            (reply.status.code, reply.message, reply.messages),
            (Code::Ok, None, (1, 1))
        );
    });
}

#[test]
fn messages_over_the_limits() {
    run(async {
        let server = Server::start();
        let options = Options {
            max_receive_size: 10_000,
            max_send_size: 20_000,
            ..plaintext()
        };
        let channel = channel(server.addr, &options);
        let method = method("One");
        let data = |count| Ask { count, ..ask("data") };
        for (asked, expected) in [
            (data(9_900), None),
            (data(10_100), Some("larger than 10000 (max_receive_size)")),
            (
                Ask {
                    data: vec![1; 20_100],
                    ..ask("x")
                },
                Some("larger than 20000 (max_send_size)"),
            ),
            (data(10), None),
        ] {
            let reply = channel.unary(&call(&method, &asked)).await;
            match expected {
                None => assert_eq!(reply.status.code, Code::Ok),
                Some(text) => {
                    assert_eq!(reply.ending(), (Code::ResourceExhausted, Some(ErrorKind::BodyTooLarge)));
                    assert!(reply.status.message.contains(text), "{}", reply.status);
                }
            }
        }
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_limit_ends_a_call_here_and_there() {
    run(async {
        let server = Server::start();
        let channel = channel(server.addr, &plaintext());
        let method = method("One");
        let slow = Ask {
            count: 20_000,
            ..ask("sleep")
        };
        for _ in 0..2 {
            let mut asked = call(&method, &slow);
            asked.timeout = Duration::from_millis(100);
            let reply = channel.unary(&asked).await;
            assert_eq!(reply.status.code, Code::DeadlineExceeded, "{reply:?}");
            let took = reply.finished_at - reply.started_at;
            assert!(
                took >= Duration::from_millis(99) && took < Duration::from_millis(900),
                "{took:?}"
            );
        }
        // What was given up is given up there too.
        while server.seen.now.load(Ordering::SeqCst) > 0 {
            clock::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(channel.unary(&call(&method, &ask("x"))).await.answer().text, "x");
        assert_eq!(server.seen.connections.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn the_future_of_a_call_is_small() {
    let channel = channel(([127, 0, 0, 1], 1).into(), &plaintext());
    let method = method("One");
    let asked = call(&method, &ask(""));
    let size = std::mem::size_of_val(&channel.unary(&asked));
    assert!(size <= 1_032, "{size}");
    let size = std::mem::size_of_val(&channel.open(&asked));
    assert!(size <= 1_032, "{size}");
}
