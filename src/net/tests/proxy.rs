//! Requests through an HTTP proxy.

use super::http2::frames::agree;
use super::tls::Authority;
use super::*;

fn through(server: &Server, userinfo: &str) -> impl FnOnce(&mut HttpConfig) {
    let url = url::Url::parse(&format!("http://{userinfo}{}/", server.addr)).unwrap();
    move |config| config.proxy = Some(url)
}

#[test]
fn plain_requests_name_the_whole_url() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("by proxy")).await;
        let client = client_with(through(&server, "me:secret@"));
        for reused in [false, true] {
            let exchange = send(&client, get(url::Url::parse("http://nowhere.invalid/a?b=c#d").unwrap())).await;
            assert_eq!(exchange.text(), "by proxy");
            assert_eq!(exchange.reused, reused);
            assert_eq!(exchange.remote_addr, Some(server.addr));
        }
        let seen = seen.borrow();
        assert_eq!(seen[0].first_line(), "GET http://nowhere.invalid/a?b=c HTTP/1.1");
        assert_eq!(seen[0].header("host"), Some("nowhere.invalid"));
        assert_eq!(seen[0].header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
    });
}

#[test]
fn tls_goes_through_a_tunnel() {
    run(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor(&["shop.invalid"]);
        let tunnels = Rc::new(RefCell::new(Vec::new()));
        let memory = Rc::clone(&tunnels);
        let server = Server::raw(move |number, mut stream| {
            let (acceptor, memory) = (acceptor.clone(), Rc::clone(&memory));
            async move {
                let Some(seen) = request(&mut stream, number, 0).await else {
                    return;
                };
                memory.borrow_mut().push(seen.head);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 Connection established\r\nvia: x\r\n\r\n")
                    .await;
                if let Ok(mut tls) = acceptor.accept(stream).await {
                    talk(number, &mut tls, &|seen| ok(&seen.head)).await;
                }
            }
        })
        .await;
        let client = client_with(|config| {
            through(&server, "me:secret@")(config);
            config.tls.ca = Some(authority.pem());
        });
        let exchange = send(&client, get(url::Url::parse("https://shop.invalid/x").unwrap())).await;
        assert!(
            exchange.text().starts_with("GET /x HTTP/1.1\r\nhost: shop.invalid\r\n"),
            "{}",
            exchange.text()
        );
        // The proxy's password is the proxy's.
        assert!(!exchange.text().contains("proxy-authorization"));
        assert!(exchange.timings.tls_handshaking > Duration::ZERO);
        assert_eq!(
            *tunnels.borrow(),
            [
                "CONNECT shop.invalid:443 HTTP/1.1\r\nhost: shop.invalid:443\r\nproxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n"
            ]
        );
    });
}

#[test]
fn what_a_server_says_first_comes_through_with_the_proxys_answer() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            if let Some(seen) = request(&mut stream, number, 0).await {
                assert_eq!(seen.first_line(), "CONNECT shop.invalid:80 HTTP/1.1");
                // The settings of the server go with the end of this head.
                agree(&mut stream, b"HTTP/1.1 200 OK\r\nvia: x\r\n\r\n", 1).await;
            }
        })
        .await;
        let client = client_with(|config| {
            through(&server, "")(config);
            config.version = HttpVersion::Http2;
            config.timeout = Duration::from_secs(3);
        });
        let exchange = send(&client, get(url::Url::parse("http://shop.invalid/").unwrap())).await;
        assert_eq!(exchange.response().status, 200);
    });
}

#[test]
fn a_tunnel_that_is_refused() {
    run(async {
        for (answer, hint) in [
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
                "407",
            ),
            ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "502"),
            ("HTTP/1.1 200 OK\r\n", "complete head"),
            ("SSH-2.0\r\n\r\n", "not HTTP"),
        ] {
            let server = Server::raw(move |number, mut stream| async move {
                request(&mut stream, number, 0).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            })
            .await;
            let client = client_with(through(&server, ""));
            let exchange = send(&client, get(url::Url::parse("https://shop.invalid/").unwrap())).await;
            assert_eq!(exchange.error().code, 1230, "{answer:?}");
            assert!(exchange.error().message.contains(hint), "{}", exchange.error());
        }
    });
}
