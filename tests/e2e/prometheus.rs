//! `--out` against a real Prometheus, which `test.sh` installs: what is written is queried back.

use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::grpc::lab;
use crate::kit::{Project, root, tool};
use crate::server::{Manner, Server};

/// A Prometheus of its own, whose data are in a project's folder.
struct Prometheus {
    _process: Child,
    addr: String,
}

impl Prometheus {
    async fn start(project: &Project, features: &[&str]) -> Self {
        let addr = {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("loopback has a free port");
            listener
                .local_addr()
                .expect("a bound socket has an address")
                .to_string()
        };
        project.file("prometheus.yml", "global: {}\n");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", project.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", project.path("tsdb").display()))
            .arg(format!("--web.listen-address={addr}"))
            .arg("--web.enable-remote-write-receiver")
            .args(features)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed: ./test.sh does that");
        let prometheus = Self {
            _process: process,
            addr,
        };
        let ready = async {
            while get(&prometheus.addr, "/-/ready")
                .await
                .is_none_or(|(status, _)| status != 200)
            {
                clock::sleep(Duration::from_millis(20)).await;
            }
        };
        clock::timeout(Duration::from_secs(30), ready)
            .await
            .expect("prometheus is ready in time");
        prometheus
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    async fn ask(&self, what: &str, params: &[(&str, &str)]) -> Value {
        self.data(what, params).await["result"].take()
    }

    async fn data(&self, what: &str, params: &[(&str, &str)]) -> Value {
        let mut url = url::Url::parse(&format!("http://{}/api/v1/{what}", self.addr)).expect("it is a URL");
        url.query_pairs_mut().extend_pairs(params);
        let path = &url[url::Position::BeforePath..];
        let (status, body) = get(&self.addr, path).await.expect("prometheus answers");
        assert_eq!(status, 200, "{what} {params:?}: {body}");
        let mut answer: Value = serde_json::from_str(&body).expect("prometheus answers in JSON");
        answer["data"].take()
    }

    /// The one value of a query at a time in milliseconds.
    async fn value(&self, query: &str, at_ms: u64) -> f64 {
        let result = self.ask("query", &[("query", query), ("time", &seconds(at_ms))]).await;
        let value = result[0]["value"][1].as_str().and_then(|text| text.parse().ok());
        value.unwrap_or_else(|| panic!("{query}: {result}"))
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Status and body of a GET request; nothing when nobody listens.
async fn get(addr: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    // HTTP/1.0: the body is plain and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nhost: {addr}\r\naccept: application/openmetrics-text\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split_whitespace().nth(1)?.parse().ok()?, body.to_owned()))
}

/// Requests that succeed and requests that nobody answers, a check that sometimes fails, a threshold, and work for
/// the collector.
const JOURNEY: &str = "
    local n, base = 0, kt.env 'BASE_URL'
    return {
      scenarios = { shop = { executor = 'constant-arrival-rate', rate = 20, duration = '3s', pre_allocated_vus = 5,
        exec = function()
          n = n + 1
          local garbage = {}
          for i = 1, 5000 do garbage[i] = { i } end
          check(http.get(base .. '/item', { name = 'GET /item' }), { ['is even'] = function() return n % 2 == 0 end })
          if n % 3 == 0 then http.get('http://127.0.0.1:1/none', { name = 'GET /none' }) end
        end } },
      thresholds = { http_req_duration = { 'p(95)<60s' } },
    }";

/// The same, and calls, streams and a call that fails.
const JOURNEY_WITH_CALLS: &str = "
    local plan = require 'shop'
    kt.grpc.load { 'lab.proto' }
    local client = kt.grpc.connect(kt.env 'LAB', { plaintext = true })
    plan.scenarios.calls = { executor = 'constant-arrival-rate', rate = 20, duration = '3s', pre_allocated_vus = 5,
      exec = function()
        client:call('lab.v1.Lab/Echo', { text = 'hello' })
        client:call('lab.v1.Lab/Fail', { code = 5, text = 'not here' })
        local counting = client:stream 'lab.v1.Lab/Count'
        counting:send { count = 2 }
        counting:close_send()
        while counting:recv() do end
        counting:finish()
      end }
    return plan";

/// When the load had ended and began, by the seconds that the run left.
fn span(project: &Project) -> (u64, u64) {
    let folder = std::fs::read_dir(project.path("results")).expect("there are results");
    let folder = folder.map(|entry| entry.expect("the folder can be read").path());
    let folder = folder.into_iter().find(|path| path.join("intervals.jsonl").is_file());
    let text =
        std::fs::read_to_string(folder.expect("there is a run").join("intervals.jsonl")).expect("it can be read");
    let seconds: Vec<Value> = text
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let of = |second: &Value, key: &str| second[key].as_u64().expect("it is a number");
    let ends = seconds
        .iter()
        .map(|second| of(second, "at_ms") + of(second, "duration_ms"));
    (of(&seconds[0], "at_ms"), ends.max().expect("there are seconds"))
}

#[tokio::test]
async fn what_prometheus_has_is_the_summary_and_fills_the_dashboard() {
    let server = Server::quick().await;
    let (lab, _seen) = lab::start().await;
    let project = Project::with(JOURNEY_WITH_CALLS).against(&server.url());
    project.file(
        "shop.lua",
        format!("local kt = require \"kt\" local http, check = kt.http, kt.check\n{JOURNEY}"),
    );
    for name in ["lab.proto", "colour.proto"] {
        let proto = std::fs::read(root().join("tests/lua/fixtures").join(name)).expect("the proto is there");
        project.file(name, proto);
    }
    let prometheus = Prometheus::start(&project, &["--enable-feature=native-histograms"]).await;
    let out = format!("prometheus-rw={}", prometheus.url());
    let ran = project
        .run(&["j.lua", "--out", &out, "-e", &format!("LAB={lab}")])
        .await;
    let summary = &ran.summary;
    let output = &summary["outputs"][0];
    assert_eq!(
        (&output["dropped"], &output["failures"]),
        (&0.into(), &0.into()),
        "{summary}"
    );
    let (start, end) = span(&project);

    is_the_summary(&prometheus, summary, end).await;
    let after = prometheus
        .ask(
            "query",
            &[("query", "kingtide_http_reqs_total"), ("time", &seconds(end + 1_000))],
        )
        .await;
    assert_eq!(after, serde_json::json!([]), "series end with the run");

    fills_the_dashboard(&prometheus, start, end).await;
}

/// A query, the summary's number, and by how much of it they may differ.
type Expected = (&'static str, f64, f64);

/// What was counted.
fn counts(summary: &Value) -> Vec<Expected> {
    let count = |series: &str, key: &str| summary["metrics"][series][key].as_f64().unwrap_or(-1.0);
    let reqs = count("http_reqs", "count");
    let passed = summary["checks"][0]["passes"].as_f64().unwrap_or(-1.0);
    let failed = count("http_req_failed", "passes");
    vec![
        ("kingtide_http_reqs_total", reqs, 0.0),
        ("sum(kingtide_http_reqs_by_status_total)", reqs, 0.0),
        ("sum(increase(kingtide_http_reqs_total[1h]))", reqs, 1e-9),
        ("kingtide_http_req_failed_true_total", failed, 0.0),
        ("sum(kingtide_http_reqs_by_error_code_total)", failed, 0.0),
        ("kingtide_check_true_total", passed, 0.0),
        (
            "kingtide_scenario_iterations_offered_total{scenario=\"shop\"}",
            60.0,
            0.0,
        ),
        (
            "sum(kingtide_grpc_reqs_by_status_total)",
            count("grpc_reqs", "count"),
            0.0,
        ),
        ("kingtide_grpc_reqs_by_status_total{status=\"NOT_FOUND\"}", 60.0, 0.0),
        ("kingtide_data_sent_bytes_total", count("data_sent", "count"), 0.0),
    ]
}

/// How service times are distributed.
fn durations(summary: &Value) -> Vec<Expected> {
    let ms = |key: &str| summary["metrics"]["http_req_duration"][key].as_f64().unwrap_or(-1.0);
    let (count, sum) = (ms("count"), ms("avg") * ms("count") / 1e3);
    let largest = "max(max_over_time(kingtide_http_req_duration_quantile_seconds{quantile=\"1\"}[1h]))";
    vec![
        ("kingtide_http_req_duration_seconds_count", count, 0.0),
        ("kingtide_http_req_duration_seconds_sum", sum, 1e-6),
        ("histogram_count(kingtide_http_req_duration_seconds)", count, 0.0),
        ("histogram_sum(kingtide_http_req_duration_seconds)", sum, 1e-6),
        (
            "histogram_quantile(0.5, kingtide_http_req_duration_seconds)",
            ms("med") / 1e3,
            0.05,
        ),
        (
            "histogram_quantile(0.9, kingtide_http_req_duration_seconds)",
            ms("p90") / 1e3,
            0.05,
        ),
        (largest, ms("max") / 1e3, 1e-9),
    ]
}

/// That queries give the summary's numbers.
async fn is_the_summary(prometheus: &Prometheus, summary: &Value, end: u64) {
    for (query, expected, tolerance) in counts(summary).into_iter().chain(durations(summary)) {
        assert!(
            expected > 0.0,
            "{query}: the summary has nothing to compare it with: {summary}"
        );
        let got = prometheus.value(query, end).await;
        assert!(
            (got - expected).abs() <= tolerance * expected,
            "{query}: {got}, not {expected}"
        );
    }
}

/// That every query of every panel gives something.
async fn fills_the_dashboard(prometheus: &Prometheus, start: u64, end: u64) {
    let dashboard = std::fs::read_to_string(root().join("docs/grafana/kingtide.json")).expect("it can be read");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("it is JSON");
    let run = prometheus
        .ask("query", &[("query", "kingtide_vus"), ("time", &seconds(end))])
        .await;
    let run = run[0]["metric"]["run"].as_str().expect("series name their run");
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a target has a query");
            let query = query.replace("$run", run).replace("$__rate_interval", "4s");
            let range = [
                ("query", &*query),
                ("start", &seconds(start)),
                ("end", &seconds(end)),
                ("step", "1"),
            ];
            let result = prometheus.ask("query_range", &range).await;
            let has_data = result.as_array().is_some_and(|series| !series.is_empty());
            assert!(has_data, "{}: {query}", panel["title"]);
            queries += 1;
        }
    }
    assert!(queries >= 30, "only {queries} queries");
}

#[tokio::test]
async fn prometheus_finds_the_slowest_traces() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    let features = "--enable-feature=native-histograms,exemplar-storage";
    let prometheus = Prometheus::start(&project, &[features]).await;
    let out = format!("prometheus-rw={}", prometheus.url());
    let ran = project.run(&["j.lua", "--out", &out, "--trace-sampling", "1"]).await;
    let (start, end) = span(&project);
    let slowest = &ran.summary["metrics"]["http_req_duration"]["exemplar"];
    for query in [
        "histogram_quantile(0.99, rate(kingtide_http_req_duration_seconds[1m]))",
        "kingtide_http_req_duration_quantile_seconds{quantile=\"1\"}",
    ] {
        let range = [
            ("query", query),
            ("start", &*seconds(start)),
            ("end", &*seconds(end + 1_000)),
        ];
        let found = prometheus.data("query_exemplars", &range).await;
        let exemplars = found[0]["exemplars"].as_array().expect("there are exemplars").clone();
        // One for each second of the load.
        assert!((2..=5).contains(&exemplars.len()), "{query}: {found}");
        let is_slowest = |one: &&Value| one["labels"]["trace_id"] == slowest["trace_id"];
        let one = exemplars.iter().find(is_slowest);
        let one = one.unwrap_or_else(|| panic!("{query}: {slowest} is not in {found}"));
        let value: f64 = one["value"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("it is a number");
        let expected = slowest["value"].as_f64().expect("it is a number") / 1e3;
        assert!((value - expected).abs() <= 1e-9, "{value}, not {expected}");
    }
}

#[tokio::test]
async fn names_of_k6_are_there_too() {
    let server = Server::quick().await;
    let project = Project::with(JOURNEY).against(&server.url());
    // This one takes no native histograms, and says so in an error that would repeat for ever.
    let prometheus = Prometheus::start(&project, &[]).await;
    let out = format!("prometheus-rw={}", prometheus.url());
    let ran = project.run(&["j.lua", "--out", &out, "--metrics-compat", "k6"]).await;
    let output = &ran.summary["outputs"][0];
    assert_eq!(output["failures"], 1, "{output}");
    assert!(
        output["error"]
            .as_str()
            .is_some_and(|error| error.contains("native histograms are disabled")),
        "{output}"
    );
    let (_, end) = span(&project);
    let metrics = &ran.summary["metrics"];
    let ms = |key: &str| {
        metrics["http_req_duration{name:GET /item}"][key]
            .as_f64()
            .unwrap_or(-1.0)
            / 1e3
    };
    let count = |series: &str, key: &str| metrics[series][key].as_f64().unwrap_or(-1.0);
    let check = &ran.summary["checks"][0];
    let [passes, fails] = ["passes", "fails"].map(|key| check[key].as_f64().unwrap_or(-1.0));
    let checks = passes / (passes + fails);
    // As the dashboards for k6 ask.
    for (query, expected) in [
        ("avg(k6_http_req_duration_p95{testid=~\".+\"})", ms("p95")),
        ("max(k6_http_req_duration_max{name=\"GET /item\"})", ms("max")),
        ("sum(k6_http_reqs_total{testid=~\".+\"})", count("http_reqs", "count")),
        (
            "sum(k6_http_reqs_total{status=\"200\"})",
            count("http_reqs{status:200}", "count"),
        ),
        (
            "sum(k6_http_reqs_total{expected_response=\"false\"})",
            count("http_req_failed", "passes"),
        ),
        ("avg(k6_http_req_failed_rate)", count("http_req_failed", "rate")),
        ("avg(k6_checks_rate)", checks),
        ("avg(k6_http_req_waiting_p95)", count("http_req_waiting", "p95") / 1e3),
        (
            "avg(k6_iteration_duration_p95)",
            count("iteration_duration", "p95") / 1e3,
        ),
        ("sum(k6_data_sent_total)", count("data_sent", "count")),
    ] {
        let got = prometheus.value(query, end).await;
        assert!((got - expected).abs() <= 1e-9, "{query}: {got}, not {expected}");
    }
}

#[tokio::test]
async fn a_scrape_is_what_promtool_accepts() {
    let server = Server::quick().await;
    let project = Project::new();
    let url = server.url();
    let mut running = project.start_quick(&[&url, "-c", "2", "-d", "30s", "--out", "prometheus=0"]);
    let line = running.said("output prometheus: http://").await;
    let addr = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .expect("it tells where");
    let page = async {
        loop {
            let page = get(addr, "/metrics").await.map_or(String::new(), |(_, body)| body);
            if page.contains("kingtide_http_reqs_total{") {
                break page;
            }
            clock::sleep(Duration::from_millis(50)).await;
        }
    };
    let page = clock::timeout(Duration::from_secs(20), page)
        .await
        .expect("a second passes in time");
    assert!(page.ends_with("# EOF\n"), "{page}");
    assert!(page.contains("kingtide_http_req_duration_seconds_bucket{"), "{page}");
    // promtool reads the older format, in which a page differs by the names of counters only.
    let old = page.replace("# EOF\n", "");
    let old: String = old
        .lines()
        .filter(|line| !line.starts_with("# UNIT"))
        .map(|line| format!("{line}\n"))
        .collect();
    project.file("page.txt", old);
    let script = "promtool check metrics < page.txt";
    let checked = tool("sh", &project.path(""), &["-c", script]).await;
    assert!(!checked.stderr.contains("error while linting"), "{checked}");
    running.signal(rustix::process::Signal::INT);
    running.ended().await;
}

/// Whatever becomes of outputs, the load is what it would have been, and the run ends soon after it.
#[tokio::test]
async fn outputs_that_fail_do_not_disturb_the_load() {
    let server = Server::quick().await;
    let silent = Server::start(Manner::Silent).await;
    let project = Project::with(JOURNEY).against(&server.url());
    let influx = format!("influx=http://me:secret@{}", silent.url().trim_start_matches("http://"));
    let otlp = "otlp=http://127.0.0.1:1/v1/metrics?key=secret";
    let ran = project.run(&["j.lua", "--out", &influx, "--out", otlp]).await;
    assert_eq!(ran.summary["scenarios"]["shop"]["iterations"]["completed"], 60);
    for output in ran.summary["outputs"].as_array().expect("outputs are named") {
        assert_eq!(output["written"], 0, "{output}");
        assert!(output["dropped"].as_u64() > Some(20), "{output}");
        assert!(output["error"].is_string() || output["failures"] == 0, "{output}");
    }
    let all = format!("{}{}", ran.ended, ran.summary);
    assert!(!all.contains("secret"), "{all}");
    assert_eq!(
        all.matches("it is tried again; the load goes on").count(),
        2,
        "once for each: {all}"
    );
}

#[tokio::test]
async fn an_output_that_cannot_be_had_stops_the_run_before_it_starts() {
    let server = Server::quick().await;
    let project = Project::new();
    let url = server.url();
    // what is asked for, exit code, what is said
    let table = [
        ("csv=none/a.csv", 104, "--out csv=none/a.csv: No such file"),
        ("kafka=x", 2, "--out: there is no output `kafka`; there are csv"),
        ("otlp=me:secret@x", 2, "--out: not a URL"),
        (
            "csv=a.csv --metrics-compat k6",
            2,
            "--metrics-compat: names what prometheus-rw writes; add --out prometheus-rw=URL",
        ),
    ];
    for (out, code, says) in table {
        let words = ["quick", &url, "-n", "1", "--out"].into_iter().chain(out.split(' '));
        let ended = project.call(&words.collect::<Vec<_>>()).await;
        ended.says(code, &[says]);
        assert!(!ended.stderr.contains("secret"), "{ended}");
    }
    assert_eq!(server.requests(), 0);
}

/// Every command of the guide's page is run.
#[tokio::test]
async fn the_commands_of_the_guide_work() {
    let server = Server::quick().await;
    let project = Project::new();
    let page = std::fs::read_to_string(root().join("docs/guide/outputs.md")).expect("the page can be read");
    let mut commands = 0;
    for line in crate::documents::blocks(&page, "sh")
        .iter()
        .flat_map(|(_, block)| block.lines())
    {
        let line = line.replace("http://127.0.0.1:8080", &server.url());
        // A port that is free, whatever else is tested at the same time.
        let line = line.replace("--out prometheus", "--out prometheus=0");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["kingtide", "quick"], "{line}");
        let ran = project.quick(&words[2..]).await;
        ran.exits(0);
        let asked = words.iter().filter(|word| **word == "--out").count();
        assert_eq!(ran.summary["outputs"].as_array().map(Vec::len), Some(asked), "{line}");
        commands += 1;
    }
    assert!(commands >= 3, "only {commands} commands were found");
    let rows = std::fs::read_to_string(project.path("seconds.csv")).expect("the table is there");
    assert!(
        rows.lines().any(|row| row.contains(",http_req_duration,trend,ms,")),
        "{rows}"
    );
}
