//! Mistakes on the command line and around the script: each is refused before any load, with an exit code that tells usage
//! (2) from configuration (104).

use crate::kit::{Project, finish};
use crate::server::Server;

const PLAN: &str = "local kt = require \"kt\"
local function go() kt.http.get(kt.env \"BASE_URL\") end
return {
  scenarios = {
    api = { executor = \"constant-vus\", vus = 1, duration = \"200ms\", exec = go },
    events = { executor = \"constant-arrival-rate\", rate = 5, duration = \"200ms\", exec = go },
  },
  thresholds = { [\"iterations{scenario:api}\"] = \"count>0\", [\"iterations{scenario:events}\"] = \"count>0\" },
}
";

/// Arguments, the exit code, and parts of the message.
type Row = (&'static [&'static str], i32, &'static [&'static str]);

const NO_SCRIPT: &[Row] = &[
    (&["run", "gone.lua"], 104, &["there is no file `gone.lua`"]),
    (&["check", "gone.lua"], 104, &["there is no file `gone.lua`"]),
    (&["run", "folder"], 104, &["`folder` is a folder"]),
    (&["run"], 2, &["<SCRIPT>"]),
    (&["rum", "j.lua"], 2, &["unrecognized subcommand 'rum'", "'run'"]),
];

const OPTIONS: &[Row] = &[
    (
        &["run", "j.lua", "--frobnicate"],
        2,
        &["unexpected argument '--frobnicate'"],
    ),
    (&["run", "j.lua", "--summary-jsn", "x"], 2, &["'--summary-json'"]),
    (&["run", "j.lua", "-e", "NAME"], 2, &["'NAME'", "NAME=VALUE"]),
    (&["run", "j.lua", "--tag", "=x"], 2, &["NAME=VALUE"]),
    (
        &["run", "j.lua", "--tag", "warmup=false"],
        2,
        &["tag `warmup` is the engine's own", "give yours another name"],
    ),
    (&["run", "j.lua", "--vus", "-1"], 2, &["'-1'", "--vus", "at least 1"]),
    (
        &["run", "j.lua", "--vus", "ten"],
        2,
        &["'ten'", "--vus", "a whole number"],
    ),
    (&["run", "j.lua", "--rate", "-5"], 2, &["'-5'", "a number above zero"]),
    (
        &["run", "j.lua", "--duration", "5 parsecs"],
        2,
        &["`parsecs`", "h, m, s, ms"],
    ),
    (&["run", "j.lua", "--threads", "0"], 2, &["--threads"]),
    (
        &["run", "j.lua", "--out", "influx=127.0.0.1:8086"],
        2,
        &["--out", "it has no scheme; write http://127.0.0.1:8086"],
    ),
    (
        &["ctl", "--at", "localhost:1", "--token", "0123456789abcdef", "status"],
        2,
        &["--at", "it has no scheme; write http://localhost:1"],
    ),
    (
        &["repl", "--base-url", "127.0.0.1:1"],
        2,
        &["--base-url", "it has no scheme; write http://127.0.0.1:1"],
    ),
];

const PLANS: &[Row] = &[
    (
        &["run", "j.lua", "--rate", "5"],
        104,
        &["--rate", "`api` is constant-vus", "--scenario"],
    ),
    (
        &["run", "j.lua", "--scenario", "apj"],
        104,
        &["no such scenario", "`api`, `events`"],
    ),
    (&["run", "f.lua", "--scenario", "x"], 104, &["it has `default`"]),
    (&["run", "f.lua", "--rate", "5"], 104, &["--duration"]),
];

const PLACES: &[Row] = &[
    (
        &["run", "j.lua", "--results", "a file"],
        104,
        &["cannot create a file", "--results DIR"],
    ),
    (
        &["run", "j.lua", "--results", "/proc/none"],
        104,
        &["cannot create /proc/none", "--results DIR"],
    ),
    (
        &["run", "j.lua", "--summary-json", "gone/s.json"],
        104,
        &["there is no folder `gone`"],
    ),
    (
        &["run", "j.lua", "--summary-json", "folder"],
        104,
        &["`folder` is a folder"],
    ),
];

#[tokio::test]
async fn wrong_arguments_are_told_and_send_nothing() {
    let server = Server::quick().await;
    let project = Project::new().against(&server.url());
    project.file("j.lua", PLAN).file("f.lua", "return function() end");
    project.file("a file", "").file("folder/x", "");
    for (args, code, parts) in [NO_SCRIPT, OPTIONS, PLANS, PLACES].concat() {
        let ended = project.call(args).await;
        ended.says(code, parts);
        assert!(ended.stderr.matches("os error").count() <= 1, "said once\n{ended}");
    }
    assert_eq!(server.connections(), 0, "no load");
}

#[tokio::test]
async fn the_command_line_selects_and_changes_scenarios() {
    let server = Server::quick().await;
    let project = Project::new().against(&server.url());
    project.file("j.lua", PLAN);
    let ran = project
        .run(&[
            "j.lua",
            "--scenario",
            "events",
            "--rate",
            "50",
            "-d",
            "100ms",
            "--tag",
            "a=b",
            "--seed",
            "7",
        ])
        .await;
    ran.exits(0);
    assert_eq!(ran.counts("events")[0], 5);
    assert!(ran.summary["scenarios"].get("api").is_none());
    let thresholds = ran.summary["thresholds"].as_array().expect("there are thresholds");
    assert_eq!(thresholds.len(), 1, "nothing is judged that does not run");
    let warnings = ran.summary["warnings"].to_string();
    let told = "threshold iterations{scenario:api}: count>0 is left out: its scenario does not run";
    assert!(warnings.contains(told), "{warnings}");
    assert_eq!(
        (&ran.summary["run"]["seed"], &ran.summary["run"]["tags"]["a"]),
        (&7.into(), &"b".into())
    );
    assert_eq!(server.requests(), 5);
}

/// The second line of the server's address is what the journey uses: `-e` wins over the environment.
#[tokio::test]
async fn variables_of_the_command_line_come_first() {
    let (used, other) = (Server::quick().await, Server::quick().await);
    let project = Project::new().against(&other.url());
    project.file("j.lua", PLAN);
    let variable = format!("BASE_URL={}", used.url());
    project
        .run(&["j.lua", "--scenario", "events", "-e", &variable])
        .await
        .exits(0);
    assert_eq!((used.requests(), other.connections()), (1, 0));
}

#[tokio::test]
async fn no_results_leaves_nothing() {
    let project = Project::new();
    project.file("j.lua", "return function() end");
    let ended = project.call(&["run", "j.lua", "--no-results", "--allow-suspect"]).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!project.path("results").exists());
    // A folder that the environment names is none that was asked for.
    let mut command = project.command(["run", "j.lua", "--no-results", "--allow-suspect"]);
    let ended = finish(command.env("KINGTIDE_RESULTS", "elsewhere")).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(!project.path("elsewhere").exists());
    let both = ["run", "j.lua", "--no-results", "--results", "elsewhere"];
    project.call(&both).await.says(2, &["cannot be used with"]);
}
