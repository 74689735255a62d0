//! What a run leaves in its folder, and what `report` and `history` make of it: after an end, after kill -9, and without
//! the index.

use std::path::PathBuf;
use std::time::Duration;

use kingtide::clock;
use rustix::process::Signal;
use serde_json::Value;

use crate::kit::{Ended, Project, finish, unwrapped};
use crate::server::{Manner, Server};

/// Requests of two kinds, checks, stages, a phase, a warm-up, setup and teardown, thresholds, a metric of its own.
const EVERYTHING: &str = "
local sizes = kt.metrics.trend('sizes', { unit = 'bytes' })
return {
  http = { base_url = kt.env 'BASE_URL' },
  setup = function() http.get('/setup') end,
  teardown = function() http.get('/teardown') end,
  checkpoints = '1s',
  phases = { { name = 'early', duration = '1s' }, { name = 'late', duration = '9s' } },
  thresholds = { http_req_duration = 'p(95)<10s', ['http_reqs{name:/b}'] = 'count>1', checks = 'rate>0.99' },
  scenarios = {
    open = { executor = 'ramping-arrival-rate', start_rate = 40, max_vus = 50,
      stages = { { duration = '1s', target = 40, name = 'up' }, { duration = '1300ms', target = 60, name = 'more' } },
      exec = function()
        local response = http.get('/b')
        if math.random() < 0.2 then http.get('http://127.0.0.1:1/', { name = 'nobody' }) end
        check(response, { ok = function(r) return r.status == 200 end, rare = function() return math.random() < 0.5 end })
        sizes:add(#response.body * math.random(1, 9))
      end },
    closed = { executor = 'constant-vus', vus = 2, duration = '2s', warmup = '500ms',
      exec = function() http.get('/a') sleep(0.01) end },
  },
}";

/// The only run in the project's results.
fn folder(project: &Project) -> PathBuf {
    let results = std::fs::read_dir(project.path("results")).expect("there are results");
    let mut runs = results.map(|entry| entry.expect("a folder can be listed").path());
    let folder = runs.find(|path| path.is_dir()).expect("there is a run");
    assert!(!runs.any(|path| path.is_dir()), "there is one");
    folder
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended}");
    serde_json::from_str(&ended.stdout).expect("it is JSON")
}

/// Without what intervals know in whole milliseconds only, or not at all.
fn comparable(mut summary: Value) -> Value {
    let drop_rates = |metrics: &mut Value| {
        for (_, metric) in metrics.as_object_mut().into_iter().flatten() {
            if metric["type"] == "counter" {
                metric["rate"].take();
            }
        }
    };
    drop_rates(&mut summary["metrics"]);
    for part in ["phases", "checkpoints"] {
        let parts = summary[part].as_array_mut().expect("there are some");
        assert!(!parts.is_empty(), "{part}");
        for part in parts {
            drop_rates(&mut part["metrics"]);
            part["end_ms"].take();
        }
    }
    let keys = ["scenarios", "metrics", "checks", "phases", "checkpoints", "failures"];
    keys.map(|key| (key.to_owned(), summary[key].take()))
        .into_iter()
        .collect()
}

#[tokio::test]
async fn the_seconds_of_a_run_add_up_to_its_summary_exactly() {
    let server = Server::start(Manner::Answers(Duration::from_millis(2))).await;
    let project = Project::with(EVERYTHING).against(&server.url());
    for threads in ["1", "2"] {
        let ran = project.run(&["j.lua", "--threads", threads]).await;
        ran.exits(99);
        let folder = folder(&project);
        let intervals = std::fs::read_to_string(folder.join("intervals.jsonl")).expect("there are intervals");
        let header = intervals.lines().next().expect("there is a header");
        let header: Value = serde_json::from_str(header).expect("it is JSON");
        assert!(
            folder.ends_with(header["run"]["name"].as_str().expect("a run has a name")),
            "{header}"
        );
        let told = json(&project.call(&["report", "--json"]).await);
        assert_eq!(told, ran.summary, "what the run wrote is what is reported");
        std::fs::remove_file(folder.join("summary.json")).expect("there is a summary");
        let rebuilt = json(&project.call(&["report", "--json"]).await);
        assert_eq!(rebuilt["verdict"], "aborted");
        assert_eq!(rebuilt["thresholds"], ran.summary["thresholds"]);
        let length = |summary: &Value| summary["run"]["duration_ms"].as_f64().expect("it has a length");
        assert!((length(&rebuilt) - length(&ran.summary)).abs() <= 1.0, "{rebuilt}");
        let events = std::fs::read_to_string(folder.join("intervals.jsonl")).expect("there are intervals");
        for stage in ["open: up", "open: more"] {
            assert!(events.contains(stage), "{stage}");
        }
        let (rebuilt, summary) = (comparable(rebuilt), comparable(ran.summary));
        for (key, value) in summary.as_object().expect("an object") {
            assert_eq!(rebuilt[key], *value, "{key}");
        }
        std::fs::remove_dir_all(folder).expect("the folder can be removed");
    }
}

/// Waits until the run has written that many lines.
async fn has_written(project: &Project, lines: usize) -> PathBuf {
    let wait = async {
        loop {
            let files = std::fs::read_dir(project.path("results"))
                .into_iter()
                .flatten()
                .flatten();
            let texts = files.map(|entry| entry.path().join("intervals.jsonl"));
            let long = |file: &PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.lines().count() >= lines);
            if let Some(file) = texts.into_iter().find(long) {
                return file;
            }
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    let file = clock::timeout(Duration::from_secs(30), wait).await;
    file.expect("the run writes its seconds")
}

#[tokio::test]
async fn a_run_that_was_killed_is_reported_to_its_last_whole_second() {
    let server = Server::start(Manner::Answers(Duration::from_millis(1))).await;
    let project = Project::with(
        "return {
          http = { base_url = kt.env 'BASE_URL' },
          thresholds = { http_req_duration = 'p(95)<10s', http_reqs = 'count<1' },
          scenarios = { a = { executor = 'constant-arrival-rate', rate = 50, duration = '1h', max_vus = 20,
            exec = function() check(http.get('/'), { ok = function() return true end }) end } },
        }",
    )
    .against(&server.url());
    let running = project.start(&["j.lua"]);
    let file = has_written(&project, 4).await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);

    // Half a line, as a kill in the middle of a write leaves.
    let mut text = std::fs::read_to_string(&file).expect("it is still there");
    assert!(text.ends_with("}\n"));
    let seconds = text.lines().count() - 1;
    text.push_str("{\"second\":99,\"at_ms\":12");
    std::fs::write(&file, text).expect("it can be written");

    let summary = json(&project.call(&["report", "last", "--json"]).await);
    assert_eq!(summary["verdict"], "aborted");
    assert_eq!(summary["run"]["duration_ms"], 1_000 * seconds);
    // What is due at the very end of a second may be counted just before it is handed over.
    let offered = summary["scenarios"]["a"]["iterations"]["offered"]
        .as_u64()
        .expect("a count");
    let due = 50 * seconds as u64;
    assert!(
        (due..=due + 2).contains(&offered),
        "all of each second: {offered}, not {due}"
    );
    assert!(
        summary["checks"][0]["passes"].as_u64() > Some(40 * seconds as u64),
        "{summary}"
    );
    let ok: Vec<_> = summary["thresholds"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|t| t["ok"].clone())
        .collect();
    assert_eq!(ok, [true, false]);
    let text = project.call(&["report", "last"]).await;
    let told = format!("these are the {seconds} s that it had written down");
    assert!(
        text.stdout.contains("ABORTED") && unwrapped(&text.stdout).contains(&told),
        "{text}"
    );
    let history = json(&project.call(&["history", "--json"]).await);
    assert_eq!(
        (&history[0]["ended"], &history[0]["verdict"]),
        (&Value::from(false), &Value::from("aborted"))
    );

    // The log of durations is whole as well, and made again it is the same.
    let log = std::fs::read_to_string(file.with_file_name("latency.hlog")).expect("there is a log");
    let again = project.call(&["report", "last", "--hlog"]).await.stdout;
    let whole = log.rfind('\n').map_or(0, |end| end + 1);
    assert!(
        again.starts_with(&log[..whole]),
        "the log is written after its second, and may lack that one"
    );
    assert!(log.matches("Tag=http_req_duration,").count() >= seconds - 1, "{log}");
    assert_eq!(again.matches("Tag=http_req_duration,").count(), seconds);
}

#[tokio::test]
async fn reports_are_for_people_pull_requests_and_ci() {
    let server = Server::start(Manner::Answers(Duration::from_millis(1))).await;
    let project = Project::with(EVERYTHING).against(&server.url());
    let ran = project.run(&["j.lua"]).await;
    let name = folder(&project)
        .file_name()
        .expect("it has a name")
        .to_string_lossy()
        .into_owned();
    let text = project.call(&["report", &name]).await;
    assert_eq!(text.stdout, ran.ended.stdout, "as the run printed it");

    let markdown = project.call(&["report", &name, "--markdown"]).await.stdout;
    for part in [
        "## ❌ FAIL: j.lua",
        "| ❌ | checks | rate>0.99 |",
        "| ✅ | http\\_req\\_duration | p(95)&lt;10s |",
        "### Durations",
        "| /b |",
        "exit code 99",
    ] {
        assert!(markdown.contains(part), "`{part}` is not in\n{markdown}");
    }
    let junit = project.call(&["report", &name, "--junit", "-o", "report.xml"]).await;
    assert_eq!((junit.code, junit.stdout.as_str()), (Some(0), ""), "{junit}");
    let xml = std::fs::read_to_string(project.path("report.xml")).expect("it was written");
    // The run, three thresholds, two checks and the generator; of these the run, a threshold and a check have failed. (The
    // generator of a busy machine may have, too.)
    assert!(xml.contains("tests=\"7\""), "{xml}");
    for part in [
        "<testcase name=\"checks: rate&gt;0.99\" classname=\"threshold\">",
        "classname=\"generator\"",
        "<failure message=\"did not hold",
    ] {
        assert!(xml.contains(part), "`{part}` is not in\n{xml}");
    }
    let missing = project.call(&["report", "nothing"]).await;
    missing.says(104, &["nothing", "no folder of a run"]);
}

#[tokio::test]
async fn the_index_of_runs_is_a_copy_that_may_be_lost_or_wrong() {
    let project = Project::with(
        "return { scenarios = { a = { executor = 'shared-iterations', iterations = tonumber(kt.env 'N'), exec = function() end } } }",
    );
    for n in ["3", "4"] {
        project.run(&["j.lua", "-e", &format!("N={n}")]).await.exits(0);
    }
    let index = project.path("results/.history.sqlite");
    let iterations = async || {
        let runs = json(&project.call(&["history", "--json"]).await);
        let runs = runs.as_array().expect("a list").clone();
        runs.iter()
            .map(|run| run["iterations"].as_u64().expect("a number"))
            .collect::<Vec<_>>()
    };
    assert_eq!(iterations().await, [4, 3], "the newest first");
    assert!(index.is_file());
    assert_eq!(iterations().await, [4, 3], "from the index");
    for broken in [
        "",
        "no database, but long enough to be taken for the head of one, which has a hundred bytes at least",
    ] {
        std::fs::write(&index, broken).expect("it can be written");
        assert_eq!(iterations().await, [4, 3], "without it");
    }
    let table = project.call(&["history"]).await;
    assert!(
        table.stdout.contains("ITERATIONS") && table.stdout.contains("pass"),
        "{table}"
    );

    // A run that is gone, and one whose summary has changed.
    let mut runs: Vec<_> = std::fs::read_dir(project.path("results"))
        .expect("there are results")
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .collect();
    runs.sort();
    std::fs::remove_dir_all(&runs[0]).expect("it can be removed");
    let file = runs[1].join("summary.json");
    let text = std::fs::read_to_string(&file).expect("there is a summary");
    std::fs::write(&file, text.replace("\"completed\": 4", "\"completed\": 40")).expect("it can be written");
    assert_eq!(iterations().await, [40]);
    let none = project.call(&["history", "-n", "0"]).await;
    assert_eq!(none.code, Some(2), "{none}");
    let nothing = project.call(&["history", "--results", "nowhere"]).await;
    nothing.says(104, &["nowhere"]);
    assert_eq!(nothing.stderr.matches("No such file").count(), 1, "{nothing}");
    // GitHub is told of runs, and not of looking at them.
    let mut command = project.command(["history", "--results", "nowhere"]);
    let nothing = finish(command.env("GITHUB_ACTIONS", "true")).await;
    assert!(
        nothing.code == Some(104) && !nothing.stderr.contains("::error"),
        "{nothing}"
    );
}
