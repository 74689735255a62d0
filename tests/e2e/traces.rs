//! Trace ids from the request's header to the exemplar: against a server that remembers what it was sent and how long it took
//! to answer it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kingtide::clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::kit::Project;

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    waited_ms: u64,
    /// Version, trace id, span id, flags.
    parent: Vec<String>,
    state: String,
}

type Memory = Arc<Mutex<Vec<Seen>>>;

/// Answers `/wait/N` after N milliseconds with the trace id that it was sent.
async fn server() -> (String, Memory) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let url = format!(
        "http://{}",
        listener.local_addr().expect("a bound socket has an address")
    );
    let memory = Memory::default();
    let own = Arc::clone(&memory);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&own)));
        }
    });
    (url, memory)
}

async fn serve(mut stream: TcpStream, memory: Memory) {
    let mut head = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte).await {
        head.push(byte[0]);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut head)).expect("a head is text");
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| *found == name).map_or("", |(_, value)| value)
        };
        let path = text.split(' ').nth(1).expect("a request has a path");
        let waited_ms = path.rsplit('/').next().and_then(|last| last.parse().ok()).unwrap_or(0);
        let seen = Seen {
            waited_ms,
            parent: header("traceparent").split('-').map(str::to_owned).collect(),
            state: header("tracestate").to_owned(),
        };
        clock::Timer::new()
            .sleep_until(clock::now() + Duration::from_millis(waited_ms))
            .await;
        let id = seen.parent.get(1).cloned().unwrap_or_default();
        memory.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{id}", id.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn seen(memory: &Memory) -> Vec<Seen> {
    std::mem::take(&mut *memory.lock().unwrap_or_else(PoisonError::into_inner))
}

/// 100 requests in two seconds, one of which takes much longer. `res.trace_id` is what the server was sent.
const JOURNEY: &str = "
    local base = kt.env 'BASE_URL'
    return {
      traces = { sampling = 0.25, url = 'https://traces.test/trace/{trace_id}?from=kingtide' },
      scenarios = { shop = { executor = 'constant-arrival-rate', rate = 50, duration = '2s', pre_allocated_vus = 30,
        exec = function()
          local n = kt.scenario.iteration
          local res = http.get(base .. '/wait/' .. (n == 42 and 700 or kt.random.int(0, 5)), { name = 'GET /wait' })
          check(res, { ['its trace'] = function() return #res.trace_id == 32 and res.body == res.trace_id end })
        end } },
    }";

fn exemplar(ran: &Value, series: &str) -> Value {
    ran["metrics"][series]["exemplar"].clone()
}

#[tokio::test]
async fn the_exemplar_is_the_request_that_the_server_kept_waiting() {
    let (url, memory) = server().await;
    let project = Project::with(JOURNEY).against(&url);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let ran = project.run(&["j.lua", "--seed", "7", "--trace-sampling", "1"]).await;
        let all = seen(&memory);
        assert_eq!(all.len(), 100);
        assert!(
            all.iter().all(|one| one.parent.len() == 4 && one.parent[3] == "01"),
            "{all:?}"
        );
        let check = &ran.summary["checks"][0];
        assert_eq!((&check["passes"], &check["fails"]), (&100.into(), &0.into()));
        let slowest = all.iter().max_by_key(|one| one.waited_ms).expect("there are some");
        let id = &slowest.parent[1];
        for series in [
            "http_req_duration",
            "http_req_duration{name:GET /wait}",
            "http_req_duration{scenario:shop}",
            "http_req_response_time",
        ] {
            let exemplar = exemplar(&ran.summary, series);
            assert_eq!(exemplar["trace_id"], **id, "{series}: {exemplar}");
            assert!(exemplar["value"].as_f64().is_some_and(|ms| ms >= 700.0), "{exemplar}");
        }
        assert!(
            ran.ended.stdout.contains("SLOWEST TRACES") && ran.ended.stdout.contains(&**id),
            "{}",
            ran.ended
        );
        let run = ran.summary["run"]["traces"]["run"]
            .as_str()
            .expect("the run has a name");
        assert!(slowest.state.starts_with(&format!("kingtide={run};")), "{slowest:?}");
        assert!(project.path("results").join(run).is_dir(), "{run}");
        keeps_it(&project, run, id).await;
        runs.push(all);
    }
    let ids = |all: &[Seen]| {
        all.iter()
            .map(|one| one.parent[1].clone())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (first, second) = (ids(&runs[0]), ids(&runs[1]));
    assert_eq!((first.len(), second.len()), (100, 100), "each request has its own");
    assert!(first.is_disjoint(&second), "the same seed makes no equal traces");
    // Nor do they take from the random numbers of journeys.
    let untraced = project.run(&["j.lua", "--seed", "7", "--trace-sampling", "0"]).await;
    assert_eq!(exemplar(&untraced.summary, "http_req_duration"), Value::Null);
    let waits = |mut all: Vec<Seen>| {
        all.sort_by_key(|one| one.waited_ms);
        all.into_iter().map(|one| one.waited_ms).collect::<Vec<_>>()
    };
    assert_eq!(waits(seen(&memory)), waits(runs.remove(0)));
}

/// That the run's files have the trace, and what is made of them without a summary.
async fn keeps_it(project: &Project, run: &str, id: &str) {
    let folder = project.path("results").join(run);
    let intervals = std::fs::read_to_string(folder.join("intervals.jsonl")).expect("it can be read");
    assert!(intervals.contains(id));
    let report = std::fs::read_to_string(folder.join("report.html")).expect("it can be read");
    let link = format!("https://traces.test/trace/{id}?from=kingtide");
    assert!(
        report.contains(&format!("<a href=\"{link}\"")),
        "no link without scripts"
    );
    let markdown = project
        .call(&["report", run, "--markdown", "--results", "results"])
        .await;
    assert!(markdown.stdout.contains(&format!("[{id}]({link})")), "{markdown}");
    std::fs::remove_file(folder.join("summary.json")).expect("it can be removed");
    let json = project.call(&["report", run, "--json", "--results", "results"]).await;
    let rebuilt: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(exemplar(&rebuilt, "http_req_duration")["trace_id"], *id);
    assert_eq!(rebuilt["run"]["traces"]["sampling"], 1.0);
}

#[tokio::test]
async fn the_plan_says_which_share_is_sampled() {
    let (url, memory) = server().await;
    let project = Project::with(JOURNEY).against(&url);
    let ran = project.run(&["j.lua"]).await;
    let all = seen(&memory);
    let sampled: Vec<_> = all.iter().filter(|one| one.parent[3] == "01").collect();
    // A quarter of 100, and chance.
    assert!((5..=60).contains(&sampled.len()), "{}", sampled.len());
    let id = exemplar(&ran.summary, "http_req_duration")["trace_id"].clone();
    assert!(sampled.iter().any(|one| id == *one.parent[1]), "{id} is not sampled");
}

#[tokio::test]
async fn quick_traces_as_well() {
    let (url, memory) = server().await;
    let project = Project::new();
    let url = format!("{url}/wait/1");
    let ran = project
        .quick(&[&url, "-n", "20", "-c", "2", "--trace-sampling", "1"])
        .await;
    let all = seen(&memory);
    assert!(
        all.len() == 20 && all.iter().all(|one| one.parent[3] == "01"),
        "{all:?}"
    );
    let id = exemplar(&ran.summary, "http_req_duration")["trace_id"].clone();
    assert!(all.iter().any(|one| id == *one.parent[1]));
    let ran = project.quick(&[&url, "-n", "5", "-c", "1"]).await;
    assert!(
        seen(&memory)
            .iter()
            .all(|one| one.parent.len() == 1 && one.state.is_empty())
    );
    assert_eq!(ran.summary["run"]["traces"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let project = Project::new();
    for (traces, expected) in [
        ("{ sampling = 2 }", "a share from 0 to 1"),
        ("{ sampling = '1%' }", "must be a number"),
        ("{ samplng = 1 }", "unknown option `samplng`"),
        ("{ url = 'http://t/' }", "`{trace_id}`"),
        ("{ url = 'javascript:alert({trace_id})' }", "an http:// or https:// URL"),
        ("true", "must be a table"),
    ] {
        project.file(
            "bad.lua",
            format!("return {{ traces = {traces}, exec = function() end }}"),
        );
        let ended = project.call(&["check", "bad.lua"]).await;
        assert!(ended.stderr.contains(expected), "{traces}: {ended}");
    }
    let ended = project.call(&["run", "bad.lua", "--trace-sampling", "1.5"]).await;
    assert!(ended.stderr.contains("a share from 0 to 1"), "{ended}");
}
