//! The journeys that send events, against the built-in challenge system: that both sides count the same, that caps hold, and
//! that what they are to find out is what they find.

use serde_json::Value;

use crate::demo::Demo;
use crate::kit::{Project, Ran, root};

/// Runs one of the challenge system's scripts against a demo, on two threads.
async fn run_against(demo: &Demo, script: &str, args: &[&str]) -> Ran {
    let url = format!("CHALLENGE_URL={}", demo.url("CHALLENGE_URL"));
    let grpc = format!("CHALLENGE_GRPC={}", demo.url("CHALLENGE_GRPC"));
    let script = root().join(format!("scripts/challenge/{script}.lua"));
    let script = script.to_str().expect("the repository's path is text");
    let fixed = [script, "--seed", "1", "--threads", "2", "-e", &url, "-e", &grpc];
    let args: Vec<&str> = fixed.iter().chain(args).copied().collect();
    Project::new().run(&args).await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn one_connection_and_as_many_events_as_were_started() {
    let demo = Demo::start(&["--challenge-handler", "10ms"]).await;
    let args = ["-e", "EPS=300", "-e", "DURATION=3s", "-e", "MAX_IN_FLIGHT=250"];
    let ran = run_against(&demo, "events", &args).await;
    assert_eq!(ran.counts("events"), [900, 900, 900, 0, 0, 0]);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0));
    let stats = demo.challenge().await;
    assert_eq!(number(&stats["events"]["received"]), 900.0);
    assert_eq!(number(&stats["events"]["processed"]), 900.0);
    assert_eq!(number(&stats["connections"]["withEvents"]), 1.0);
    let logins = number(&stats["events"]["byType"]["userLoggedIn"]);
    // A fifth of 900; the standard deviation is 12.
    assert!((120.0..=240.0).contains(&logins), "{logins}");
}

/// What the handler cannot take at once waits, and the report says what for.
#[tokio::test]
async fn a_cap_holds_over_both_threads_and_is_named() {
    for cap in [10, 25] {
        let demo = Demo::start(&["--challenge-handler", "100ms"]).await;
        let cap_is = format!("MAX_IN_FLIGHT={cap}");
        let rate = format!("EPS={}", cap * 15);
        let args = ["-e", &rate, "-e", "DURATION=2s", "-e", &cap_is];
        let ran = run_against(&demo, "events", &args).await;
        let [offered, started, completed, 0, 0, 0] = ran.counts("events") else {
            panic!("{}", ran.summary)
        };
        assert!(offered == started && started == completed);
        let stats = demo.challenge().await;
        assert_eq!(number(&stats["events"]["maxInFlight"]), f64::from(cap));
        assert_eq!(number(&stats["connections"]["withEvents"]), 1.0);
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let started = started as f64;
        assert_eq!(number(&stats["events"]["received"]), started);
        let blocked = ran.metric("grpc_req_blocked", "max").expect("calls waited");
        // 15 calls are offered where 10 are taken: the last of 2 s waits a second.
        assert!((500.0..3_000.0).contains(&blocked), "{blocked} ms");
        ran.shows(&[&format!("the cap max_in_flight = {cap}"), "bound the load"]);
    }
}

#[tokio::test]
async fn the_servers_stream_limit_is_waited_for_and_named() {
    let options = ["--challenge-handler", "100ms", "--challenge-streams", "10"];
    let demo = Demo::start(&options).await;
    let ran = run_against(&demo, "events", &["-e", "EPS=150", "-e", "DURATION=2s"]).await;
    assert_eq!(ran.counts("events"), [300, 300, 300, 0, 0, 0]);
    assert_eq!(ran.metric("grpc_req_failed", "rate"), Some(0.0), "no stream is refused");
    let stats = demo.challenge().await;
    assert_eq!(number(&stats["events"]["maxInFlight"]), 10.0);
    ran.shows(&["the server's limit of 10 streams", "bound the load"]);
}

#[tokio::test]
async fn both_at_once_have_metrics_of_their_own() {
    let demo = Demo::start(&[]).await;
    let args = ["-e", "API=40", "-e", "EPS=120", "-e", "DURATION=3s", "-e", "USERS=50"];
    let ran = run_against(&demo, "combined", &args).await;
    ran.exits(0);
    assert_eq!(ran.counts("api"), [120, 120, 120, 0, 0, 0]);
    assert_eq!(ran.counts("events"), [360, 360, 360, 0, 0, 0]);
    assert_eq!(ran.count("grpc_reqs"), 360.0);
    assert_eq!(ran.metric("grpc_req_duration", "count"), Some(360.0));
    assert_eq!(number(&demo.challenge().await["events"]["received"]), 360.0);
}

/// The buffer is written once a second, so that an event is seen after half of that on average.
#[tokio::test]
async fn events_are_seen_after_half_a_second_on_average() {
    let demo = Demo::start(&[]).await;
    let ran = run_against(&demo, "e2e", &["-e", "PROBES=25", "-e", "DURATION=6s"]).await;
    let [offered, started, completed, 0, 0, 0] = ran.counts("probes") else {
        panic!("{}", ran.summary)
    };
    assert!(offered == started && started == completed && offered > 90, "{offered}");
    assert_eq!(ran.metric("visible_timeouts", "rate"), Some(0.0));
    let mean = ran.metric("event_visible", "avg").expect("events were seen");
    // 289 ms is the standard deviation of one probe, 24 ms that of the mean of 150; and what a busy machine adds.
    assert!((400.0..=700.0).contains(&mean), "{mean} ms");
    let least = ran.metric("event_visible", "min").expect("events were seen");
    assert!((0.0..200.0).contains(&least), "they come at random moments: {least} ms");
}

#[tokio::test]
async fn every_goal_is_won_once() {
    let demo = Demo::start(&[]).await;
    let ran = run_against(&demo, "claim", &["-e", "DURATION=2s", "-e", "DOUBLES=60"]).await;
    ran.exits(0);
    assert_eq!(ran.counts("claims"), [20, 20, 20, 0, 0, 0]);
    assert_eq!(ran.counts("doubles"), [60, 60, 60, 0, 0, 0]);
    ran.shows(&["each_goal_is_won_once"]);
    let claims = &demo.challenge().await["claims"];
    assert_eq!(number(&claims["won"]), 80.0, "{claims}");
    assert_eq!(number(&claims["alreadyClaimed"]), 80.0, "{claims}");
    assert_eq!(number(&claims["wonMoreThanOnce"]), 0.0, "{claims}");
}

/// Without rewards nobody wins: the invariant names the users.
#[tokio::test]
async fn a_goal_that_nobody_wins_breaks_the_invariant() {
    let demo = Demo::start(&["--challenge-fault", "reward_errors=1"]).await;
    let ran = run_against(&demo, "claim", &["-e", "DURATION=1s", "--scenario", "claims"]).await;
    ran.exits(99);
    ran.shows(&["0 of 1 held", "each_goal_is_won_once", "user-00100"]);
}

#[tokio::test]
async fn the_patterns_keep_their_shape() {
    let demo = Demo::start(&[]).await;
    let ran = run_against(&demo, "patterns", &["--time-scale", "0.002"]).await;
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended.stdout);
    assert_eq!(ran.counts("match"), [100, 100, 100, 0, 0, 0]);
    assert_eq!(ran.counts("waves")[..3], [750, 750, 750]);
    let [offered, ..] = ran.counts("day");
    assert_eq!(offered, 1_980, "990,000 in half an hour");
    let stats = demo.challenge().await;
    assert_eq!(number(&stats["events"]["received"]), ran.count("grpc_reqs"));
    assert_eq!(number(&stats["claims"]["won"]), 750.0);
    assert_eq!(number(&stats["claims"]["wonMoreThanOnce"]), 0.0);
}

#[tokio::test]
async fn a_day_has_its_phases() {
    let demo = Demo::start(&[]).await;
    let args = ["--time-scale", "0.003", "-e", "SHARE=0.2", "-e", "USERS=50"];
    let ran = run_against(&demo, "player_day", &args).await;
    let [events, ..] = ran.counts("events");
    let [api, ..] = ran.counts("api");
    // 1,017 and 220 on average, as chance has it.
    assert!((850..=1_190).contains(&events), "{events}");
    assert!((150..=290).contains(&api), "{api}");
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended.stdout);
    ran.shows(&["morning", "noon", "afternoon", "evening", "late"]);
}
