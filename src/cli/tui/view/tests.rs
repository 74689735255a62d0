//! The screen on a terminal that is only pretended.

use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::super::News;
use super::*;
use crate::control::{ScenarioStatus, Status};

fn second(number: u64, more: &Value) -> News {
    let mut interval = json!({ "second": number, "at_ms": 0, "duration_ms": 1_000,
        "scenarios": { "sagas": { "iterations": { "offered": 10, "started": 9, "dropped": 1 }, "vus": 3, "queued": 2, "stage": "up" } },
        "series": [
            { "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": {}, "count": 2, "sum": 40.0, "min": 20.0,
              "max": 20.0, "buckets": [[15_488, 2]] },
            { "metric": "http_req_failed", "type": "rate", "tags": {}, "passes": 1, "total": 5 },
            { "metric": "http_reqs", "type": "counter", "tags": { "status": "200" }, "value": 4 },
            { "metric": "http_reqs", "type": "counter", "tags": { "error_code": "connection_refused" }, "value": 1 },
        ],
        "checks": [{ "name": "order accepted", "group": "", "passes": 4, "fails": 1 }],
        "generator": { "cpu_percent": 4.1, "dispatch_lag_p99_ms": 0.3 } });
    for (key, value) in more.as_object().unwrap() {
        interval[key] = value.clone();
    }
    News::Second(Arc::new(serde_json::from_value(interval).unwrap()))
}

fn drawn(state: &State, width: u16, height: u16) -> String {
    let mut screen = Terminal::new(TestBackend::new(width, height)).unwrap();
    screen.draw(|frame| draw(frame, state)).unwrap();
    screen.backend().to_string()
}

fn state() -> State {
    let mut state = State::default();
    state.take(News::Stage("running"));
    for number in 0..30 {
        state.take(second(number, &json!({})));
    }
    let thresholds = json!({ "thresholds": [
        { "metric": "http_req_duration", "expression": "p(95)<600", "ok": true, "observed": 20.1, "limit": 600.0 },
        { "metric": "checks", "expression": "rate>0.9", "ok": false, "observed": 0.8, "limit": 0.9 } ],
        "events": [{ "at_ms": 30_400, "kind": "stage", "text": "sagas: up" }] });
    state.take(second(30, &thresholds));
    state.take(News::Note("warn something".to_owned()));
    state.look(&Status {
        elapsed_ms: 31_000,
        scenarios: vec![ScenarioStatus {
            planned_end_ms: 60_000,
            ..ScenarioStatus::default()
        }],
        ..Status::default()
    });
    state
}

#[test]
fn everything_is_on_it() {
    let text = drawn(&state(), 140, 40);
    for part in [
        "31s/60s  running  155 requests  31 failed",
        "p pause  q stop",
        "sagas",
        "9.0       10.0      3      2       31       0       up",
        "offered/s",
        "p95",
        "service time, last 10 s",
        "16ms",
        "FAIL checks rate>0.9: 0.8",
        "FAIL order accepted: 124 of 155",
        "ok   http_req_duration p(95)<600: 20",
        "CPU 4.1 %",
        "dispatch lag p99 0.3 ms",
        "longest GC step -",
        "connection_refused: 31, last at 30s",
        "30 s  sagas: up",
        "warn something",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    assert!(!text.contains("status 200"), "no error: {text}");
}

#[test]
fn any_size_and_no_data_are_drawn() {
    for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
        drawn(&state(), width, height);
        drawn(&State::default(), width, height);
    }
}

#[test]
fn a_pause_is_seen() {
    let mut state = state();
    let paused = Status {
        paused: true,
        ..Status::default()
    };
    assert!(state.look(&paused) && !state.look(&paused));
    assert!(drawn(&state, 100, 30).contains("paused"));
}
