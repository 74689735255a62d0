//! Framing, limits and codings of response bodies.

use http::{Method, Version};

use super::*;
use crate::net::body::{Codec, compress};

#[test]
fn every_framing() {
    run(async {
        let server = Server::answering(|seen| {
            let text = match seen.path() {
                "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
                "/empty" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                "/chunked" => {
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n1;x=y\r\nd\r\n1\r\ny\r\n0\r\ntrailer: 1\r\n\r\n"
                }
                "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/same" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n",
                "/early" => {
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"
                }
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end",
            };
            text.as_bytes().to_vec()
        })
        .await;
        let client = client();
        for (nth, (method, path, status, body)) in [
            (Method::GET, "/length", 200, "body"),
            (Method::GET, "/empty", 200, ""),
            (Method::GET, "/chunked", 200, "body"),
            (Method::GET, "/none", 204, ""),
            (Method::GET, "/same", 304, ""),
            (Method::GET, "/early", 200, "body"),
            (Method::HEAD, "/head", 200, ""),
            (Method::GET, "/close", 200, "to the end"),
        ]
        .into_iter()
        .enumerate()
        {
            let exchange = send(&client, Request::new(method, server.url(path))).await;
            assert_eq!((exchange.response().status, exchange.text()), (status, body), "{path}");
            assert_eq!(exchange.response().version, Version::HTTP_11);
            assert_eq!(exchange.reused, nth > 0, "{path}");
        }
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_large_body_arrives_whole() {
    run(async {
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let copy = large.clone();
        let server = Server::answering(move |_| ok(&copy)).await;
        let client = client();
        for reused in [false, true] {
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.response().body(), large);
            assert_eq!(exchange.received, ok(&large).len() as u64);
            // A body that has used up its task's budget of reads does not cost the connection.
            assert_eq!(exchange.reused, reused);
        }
    });
}

#[test]
fn every_coding_is_decoded_whether_asked_for_or_not() {
    run(async {
        let server = Server::answering(|seen| {
            let names = seen.path().trim_start_matches('/');
            let codecs = names.split(',').filter_map(|name| name.parse::<Codec>().ok());
            let body = codecs.fold(bytes::Bytes::from_static(b"hello hello"), |body, codec| {
                compress(codec, &body).unwrap()
            });
            with("200 OK", &[("content-encoding", names)], body)
        })
        .await;
        let client = client();
        for names in ["gzip", "deflate", "br", "zstd", "gzip,br", "unknown"] {
            let exchange = send(&client, get(server.url(&format!("/{names}")))).await;
            assert_eq!(exchange.text(), "hello hello", "{names}");
            assert_eq!(
                exchange.response().headers.get("content-encoding"),
                Some(names.as_bytes())
            );
        }
        // A discarded body is not decoded, so that a broken one is no failure.
        let mut request = get(server.url("/gzip"));
        request.discard_body = Some(true);
        assert_eq!(send(&client, request).await.text(), "");
    });
}

#[test]
fn a_broken_coding_is_an_error_of_its_own() {
    run(async {
        let server = Server::answering(|_| with("200 OK", &[("content-encoding", "gzip")], "not gzip")).await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.error().code, 1701);
        assert!(exchange.error().message.contains("gzip"), "{}", exchange.error());
    });
}

#[test]
fn a_body_over_the_limit_fails_and_closes() {
    run(async {
        let server = Server::answering(|seen| match seen.path() {
            "/length" => ok("12345"),
            "/chunked" => {
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n123\r\n2\r\n45\r\n0\r\n\r\n".to_vec()
            }
            "/bomb" => {
                let body = compress(Codec::Gzip, &[0; 5]).unwrap();
                with("200 OK", &[("content-encoding", "gzip")], body)
            }
            _ => ok("1234"),
        })
        .await;
        let small = client_with(|config| config.max_body = 4);
        for path in ["/length", "/chunked"] {
            let exchange = send(&small, get(server.url(path))).await;
            assert_eq!(exchange.error().code, 1702, "{path}");
            assert!(exchange.error().message.contains("4 bytes"), "{}", exchange.error());
            let mut request = get(server.url(path));
            request.discard_body = Some(true);
            assert_eq!(send(&small, request).await.text(), "", "{path}");
            small.idle_connections_for_test(1);
        }
        assert_eq!(send(&small, get(server.url("/fits"))).await.text(), "1234");
        let bombed = client_with(|config| config.max_body = 40);
        assert_eq!(send(&bombed, get(server.url("/bomb"))).await.text(), "\0\0\0\0\0");
    });
}

#[test]
fn a_gzip_bomb_fails_at_the_limit() {
    run(async {
        // 32 KB that would be 32 MB, twice the limit.
        let bomb = compress(Codec::Gzip, &vec![0; 32 << 20]).unwrap();
        assert!(bomb.len() < 40_000);
        let server = Server::answering(move |_| with("200 OK", &[("content-encoding", "gzip")], &bomb)).await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.error().code, 1702);
    });
}

/// A server that sends until nobody reads any more, and then says how much that was.
async fn endless(head: &'static str, chunk: Vec<u8>) -> (Server, Rc<tokio::sync::Notify>) {
    let over = Rc::new(tokio::sync::Notify::new());
    let notice = Rc::clone(&over);
    let chunk = Rc::new(chunk);
    let server = Server::raw(move |number, mut stream| {
        let (notice, chunk) = (Rc::clone(&notice), Rc::clone(&chunk));
        async move {
            request(&mut stream, number, 0).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&chunk).await.is_ok() {}
            notice.notify_one();
        }
    })
    .await;
    (server, over)
}

#[test]
fn an_endless_body_is_cut_off_at_the_limit() {
    run(async {
        let mut chunk = b"10000\r\n".to_vec();
        chunk.resize(chunk.len() + 0x10000, b'x');
        chunk.extend_from_slice(b"\r\n");
        let heads = [
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk),
            ("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 0x10000]),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
                vec![b'x'; 0x10000],
            ),
        ];
        for (head, chunk) in heads {
            let (server, over) = endless(head, chunk).await;
            let exchange = send(&client_with(|config| config.max_body = 1 << 20), get(server.url("/"))).await;
            assert_eq!(exchange.error().code, 1702, "{head}");
            assert!(exchange.received < 8 << 20, "{} bytes", exchange.received);
            // The server notices: the connection is closed, not left behind.
            over.notified().await;
        }
    });
}

#[test]
fn a_discarded_endless_body_ends_with_the_timeout_and_lets_others_run() {
    run(async {
        let (server, over) = endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 0x10000]).await;
        let mut request = get(server.url("/"));
        request.discard_body = Some(true);
        request.timeout = Some(Duration::from_millis(150));
        let exchange = send(&client(), request).await;
        assert_eq!(exchange.error().code, 1050);
        assert!(exchange.error().message.contains("receiving"), "{}", exchange.error());
        over.notified().await;
    });
}
