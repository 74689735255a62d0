//! Golden tests of searches as text. Files are in `tests/golden/report`; `UPDATE_GOLDEN=1` writes them anew.

use serde_json::{Value, json};

use super::*;

const WIDE: Style = Style {
    unicode: true,
    colour: false,
    width: 100,
};

fn threshold(metric: &str, expression: &str, observed: Value, ok: bool) -> Value {
    let unit = if metric.contains("duration") {
        json!("ms")
    } else {
        Value::Null
    };
    let kind = if metric.ends_with("_failed") { "rate" } else { "trend" };
    json!({ "metric": metric, "expression": expression, "ok": ok, "observed": observed, "aborted": false, "unit": unit,
        "type": kind })
}

/// A probe of the team's two streams; what broke it, if anything did.
fn probe(number: u64, api: f64, events: f64, p95: f64, reasons: &[(&str, &str)]) -> Value {
    let load = |rate: f64, achieved: f64| {
        let offered = rate * 20.0;
        let counts = json!({ "offered": offered as u64, "started": offered as u64, "completed": offered as u64,
            "dropped": 0, "interrupted": 0, "failed": 0 });
        json!({ "offered_per_s": rate, "achieved_per_s": achieved, "iterations": counts, "waiting": 0 })
    };
    let reasons: Vec<Value> = reasons
        .iter()
        .map(|(kind, message)| json!({ "kind": kind, "message": message }))
        .collect();
    json!({ "number": number, "levels": { "api": api, "events": events }, "attempt": 1, "held": reasons.is_empty(),
        "reasons": reasons, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 25_000,
        "scenarios": { "api": load(api, api - 0.26), "events": load(events, events.min(4_321.9)) },
        "thresholds": [
            threshold("grpc_req_duration{scenario:events}", "p(95)<500ms", json!(p95 / 4.0), true),
            threshold("http_req_duration{scenario:api}", "p(95)<2s", json!(p95), p95 < 2_000.0),
            threshold("http_req_failed", "rate<0.01", json!(0.001), true) ],
        "errors": 0.0005, "summary": "probe-001.json",
        "generator": { "verdict": "valid", "start_lag_p99_ms": 0.4, "cpu_percent": 7.5, "reasons": [] } })
}

fn capacity(kind: &str, probes: Value) -> Value {
    json!({ "schema": "kingtide.capacity/1", "verdict": "", "finished": true, "exit_code": 0,
        "script": "scripts/combined.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z",
        "asked": { "kind": kind,
            "levels": [ { "name": "api", "values": [50, 500, 1000] }, { "name": "events", "values": [100, 2000, 5000] } ],
            "stop": [], "settle_ms": 5_000, "measure_ms": 20_000, "drain_ms": 5_000, "rest_ms": 5_000, "confirm": 1, "allow_suspect": false,
            "scenarios": [], "tags": {}, "demo": false, "threads": 1, "script_hash": "", "env_hash": "" },
        "best": null, "broke": null, "probes": probes })
}

/// Levels that broke at the third.
fn levels() -> Value {
    const SLOW: (&str, &str) = ("threshold", "http_req_duration{scenario:api} p(95)<2s was 3.40s");
    const LATE: (&str, &str) = (
        "load",
        "250 iterations of `events` waited for a virtual user in the end: all 500 were busy (`max_vus`)",
    );
    let mut probes = json!([
        probe(1, 50.0, 100.0, 12.3, &[]),
        probe(2, 500.0, 2_000.0, 45.6, &[]),
        probe(3, 1_000.0, 5_000.0, 3_400.0, &[SLOW, LATE]),
        probe(4, 1_000.0, 5_000.0, 3_412.0, &[SLOW, LATE])
    ]);
    probes[1]["generator"]["verdict"] = json!("suspect");
    probes[1]["generator"]["reasons"] = json!(["iterations were dispatched late: p99 7.5 ms, the limit is 5 ms"]);
    probes[3]["attempt"] = json!(2);
    let mut value = capacity("levels", probes);
    let broke = value["probes"][3].clone();
    value["best"] = json!({ "levels": { "api": 500, "events": 2000 }, "probe": 2, "offered_per_s": 2_500, "achieved_per_s": 2_499.7 });
    value["broke"] = json!({ "levels": broke["levels"], "probe": 4, "reasons": broke["reasons"] });
    value
}

/// A search whose end the generator did not reach, with more thresholds than columns.
fn bisected() -> Value {
    let late = (
        "generator",
        "the generator is invalid: the busiest core thread used 99 % of its core, the limit is 90 %",
    );
    let mut value = capacity(
        "search",
        json!([probe(1, 1_200.5, 1.0, 45.6, &[]), probe(2, 1_250.0, 1.0, 46.7, &[late])]),
    );
    value["asked"]["levels"] = json!([{ "name": "api", "values": [100, 20_000] }]);
    for probe in value["probes"].as_array_mut().unwrap() {
        probe["levels"].as_object_mut().unwrap().remove("events");
        let more = ["iteration_duration", "http_req_waiting", "group_duration"];
        let more = more.map(|metric| threshold(metric, "p(99)<10s", Value::Null, true));
        probe["thresholds"].as_array_mut().unwrap().extend(more);
    }
    value["probes"][1]["generator"]["verdict"] = json!("invalid");
    value["bracket"] = json!({ "name": "api", "low": 1_200.5, "high": 1_250.0, "width_percent": 4.123 });
    value["best"] =
        json!({ "levels": { "api": 1_200.5 }, "probe": 1, "offered_per_s": 1_200.5, "achieved_per_s": null });
    value["broke"] = json!({ "levels": { "api": 1_250 }, "probe": 2, "reasons": value["probes"][1]["reasons"] });
    value
}

fn compare(name: &str, value: Value, style: Style) {
    let path = format!("{}/tests/golden/report/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let mut capacity: Capacity = serde_json::from_value(value).unwrap();
    capacity.verdict = sentence(&capacity);
    let got = render(&capacity, style);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(got == expected, "{name} differs; got:\n{got}\nexpected:\n{expected}");
    let widest = got.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(style.width), "lines keep to the terminal:\n{got}");
}

#[test]
fn levels_of_two_streams() {
    compare("capacity-levels", levels(), WIDE);
}

#[test]
fn a_search_that_the_generator_ended_in_ascii_on_a_narrow_terminal() {
    let style = Style {
        unicode: false,
        width: 80,
        ..WIDE
    };
    compare("capacity-search", bisected(), style);
}

/// Where work piles up, the highest load that was held is more than can be held for long.
#[test]
fn work_that_piles_up_is_told() {
    let mut value = bisected();
    value["broke"]["reasons"] = json!([{ "kind": "threshold", "message": "http_req_failed rate<0.01 was 3%" }]);
    value["best"]["achieved_per_s"] = json!(960.4);
    let mut capacity: Capacity = serde_json::from_value(value).unwrap();
    capacity.verdict = sentence(&capacity);
    let text = render(&capacity, WIDE);
    for part in [
        "plan with about api=760, 80 % of what ended",
        "1,201/s were offered and 960/s ended",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// What fails at once is fast, and no load is too much for it.
#[test]
fn a_load_of_which_nothing_worked_is_no_success() {
    let warning = "all 80 requests failed: this run says nothing about the system's speed";
    let mut value = bisected();
    value["broke"] = Value::Null;
    value["bracket"] = Value::Null;
    value["probes"].as_array_mut().unwrap().truncate(1);
    for place in ["/best", "/probes/0"] {
        value.pointer_mut(place).unwrap()["warnings"] = json!([warning]);
    }
    let mut found: Capacity = serde_json::from_value(value.clone()).unwrap();
    found.verdict = sentence(&found);
    assert_eq!(
        found.verdict,
        format!("holds api=1,200.5, the highest load asked for, but {warning}")
    );
    assert!(line(&found, &found.probes[0]).ends_with(warning));
    let text = render(&found, WIDE);
    for part in ["! holds", "held, all failed", "see why all failed at api=1,200.5"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["nothing broke", "search higher"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    value["broke"] = bisected()["broke"].clone();
    let found: Capacity = serde_json::from_value(value).unwrap();
    let told = sentence(&found);
    assert!(
        told.starts_with(&format!("holds api=1,200.5 (where {warning}); ")),
        "{told}"
    );
}

/// Work that piles up beside a load that does not is seen.
#[test]
fn what_is_offered_is_that_of_the_levels() {
    let mut value = levels();
    value["probes"][1]["scenarios"]["events"]["has_level"] = json!(false);
    let found: Capacity = serde_json::from_value(value).unwrap();
    let told = line(&found, &found.probes[1]);
    assert!(told.contains("held: 500/s offered, 500/s achieved"), "{told}");
}

#[test]
fn a_search_that_goes_on() {
    let mut value = levels();
    value["finished"] = json!(false);
    value["probes"].as_array_mut().unwrap().truncate(2);
    value["broke"] = Value::Null;
    compare("capacity-unfinished", value, WIDE);
    let mut value = capacity("levels", json!([]));
    value["finished"] = json!(false);
    compare("capacity-nothing", value, WIDE);
}

/// The `rate` of a counter is for each second, however low it is.
#[test]
fn observed_values_are_told_by_the_kind_of_their_metric() {
    let table = [
        (json!("rate"), "rate<0.01", Value::Null, 0.0409, "4.09%"),
        (json!("rate"), "passes<9", Value::Null, 1.0, "1"),
        (json!("counter"), "rate>2", Value::Null, 0.6666, "0.667/s"),
        (json!("counter"), "count>2", Value::Null, 1.0, "1"),
        (json!("trend"), "p(95)<2s", json!("ms"), 3_400.0, "3.40s"),
        (json!("gauge"), "max<5", json!("USD"), 4.0, "4 USD"),
        // Of files that do not say it.
        (Value::Null, "rate<0.01", Value::Null, 0.0409, "0.041"),
    ];
    for (kind, expression, unit, observed, text) in table {
        let threshold = json!({ "metric": "m", "expression": expression, "ok": true, "observed": observed, "aborted": false,
            "unit": unit, "type": kind });
        let threshold: ThresholdSummary = serde_json::from_value(threshold).unwrap();
        assert_eq!(value(&threshold).as_deref(), Some(text), "{kind} {expression}");
    }
}

#[test]
fn levels_keep_all_of_their_digits() {
    let table = [
        (50.0, "50"),
        (2_000.0, "2,000"),
        (1_237.5, "1,237.5"),
        (0.05, "0.05"),
        (20_000.25, "20,000.25"),
    ];
    for (value, text) in table {
        assert_eq!(level(value), text);
    }
    for (value, text) in [
        (976.0, 970.0),
        (1_000.0, 1_000.0),
        (12.4, 12.0),
        (1.26, 1.2),
        (0.123, 0.12),
    ] {
        assert!(
            (round_down(value) - text).abs() < 1e-9,
            "{value}: {}",
            round_down(value)
        );
    }
}
