//! Outputs that are files, what GitHub Actions is told, and how long the end of a run waits for receivers that are away.

use std::collections::BTreeMap;
use std::time::Duration;

use kingtide::clock;
use rustix::process::Signal;
use serde_json::Value;

use crate::kit::Project;
use crate::server::{Manner, Server};

const JOURNEY: &str = r#"
local kt = require "kt"
local http = require "kt.http"
local base = kt.env "BASE_URL"
return {
  scenarios = { shop = { executor = "shared-iterations", vus = 3, iterations = 60 } },
  thresholds = { http_req_duration = "p(95)<0.001" },
  setup = function() http.get(base .. "/setup") end,
  exec = function()
    kt.check(http.get(base .. "/"), { ["is 200"] = function(res) return res.status == 200 end })
    if kt.scenario.iteration == 7 then error("seven % is\nno luck") end
  end,
}
"#;

/// A sum by metric: of values, and of how many there are.
fn points(text: &str) -> BTreeMap<String, (f64, u64)> {
    let mut all: BTreeMap<String, (f64, u64)> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("each line is JSON");
        let metric = line["metric"].as_str().expect("it names its metric").to_owned();
        if line["type"] == "Point" {
            let sum = all.entry(metric).or_default();
            sum.0 += line["data"]["value"].as_f64().expect("a point has a value");
            sum.1 += 1;
        } else {
            assert_eq!(line["type"], "Metric", "{line}");
            assert!(
                all.insert(metric, (0.0, 0)).is_none(),
                "told once, and before its points: {line}"
            );
        }
    }
    all
}

#[tokio::test]
async fn files_and_github_tell_what_the_summary_does() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    let mut command = project.command(["run", "j.lua", "--summary-json", "s.json", "--allow-suspect"]);
    for out in ["jsonl=a.jsonl", "junit=a.xml", "hlog=a.hlog"] {
        command.args(["--out", out]);
    }
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", project.path("step.md"));
    let ended = project.start_command(command).ended().await;
    let read = |name: &str| std::fs::read_to_string(project.path(name)).expect("it was written");
    let summary: Value = serde_json::from_str(&read("s.json")).expect("a summary is JSON");

    let points = points(&read("a.jsonl"));
    // The request of setup is a sample too.
    assert_eq!(points["http_reqs"], (61.0, 61));
    assert_eq!(points["iterations"].0, 60.0);
    assert_eq!(points["checks"], (60.0, 60));
    let output = &summary["outputs"][0];
    let written = output["written"].as_u64();
    assert!(written >= Some(points.values().map(|(_, n)| n).sum()), "{output}");
    assert_eq!(
        (&output["kind"], &output["target"]),
        (&"jsonl".into(), &"a.jsonl".into())
    );
    assert_eq!(output["dropped"], 0);

    let junit = read("a.xml");
    assert!(
        junit.contains("<testcase name=\"http_req_duration: p(95)&lt;0.001\" classname=\"threshold\""),
        "{junit}"
    );
    assert!(!junit.contains("not come to its end"), "{junit}");
    assert!(read("a.hlog").contains("Tag=http_req_duration,"));

    let thresholds = "::error title=Threshold::http_req_duration p(95)<0.001 was ";
    assert!(ended.stderr.contains(thresholds), "{ended}");
    let error = "::error file=j.lua,line=12,title=Script error::";
    assert!(ended.stderr.contains(error), "{ended}");
    assert!(ended.stderr.contains("seven %25 is%0Ano luck"), "{ended}");
    assert!(read("step.md").contains("❌ FAIL: j.lua"), "{}", read("step.md"));

    // Not asked for, and somewhere else.
    let mut command = project.command(["run", "j.lua", "--no-results", "--no-github"]);
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", project.path("none.md"));
    let ended = project.start_command(command).ended().await;
    assert!(
        !ended.stderr.contains("::error") && !project.path("none.md").exists(),
        "{ended}"
    );
}

#[tokio::test]
async fn a_start_that_is_refused_leaves_nothing_and_takes_nothing_away() {
    let project = Project::with("return function() end");
    for file in ["old.csv", "old.xml"] {
        project.file(file, "old");
    }
    let outs = ["--out", "csv=old.csv", "--out", "junit=old.xml"];
    // what is added, exit code, what is said
    let table: [(&[&str], i32, &str); 3] = [
        (&["--out", "jsonl=none/b"], 104, "--out jsonl=none/b: No such file"),
        (
            &["--out", "hlog=./old.csv"],
            2,
            "--out csv=old.csv and --out hlog=./old.csv: give each",
        ),
        (
            &["--summary-json", "old.xml"],
            2,
            "--out junit=old.xml and --summary-json old.xml",
        ),
    ];
    for (more, code, says) in table {
        let refused = project.call(&[&["run", "j.lua"][..], &outs[..], more].concat()).await;
        refused.says(code, &[says]);
        let refused = project
            .call(&[&["quick", "http://127.0.0.1:1"][..], &outs[..], more].concat())
            .await;
        refused.says(code, &[says]);
    }
    for file in ["old.csv", "old.xml"] {
        let text = std::fs::read_to_string(project.path(file)).expect("it is there");
        assert_eq!(text, "old", "{file}");
    }
    let runs = std::fs::read_dir(project.path("results")).into_iter().flatten();
    assert_eq!(runs.count(), 0, "a run that does not start has no folder");
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_a_test_that_has_not_passed() {
    let server = Server::quick().await;
    let project = Project::new();
    let url = server.url();
    let args = [
        &url,
        "-c",
        "1",
        "-d",
        "60s",
        "--out",
        "junit=a.xml",
        "--out",
        "hlog=a.hlog",
    ];
    let running = project.start_quick(&args);
    server.has_seen(100).await;
    running.signal(Signal::KILL);
    running.ended().await;
    let junit = std::fs::read_to_string(project.path("a.xml")).expect("it is there from the start");
    assert!(
        junit.contains("failures=\"1\"") && junit.contains("the run has not come to its end"),
        "{junit}"
    );
}

#[tokio::test]
async fn the_end_of_a_run_waits_five_seconds_at_most_and_until_a_signal() {
    let server = Server::quick().await;
    let silent = Server::start(Manner::Silent).await;
    let project = Project::new();
    let url = server.url();
    let influx = format!("influx={}", silent.url());
    let args = [&*url, "-n", "10", "--out", &influx];
    let begun = clock::now();
    let ended = project.call(&[["quick"].as_slice(), &args].concat()).await;
    let took = begun.elapsed();
    assert!(ended.stderr.contains("waiting for influx=http://127.0.0.1:"), "{ended}");
    assert!(
        took > Duration::from_secs(4) && took < Duration::from_secs(8),
        "{took:?}: {ended}"
    );

    let mut running = project.start_quick(&args);
    running.said("waiting for influx=").await;
    let begun = clock::now();
    running.signal(Signal::INT);
    let ended = running.ended().await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}: {ended}",
        begun.elapsed()
    );
    assert!(
        ended.stdout.contains("10") && ended.stderr.contains("outputs are not waited for any longer"),
        "{ended}"
    );
}
