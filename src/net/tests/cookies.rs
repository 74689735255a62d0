//! Cookies over several requests.

use http::HeaderValue;
use http::header::COOKIE;

use super::*;

async fn shop() -> (Server, Rc<RefCell<Vec<Seen>>>) {
    Server::remembering(|seen| match seen.path() {
        "/login" => with(
            "302 Found",
            &[
                ("set-cookie", "sid=1; Path=/"),
                ("set-cookie", "b=2"),
                ("location", "/home"),
            ],
            "",
        ),
        _ => ok(""),
    })
    .await
}

#[test]
fn a_jar_lives_as_long_as_it_should() {
    run(async {
        for (mode, after_login, next_iteration) in [
            (CookieMode::PerIteration, Some("b=2; sid=1"), None),
            (CookieMode::Keep, Some("b=2; sid=1"), Some("b=2; sid=1")),
            (CookieMode::Off, None, None),
        ] {
            let (server, seen) = shop().await;
            let client = client_with(|config| config.cookies = mode);
            send(&client, get(server.url("/login"))).await.response();
            client.end_iteration();
            send(&client, get(server.url("/home"))).await.response();
            let mut own = get(server.url("/home"));
            own.cookies = vec![("sid".into(), "9".into())];
            send(&client, own).await.response();
            let seen = seen.borrow();
            assert_eq!(seen[0].header("cookie"), None, "{mode:?}");
            assert_eq!(seen[1].header("cookie"), after_login, "{mode:?}");
            assert_eq!(seen[2].header("cookie"), next_iteration, "{mode:?}");
            let merged = if next_iteration.is_some() {
                "sid=9; b=2"
            } else {
                "sid=9"
            };
            assert_eq!(seen[3].header("cookie"), Some(merged), "{mode:?}");
        }
    });
}

#[test]
fn a_cookie_header_of_the_plan_joins_the_jar_until_another_origin() {
    run(async {
        let (other, seen_there) = Server::remembering(|_| ok("")).await;
        let there = other.url("/there").to_string();
        let (server, seen) = Server::remembering(move |seen| match seen.path() {
            "/login" => with("302 Found", &[("set-cookie", "sid=1"), ("location", "/home")], ""),
            "/leave" => with("302 Found", &[("location", &there)], ""),
            _ => ok(""),
        })
        .await;
        let client = client_with(|config| {
            for value in ["lang=en; sid=0", "ab=2"] {
                config.headers.append(COOKIE, HeaderValue::from_static(value));
            }
        });
        send(&client, get(server.url("/login"))).await.response();
        let mut own = get(server.url("/home"));
        own.cookies = vec![("lang".into(), "de".into())];
        send(&client, own).await.response();
        let mut whole = get(server.url("/home"));
        whole.headers.append(COOKIE, HeaderValue::from_static("mine=3"));
        send(&client, whole).await.response();
        send(&client, get(server.url("/leave"))).await.response();
        let seen: Vec<Option<String>> = seen
            .borrow()
            .iter()
            .map(|seen| {
                assert!(seen.head.matches("cookie: ").count() <= 1, "{}", seen.head);
                seen.header("cookie").map(str::to_owned)
            })
            .collect();
        let expected = [
            "lang=en; sid=0; ab=2",
            "sid=1; lang=en; ab=2",
            "lang=de; sid=1; ab=2",
            "mine=3",
            "sid=1; lang=en; ab=2",
        ];
        assert_eq!(seen, expected.map(|value| Some(value.to_owned())));
        // Cookies of a jar do not know ports.
        assert_eq!(seen_there.borrow()[0].header("cookie"), Some("sid=1"));
    });
}
