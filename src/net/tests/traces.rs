//! Trace ids on the wire: over HTTP/1.1 and HTTP/2, with redirects and retries, and beside headers of the caller's own.

use http::HeaderValue;

use super::http2::{handle, serve2};
use super::*;
use crate::net::trace::{TRACEPARENT, TRACESTATE};

fn tracing(sampling: f64) -> Client {
    client_with(|config| config.trace_sampling = Some(sampling))
}

/// Trace id, span id and flags of a request.
fn parts(seen: &Seen) -> (String, String, String) {
    let parent = seen.header("traceparent").unwrap();
    let parts: Vec<&str> = parent.split('-').collect();
    assert_eq!((parts[0], parts.len(), parent.len()), ("00", 4, 55), "{parent}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

#[test]
fn nothing_is_sent_unless_it_is_asked_for() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let exchange = send(&client(), get(server.url("/"))).await;
        assert_eq!(exchange.trace, None);
        let seen = seen.borrow();
        assert_eq!(
            (seen[0].header("traceparent"), seen[0].header("tracestate")),
            (None, None)
        );
    });
}

#[test]
fn each_request_has_a_trace_and_a_share_of_them_is_sampled() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        for (sampling, flags) in [(0.0, "00"), (1.0, "01")] {
            let client = tracing(sampling);
            let mut ids = Vec::new();
            for _ in 0..3 {
                let exchange = send(&client, get(server.url("/"))).await;
                let trace = exchange.trace.unwrap();
                assert_eq!(trace.is_sampled, flags == "01");
                let seen = seen.borrow();
                let seen = seen.last().unwrap();
                assert_eq!(parts(seen).0, trace.hex());
                assert_eq!(parts(seen).2, flags);
                let state = seen.header("tracestate").unwrap();
                let run = client.shared().place().0.run();
                assert_eq!(state, format!("kingtide={run};0"));
                ids.push(trace.id());
            }
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), 3);
        }
    });
}

#[test]
fn hops_and_attempts_share_the_trace_and_not_the_span() {
    run(async {
        let (server, seen) = Server::remembering(|seen| match seen.path() {
            "/from" => with("302 Found", &[("location", "/to")], ""),
            _ => ok(""),
        })
        .await;
        let client = tracing(1.0);
        let exchange = send(&client, get(server.url("/from"))).await;
        let id = exchange.trace.unwrap().hex();
        {
            let seen = seen.borrow();
            let (first, second) = (parts(&seen[0]), parts(&seen[1]));
            assert_eq!((&first.0, &second.0), (&id, &id));
            assert_ne!(first.1, second.1);
        }

        // A kept connection that has gone stale: the server reads the request and closes.
        let attempts = Rc::<RefCell<Vec<Seen>>>::default();
        let memory = Rc::clone(&attempts);
        let stale = Server::raw(move |number, mut stream| {
            let memory = Rc::clone(&memory);
            async move {
                for nth in 0..2 {
                    let Some(seen) = request(&mut stream, number, nth).await else {
                        return;
                    };
                    memory.borrow_mut().push(seen);
                    if (number, nth) == (0, 1) {
                        return;
                    }
                    stream.write_all(&ok("")).await.unwrap();
                }
            }
        })
        .await;
        send(&client, get(stale.url("/"))).await;
        let exchange = send(&client, get(stale.url("/"))).await;
        assert!(exchange.retried);
        let attempts = attempts.borrow();
        let (first, second) = (parts(&attempts[1]), parts(&attempts[2]));
        assert_eq!(first.0, second.0);
        assert_eq!(first.0, exchange.trace.unwrap().hex());
        assert_ne!(first.1, second.1);
    });
}

#[test]
fn headers_of_the_callers_own_win() {
    const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let client = tracing(0.0);
        // (traceparent, tracestate, the trace that counts, the tracestate that is sent)
        let table = [
            (Some(OWN), None, Some("0af7651916cd43dd8448eb211c80319c"), None),
            (Some("something else"), None, None, None),
            (None, Some("mine=1"), None, Some("mine=1")),
        ];
        for (parent, state, expected, sent) in table {
            let mut request = get(server.url("/"));
            for (name, value) in [(&TRACEPARENT, parent), (&TRACESTATE, state)] {
                if let Some(value) = value {
                    request.headers.append(name.clone(), HeaderValue::from_static(value));
                }
            }
            let exchange = send(&client, request).await;
            let seen = seen.borrow();
            let seen = seen.last().unwrap();
            let all = |name: &str| seen.head.lines().filter(|line| line.starts_with(name)).count();
            assert_eq!(all("traceparent:"), 1);
            assert_eq!(seen.header("tracestate"), sent);
            match parent {
                Some(parent) => {
                    assert_eq!(seen.header("traceparent"), Some(parent));
                    assert_eq!(exchange.trace.map(|trace| trace.hex()).as_deref(), expected);
                    assert_eq!(exchange.trace.is_some_and(|trace| trace.is_sampled), expected.is_some());
                }
                None => assert_eq!(parts(seen).0, exchange.trace.unwrap().hex()),
            }
        }
        // Of a header that all requests have, too.
        let client = client_with(|config| {
            config.trace_sampling = Some(0.0);
            config
                .headers
                .append(TRACEPARENT.clone(), HeaderValue::from_static(OWN));
        });
        let exchange = send(&client, get(server.url("/"))).await;
        assert!(exchange.trace.unwrap().is_sampled);
        assert_eq!(seen.borrow().last().unwrap().header("traceparent"), Some(OWN));
    });
}

#[test]
fn streams_of_http2_carry_them_too() {
    run(async {
        let seen = Rc::<RefCell<Vec<http::HeaderMap>>>::default();
        let memory = Rc::clone(&seen);
        let server = serve2(
            None,
            handle(move |asked| {
                memory.borrow_mut().push(asked.request.headers().clone());
                async move { asked.ok("") }
            }),
        )
        .await;
        let client = client_with(|config| {
            config.version = HttpVersion::Http2;
            config.trace_sampling = Some(1.0);
        });
        let exchange = send(&client, get(server.url("/"))).await;
        let trace = exchange.trace.unwrap();
        let seen = seen.borrow();
        let parent = seen[0]["traceparent"].to_str().unwrap();
        assert!(
            parent.starts_with(&format!("00-{}-", trace.hex())) && parent.ends_with("-01"),
            "{parent}"
        );
        assert!(seen[0]["tracestate"].to_str().unwrap().starts_with("kingtide="));
    });
}

#[test]
fn who_watches_requests_sees_what_is_sent() {
    run(async {
        let (server, seen) = Server::remembering(|_| ok("")).await;
        let shown = Rc::<RefCell<Option<String>>>::default();
        let board = Rc::clone(&shown);
        let mut request = get(server.url("/"));
        request.on_send = Some(OnSend::new(move |sent| {
            let parent = sent.headers.get(&TRACEPARENT).unwrap();
            *board.borrow_mut() = Some(parent.to_str().unwrap().to_owned());
        }));
        send(&tracing(1.0), request).await;
        assert_eq!(shown.borrow().as_deref(), seen.borrow()[0].header("traceparent"));
    });
}
