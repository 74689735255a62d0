//! The commands beside `run`: help, completions, the manual, sample data and `check`. Help is compared with files in
//! `tests/golden/cli`; `UPDATE_GOLDEN=1` writes them anew.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::kit::{Project, root};

#[tokio::test]
async fn help_is_as_in_the_golden_files() {
    let project = Project::new();
    // file, arguments
    let table: &[(&str, &[&str])] = &[
        ("kingtide", &["--help"]),
        ("run", &["run", "--help"]),
        ("quick", &["quick", "--help"]),
        ("capacity", &["capacity", "--help"]),
        ("report", &["report", "--help"]),
        ("history", &["history", "--help"]),
        ("check", &["check", "--help"]),
        ("repl", &["repl", "--help"]),
        ("test", &["test", "--help"]),
        ("init", &["init", "--help"]),
        ("demo", &["demo", "--help"]),
        ("ctl", &["ctl", "--help"]),
        ("data", &["data", "--help"]),
        ("data-shop", &["data", "shop", "--help"]),
        ("data-challenge", &["data", "challenge", "--help"]),
        ("data-events", &["data", "events", "--help"]),
        ("completions", &["completions", "--help"]),
        ("man", &["man", "--help"]),
    ];
    for (file, args) in table {
        let ended = project.call(args).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{file}");
        let path = root().join(format!("tests/golden/cli/{file}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &ended.stdout).expect("the golden file can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(ended.stdout, golden, "{file}: UPDATE_GOLDEN=1 accepts the new text");
    }
}

#[tokio::test]
async fn the_version_is_told() {
    let ended = Project::new().call(&["--version"]).await;
    assert_eq!(ended.stdout, format!("kingtide {}\n", env!("CARGO_PKG_VERSION")));
}

/// Feeds `text` to a program and gives its exit code and stdout.
async fn fed(program: &str, args: &[&str], text: &str) -> (Option<i32>, String) {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).await.expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it is a child of ours");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[tokio::test]
async fn completions_for_every_shell() {
    let project = Project::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = project.call(&["completions", shell]).await;
        assert_eq!(ended.code, Some(0), "{ended}");
        for word in ["run", "check", "demo", "summary-json"] {
            assert!(ended.stdout.contains(word), "{shell} knows {word}");
        }
        if shell == "bash" {
            assert_eq!(fed("bash", &["-n"], &ended.stdout).await.0, Some(0), "bash can read it");
        }
    }
    project.call(&["completions", "fsh"]).await.says(2, &["'fsh'", "fish"]);
}

#[tokio::test]
async fn the_manual_has_a_page_for_each_command() {
    let ended = Project::new().call(&["man"]).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    let titles: Vec<&str> = ended.stdout.lines().filter(|line| line.starts_with(".TH ")).collect();
    for command in [
        "kingtide",
        "kingtide-run",
        "kingtide-quick",
        "kingtide-capacity",
        "kingtide-check",
        "kingtide-demo",
        "kingtide-data",
    ] {
        let title = titles
            .iter()
            .filter(|title| title.split(' ').nth(1) == Some(command))
            .count();
        assert_eq!(title, 1, "{command}: {titles:?}");
    }
    // Requests and macros at the start of a line are known ones; anything else would vanish from the page.
    for line in ended.stdout.lines().filter(|line| line.starts_with(['.', '\''])) {
        let request = line[1..].split_whitespace().next().unwrap_or_default();
        let known = [
            "TH", "SH", "SS", "TP", "PP", "RS", "RE", "ie", "el", "br", "sp", "IP", "nf", "fi",
        ];
        assert!(known.contains(&request), "{line}");
    }
}

#[tokio::test]
async fn the_sample_data_is_that_of_the_repository() {
    let project = Project::new();
    // What is made and not kept.
    let large = ["tokens.json"];
    let mut written = 0;
    for set in ["shop", "challenge"] {
        let ended = project.call(&["data", set, "--out", "made/data"]).await;
        assert_eq!(ended.code, Some(0), "{ended}");
        for line in ended.stdout.lines() {
            let name = line.strip_prefix("made/data/").expect("the file is told");
            let made = std::fs::read(project.path(line)).expect("it was written");
            if large.contains(&name) {
                continue;
            }
            let kept = std::fs::read(root().join("data").join(name)).expect("the repository has it");
            assert!(made == kept, "{name} differs from data/{name}");
            written += 1;
        }
    }
    let kept = std::fs::read_dir(root().join("data")).expect("the repository has data");
    let kept = kept.map(|entry| entry.expect("the folder can be read").file_name());
    let kept = kept.filter(|name| !large.iter().any(|large| name == large)).count();
    // The events are made by `the_sample_events_are_those_of_the_repository`.
    assert_eq!(written + 1, kept, "every file of data/ comes from there");
    project.file("a file", "");
    project
        .call(&["data", "shop", "--out", "a file/x"])
        .await
        .says(104, &["a file/x"]);
}

#[tokio::test]
async fn the_sample_events_are_those_of_the_repository() {
    let project = Project::new();
    project.file("made/e.jsonl", "old");
    let ended = project.call(&["data", "events", "2500", "made/e.jsonl"]).await;
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "made/e.jsonl\n"),
        "{ended}"
    );
    let made = std::fs::read_to_string(project.path("made/e.jsonl")).expect("it was written");
    let kept = std::fs::read_to_string(root().join("data/events.jsonl")).expect("the repository has it");
    assert!(made == kept, "it differs from data/events.jsonl");
    let out = project.call(&["data", "events", "2500", "-", "--seed", "1"]).await;
    assert!(out.stdout == kept, "stdout has the same bytes");
    let other = project.call(&["data", "events", "2500", "-", "--seed", "2"]).await;
    assert!(other.stdout != kept, "another seed gives others");
    let left = std::fs::read_dir(project.path("made")).expect("the folder is there");
    assert_eq!(left.count(), 1, "no temporary file stays");
}

/// A hundred thousand lines in less than 5 s, with the unoptimised binary too.
#[tokio::test]
async fn a_hundred_thousand_events_are_quick_and_unique() {
    let project = Project::new();
    let began = clock::now();
    let ended = project.call(&["data", "events", "100000", "e.jsonl"]).await;
    let took = clock::now() - began;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let text = std::fs::read_to_string(project.path("e.jsonl")).expect("it was written");
    let mut ids = HashSet::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        let id = event["correlationId"]
            .as_str()
            .expect("each event has an id")
            .to_owned();
        assert!(ids.insert(id), "{line}");
    }
    assert_eq!(ids.len(), 100_000);
}

#[tokio::test]
async fn events_that_cannot_be_written_are_refused_with_the_reason() {
    let project = Project::new();
    // arguments, exit code, what is said
    let table: &[(&[&str], i32, &str)] = &[
        (&["0", "e.jsonl"], 2, "at least 1"),
        (&["ten", "e.jsonl"], 2, "whole number"),
        (&["10"], 2, "<FILE>"),
        (&["10", "none/e.jsonl"], 104, "cannot write none/e.jsonl: No such file"),
        (&["10", "."], 104, "cannot write .: "),
        (&["10", "/dev/full"], 104, "cannot write /dev/full: No space left"),
    ];
    for (args, code, part) in table {
        let args: Vec<&str> = ["data", "events"].iter().chain(*args).copied().collect();
        project.call(&args).await.says(*code, &[part]);
    }
    let left = std::fs::read_dir(project.path(".")).expect("the folder is there");
    assert_eq!(left.count(), 0, "nothing is left behind");
}

const PLAN: &str = "local kt = require \"kt\"
local function go() kt.check(nil, { fine = true }) end
return {
  http = { base_url = \"http://127.0.0.1:9\" },
  scenarios = {
    a = { executor = \"constant-arrival-rate\", rate = 50, duration = \"1m\", exec = go },
    b = { executor = \"per-vu-iterations\", vus = 3, iterations = 4, start_time = \"2m\", exec = go },
  },
  thresholds = { http_req_failed = { { threshold = \"rate<0.1\", abort_on_fail = true } } },
}
";

/// On a machine that has `/dev/full`, a disk without room.
#[tokio::test]
async fn what_cannot_be_shown_is_no_success() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        return;
    };
    let project = Project::with("return function() end");
    project.run(&["j.lua"]).await.exits(0);
    let table: [&[&str]; 7] = [
        &["--version"],
        &["completions", "bash"],
        &["check", "j.lua"],
        &["report", "--json"],
        &["history"],
        &["run", "j.lua", "-q", "--allow-suspect"],
        // What failed otherwise keeps its code.
        &[
            "quick",
            "http://127.0.0.1:1",
            "-n",
            "1",
            "--allow-suspect",
            "--threshold",
            "http_req_failed=rate<0.1",
        ],
    ];
    for args in table {
        let mut command = project.command(args);
        command.stdout(full.try_clone().expect("a file can be opened twice"));
        let child = command.spawn().expect("the binary can be started");
        let output = child.wait_with_output().await.expect("it is a child of ours");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let code = if args[0] == "quick" { 99 } else { 104 };
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to stdout: No space left"),
            "{args:?}: {stderr}"
        );
    }
    let runs = std::fs::read_dir(project.path("results")).expect("there are results");
    let summaries = runs.flatten().filter(|run| run.path().join("summary.json").is_file());
    assert_eq!(summaries.count(), 2, "a run is saved all the same");
    let nowhere = project.call(&["report", "--junit", "-o", "none/x.xml"]).await;
    nowhere.says(104, &["cannot write none/x.xml"]);
}

#[tokio::test]
async fn check_shows_the_plan_and_sends_nothing() {
    let project = Project::new();
    project.file("j.lua", PLAN);
    let ended = project.call(&["check", "j.lua"]).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    for part in [
        "j.lua: valid",
        "50/s for 1m, 3000 iterations",
        "12 iterations, 4 by each of 3 VUs",
        "from 2m on",
        "http://127.0.0.1:9/",
        "http_req_failed: rate<0.1, ends the run",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
}

#[tokio::test]
async fn check_once_runs_each_journey_once() {
    let project = Project::new();
    project.file("j.lua", PLAN);
    let ended = project.call(&["check", "j.lua", "--once"]).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("2 of 2 passed"), "one iteration of each: {ended}");
    project.file("bug.lua", "return function() local x = nil; x.y = 1 end");
    let ended = project.call(&["check", "bug.lua", "--once"]).await;
    ended.says(107, &["bug.lua:1", "index nil with 'y'"]);
}
