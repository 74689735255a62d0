//! Live control of a real run, through `kingtide ctl`.

use std::time::Duration;

use kingtide::clock;

use crate::kit::Project;

const ENDLESS: &str = "
return { scenarios = { a = { executor = 'constant-vus', vus = 2, duration = '1h', exec = function() sleep '10ms' end } } }";

#[tokio::test]
async fn a_run_is_watched_refuses_what_it_cannot_and_is_stopped() {
    let project = Project::with(ENDLESS);
    let mut running = project.start(&["j.lua", "--control", "127.0.0.1:0"]);
    let line = running.said("control: ").await;
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["control:", url, "token:", token] = words[..] else {
        panic!("not as it is documented: {line}")
    };
    let (url, token) = (url.to_owned(), token.to_owned());
    assert!(url.starts_with("http://127.0.0.1:"), "{line}");
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
    let json = ctl(&["--json", "status"]).await;
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
