//! `kingtide capacity`: that it finds a limit that is known, that what it found survives being killed, and that what cannot
//! be meant is refused before any load.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::demo::Demo;
use crate::documents::blocks;
use crate::kit::{Ended, Project, Running, root};
use crate::server::{Manner, Server};

/// Events, one in each iteration, to an orchestrator that refuses what its queue has no room for.
const EVENTS: &str = "
local event = kt.json.encode(kt.data.array 'events.jsonl' [1])
return {
  http = { base_url = kt.env 'ORCHESTRATOR_URL' },
  scenarios = { events = { executor = 'ramping-arrival-rate', stages = { { duration = '1m', target = 9 } }, exec = function()
    http.post('/api/orchestrator/events', { body = event, headers = { ['content-type'] = 'application/json' } })
  end } },
  thresholds = { http_req_failed = 'rate<0.01' },
}";

/// Two streams to a server that answers after a while, with few users.
const STREAMS: &str = "
local function go() http.get '/' end
return {
  http = { base_url = kt.env 'BASE_URL' },
  scenarios = {
    api = { executor = 'constant-arrival-rate', rate = 1, duration = '1h', exec = go, max_vus = 4, pre_allocated_vus = 4 },
    events = { executor = 'constant-arrival-rate', rate = 1, duration = '1h', exec = go },
  },
  thresholds = { http_req_failed = 'rate<0.01' },
  setup = function() kt.log.info 'setting up' end,
  teardown = function() kt.log.info 'tearing down' end,
}";

/// As short as probes can be. Whether this machine is quiet enough is nothing that these tests are about.
const SHORT: &[&str] = &[
    "--settle",
    "0s",
    "--measure",
    "1s",
    "--drain",
    "1s",
    "--rest",
    "1s",
    "--allow-suspect",
];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["capacity", "j.lua"], SHORT, more].concat()
}

fn start<'a>(project: &'a Project, more: &[&str]) -> Running<'a> {
    project.start_command(project.command(args(more)))
}

/// The folders of all searches.
fn folders(project: &Project) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.path("results")).expect("there are results");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    folders.sort();
    folders
}

fn read(folder: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(folder.join("capacity.json")).expect("it was written");
    serde_json::from_str(&text).expect("a file that is there is whole")
}

/// The only search.
fn found(project: &Project) -> Value {
    let folders = folders(project);
    assert_eq!(folders.len(), 1, "{folders:?}");
    read(&folders[0])
}

fn probes(document: &Value) -> &[Value] {
    document["probes"].as_array().expect("there are probes")
}

async fn slow() -> (Server, Project) {
    let server = Server::start(Manner::Answers(Duration::from_millis(100))).await;
    let project = Project::with(STREAMS).against(&server.url());
    (server, project)
}

#[tokio::test]
async fn a_known_limit_is_found() {
    let demo = Demo::start(&["--orchestrator-drain", "200", "--orchestrator-queue", "10"]).await;
    let project = Project::with(EVENTS);
    project.call(&["data", "events", "1", "events.jsonl"]).await;
    let url = format!("ORCHESTRATOR_URL={}", demo.url("ORCHESTRATOR_URL"));
    let ended = project
        .call(&[
            "capacity",
            "j.lua",
            "-e",
            &url,
            "--search",
            "events=100..900",
            "--tolerance",
            "10%",
            "--settle",
            "1s",
            "--measure",
            "2s",
            "--drain",
            "1s",
            "--allow-suspect",
            "--json",
            "--summary-json",
            "found.json",
        ])
        .await;
    assert_eq!(ended.code, Some(0), "{ended}");
    let document: Value = serde_json::from_str(&ended.stdout).expect("stdout is JSON");
    assert_eq!(document, found(&project));
    let copy = std::fs::read_to_string(project.path("found.json")).expect("it was written");
    assert_eq!(serde_json::from_str::<Value>(&copy).expect("it is JSON"), document);

    let bracket = &document["bracket"];
    let (low, high) = (
        bracket["low"].as_f64().unwrap_or(0.0),
        bracket["high"].as_f64().unwrap_or(0.0),
    );
    assert!(low <= 202.0 && 198.0 <= high && high <= 1.1 * low, "{ended}");
    assert_eq!(document["best"]["levels"]["events"], bracket["low"]);
    assert_eq!(document["broke"]["reasons"][0]["kind"], "threshold");
    for probe in probes(&document) {
        let load = &probe["scenarios"]["events"];
        let asked = probe["levels"]["events"].as_f64().expect("a level");
        assert_eq!(
            load["offered_per_s"].as_f64(),
            Some(asked),
            "what settles is not counted"
        );
        let achieved = load["achieved_per_s"].as_f64().expect("it was long enough to tell");
        assert!((achieved / asked - 1.0).abs() < 0.2, "{asked}: {achieved}");
        let summary = folders(&project)[0].join(probe["summary"].as_str().expect("a file"));
        let summary = std::fs::read_to_string(summary).expect("it was written");
        assert!(summary.contains("kingtide.summary/1"));
    }
}

#[tokio::test]
async fn a_search_that_was_killed_goes_on_where_it_stopped() {
    let (_server, project) = slow().await;
    let levels = ["--levels", "api=2,5,8 events=1,2,3", "--seed", "7"];
    let mut running = start(&project, &levels);
    running.said("api=5 events=2 held").await;
    running.said("load 3 of at most 3").await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.code, None);
    let before = found(&project);
    assert_eq!((probes(&before).len(), &before["finished"]), (2, &Value::Bool(false)));
    assert!(
        before["verdict"]
            .as_str()
            .is_some_and(|text| text.contains("so far: holds api=5 events=2"))
    );

    // Something else was asked for.
    let table: [(&[&str], &str); 4] = [
        (&["--levels", "api=2,5,9 events=1,2,3"], "`levels` was"),
        (
            &["--levels", levels[1], "--stop", "http_reqs: count>1"],
            "`stop` was []",
        ),
        (&["--levels", levels[1], "--seed", "8"], "`seed` was 7, now 8"),
        (&["--levels", levels[1], "-e", "A=b"], "the variables (-e) have changed"),
    ];
    for (other, part) in table {
        let ended = project.call(&args(&[other, &["--resume"]].concat())).await;
        ended.says(
            104,
            &["--resume: the search in", part, "begin a new search without --resume"],
        );
    }

    let ended = project.call(&args(&["--levels", levels[1], "--resume"])).await;
    ended.says(0, &["goes on after probe 2"]);
    assert!(
        ended
            .stdout
            .contains("holds api=8 events=3, the highest load asked for"),
        "{ended}"
    );
    let after = found(&project);
    assert_eq!(
        (&after["seed"], &after["finished"]),
        (&Value::from(7), &Value::Bool(true))
    );
    assert_eq!((probes(&after).len(), &probes(&after)[..2]), (3, probes(&before)));

    // There is nothing left to do, and it says the same again.
    let again = project.call(&args(&["--levels", levels[1], "--resume"])).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &ended.stdout), "{again}");
    // However the path is written.
    let mut otherwise = args(&["--levels", levels[1], "--resume"]);
    otherwise[1] = "./j.lua";
    let again = project.call(&otherwise).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &ended.stdout), "{again}");
    assert_eq!(found(&project), after);
    let text = std::fs::read_to_string(project.path("j.lua")).expect("the script is there");
    project.file("j.lua", text.replace("rate<0.01", "rate<0.02"));
    let edited = project.call(&args(&["--levels", levels[1], "--resume"])).await;
    edited.says(104, &["the script or its data have changed"]);
}

#[tokio::test]
async fn a_signal_ends_the_probe_and_keeps_what_was_found() {
    let (server, project) = slow().await;
    let levels = ["--levels", "api=2,5 events=1,2"];
    let mut running = start(&project, &levels);
    running.said("load 2 of at most 2").await;
    let seen = server.requests();
    server.has_seen(seen + 1).await;
    running.signal(Signal::INT);
    let ended = running.ended().await;
    ended.says(
        105,
        &[
            "stopping: iterations in flight may finish",
            "probes that are kept: 1; the same command with --resume",
        ],
    );
    assert_eq!(ended.stderr.matches("tearing down").count(), 2, "{ended}");
    assert!(
        ended.stdout.contains("not finished; so far: holds api=2 events=1"),
        "{ended}"
    );
    assert_eq!(
        probes(&found(&project)).len(),
        1,
        "a probe that was cut short says nothing"
    );
    let ended = project.call(&args(&[&levels[..], &["--resume"]].concat())).await;
    ended.says(0, &["goes on after probe 1", "api=5 events=2 held"]);
}

/// Every probe sets up and tears down, as a run does.
#[tokio::test]
async fn a_load_without_enough_users_is_not_held() {
    let (_server, project) = slow().await;
    // 4 users who wait for 100 ms do 40/s.
    let ended = project.call(&args(&["--levels", "api=20,60", "--confirm", "0"])).await;
    ended.says(0, &["load 1 of at most 2: api=20", "api=20 held", "api=60 broke"]);
    assert_eq!(ended.stderr.matches("setting up").count(), 2, "{ended}");
    assert_eq!(ended.stderr.matches("tearing down").count(), 2, "{ended}");
    let document = found(&project);
    let reasons = &document["broke"]["reasons"];
    assert_eq!(reasons[0]["kind"], "load", "{reasons}");
    assert!(
        reasons[0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("max_vus")),
        "{reasons}"
    );
    assert_eq!(
        document["probes"][1]["scenarios"]["events"]["iterations"]["offered"], 1,
        "it stays at its own rate"
    );
}

/// What ends while it drains was offered in the measured part, which the rate is for each second of.
#[tokio::test]
async fn a_load_whose_iterations_end_late_is_held() {
    let project = Project::with(
        "
        return {
          scenarios = { a = { executor = 'constant-arrival-rate', rate = 1, duration = '1s', exec = function() kt.sleep(0.9) end } },
          thresholds = { iterations = 'rate>15' },
        }",
    );
    let ended = project.call(&args(&["--levels", "a=20", "--no-results"])).await;
    ended.says(0, &["a=20 held"]);
}

/// Without a threshold nobody else would notice.
#[tokio::test]
async fn a_load_of_which_nothing_worked_is_told() {
    let server = Server::start(Manner::Resets).await;
    let script = STREAMS.replace("http_req_failed = 'rate<0.01'", "");
    let project = Project::with(&script).against(&server.url());
    let ended = project.call(&args(&["--levels", "api=20", "--no-results"])).await;
    ended.says(0, &["api=20 held", "requests failed: this run says nothing"]);
    assert!(!ended.stdout.contains("nothing broke"), "{ended}");
}

#[tokio::test]
async fn not_even_the_first_load_is_held() {
    let server = Server::start(Manner::Resets).await;
    let project = Project::with(STREAMS).against(&server.url());
    let ended = project.call(&args(&["--levels", "rate=5,10", "--no-results"])).await;
    assert_eq!(ended.code, Some(99), "{ended}");
    assert!(
        ended
            .stdout
            .contains("does not hold even rate=5: http_req_failed rate<0.01 was 100%"),
        "{ended}"
    );
    assert!(!project.path("results").exists(), "nothing is left on disk");
    // A rule of the command line is one like the script's.
    let rule = [
        "--levels",
        "rate=5",
        "--stop",
        "http_reqs{scenario:api}: count<3",
        "--confirm",
        "0",
    ];
    let server = Server::quick().await;
    let project = Project::with(STREAMS).against(&server.url());
    let ended = project.call(&args(&rule)).await;
    assert_eq!(ended.code, Some(99), "{ended}");
    assert!(
        ended.stdout.contains("http_reqs{scenario:api} count<3 was 5"),
        "{ended}"
    );
}

#[tokio::test]
async fn users_of_closed_scenarios_are_searched_in_whole_numbers() {
    let server = Server::quick().await;
    let script = "return {
      http = { base_url = kt.env 'BASE_URL' },
      scenarios = { users = { executor = 'ramping-vus', stages = { { duration = '1m', target = 50 } }, exec = function()
        http.get '/' sleep '50ms'
      end } },
      thresholds = { vus = 'max<6' },
    }";
    let project = Project::with(script).against(&server.url());
    let search = ["--search", "vus=1..16", "--tolerance", "1%", "--confirm", "0"];
    let ended = project.call(&args(&search)).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stdout.contains("the limit is between vus=5 and vus=6"), "{ended}");
}

#[tokio::test]
async fn two_searches_at_once_do_not_meet() {
    let (_server, project) = slow().await;
    let (a, b) = tokio::join!(both(&project, "api=2"), both(&project, "api=3"));
    for ended in [a, b] {
        assert_eq!(ended.code, Some(0), "{ended}");
    }
    let mut levels: Vec<_> = folders(&project)
        .iter()
        .map(|folder| read(folder)["best"]["levels"]["api"].as_f64())
        .collect();
    levels.sort_by(|a, b| a.partial_cmp(b).expect("levels are numbers"));
    assert_eq!(levels, [Some(2.0), Some(3.0)]);
}

async fn both(project: &Project, levels: &str) -> Ended {
    project.call(&args(&["--levels", levels])).await
}

/// Arguments, the exit code, and what is said.
type Refusal = (&'static [&'static str], i32, &'static str);

const REFUSED: [Refusal; 16] = [
    (&[], 2, "--levels"),
    (&["--levels", "api=1", "--search", "api=1..2"], 2, "cannot be used with"),
    (
        &["--levels", "api=1,2 events=1"],
        2,
        "api has 2, events has 1; --grid takes each with every other",
    ),
    (&["--levels", "api=2,1"], 2, "levels rise"),
    (&["--search", "api=1"], 2, "is not NAME=LOW..HIGH"),
    (&["--search", "api=1..2", "--grid"], 2, "cannot be used with"),
    (
        &["--search", "api=1..2", "--tolerance", "5"],
        2,
        "write it as a percentage",
    ),
    (&["--levels", "api=1", "--tolerance", "5%"], 2, "cannot be used with"),
    (
        &["--levels", "api=1", "--stop", "http_req_failed=rate<1"],
        2,
        "METRIC: CONDITION",
    ),
    (
        &["--levels", "api=1", "--resume", "--no-results"],
        2,
        "cannot be used with",
    ),
    (
        &["--levels", "api=1", "--stop", "http_req_faild: rate<1"],
        104,
        "did you mean `http_req_failed`?",
    ),
    (
        &["--levels", "apis=1"],
        104,
        "it has `api` (constant-arrival-rate), `events`",
    ),
    (
        &["--levels", "vus=1"],
        104,
        "no selected scenario has a number of users",
    ),
    (&["--levels", "api=1,99999999"], 104, "`rate` is 99999999"),
    (
        &["--levels", "api=1", "--resume"],
        104,
        "no search with j.lua is in results",
    ),
    (
        &["--levels", "api=1", "--summary-json", "none/x"],
        104,
        "there is no folder `none`",
    ),
];

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_any_load() {
    let (server, project) = slow().await;
    for (more, code, part) in &REFUSED {
        let ended = project.call(&args(more)).await;
        assert_eq!(ended.stdout, "", "{more:?}: {ended}");
        ended.says(*code, &[part]);
    }
    let ended = project.call(&["capacity", "none.lua", "--levels", "a=1"]).await;
    ended.says(104, &["there is no file `none.lua`"]);
    assert_eq!(server.requests(), 0);
}

/// Each search of the guide is made, with the shortest probes.
#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let page = std::fs::read_to_string(root().join("docs/guide/capacity.md")).expect("the page can be read");
    let project = Project::new();
    for (_, script) in blocks(&page, "lua") {
        project.file("shop.lua", script);
    }
    let mut searches = 0;
    for line in blocks(&page, "sh").iter().flat_map(|(_, block)| block.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let quoted = line.split(['"', '\'']).enumerate();
        let words: Vec<&str> = quoted
            .flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            })
            .collect();
        assert_eq!(words[..2], ["kingtide", "capacity"], "{line}");
        let mut call = words[1..].to_vec();
        for (option, value) in [
            ("--settle", "0s"),
            ("--measure", "1s"),
            ("--drain", "1s"),
            ("--confirm", "0"),
            ("--rest", "0s"),
        ] {
            match call.iter().position(|word| *word == option) {
                Some(at) => call[at + 1] = value,
                None => call.extend([option, value]),
            }
        }
        call.push("--allow-suspect");
        let ended = project.call(&call).await;
        assert!(matches!(ended.code, Some(0 | 99)), "{line}: {ended}");
        searches += 1;
    }
    assert!(searches >= 4, "only {searches} commands were found");
}
