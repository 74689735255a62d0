//! Following redirects.

use http::{HeaderName, HeaderValue, Method, header};

use super::*;

/// Sends and collects status and method of each hop.
async fn hops(client: &Client, mut request: Request) -> (Exchange, Vec<String>) {
    let (mut hops, mut end) = (Vec::new(), None);
    client
        .send(&mut request, &mut |hop, asked| {
            assert!(end.is_none(), "what is not followed is the end");
            let status = hop.outcome.as_ref().map_or(0, |response| response.status);
            hops.push(format!("{} {} {status}", hop.method, hop.address.path()));
            end = (!asked.is_followed()).then_some(hop);
        })
        .await;
    (end.expect("what is followed is not the end"), hops)
}

fn to(status: &str, location: &str) -> Vec<u8> {
    with(status, &[("location", location)], "moved")
}

#[test]
fn methods_and_bodies_follow_the_status() {
    run(async {
        let (server, seen) = Server::remembering(|seen| match seen.path() {
            "/end" if seen.first_line().starts_with("HEAD") => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
            "/end" => ok("end"),
            "/303" if seen.first_line().starts_with("HEAD") => {
                b"HTTP/1.1 303 Moved\r\nlocation: /end\r\ncontent-length: 5\r\n\r\n".to_vec()
            }
            path => to(&format!("{} Moved", &path[1..]), "/end"),
        })
        .await;
        let client = client();
        for (status, method, then, body) in [
            ("301", Method::POST, Method::GET, ""),
            ("302", Method::PUT, Method::GET, ""),
            ("303", Method::POST, Method::GET, ""),
            ("303", Method::HEAD, Method::HEAD, ""),
            ("307", Method::POST, Method::POST, "data"),
            ("308", Method::PUT, Method::PUT, "data"),
        ] {
            let mut request = Request::new(method.clone(), server.url(&format!("/{status}")));
            if method != Method::HEAD {
                request.body = "data".into();
                request
                    .headers
                    .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            }
            request
                .headers
                .insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));
            let (exchange, hops) = hops(&client, request).await;
            assert_eq!(
                hops,
                [format!("{method} /{status} {status}"), format!("{then} /end 200")]
            );
            assert_eq!(exchange.address.path(), "/end");
            let seen = seen.borrow();
            let last = seen.last().unwrap();
            assert_eq!(last.body, body.as_bytes(), "{status}");
            assert_eq!(
                last.header("content-type"),
                (!body.is_empty()).then_some("text/plain"),
                "{status}"
            );
            // The same origin may know the token.
            assert_eq!(last.header("authorization"), Some("Bearer t"), "{status}");
        }
    });
}

#[test]
fn secrets_do_not_leave_their_origin() {
    run(async {
        let (there, seen) = Server::remembering(|_| ok("there")).await;
        let location = there.url("/").to_string();
        let here = Server::answering(move |_| to("307 Moved", &location)).await;
        let client = client();
        for userinfo in [false, true] {
            let mut url = here.url("/");
            if userinfo {
                url.set_username("user").unwrap();
            }
            let mut request = get(url);
            request.headers.insert(header::COOKIE, HeaderValue::from_static("a=1"));
            request
                .headers
                .insert(HeaderName::from_static("x-api-key"), HeaderValue::from_static("k"));
            request
                .headers
                .insert(HeaderName::from_static("x-harmless"), HeaderValue::from_static("kept"));
            request.cookies.push(("b".into(), "2".into()));
            if !userinfo {
                request
                    .headers
                    .insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));
            }
            assert_eq!(send(&client, request).await.text(), "there");
        }
        for seen in seen.borrow().iter() {
            assert_eq!(seen.header("authorization"), None);
            assert_eq!(seen.header("cookie"), None);
            assert_eq!(seen.header("x-api-key"), None);
            assert_eq!(seen.header("x-harmless"), Some("kept"));
            assert_eq!(seen.header("host"), Some(there.addr.to_string().as_str()));
        }
    });
}

#[test]
fn a_header_that_is_there_several_times_is_so_after_a_redirect() {
    run(async {
        let (server, seen) = Server::remembering(|seen| match seen.path() {
            "/from" => to("302 Found", "/to"),
            _ => ok(""),
        })
        .await;
        let client = client_with(|config| {
            for (name, value) in [("x-plan", "1"), ("x-plan", "2"), ("x-own", "plan")] {
                config.headers.append(name.parse().unwrap(), value.parse().unwrap());
            }
        });
        let mut request = get(server.url("/from"));
        for value in ["3", "4"] {
            request.headers.append("x-own".parse().unwrap(), value.parse().unwrap());
        }
        send(&client, request).await.response();
        for seen in &*seen.borrow() {
            let mut lines: Vec<&str> = seen.head.lines().filter(|line| line.starts_with("x-")).collect();
            lines.sort_unstable();
            assert_eq!(lines, ["x-own: 3", "x-own: 4", "x-plan: 1", "x-plan: 2"]);
        }
    });
}

#[test]
fn a_loop_ends() {
    run(async {
        let server = Server::answering(|_| to("302 Found", "/")).await;
        let mut request = get(server.url("/"));
        request.redirects = 3;
        let (exchange, hops) = hops(&client(), request).await;
        assert_eq!(exchange.error().code, 1704);
        assert_eq!(hops.len(), 4);
        assert_eq!(server.connections.get(), 1);
    });
}

#[test]
fn a_redirect_that_is_not_followed() {
    run(async {
        let server = Server::answering(|seen| match seen.path() {
            "/nowhere" => with("302 Found", &[], "no location"),
            "/ftp" => to("302 Found", "ftp://host/"),
            "/broken" => to("302 Found", "http://[oops/"),
            "/choices" => to("300 Multiple Choices", "/end"),
            _ => to("302 Found", "/end"),
        })
        .await;
        let client = client();
        let mut request = get(server.url("/as-it-is"));
        request.redirects = 0;
        let exchange = send(&client, request).await;
        assert_eq!((exchange.response().status, exchange.text()), (302, "moved"));
        assert_eq!(send(&client, get(server.url("/nowhere"))).await.text(), "no location");
        assert_eq!(send(&client, get(server.url("/choices"))).await.response().status, 300);
        for path in ["/ftp", "/broken"] {
            assert_eq!(send(&client, get(server.url(path))).await.error().code, 1705, "{path}");
        }
    });
}

#[test]
fn one_timeout_for_all_hops() {
    run(async {
        let server = Server::raw(|number, mut stream| async move {
            while request(&mut stream, number, 0).await.is_some() {
                clock::sleep(Duration::from_millis(40)).await;
                let _ = stream.write_all(&to("302 Found", "/")).await;
            }
        })
        .await;
        let mut request = get(server.url("/"));
        request.redirects = 1000;
        request.timeout = Some(Duration::from_millis(400));
        let (exchange, hops) = hops(&client(), request).await;
        assert_eq!(exchange.error().code, 1050);
        assert!((2..=10).contains(&hops.len()), "{} hops", hops.len());
    });
}
