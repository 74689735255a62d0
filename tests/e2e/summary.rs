//! What holds for every summary, whatever the run did. Each run of these tests is put through it.

use serde_json::Value;

/// The six counts of a scenario: offered, started, completed, dropped, interrupted, failed.
pub fn counts(scenario: &Value) -> [u64; 6] {
    ["offered", "started", "completed", "dropped", "interrupted", "failed"].map(|name| {
        let count = &scenario["iterations"][name];
        count
            .as_u64()
            .unwrap_or_else(|| panic!("`{name}` is {count} in {scenario}"))
    })
}

/// The promises of `kingtide.summary/1` that one can check without knowing the test.
pub fn is_sound(summary: &Value) {
    assert_eq!(summary["schema"], "kingtide.summary/1");
    let exit_code = summary["exit_code"].as_u64().expect("an exit code");
    let passed = exit_code == 0;
    let verdict = match exit_code {
        0 => "pass",
        99 | 107 | 110 => "fail",
        113 => "untrusted",
        _ => "aborted",
    };
    assert_eq!(summary["verdict"], verdict, "{summary:#}");
    let reasons = summary["run"]["reasons"].as_array();
    assert_eq!(
        reasons
            .and_then(|reasons| reasons.first())
            .map(|first| &first["exit_code"]),
        (!passed).then_some(&summary["exit_code"]),
        "the first reason gives the exit code: {summary:#}"
    );
    let (mut ended, mut dropped_in_all) = (0, 0);
    for (name, scenario) in summary["scenarios"].as_object().expect("scenarios are an object") {
        let [offered, started, completed, dropped, interrupted, failed] = counts(scenario);
        assert_eq!(offered, started + dropped, "{name}: {summary:#}");
        assert_eq!(started, completed + interrupted + failed, "{name}: {summary:#}");
        if let Some(warmup) = scenario.get("warmup") {
            let [offered, started, completed, dropped, interrupted, failed] =
                counts(&serde_json::json!({ "iterations": warmup }));
            assert_eq!(offered, started + dropped, "warm-up of {name}: {summary:#}");
            assert_eq!(
                started,
                completed + interrupted + failed,
                "warm-up of {name}: {summary:#}"
            );
        }
        ended += completed + failed;
        dropped_in_all += dropped;
    }
    let metric = |name: &str| summary["metrics"][name]["count"].as_u64().unwrap_or(0);
    assert_eq!(metric("iteration_duration"), ended, "ended iterations: {summary:#}");
    assert_eq!(metric("dropped_iterations"), dropped_in_all, "{summary:#}");
    for threshold in summary["thresholds"].as_array().expect("thresholds are a list") {
        let without_data = threshold["observed"].is_null();
        assert!(threshold["ok"].is_boolean() && (without_data || threshold["observed"].is_number()));
    }
    times_are_in_order(summary);
    checkpoints_add_up(summary);
}

/// Checkpoints follow each other to the end, and their counts are those of the run.
fn checkpoints_add_up(summary: &Value) {
    let Some(checkpoints) = summary.get("checkpoints").and_then(Value::as_array) else {
        return;
    };
    let mut at = Some(0);
    for checkpoint in checkpoints {
        assert_eq!(checkpoint["start_ms"].as_u64(), at, "without gaps: {summary:#}");
        at = checkpoint["end_ms"].as_u64();
    }
    for (name, scenario) in summary["scenarios"].as_object().expect("scenarios are an object") {
        let mut sum = [0; 6];
        for checkpoint in checkpoints {
            let part = counts(&serde_json::json!({ "iterations": checkpoint["scenarios"][name] }));
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        assert_eq!(sum, counts(scenario), "checkpoints of {name}: {summary:#}");
    }
    // Nothing of it happens in setup or teardown.
    for metric in ["iterations", "dropped_iterations", "iteration_duration"] {
        let count = |of: &Value| of["metrics"][metric]["count"].as_u64().unwrap_or(0);
        let sum: u64 = checkpoints.iter().map(count).sum();
        assert_eq!(sum, count(summary), "{metric}: {summary:#}");
    }
}

/// min ≤ med ≤ p90 ≤ … ≤ max of every trend, as far as three digits can tell.
fn times_are_in_order(summary: &Value) {
    for (name, metric) in summary["metrics"].as_object().expect("metrics are an object") {
        if metric["type"] != "trend" || metric["count"] == 0 {
            continue;
        }
        let row = ["min", "med", "p90", "p95", "p99", "p99.9", "max"].map(|field| {
            let value = metric[field].as_f64();
            value.unwrap_or_else(|| panic!("{name} has no {field}: {metric}"))
        });
        let in_order = row.windows(2).all(|pair| pair[0] <= pair[1] * 1.002);
        assert!(in_order, "{name}: {metric}");
    }
}

#[test]
fn a_summary_that_does_not_add_up_is_noticed() {
    let sound = || {
        serde_json::json!({
            "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0, "run": {},
            "scenarios": { "a": { "iterations": {
                "offered": 3, "started": 2, "completed": 1, "dropped": 1, "interrupted": 0, "failed": 1 } } },
            "metrics": {
                "iteration_duration": { "type": "trend", "count": 2, "min": 1, "med": 1, "p90": 2, "p95": 2, "p99": 2,
                    "p99.9": 2, "max": 2 },
                "dropped_iterations": { "type": "counter", "count": 1 } },
            "checkpoints": [
                { "start_ms": 0, "end_ms": 5, "scenarios": { "a": {
                    "offered": 2, "started": 1, "completed": 1, "dropped": 1, "interrupted": 0, "failed": 0 } },
                  "metrics": { "iteration_duration": { "count": 1 }, "dropped_iterations": { "count": 1 } } },
                { "start_ms": 5, "end_ms": 9, "scenarios": { "a": {
                    "offered": 1, "started": 1, "completed": 0, "dropped": 0, "interrupted": 0, "failed": 1 } },
                  "metrics": { "iteration_duration": { "count": 1 } } } ],
            "thresholds": [],
        })
    };
    is_sound(&sound());
    // where, the wrong value
    let table = [
        ("/scenarios/a/iterations/offered", 4.into()),
        ("/scenarios/a/iterations/interrupted", 1.into()),
        ("/metrics/iteration_duration/count", 3.into()),
        ("/metrics/iteration_duration/p99", Value::from(0.5)),
        ("/metrics/dropped_iterations/count", 0.into()),
        ("/exit_code", 99.into()),
        ("/verdict", "fail".into()),
        ("/checkpoints/1/scenarios/a/started", 2.into()),
        ("/checkpoints/0/metrics/dropped_iterations/count", 2.into()),
        ("/checkpoints/1/start_ms", 6.into()),
    ];
    for (place, wrong) in table {
        let mut summary = sound();
        *summary.pointer_mut(place).expect("the sample has it") = wrong;
        let looked = std::panic::catch_unwind(|| is_sound(&summary));
        assert!(looked.is_err(), "{place} was not noticed");
    }
}
