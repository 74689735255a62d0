//! Cookies over several requests.

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
