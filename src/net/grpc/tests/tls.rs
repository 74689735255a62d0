//! Calls over TLS: certificates of both sides, names, and what the server must offer.

use super::faults::{answering, ok};
use super::*;
use crate::net::tests::http2::talk2;
use crate::net::tests::tls::Authority;
use crate::net::tests::{self, talk};
use tokio_rustls::TlsAcceptor;

async fn serve(acceptor: TlsAcceptor) -> tests::Server {
    tests::Server::raw(move |number, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut tls) = acceptor.accept(stream).await else {
                return;
            };
            if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
                let handle = answering(|asked| async move {
                    let authority = asked.request.uri().authority().map(ToString::to_string);
                    let scheme = asked.request.uri().scheme_str().unwrap_or_default().to_owned();
                    ok(asked, &format!("{scheme} {}", authority.unwrap_or_default()));
                });
                talk2(number, tls, None, handle).await;
            } else {
                talk(number, &mut tls, &|_| tests::ok("one")).await;
            }
        }
    })
    .await
}

fn tls(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

async fn one(server: &tests::Server, host: &str, options: &Options) -> Reply {
    let address = format!("{host}:{}", server.addr.port());
    let channel = Channel::new(&Endpoint::of(&shared(), &address, options).unwrap(), 0);
    let method = method("One");
    let mut asked = call(&method, &ask(""));
    asked.timeout = Duration::from_secs(5);
    channel.unary(&asked).await
}

#[test]
fn names_and_authorities() {
    run(async {
        let authority = Authority::new();
        let server = serve(authority.acceptor_of(&["localhost", "right.test"], &["h2"])).await;
        let port = server.addr.port();
        let trusting = tls(|options| options.tls.ca = Some(authority.pem()));
        let reply = one(&server, "localhost", &trusting).await;
        assert_eq!(reply.answer().text, format!("https localhost:{port}"));
        assert!(reply.timings.tls_handshaking > Duration::ZERO);
        let named = tls(|options| {
            options.tls.ca = Some(authority.pem());
            options.authority = Some("right.test:99".to_owned());
        });
        assert_eq!(
            one(&server, "127.0.0.1", &named).await.answer().text,
            "https right.test:99"
        );
        let wrong = tls(|options| {
            options.tls.ca = Some(authority.pem());
            options.authority = Some("wrong.test".to_owned());
        });
        let reply = one(&server, "localhost", &wrong).await;
        assert_eq!(reply.ending(), (Code::Unavailable, Some(ErrorKind::TlsWrongName)));
        let both = tls(|options| {
            options.tls.ca = Some(authority.pem());
            options.tls.server_name = Some("right.test".to_owned());
            options.authority = Some("wrong.test".to_owned());
        });
        assert_eq!(one(&server, "localhost", &both).await.answer().text, "https wrong.test");
        let insecure = tls(|options| options.tls.insecure = true);
        assert_eq!(one(&server, "127.0.0.1", &insecure).await.status.code, Code::Ok);
        let reply = one(&server, "localhost", &Options::default()).await;
        assert_eq!(
            reply.ending(),
            (Code::Unavailable, Some(ErrorKind::TlsUnknownAuthority))
        );
        assert!(reply.status.message.contains("(tls.ca adds one)"), "{}", reply.status);
    });
}

#[test]
fn certificates_of_clients() {
    run(async {
        let authority = Authority::new();
        let server = serve(authority.acceptor_for_clients(&["localhost"], &["h2"])).await;
        let (cert, key) = authority.identity("me");
        let with = tls(|options| {
            options.tls.ca = Some(authority.pem());
            (options.tls.cert, options.tls.key) = (Some(cert), Some(key));
        });
        assert_eq!(one(&server, "localhost", &with).await.status.code, Code::Ok);
        let without = tls(|options| options.tls.ca = Some(authority.pem()));
        let reply = one(&server, "localhost", &without).await;
        assert_eq!(reply.ending(), (Code::Unavailable, Some(ErrorKind::Tls)));
        assert!(reply.status.message.contains("CertificateRequired"), "{}", reply.status);
    });
}

#[test]
fn what_is_spoken_must_fit() {
    run(async {
        let authority = Authority::new();
        let old = serve(authority.acceptor_of(&["localhost"], &["http/1.1"])).await;
        let silent = serve(authority.acceptor_of(&["localhost"], &[])).await;
        let right = serve(authority.acceptor_of(&["localhost"], &["h2"])).await;
        let plain = tests::http2::serve2(None, answering(|asked| async move { ok(asked, "") })).await;
        let trusting = tls(|options| options.tls.ca = Some(authority.pem()));
        for (server, options, kind, text) in [
            (&old, &trusting, ErrorKind::NoHttp2, "does not offer HTTP/2"),
            (&silent, &trusting, ErrorKind::NoHttp2, "does not offer HTTP/2"),
            (&right, &plaintext(), ErrorKind::NoHttp2, "does it want TLS?"),
            (&plain, &trusting, ErrorKind::Tls, "`plaintext = true` goes without"),
        ] {
            let reply = one(server, "localhost", options).await;
            assert_eq!(reply.ending(), (Code::Unavailable, Some(kind)), "{}", reply.status);
            assert!(reply.status.message.contains(text), "{}", reply.status);
        }
    });
}
