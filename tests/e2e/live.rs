//! Live control of a real run, through `kingtide ctl`.

use std::time::Duration;

use kingtide::clock;

use serde_json::Value;

use crate::kit::{Project, Running};

const ENDLESS: &str = "
return { scenarios = { a = { executor = 'constant-vus', vus = 2, duration = '1h', exec = function() sleep '10ms' end } } }";

/// Where a run is steered, and its token.
async fn address(running: &mut Running<'_>) -> (String, String) {
    let line = running.said("control: ").await;
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["control:", url, "token:", token] = words[..] else {
        panic!("not as it is documented: {line}")
    };
    assert!(url.starts_with("http://127.0.0.1:"), "{line}");
    (url.to_owned(), token.to_owned())
}

/// A run that is steered.
struct Steered<'a> {
    project: &'a Project,
    url: String,
    token: String,
}

impl Steered<'_> {
    /// `kingtide ctl`, which has to succeed unless it is to say something.
    async fn ctl(&self, more: &[&str], refused: Option<&str>) {
        let args: Vec<&str> = ["ctl", "--at", &self.url, "--token", &self.token]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let ended = self.project.call(&args).await;
        match refused {
            Some(part) => ended.says(104, &[part]),
            None => assert_eq!(ended.code, Some(0), "{more:?}: {ended}"),
        }
    }

    /// Asks for the status until it is as wanted.
    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let args = ["ctl", "--at", &self.url, "--token", &self.token, "--json", "status"];
        let asking = async {
            loop {
                let status: Value = serde_json::from_str(&self.project.call(&args).await.stdout).unwrap_or_default();
                if wanted(&status) {
                    return status;
                }
                clock::sleep(Duration::from_millis(20)).await;
            }
        };
        clock::timeout(Duration::from_secs(30), asking)
            .await
            .expect("it comes to that in time")
    }
}

fn number(status: &Value, key: &str) -> f64 {
    status["scenarios"][0][key].as_f64().unwrap_or(-1.0)
}

#[tokio::test]
async fn a_run_changes_its_rate_and_is_paused() {
    let project = Project::with(
        "return { scenarios = { a = { executor = 'constant-arrival-rate', rate = 20, duration = '1h', exec = function() end } } }",
    );
    let mut running = project.start(&["j.lua", "--control", "127.0.0.1:0"]);
    let (url, token) = address(&mut running).await;
    let run = Steered {
        project: &project,
        url,
        token,
    };
    run.until(|status| (15.0..=25.0).contains(&number(status, "rate")))
        .await;
    run.ctl(&["rate", "a", "300"], None).await;
    let faster = run.until(|status| number(status, "rate") > 250.0).await;
    assert_eq!(number(&faster, "set_rate"), 300.0, "{faster}");
    run.ctl(&["rate", "a", "0"], Some("above zero")).await;
    run.ctl(
        &["vus", "a", "3"],
        Some("another number of virtual users is not supported"),
    )
    .await;
    run.ctl(&["pause"], None).await;
    run.ctl(&["pause"], Some("paused already")).await;
    let still = run.until(|status| number(status, "rate") == 0.0).await;
    assert_eq!(still["paused"], true, "{still}");
    let elapsed = |status: &Value| status["elapsed_ms"].as_u64().unwrap_or(0);
    let later = run.until(|status| elapsed(status) >= elapsed(&still) + 1_000).await;
    assert_eq!(
        number(&later, "started"),
        number(&still, "started"),
        "nothing begins in a pause"
    );
    run.ctl(&["resume"], None).await;
    let on = run.until(|status| number(status, "rate") > 250.0).await;
    assert!(
        number(&on, "rate") < 400.0 && on["paused"] == false,
        "nothing is caught up on: {on}"
    );
    run.ctl(&["stop"], None).await;
    let ran = running.ran().await;
    ran.exits(103);
    let events = ran.summary["run"]["events"].as_array().expect("there are events");
    let what: Vec<_> = events.iter().filter_map(|event| event["what"].as_str()).collect();
    assert_eq!(what, ["rate", "pause", "resume", "stop"]);
    assert_eq!(
        (&events[0]["scenario"], events[0]["value"].as_f64()),
        (&"a".into(), Some(300.0))
    );
}

#[tokio::test]
async fn virtual_users_come_and_go_and_meet() {
    let project = Project::with(
        "local kt = require 'kt'
        return { scenarios = { a = { executor = 'externally-controlled', vus = 1, max_vus = 8, duration = '1h', graceful_stop = '500ms',
            exec = function() kt.sleep '20ms' kt.rendezvous('all', 5, '1h') end } } }",
    );
    let mut running = project.start(&["j.lua", "--control", "127.0.0.1:0", "--threads", "2"]);
    let (url, token) = address(&mut running).await;
    let run = Steered {
        project: &project,
        url,
        token,
    };
    let alone = run.until(|status| number(status, "vus") == 1.0).await;
    assert_eq!(
        number(&alone, "finished"),
        0.0,
        "one alone does not meet anybody: {alone}"
    );
    run.ctl(&["vus", "a", "9"], Some("at most 8 virtual users")).await;
    run.ctl(&["vus", "a", "5"], None).await;
    let met = run.until(|status| number(status, "finished") >= 50.0).await;
    assert_eq!(number(&met, "set_vus"), 5.0, "{met}");
    run.ctl(&["stop"], None).await;
    let ran = running.ran().await;
    ran.exits(103);
    let [_, _, completed, ..] = ran.counts("a");
    assert_eq!(completed % 5, 0, "they went on five by five");
}

#[tokio::test]
async fn a_run_is_watched_refuses_what_it_cannot_and_is_stopped() {
    let project = Project::with(ENDLESS);
    let mut running = project.start(&["j.lua", "--control", "127.0.0.1:0"]);
    let (url, token) = address(&mut running).await;
    let ctl = async |more: &[&str]| {
        let args: Vec<&str> = ["ctl", "--at", &url, "--token", &token]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        project.call(&args).await
    };
    // The load begins when the virtual users are there.
    while !ctl(&["status"]).await.stdout.contains("a (constant-vus): ") {
        clock::sleep(Duration::from_millis(20)).await;
    }
    ctl(&["rate", "a", "5"])
        .await
        .says(104, &["scenario `a`", "not supported by its executor"]);
    ctl(&["rate", "a", "-5"]).await.says(104, &["above zero"]);
    ctl(&["vus", "b", "5"])
        .await
        .says(104, &["no scenario `b`; the run has `a`"]);
    // Options stand before a command or behind it.
    let args = ["ctl", "status", "--at", &url, "--json", "--token", &token];
    let json = project.call(&args).await;
    project
        .call(&["ctl", "status", "--token", &token])
        .await
        .says(2, &["--at URL is missing", "KINGTIDE_CONTROL"]);
    let status: serde_json::Value = serde_json::from_str(&json.stdout).expect("a status is JSON");
    assert_eq!(
        (&status["state"], &status["paused"]),
        (&"running".into(), &false.into()),
        "{json}"
    );
    let stranger = project
        .call(&["ctl", "--at", &url, "--token", "0123456789abcdef", "stop"])
        .await;
    stranger.says(104, &["needs the run's token"]);
    assert_eq!(ctl(&["stop"]).await.code, Some(0));
    let ran = running.ran().await;
    ran.exits(103);
    let events = ran.summary["run"]["events"].as_array().expect("there are events");
    assert_eq!(events.len(), 1, "what was refused is none: {events:?}");
    assert_eq!(events[0]["what"], "stop");
    ran.shows(&["stopped through live control"]);
    ctl(&["status"]).await.says(104, &["no run answers"]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_before_any_load() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a free port");
    let addr = taken.local_addr().expect("it has an address").to_string();
    let ended = Project::with(ENDLESS)
        .call(&["run", "j.lua", "--no-results", "--control", &addr])
        .await;
    ended.says(104, &["live control cannot listen on"]);
}
