//! The API journey against the built-in challenge system: that both sides count the same, and that no token is used too
//! late.

use serde_json::Value;

use crate::demo::Demo;
use crate::kit::{Project, Ran, root};

const LIST: &str = "GET /v1/challenges";

/// The challenge system's scripts that are run here or in `events`, and what they share.
const SCRIPTS: [&str; 8] = [
    "api",
    "claim",
    "combined",
    "e2e",
    "events",
    "patterns",
    "player_day",
    "players",
];

/// Runs `scripts/challenge/api.lua` against a demo.
async fn run_against(demo: &Demo, args: &[&str]) -> Ran {
    let url = format!("CHALLENGE_URL={}", demo.url("CHALLENGE_URL"));
    let script = root().join("scripts/challenge/api.lua");
    let script = script.to_str().expect("the repository's path is text");
    let args: Vec<&str> = [script, "--seed", "1", "-e", &url]
        .iter()
        .chain(args)
        .copied()
        .collect();
    Project::new().run(&args).await
}

#[test]
fn every_script_is_run() {
    let folder = std::fs::read_dir(root().join("scripts/challenge")).expect("the folder can be read");
    let files = folder.map(|entry| entry.expect("the folder can be read").path());
    let mut names: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|kind| kind == "lua"))
        .filter_map(|path| path.file_stem().map(|name| name.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    assert_eq!(names, SCRIPTS, "a new script needs a test");
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn both_sides_count_the_same() {
    let demo = Demo::start(&[]).await;
    let ran = run_against(&demo, &["-e", "LEVEL=50", "-d", "4s", "-e", "USERS=40"]).await;
    ran.exits(0);
    assert_eq!(ran.counts("api"), [200, 200, 200, 0, 0, 0]);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0));
    let stats = demo.challenge().await;
    assert_eq!(number(&stats["operations"][LIST]["byStatus"]["200"]), 200.0);
    let ends = ["won", "alreadyClaimed", "notCompleted"].map(|key| number(&stats["claims"][key]));
    let claims = ran.count("claims");
    assert_eq!(ends.iter().sum::<f64>(), claims);
    // A tenth of 200; the standard deviation is 4.2.
    assert!((5.0..=35.0).contains(&claims), "{claims}");
    assert!(
        ends[0] > 0.0,
        "those who have played before have something to claim: {stats}"
    );
    assert_eq!(ran.metric("claim_duration", "count"), Some(ends[0]));
    let tokens = &stats["tokens"];
    assert_eq!(number(&tokens["issued"]), ran.count("token_refreshes"));
    assert!(number(&tokens["issued"]) <= 40.0, "one for each user: {tokens}");
}

#[tokio::test]
async fn no_token_is_used_too_late() {
    let demo = Demo::start(&[]).await;
    let options = [
        "-e",
        "LEVEL=100",
        "-d",
        "4s",
        "-e",
        "USERS=10",
        "-e",
        "TOKEN_LIFETIME=4s",
        // Longer than anything waits on a busy machine.
        "-e",
        "REFRESH_BEFORE=3s",
    ];
    let ran = run_against(&demo, &options).await;
    ran.exits(0);
    let tokens = &demo.challenge().await["tokens"];
    let refused = ["missing", "invalid", "expired"].map(|key| number(&tokens[key]));
    assert_eq!(refused, [0.0; 3]);
    let issued = number(&tokens["issued"]);
    assert_eq!(issued, ran.count("token_refreshes"));
    // Each of ten is fetched again after 1 s at the earliest: five times at most in 4 s.
    assert!((20.0..=50.0).contains(&issued), "{issued}");
}

#[tokio::test]
async fn the_ramp_and_the_levels_keep_their_shape() {
    let demo = Demo::start(&[]).await;
    // level, scale, iterations offered: the area under the rates
    for (level, scale, offered) in [("ramp", "0.005", 1_518), ("all", "0.003", 1_593)] {
        let level = format!("LEVEL={level}");
        let ran = run_against(&demo, &["-e", &level, "--time-scale", scale, "-e", "USERS=20"]).await;
        // Whether it keeps up with 5,000/s is not the question here.
        let [all, started, _, dropped, ..] = ran.counts("api");
        assert!(all.abs_diff(offered) <= 3, "{level}: {all}");
        assert_eq!(started + dropped, all, "{level}");
    }
}

#[tokio::test]
async fn above_its_capacity_the_api_is_slow() {
    let demo = Demo::start(&["--challenge-api-capacity", "60"]).await;
    let ran = run_against(
        &demo,
        &["-e", "LEVEL=100", "-d", "3s", "-e", "USERS=5", "-e", "CLAIMS=0"],
    )
    .await;
    ran.exits(99);
    let p95 = ran
        .metric(&format!("http_req_duration{{name:{LIST}}}"), "p95")
        .expect("there are requests");
    // 40 a second too many for 3 s are 2 s of work at 60/s.
    assert!((1_200.0..2_600.0).contains(&p95), "{p95} ms");
    assert_eq!(ran.metric("errors", "rate"), Some(0.0), "slow, and right");
}

#[tokio::test]
async fn tokens_may_come_from_a_file() {
    let demo = Demo::start(&[]).await;
    let project = Project::new();
    let made = project.call(&["data", "challenge", "--users", "50"]).await;
    assert_eq!(
        (made.code, made.stdout.as_str()),
        (Some(0), "data/users.json\ndata/challenges.json\ndata/tokens.json\n")
    );
    let script = std::fs::read_to_string(root().join("scripts/challenge/api.lua")).expect("it is there");
    project.file("api.lua", &script);
    let shared = std::fs::read_to_string(root().join("scripts/challenge/players.lua")).expect("it is there");
    project.file("players.lua", &shared);
    let url = format!("CHALLENGE_URL={}", demo.url("CHALLENGE_URL"));
    let ran = project
        .run(&["api.lua", "-e", &url, "-e", "TOKENS=file", "-e", "LEVEL=50", "-d", "1s"])
        .await;
    ran.exits(0);
    assert_eq!(ran.count("token_refreshes"), 0.0);
    assert_eq!(number(&demo.challenge().await["tokens"]["issued"]), 0.0);
}

#[tokio::test]
async fn a_sick_system_is_not_loaded() {
    let demo = Demo::start(&["--challenge-fault", "down=database"]).await;
    let ran = run_against(&demo, &[]).await;
    ran.exits(108);
    assert!(
        ran.complaints().contains("is not healthy: status 503, DOWN"),
        "{}",
        ran.ended
    );
    assert!(demo.challenge().await["operations"][LIST].is_null());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let project = Project::new();
    // variable, what is said
    for (variable, part) in [
        (
            "LEVEL=70",
            "LEVEL is 50, 100, 200, 500, 1000, 2000, 5000, ramp or all, not 70",
        ),
        ("CLAIMS=2", "CLAIMS must be a number from 0 to 1, not 2"),
        ("TOKENS=none", "TOKENS is fetch or file, not none"),
        ("TOKEN_LIFETIME=soon", "`token_lifetime` must be a duration"),
    ] {
        let script = root().join("scripts/challenge/api.lua");
        let script = script.to_str().expect("the repository's path is text");
        project
            .call(&["check", script, "-e", variable])
            .await
            .says(104, &[part]);
    }
    // options of the demo, exit code, what is said
    let table: [(&[&str], i32, &str); 6] = [
        (
            &["--challenge-users", "0"],
            104,
            "option `challenge-users`: 0 is not a number",
        ),
        (&["--challenge-event-capacity", "0"], 104, "0 is not a rate"),
        (&["--challenge-overflow", "lose"], 2, "drop-oldest or block"),
        (&["--challenge-stat", "double"], 2, "absolute or increment"),
        (&["--challenge-fault", "stock=1"], 2, "faults are latency"),
        (&["--fault", "handler=1s"], 2, "no fault `handler`"),
    ];
    for (options, code, part) in table {
        let args: Vec<&str> = ["demo"].iter().chain(options).copied().collect();
        project.call(&args).await.says(code, &[part]);
    }
    let moment = project.call(&["data", "challenge", "--issued-at", "tomorrow"]).await;
    moment.says(2, &["2026-01-01T00:00:00Z"]);
}
