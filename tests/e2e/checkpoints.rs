//! Checkpoints of a run: told while it goes on, and together they are the load. That their counts add up is looked at in
//! every summary (`summary`).

use rustix::process::Signal;
use serde_json::Value;

use crate::kit::Project;
use crate::server::Server;

/// The sum of one number over all checkpoints.
fn sum(summary: &Value, metric: &str, field: &str) -> f64 {
    let checkpoints = summary["checkpoints"].as_array().expect("there are checkpoints");
    let number = |checkpoint: &Value| checkpoint["metrics"][metric][field].as_f64().unwrap_or(0.0);
    checkpoints.iter().map(number).sum()
}

const TWO: &str = "
local paid = kt.metrics.counter 'paid'
local function go()
  http.get(kt.env 'BASE_URL', { name = 'x' })
  paid:add(2)
  check(kt.scenario.iteration, { even = kt.scenario.iteration % 2 == 0 })
  sleep '120ms'
end
return {
  checkpoints = '1s',
  scenarios = {
    slow = { executor = 'constant-arrival-rate', rate = 20, duration = '3s', exec = go },
    late = { executor = 'constant-vus', vus = 3, duration = '1s', start_time = '1500ms', exec = go },
  },
  thresholds = { ['http_reqs{scenario:late}'] = 'count>0' },
  setup = function() http.get(kt.env 'BASE_URL') end,
  teardown = function() http.get(kt.env 'BASE_URL') end,
}";

#[tokio::test]
async fn they_are_told_on_time_and_add_up_to_the_load() {
    for threads in ["1", "3"] {
        let server = Server::quick().await;
        let project = Project::with(TWO).against(&server.url());
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(0);
        let checkpoints = ran.summary["checkpoints"].as_array().expect("there are checkpoints");
        let starts: Vec<_> = checkpoints.iter().map(|c| c["start_ms"].as_u64()).collect();
        assert_eq!(starts, [Some(0), Some(1_000), Some(2_000)], "{}", ran.summary);
        let end = checkpoints[2]["end_ms"].as_u64().expect("it has an end");
        assert!(end > 3_000, "the last iteration ends after 3 s: {end}");
        assert_eq!(
            checkpoints[0]["scenarios"]["late"]["started"], 0,
            "it began in the second one"
        );
        // The one that is due at 1 s may be noted just before the second is over.
        let offered = checkpoints[0]["scenarios"]["slow"]["offered"].as_u64();
        assert!([Some(20), Some(21)].contains(&offered), "{}", ran.summary);

        assert_eq!(sum(&ran.summary, "paid", "count"), ran.count("paid"));
        // The requests of setup and teardown are in none.
        assert_eq!(sum(&ran.summary, "http_reqs", "count"), ran.count("http_reqs") - 2.0);
        for (metric, field) in [
            ("http_reqs{scenario:late}", "count"),
            ("http_req_duration", "count"),
            ("http_req_failed", "total"),
            ("checks", "passes"),
            ("checks", "total"),
        ] {
            let all = ran.metric(metric, field);
            assert_eq!(Some(sum(&ran.summary, metric, field)), all, "{metric} {field}");
        }
        ran.shows(&["CHECKPOINTS every 1.00s", "until iterations rate dropped"]);
        for (number, span) in [(1, "0s-1s"), (2, "1s-2s"), (3, "2s-3s")] {
            let line = format!("checkpoint {number} · {span}");
            let told = ran.ended.stderr.lines().filter(|told| told.starts_with(&line));
            let told: Vec<_> = told.collect();
            assert_eq!(told.len(), 1, "{}", ran.ended);
            for part in [
                " · late ",
                " · slow ",
                " · http_reqs ",
                " · p95 ",
                " · 0.0 % failed · 0 dropped",
            ] {
                assert!(told[0].contains(part), "`{part}` is not in {}", told[0]);
            }
        }
    }
}

#[tokio::test]
async fn they_are_told_while_the_load_goes_on_and_a_cut_short_one_ends_with_it() {
    let project = Project::with(
        "return { checkpoints = '1s', scenarios = { a = { executor = 'constant-vus', duration = '16m', exec = function()
          sleep '10ms'
        end } } }",
    );
    let mut running = project.start(&["j.lua"]);
    running.said("checkpoint 1 · 0s-1s · a ").await;
    running.said("checkpoint 2 · 1s-2s · a ").await;
    running.signal(Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    let checkpoints = ran.summary["checkpoints"].as_array().expect("there are checkpoints");
    let last = checkpoints.last().and_then(|last| last["end_ms"].as_u64());
    assert!(last < Some(16 * 60_000), "{last:?}");
}

#[tokio::test]
async fn quiet_runs_keep_them_and_say_nothing() {
    let project = Project::with("return { checkpoints = '1m', exec = function() end }");
    let ran = project.run(&["j.lua", "--quiet", "--time-scale", "0.1"]).await;
    ran.exits(0);
    assert_eq!(ran.summary["checkpoints"].as_array().map(Vec::len), Some(1));
    assert!(!ran.ended.stderr.contains("checkpoint"), "{}", ran.ended);
    let without = Project::with("return { exec = function() end }").run_script().await;
    assert!(without.summary.get("checkpoints").is_none(), "{}", without.summary);
    assert!(!without.ended.stdout.contains("CHECKPOINTS"), "{}", without.ended);
}
