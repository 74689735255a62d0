//! Servers that refuse, reset, talk nonsense, fall silent or never stop: each is a failed request with its own
//! `error_code`, and the run goes on to its end, without hanging and without keeping anything.

use std::time::Duration;

use kingtide::clock;

use crate::kit::{Project, Ran, Running};
use crate::server::{Manner, Server, refused_url};

/// Twenty iterations by two users, each with one request that must not raise.
const JOURNEY: &str = "
local function go()
  local res = http.get('/', { name = 'GET /' })
  check(res, {
    ['failed'] = not res.ok and res.status == 0,
    ['has a reason'] = type(res.error) == 'string' and #res.error > 5,
    ['has the code'] = tostring(res.error_code) == kt.env 'CODE',
  })
end
return {
  http = { base_url = kt.env 'BASE_URL', timeout = kt.env('TIMEOUT', '5s'), max_body = '256KB' },
  scenarios = { a = { executor = 'shared-iterations', vus = 2, iterations = 20, exec = go } },
  thresholds = { checks = 'rate==1', http_req_failed = 'rate==1', ['http_reqs{error_code:' .. kt.env 'CODE' .. '}'] = 'count==20' },
}";

async fn fails_with(code: &str, url: &str, more: &[&str]) -> Ran {
    let project = Project::with(JOURNEY).against(url);
    let code = format!("CODE={code}");
    let args: Vec<&str> = ["j.lua", "-e", &code].iter().chain(more).copied().collect();
    let ran = project.run(&args).await;
    ran.exits(0);
    assert_eq!(
        ran.counts("a"),
        [20, 20, 20, 0, 0, 0],
        "a failed request does not fail its iteration"
    );
    ran
}

#[tokio::test]
async fn each_kind_of_failure_has_its_code() {
    fails_with("1212", &refused_url().await, &[]).await;
    fails_with("1101", "http://nonexistent.invalid", &[]).await;
    // manner, error code
    let table = [
        (Manner::Resets, "1220"),
        (Manner::Garbage, "1703"),
        (Manner::Endless, "1702"),
        (Manner::Huge, "1702"),
        (Manner::Half, "1221"),
        (Manner::HalfHead, "1221"),
    ];
    for (manner, code) in table {
        let server = Server::start(manner).await;
        let ran = fails_with(code, &server.url(), &[]).await;
        assert!(server.requests() >= 20, "{manner:?} was asked");
        if manner == Manner::Endless {
            // 20 times the limit, what the sockets' buffers hold, and no more.
            assert!(
                server.sent() < 20 * (256 << 10) + ((20 * 16) << 20),
                "{}",
                server.sent()
            );
            assert!(ran.count("data_received") < f64::from(20 * (1 << 20)));
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_timeout_and_no_more() {
    let server = Server::start(Manner::Silent).await;
    let ran = fails_with("1050", &server.url(), &["-e", "TIMEOUT=100ms"]).await;
    // Ten requests one after the other by each of two users.
    let took = ran.summary["run"]["duration_ms"].as_u64().expect("a duration");
    assert!((1_000..3_000).contains(&took), "{took} ms");
}

/// The first failure of each kind is told while the run goes on; thousands more are only counted.
#[tokio::test]
async fn a_new_user_is_told_why_requests_fail() {
    let url = refused_url().await;
    let project = Project::with("return function() http.get(kt.env 'BASE_URL') end").against(&url);
    let ran = project.run(&["j.lua", "--vus", "2", "--iterations", "500"]).await;
    ran.exits(0);
    let stderr = &ran.ended.stderr;
    assert_eq!(stderr.matches("connection refused").count(), 1, "{stderr}");
    assert!(stderr.contains("1212") && stderr.contains(&url), "{stderr}");
    let unsent = Project::with("return function() http.get '/relative' end")
        .run_script()
        .await;
    unsent.exits(107);
    let stderr = &unsent.ended.stderr;
    assert!(
        stderr.contains("http.get: `/relative` is relative to nothing: the plan has no"),
        "{stderr}"
    );
    let bare = Project::with("return function() http.get(kt.env 'BASE_URL' .. '/x') end").against("localhost:80");
    let ran_bare = bare.run(&["j.lua", "--once"]).await;
    ran_bare.exits(107);
    ran_bare.ended.says(
        107,
        &["`localhost:80/x` has no scheme; write http://localhost:80/x", "j.lua:"],
    );
    let warnings = ran.summary["warnings"].to_string();
    assert!(warnings.contains("all 500 requests failed"), "{warnings}");
}

/// How many files it has open; none when it has ended already.
fn descriptors(running: &Running<'_>) -> usize {
    let folder = format!("/proc/{}/fd", running.pid().as_raw_nonzero());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn failed_connections_are_closed() {
    for manner in [Manner::Garbage, Manner::Silent, Manner::Endless, Manner::Half] {
        let server = Server::start(manner).await;
        let project = Project::with(
            "return {
              http = { base_url = kt.env 'BASE_URL', timeout = '50ms', max_body = '64KB' },
              scenarios = { a = { executor = 'shared-iterations', vus = 8, iterations = 400, exec = function()
                http.get '/' sleep '1ms'
              end } },
            }",
        )
        .against(&server.url());
        let running = project.start(&["j.lua", "--threads", "1"]);
        let mut most = 0;
        for seen in [8, 40, 80, 120] {
            server.has_seen(seen).await;
            most = most.max(descriptors(&running));
        }
        running.ran().await.exits(0);
        // Standard streams, event loop, signals, timers and results; and one connection for each of eight users.
        assert!((8..44).contains(&most), "{manner:?}: {most} descriptors for 8 users");
    }
}

/// A server that stops listening for a moment costs some requests, and the others succeed.
#[tokio::test]
async fn the_run_outlives_its_server() {
    let server = Server::quick().await;
    let refused = refused_url().await;
    let project = Project::with(
        "local n = 0
        return function()
          n = n + 1
          http.get(n % 2 == 0 and kt.env 'BASE_URL' or kt.env 'GONE_URL', { name = 'x' })
        end",
    )
    .against(&server.url());
    let gone = format!("GONE_URL={refused}");
    let begun = clock::now();
    let ran = project.run(&["j.lua", "--iterations", "100", "-e", &gone]).await;
    ran.exits(0);
    assert_eq!(
        (ran.metric("http_req_failed", "rate"), server.requests()),
        (Some(0.5), 50)
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
}
