//! TLS with certificates made for the test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority of the test's own.
pub(in crate::net) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(in crate::net) fn new() -> Self {
        Self::named("test authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(in crate::net) fn pem(&self) -> Pem {
        Pem::Bytes(self.0.pem().into_bytes())
    }

    /// A certificate for names, with its key, as PEM.
    fn issue(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (rcgen::Certificate, KeyPair) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    pub(in crate::net) fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let (cert, key) = self.issue(names, |_| {});
        acceptor(cert.der().clone(), &key, None)
    }

    /// One that wants certificates of clients, signed by the same.
    pub(in crate::net) fn acceptor_for_clients(&self, names: &[&str], protocols: &[&str]) -> TlsAcceptor {
        let (cert, key) = self.issue(names, |_| {});
        let mut config = acceptor(cert.der().clone(), &key, Some(self)).config().as_ref().clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A client's certificate and its key.
    pub(in crate::net) fn identity(&self, name: &str) -> (Pem, Pem) {
        let (cert, key) = self.issue(&[name], |_| {});
        (
            Pem::Bytes(cert.pem().into_bytes()),
            Pem::Bytes(key.serialize_pem().into_bytes()),
        )
    }

    /// One that speaks these protocols.
    pub(in crate::net) fn acceptor_of(&self, names: &[&str], protocols: &[&str]) -> TlsAcceptor {
        let mut config = self.acceptor(names).config().as_ref().clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn acceptor(cert: CertificateDer<'static>, key: &KeyPair, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![cert], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(acceptor: TlsAcceptor) -> Server {
    Server::raw(move |number, stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut tls) = acceptor.accept(stream).await {
                let alpn = String::from_utf8(tls.get_ref().1.alpn_protocol().unwrap_or_default().to_vec());
                let alpn = alpn.unwrap();
                talk(number, &mut tls, &|seen| {
                    ok(format!("{alpn} {} {}", seen.connection, seen.nth))
                })
                .await;
            }
        }
    })
    .await
}

pub(in crate::net) fn https(server: &Server, host: &str) -> Request {
    get(url::Url::parse(&format!("https://{host}:{}/", server.addr.port())).unwrap())
}

#[test]
fn a_trusted_certificate() {
    run(async {
        let authority = Authority::new();
        let server = serve(authority.acceptor(&["localhost", "127.0.0.1"])).await;
        let client = client_with(|config| config.tls.ca = Some(authority.pem()));
        for (nth, host) in ["localhost", "localhost"].iter().enumerate() {
            let exchange = send(&client, https(&server, host)).await;
            assert_eq!(exchange.text(), format!("http/1.1 0 {nth}"));
            assert_eq!(exchange.timings.tls_handshaking > Duration::ZERO, nth == 0);
            // A handshake is more than a kilobyte each way; a request on an open connection is not.
            assert_eq!(exchange.sent > 250 && exchange.received > 600, nth == 0, "{exchange:?}");
        }
        assert_eq!(send(&client, https(&server, "127.0.0.1")).await.text(), "http/1.1 1 0");
    });
}

#[test]
fn certificates_that_are_refused() {
    run(async {
        let authority = Authority::new();
        let server = serve(authority.acceptor(&["right.test"])).await;
        let (expired, key) = authority.issue(&["localhost"], |params| {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1)
        });
        let expired = serve(acceptor(expired.der().clone(), &key, None)).await;
        let trusting = client_with(|config| config.tls.ca = Some(authority.pem()));
        let strange = client_with(|config| config.tls.ca = Some(Authority::named("another").pem()));
        // What a certificate looks like after its authority was made anew.
        let renewed = client_with(|config| config.tls.ca = Some(Authority::new().pem()));
        for (client, server, code, hint) in [
            (&strange, &server, 1310, "unknown authority"),
            (&renewed, &server, 1310, "unknown authority"),
            (&trusting, &server, 1311, "right.test"),
            (&trusting, &expired, 1312, "expired"),
        ] {
            let exchange = send(client, https(server, "localhost")).await;
            assert_eq!(exchange.error().code, code, "{}", exchange.error());
            assert!(exchange.error().message.contains(hint), "{}", exchange.error());
        }
    });
}

#[test]
fn insecure_takes_anything_and_a_name_can_be_given() {
    run(async {
        let authority = Authority::new();
        let server = serve(authority.acceptor(&["right.test"])).await;
        let insecure = client_with(|config| config.tls.insecure = true);
        assert_eq!(
            send(&insecure, https(&server, "localhost")).await.response().status,
            200
        );
        let named = client_with(|config| {
            config.tls.ca = Some(authority.pem());
            config.tls.server_name = Some("right.test".into());
        });
        assert_eq!(send(&named, https(&server, "localhost")).await.response().status, 200);
    });
}

#[test]
fn client_certificates() {
    run(async {
        let authority = Authority::new();
        let (cert, key) = authority.issue(&["localhost"], |_| {});
        let server = serve(acceptor(cert.der().clone(), &key, Some(&authority))).await;
        let (mine, my_key) = authority.issue(&["me"], |_| {});
        let with_cert = client_with(|config| {
            config.tls.ca = Some(authority.pem());
            config.tls.cert = Some(Pem::Bytes(mine.pem().into_bytes()));
            config.tls.key = Some(Pem::Bytes(my_key.serialize_pem().into_bytes()));
        });
        assert_eq!(
            send(&with_cert, https(&server, "localhost")).await.response().status,
            200
        );
        let without = client_with(|config| config.tls.ca = Some(authority.pem()));
        let exchange = send(&without, https(&server, "localhost")).await;
        assert_eq!(exchange.error().code, 1300, "{}", exchange.error());
        assert!(
            exchange.error().message.contains("CertificateRequired"),
            "{}",
            exchange.error()
        );
    });
}

#[test]
fn tls_options_that_cannot_work() {
    let authority = Authority::new();
    let (cert, _) = authority.issue(&["me"], |_| {});
    let (_, other_key) = authority.issue(&["me"], |_| {});
    let cert = Pem::Bytes(cert.pem().into_bytes());
    let key = Pem::Bytes(other_key.serialize_pem().into_bytes());
    let text = Pem::Bytes(b"hello".to_vec());
    let broken = Pem::Bytes(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_vec());
    let tls = |change: &dyn Fn(&mut TlsConfig)| {
        let mut config = HttpConfig::default();
        change(&mut config.tls);
        Shared::new(config).err().map(|error| error.to_string())
    };
    for (error, expected) in [
        (tls(&|c| c.ca = Some(text.clone())), "http.tls.ca: no PEM certificate"),
        (
            tls(&|c| c.ca = Some(broken.clone())),
            "http.tls.ca: not a usable certificate",
        ),
        (tls(&|c| c.cert = Some(cert.clone())), "http.tls.key: missing"),
        (tls(&|c| c.key = Some(key.clone())), "http.tls.cert: missing"),
        (
            tls(&|c| (c.cert, c.key) = (Some(cert.clone()), Some(text.clone()))),
            "http.tls.key: no private key",
        ),
        (
            tls(&|c| (c.cert, c.key) = (Some(cert.clone()), Some(key.clone()))),
            "http.tls.key: does not fit",
        ),
        (
            tls(&|c| c.server_name = Some("a b".into())),
            "http.tls.server_name: not a",
        ),
    ] {
        let error = error.expect(expected);
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn servers_that_do_not_speak_tls() {
    run(async {
        let plain = Server::raw(|_, mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let closing = Server::raw(|_, mut stream| async move {
            let _ = stream.read_buf(&mut Vec::with_capacity(4096)).await;
        })
        .await;
        let silent = Server::raw(|_, mut stream| async move {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let client = client_with(|config| config.tls.insecure = true);
        for (server, code, hint) in [
            (&plain, 1300, "does not speak TLS"),
            (&closing, 1300, "closed the connection in the TLS handshake"),
            (&silent, 1050, "in the TLS handshake"),
        ] {
            let mut request = https(server, "127.0.0.1");
            request.timeout = Some(Duration::from_millis(200));
            let exchange = send(&client, request).await;
            assert_eq!(exchange.error().code, code, "{}", exchange.error());
            assert!(exchange.error().message.contains(hint), "{}", exchange.error());
            assert!(exchange.timings.tls_handshaking > Duration::ZERO);
        }
    });
}
