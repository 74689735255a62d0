//! Golden tests of the summary as text. Files are in `tests/golden/report`; `UPDATE_GOLDEN=1` writes them anew.

use serde_json::{Value, json};

use super::*;

const WIDE: Style = Style {
    unicode: true,
    colour: false,
    width: 100,
};

fn summary(value: &Value) -> Summary {
    serde_json::from_value(value.clone()).unwrap()
}

/// A run in which nothing happened.
pub(super) fn sample() -> Summary {
    summary(&empty())
}

fn trend(count: u64, scale: f64) -> Value {
    json!({ "type": "trend", "unit": "ms", "count": count, "min": 0.41 * scale, "avg": 1.13 * scale, "med": 1.02 * scale,
        "p90": 1.64 * scale, "p95": 2.04 * scale, "p99": 4.17 * scale, "p99.9": 9.02 * scale, "max": 21.3 * scale })
}

fn passed() -> Value {
    json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
      "run": { "script": "scripts/shop/saga.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 30040 },
      "scenarios": { "sagas": { "executor": "constant-arrival-rate",
          "iterations": { "offered": 300, "started": 300, "completed": 300, "dropped": 0, "interrupted": 0, "failed": 0 } } },
      "metrics": {
        "http_req_duration": trend(300, 1.0),
        "http_req_duration{name:POST /api/orders}": trend(300, 1.0),
        "http_req_duration{name:GET /api/orders/{id}}": trend(2411, 0.5),
        "http_req_duration{scenario:sagas}": trend(300, 1.0),
        "http_req_waiting": trend(300, 0.9),
        "http_req_tls_handshaking": trend(300, 0.0),
        "iteration_duration": trend(300, 1000.0),
        "iteration_start_lag": trend(300, 0.03),
        "saga_duration": trend(300, 980.0),
        "order_value": { "type": "trend", "unit": "USD", "count": 300, "min": 9.99, "avg": 9.99, "med": 9.99, "p90": 9.99,
            "p95": 9.99, "p99": 9.99, "p99.9": 9.99, "max": 9.99 },
        "http_reqs": { "type": "counter", "count": 2711, "rate": 90.4 },
        "http_req_failed": { "type": "rate", "rate": 0.0, "passes": 0, "total": 2711 },
        "http_conn_retries": { "type": "counter", "count": 0, "rate": 0.0 },
        "saga_timeouts": { "type": "rate", "rate": 0.0, "passes": 0, "total": 300 },
        "iterations": { "type": "counter", "count": 300, "rate": 10.0 },
        "data_sent": { "type": "counter", "unit": "bytes", "count": 512_345, "rate": 17_078.2 },
        "data_received": { "type": "counter", "unit": "bytes", "count": 1_723_456, "rate": 57_448.5 },
        "vus": { "type": "gauge", "value": 12, "min": 1, "max": 31 } },
      "checks": [ { "name": "order accepted", "group": "", "passes": 300, "fails": 0 } ],
      "thresholds": [
        { "metric": "saga_duration", "expression": "p(95)<8s", "ok": true, "observed": 2310.0, "aborted": false, "unit": "ms" },
        { "metric": "http_req_duration{name:POST /api/orders}", "expression": "p(95)<600", "ok": true, "observed": 2.04, "aborted": false, "unit": "ms" },
        { "metric": "saga_timeouts", "expression": "rate<0.10", "ok": true, "observed": 0.0, "aborted": false } ],
      "generator": { "verdict": "valid", "start_lag_p99_ms": 0.4, "dispatch_lag_p99_ms": 0.3, "loop_lag_p99_ms": 0.25,
        "cpu_percent": 7.5, "reasons": [] } })
}

/// Everything that can go wrong at once.
fn failed() -> Value {
    let mut value = passed();
    value["verdict"] = json!("fail");
    value["exit_code"] = json!(113);
    value["metrics"]["http_req_failed{name:POST /api/orders}"] =
        json!({ "type": "rate", "rate": 0.05, "passes": 15, "total": 300 });
    value["run"]["tags"] = json!({ "build": "1234", "env": "staging" });
    value["run"]["reasons"] = json!([
        { "exit_code": 113, "message": "the generator is suspect" },
        { "exit_code": 107, "message": "16 script errors" },
        { "exit_code": 99, "message": "2 of 4 thresholds failed" } ]);
    value["scenarios"] = json!({
        "browse": { "executor": "constant-vus",
            "iterations": { "offered": 1_200_000, "started": 1_200_000, "completed": 1_199_980, "dropped": 0, "interrupted": 4, "failed": 16 } },
        "a_scenario_with_a_rather_long_name_indeed": { "executor": "constant-arrival-rate",
            "iterations": { "offered": 1500, "started": 1400, "completed": 1398, "dropped": 100, "interrupted": 1, "failed": 0 } } });
    value["metrics"]["http_req_duration{scenario:browse}"] = trend(1_200_000, 1.0);
    value["metrics"]["http_req_duration{name:GET /api/a/very/long/path/{with}/{many}/{parameters}}"] =
        trend(10, 60_000.0);
    value["metrics"]["http_req_duration{status:503}"] = json!({ "type": "trend", "unit": "ms", "count": 0 });
    value["metrics"]["order_value"]["out_of_range"] = json!(3);
    value["checks"] = json!([
        { "name": "order accepted", "group": "", "passes": 299, "fails": 1 },
        { "name": "größer als\nnull", "group": "::checkout", "passes": 0, "fails": 12 } ]);
    value["thresholds"] = json!([
        { "metric": "saga_duration", "expression": "p(95)<8s", "ok": false, "observed": 10130.0, "aborted": true, "unit": "ms" },
        { "metric": "http_req_duration{name:GET /api/a/very/long/path/{with}/{many}/{parameters},status:200}",
          "expression": "p(99.9)<=250ms", "ok": false, "observed": null, "aborted": false, "unit": "ms" },
        { "metric": "order_value", "expression": "avg>5", "ok": true, "observed": 9.99, "aborted": false, "unit": "USD" },
        { "metric": "checks", "expression": "rate>0.9", "ok": true, "observed": 0.95833, "aborted": false } ]);
    value["generator"] = json!({ "verdict": "suspect", "start_lag_p99_ms": 812.0, "dispatch_lag_p99_ms": 7.1, "loop_lag_p99_ms": 12.0,
        "cpu_percent": 93.2, "socket_errors": 3, "reasons": [ "dispatch lag p99 7.1 ms is above 5 ms", "loop lag p99 12 ms is above 10 ms" ],
        "notes": [ "one core thread was busy 93 % of the time" ] });
    value["errors"] = json!([
        { "message": "http.get: `url` must be a string, got nil", "count": 12, "file": "scripts/shop/saga.lua", "line": 42 },
        { "message": "attempt to index nil with 'orderId' while looking at the answer of a request that the shop did not understand", "count": 4, "file": "scripts/shop/saga.lua", "line": 57 } ]);
    value["warnings"] = json!(["http_req_duration has more than 1,000 names; 37 further ones are counted as (other)"]);
    value
}

/// Warm-up, windows, stages and phases.
fn parted() -> Value {
    let mut value = passed();
    value["scenarios"]["sagas"]["warmup"] = json!({ "offered": 50, "started": 50, "completed": 49, "dropped": 0,
        "interrupted": 0, "failed": 1 });
    let rate = |passes: u64| json!({ "type": "rate", "rate": passes as f64 / 1000.0, "passes": passes, "total": 1000 });
    for (scenario, stage, scale) in [("sagas", "2", 1.0), ("sagas", "10", 2.0), ("browse", "steady", 1.5)] {
        let part = format!("{{scenario:{scenario},stage:{stage}}}");
        value["metrics"][format!("http_req_duration{part}")] = trend(300, scale);
        value["metrics"][format!("iteration_response_time{part}")] = trend(30, 900.0 * scale);
        value["metrics"][format!("http_req_failed{part}")] = rate(if stage == "10" { 30 } else { 0 });
    }
    for metric in ["http_req_duration", "iteration_response_time"] {
        for scenario in ["sagas", "browse"] {
            value["metrics"][format!("{metric}{{scenario:{scenario}}}")] = trend(600, 1.2);
        }
    }
    let counter = |count: u64| json!({ "type": "counter", "count": count, "rate": count as f64 / 15.0 });
    let phase = |name: &str, start: u64, scale: f64| {
        json!({ "name": name, "start_ms": start, "end_ms": start + 15_000, "metrics": {
            "iterations": counter(150), "http_reqs": counter(1_355), "http_req_failed": rate(1),
            "http_req_duration": trend(1_355, scale), "iteration_response_time": trend(150, 1_000.0 * scale),
            "iterations{scenario:sagas}": counter(100), "http_req_duration{scenario:sagas}": trend(1_000, scale),
            "iterations{scenario:browse}": counter(50) } })
    };
    value["phases"] = json!([phase("login rush", 0, 1.0), phase("noon", 15_000, 2.0)]);
    value["checkpoints"] = (0..3)
        .map(|n: u64| {
            let end = (n + 1) * 10_000 + if n == 2 { 43 } else { 0 };
            let counts = |started: u64, dropped: u64| {
                json!({ "offered": started + dropped, "started": started, "completed": started - 1, "failed": 1,
                    "dropped": dropped, "interrupted": 0 })
            };
            json!({ "start_ms": n * 10_000, "end_ms": end,
                "scenarios": { "sagas": counts(100, n), "browse": counts(1_200, 0) },
                "metrics": if n == 0 { json!({}) } else { json!({ "http_reqs": counter(1_355), "http_req_failed": rate(n),
                    "http_req_duration": trend(1_355, 1.0 + n as f64) }) } })
        })
        .collect();
    value["thresholds"] = json!([
        { "metric": "http_req_duration", "expression": "p(95)<5", "ok": true, "observed": 4.2, "aborted": false, "unit": "ms",
          "window": "30s", "window_at_ms": 65_000, "window_length_ms": 30_300 },
        { "metric": "http_req_failed{stage:10}", "expression": "rate<0.01", "ok": false, "observed": 0.03, "aborted": true,
          "window": "1m30s", "window_at_ms": 0 },
        { "metric": "http_req_failed", "expression": "rate<0.01", "ok": false, "observed": null, "aborted": false, "window": "5s" } ]);
    value
}

/// A script that was edited twice.
fn edited() -> Value {
    let mut value = passed();
    let revision = |number: u64, at: u64, file: &str| {
        let hash = format!("{number}").repeat(64);
        json!({ "number": number, "at_ms": at, "hash": hash, "file": file, "changed": [] })
    };
    let mut revisions = [
        revision(1, 0, "scripts/shop/saga.lua"),
        revision(2, 7_350, "scripts/shop/helpers/orders.lua, data/customer-ids.json"),
        revision(3, 21_004, "scripts/shop/saga.lua"),
    ];
    revisions[2]["changed"] = json!([
        "`sagas`: rate 10/s → 50/s",
        "threshold http_req_failed: rate<0.01 counts from 22 s on"
    ]);
    revisions[2]["refused"] = json!(["threshold http_req_failed: rate<0.001 is gone: it has failed, and stays failed"]);
    value["run"]["revisions"] = json!(revisions);
    for (revision, scale) in [("1", 1.0), ("2", 2.5)] {
        let count = json!({ "type": "counter", "count": 150, "rate": 5.0 });
        value["metrics"][format!("iterations{{revision:{revision}}}")] = count;
        value["metrics"][format!("http_req_duration{{revision:{revision}}}")] = trend(1_355, scale);
    }
    let threshold = json!({ "metric": "http_req_failed", "expression": "rate<0.01", "ok": true, "observed": 0.0,
        "aborted": false, "since_ms": 22_000 });
    value["thresholds"].as_array_mut().unwrap().push(threshold);
    value
}

/// Invariants of all fates.
fn watched() -> Value {
    let mut value = empty();
    let keys: Vec<_> = (1..=20).map(|n| format!("product-{n}")).collect();
    value["invariants"] = json!([
        { "name": "each_claim_won_once", "ok": true, "checks": 1_200, "broken_checks": 0, "offending_count": 0 },
        { "name": "no_oversell", "ok": false, "checks": 31, "broken_checks": 2, "first_broken_at_ms": 12_004,
          "offending": keys, "offending_count": 1_234 },
        { "name": "raises", "ok": false, "checks": 1, "broken_checks": 1, "first_broken_at_ms": 300, "offending_count": 0 },
        { "name": "unseen", "ok": false, "checks": 0, "broken_checks": 0, "offending_count": 0 } ]);
    value
}

/// A run that ended before anything happened.
fn empty() -> Value {
    json!({ "schema": "kingtide.summary/1", "verdict": "aborted", "exit_code": 105,
      "run": { "script": "hello.lua", "seed": 18446744073709551615_u64, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 0,
        "reasons": [ { "exit_code": 105, "message": "stopped by a signal" } ] },
      "scenarios": {}, "metrics": {}, "checks": [], "thresholds": [],
      "generator": { "verdict": "valid", "start_lag_p99_ms": null, "cpu_percent": 0.0, "reasons": [] } })
}

fn compare(name: &str, value: &Value, style: Style) {
    let path = format!("{}/tests/golden/report/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let got = render(&summary(value), style);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(got == expected, "{name} differs; got:\n{got}\nexpected:\n{expected}");
}

#[test]
fn a_passed_run() {
    compare("pass", &passed(), WIDE);
}

#[test]
fn a_failed_run_with_everything() {
    compare("fail", &failed(), WIDE);
}

#[test]
fn the_same_in_ascii_on_a_narrow_terminal() {
    let style = Style {
        unicode: false,
        width: 80,
        ..WIDE
    };
    compare("fail-ascii-80", &failed(), style);
    assert!(render(&summary(&failed()), style).is_ascii());
}

#[test]
fn a_run_in_parts() {
    compare("parts", &parted(), WIDE);
}

#[test]
fn a_run_whose_script_was_edited() {
    compare("edited", &edited(), WIDE);
}

#[test]
fn of_many_checkpoints_the_first_and_the_last_are_shown() {
    let mut value = parted();
    let one = value["checkpoints"][1].clone();
    value["checkpoints"] = std::iter::repeat_n(one, 1_000).collect();
    let text = render(&summary(&value), WIDE);
    let table = text.split("CHECKPOINTS").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(table.contains("960 in the middle"), "{table}");
    let numbers: Vec<u32> = table
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=20).chain(981..=1_000).collect::<Vec<_>>());
}

#[test]
fn of_many_names_those_that_failed_and_the_most_frequent_are_shown() {
    let mut value = passed();
    for number in 0..100 {
        value["metrics"][format!("http_req_duration{{name:/items/{number}}}")] = trend(1_000 + number, 1.0);
    }
    value["metrics"]["http_req_failed{name:/items/7}"] =
        json!({ "type": "rate", "rate": 0.5, "passes": 500, "total": 1_007 });
    let lines = render(&summary(&value), WIDE);
    let lines: Vec<_> = lines.lines().collect();
    let table = lines
        .iter()
        .position(|line| line.starts_with("http_req_duration"))
        .unwrap();
    assert_eq!(lines[table], "http_req_duration  by name; 62 more are in the JSON");
    let names: Vec<_> = lines[table + 2..]
        .iter()
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names[..2], ["/items/62", "/items/63"]);
    assert!(names.contains(&"/items/7"), "some failed: {names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with('/')).count(), 39);
    assert!(names.contains(&"GET"), "the most frequent of all: {names:?}");
    assert_eq!(
        lines[table + 2 + names.len() - 1],
        "  requests that belong together can share a row: `name = \"/items/{id}\"` in their options"
    );
}

#[test]
fn invariants_that_held_and_did_not() {
    compare("invariants", &watched(), WIDE);
}

#[test]
fn a_run_without_anything() {
    compare("empty", &empty(), WIDE);
}

#[test]
fn colour_changes_nothing_but_colour() {
    for value in [passed(), failed(), parted(), edited(), watched(), empty()] {
        let plain = render(&summary(&value), WIDE);
        let coloured = render(&summary(&value), Style { colour: true, ..WIDE });
        assert!(coloured.contains("\u{1b}["));
        let mut stripped = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        assert_eq!(stripped, plain);
        assert!(!plain.contains('\u{1b}'));
    }
}

#[test]
fn lines_keep_to_the_width_and_end_where_they_end() {
    for width in [0, 80, 90, 95, 96, 100, 250] {
        for unicode in [true, false] {
            for value in [passed(), failed(), parted(), edited(), watched(), empty()] {
                let style = Style {
                    unicode,
                    colour: false,
                    width,
                };
                let text = render(&summary(&value), style);
                for line in text.lines() {
                    assert!(line.chars().count() <= style.columns(), "{width}: {line}");
                    assert_eq!(line.trim_end(), line);
                }
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
            }
        }
    }
}

#[test]
fn counts_that_do_not_add_up_are_shown_as_a_bug() {
    let mut value = passed();
    assert!(!render(&summary(&value), WIDE).contains("do not add up"));
    value["scenarios"]["sagas"]["iterations"]["dropped"] = json!(1);
    assert!(render(&summary(&value), WIDE).contains("sagas: these counts do not add up"));
}
