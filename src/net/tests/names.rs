//! Where connections go: overrides, families, source addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::*;

#[test]
fn overrides_change_the_address_and_nothing_else() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let client = client_with(|config| {
            config.hosts.insert("api.test".into(), server.addr.to_string());
            config.hosts.insert("*.wild.test:81".into(), server.addr.to_string());
            config.hosts.insert("ip.test".into(), "127.0.0.1".into());
        });
        let port = server.addr.port();
        for (url, host) in [
            ("http://api.test/".to_owned(), "api.test".to_owned()),
            ("http://API.test:9/".to_owned(), "api.test:9".to_owned()),
            ("http://a.wild.test:81/".to_owned(), "a.wild.test:81".to_owned()),
            (format!("http://ip.test:{port}/"), format!("ip.test:{port}")),
        ] {
            let exchange = send(&client, get(url::Url::parse(&url).unwrap())).await;
            assert_eq!(exchange.remote_addr, Some(server.addr), "{url}: {:?}", exchange.outcome);
            assert_eq!(seen.borrow().last().unwrap().header("host"), Some(host.as_str()));
            assert_eq!(exchange.timings.dns, Duration::ZERO);
        }
    });
}

#[test]
fn ipv6_addresses() {
    run(async {
        let Ok(listener) = TcpListener::bind("[::1]:0").await else {
            // A machine without IPv6: nothing to connect to.
            return;
        };
        let addr = listener.local_addr().unwrap();
        spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                talk(0, &mut stream, &|seen| ok(seen.header("host").unwrap())).await;
            }
        });
        let exchange = send(&client(), get(url::Url::parse(&format!("http://{addr}/")).unwrap())).await;
        assert_eq!(exchange.text(), addr.to_string());
    });
}

#[test]
fn source_addresses_follow_the_vu() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            let peer = stream.peer_addr().unwrap().ip().to_string();
            talk(number, &mut stream, &|_| ok(&peer)).await;
        })
        .await;
        let sources = [Ipv4Addr::new(127, 0, 0, 5), Ipv4Addr::new(127, 0, 0, 6)];
        let shared = Shared::new(HttpConfig {
            local_addrs: sources.map(IpAddr::from).to_vec(),
            ..HttpConfig::default()
        })
        .unwrap();
        for vu in 0..4_u64 {
            let client = Client::new(Rc::clone(&shared), vu);
            let exchange = send(&client, get(server.url("/"))).await;
            assert_eq!(exchange.text(), sources[vu as usize % 2].to_string());
        }
    });
}

#[test]
fn a_family_that_is_not_wanted_is_not_used() {
    run(async {
        let server = Server::answering(|_| ok("")).await;
        let client = client_with(|config| config.dns.policy = AddrPolicy::OnlyIpv6);
        let url = url::Url::parse(&format!("http://localhost:{}/", server.addr.port())).unwrap();
        // Either the name has no such address, or nobody listens on it.
        let exchange = send(&client, get(url)).await;
        assert!(
            [1101, 1210, 1212].contains(&exchange.error().code),
            "{}",
            exchange.error()
        );
        assert_eq!(server.connections.get(), 0);
    });
}

#[test]
fn options_that_cannot_work() {
    type Change = fn(&mut HttpConfig);
    let bad: [(&str, Change); 4] = [
        ("http.hosts[\"a b\"]", |c| {
            drop(c.hosts.insert("a b".into(), "no good".into()))
        }),
        ("http.proxy", |c| {
            c.proxy = Some(url::Url::parse("socks5://h:1").unwrap())
        }),
        ("http.user_agent", |c| c.user_agent = "a\nb".into()),
        ("http.tls.ca", |c| c.tls.ca = Some(Pem::Path("/nonexistent.pem".into()))),
    ];
    for (key, change) in bad {
        let mut config = HttpConfig::default();
        change(&mut config);
        let error = Shared::new(config).err().expect(key).to_string();
        assert!(error.starts_with(key), "{error}");
    }
}
