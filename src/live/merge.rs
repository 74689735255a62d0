//! One interval of two that follow each other: what was counted is added up, distributions are merged bucket by bucket, and
//! of what is a state the later one holds. When that is done is `history`'s.

use bytes::Bytes;

use crate::results::{GeneratorInterval, Interval, Series, Values};

/// As JSON; nothing when one of the two is no interval.
pub(super) fn texts(a: &[u8], b: &[u8]) -> Option<Bytes> {
    let [a, b] = [a, b].map(|text| serde_json::from_slice::<Interval>(text).ok());
    serde_json::to_vec(&both(a?, b?)).ok().map(Bytes::from)
}

fn both(mut a: Interval, b: Interval) -> Interval {
    for (name, b) in b.scenarios {
        let a = a.scenarios.entry(name).or_default();
        a.iterations.merge(&b.iterations);
        if let Some(warmup) = &b.warmup {
            a.warmup.get_or_insert_default().merge(warmup);
        }
        (a.vus, a.queued, a.stage) = (b.vus, a.queued.max(b.queued), b.stage);
    }
    all(&mut a.series, b.series);
    all(&mut a.outside, b.outside);
    for b in b.checks {
        let known = a.checks.iter_mut().find(|a| a.name == b.name && a.group == b.group);
        match known {
            Some(a) => (a.passes, a.fails) = (a.passes + b.passes, a.fails + b.fails),
            None => a.checks.push(b),
        }
    }
    a.generator = health((a.generator, a.duration_ms), (b.generator, b.duration_ms));
    a.duration_ms += b.duration_ms;
    a.thresholds = b.thresholds;
    a.events.extend(b.events);
    a.failures.extend(b.failures);
    for b in b.failed {
        match a.failed.iter_mut().find(|a| a.kind == b.kind) {
            Some(a) => a.count += b.count,
            None => a.failed.push(b),
        }
    }
    a.failure_kinds_left_out += b.failure_kinds_left_out;
    a
}

fn all(a: &mut Vec<Series>, b: Vec<Series>) {
    for b in b {
        match a.iter_mut().find(|a| a.is_same(&b)) {
            Some(a) => series(a, &b),
            None => a.push(b),
        }
    }
}

fn series(a: &mut Series, b: &Series) {
    a.out_of_range += b.out_of_range;
    match (&mut a.values, &b.values) {
        (Values::Counter { value }, Values::Counter { value: more }) => *value += more,
        (
            Values::Gauge { value, min, max },
            Values::Gauge {
                value: newest,
                min: low,
                max: high,
            },
        ) => (*value, *min, *max) = (*newest, min.min(*low), max.max(*high)),
        (
            Values::Rate { passes, total },
            Values::Rate {
                passes: more,
                total: all,
            },
        ) => (*passes, *total) = (*passes + more, *total + all),
        (Values::Trend(a), Values::Trend(b)) => a.merge(b),
        // A metric keeps its kind.
        _ => {}
    }
}

/// CPU time is a mean, lags and pauses are the worst.
fn health((a, a_ms): (GeneratorInterval, u64), (b, b_ms): (GeneratorInterval, u64)) -> GeneratorInterval {
    #[expect(clippy::cast_precision_loss, reason = "durations of intervals")]
    let mean = |a: f64, b: f64| (a * a_ms as f64 + b * b_ms as f64) / (a_ms + b_ms).max(1) as f64;
    let either = |a: Option<f64>, b: Option<f64>, both: &dyn Fn(f64, f64) -> f64| match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        _ => a.or(b),
    };
    GeneratorInterval {
        cpu_percent: either(a.cpu_percent, b.cpu_percent, &mean),
        dispatch_lag_p99_ms: either(a.dispatch_lag_p99_ms, b.dispatch_lag_p99_ms, &f64::max),
        loop_lag_p99_ms: either(a.loop_lag_p99_ms, b.loop_lag_p99_ms, &f64::max),
        gc_pause_max_ms: either(a.gc_pause_max_ms, b.gc_pause_max_ms, &f64::max),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn merged(a: &Value, b: &Value) -> Value {
        let text = texts(a.to_string().as_bytes(), b.to_string().as_bytes()).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn second(number: u64, ok: u64, bucket: u64) -> Value {
        json!({
            "second": number, "at_ms": 1_000 * number, "duration_ms": 1_000,
            "scenarios": { "a": { "iterations": { "offered": 3, "started": 3 - number }, "vus": number, "queued": 5 - number,
                "stage": format!("s{number}") } },
            "series": [
                { "metric": "http_reqs", "type": "counter", "tags": { "status": "200" }, "value": 10.0 },
                { "metric": "vus", "type": "gauge", "tags": {}, "value": number, "min": number, "max": 4 + number },
                { "metric": "http_req_failed", "type": "rate", "tags": {}, "passes": ok, "total": 10 },
                { "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": {}, "count": 2, "sum": 3.0, "min": 1.0,
                  "max": 2.0 + number as f64, "buckets": [[100, 1], [bucket, 1]] },
            ],
            "checks": [{ "name": "ok", "group": "", "passes": ok, "fails": 1 }],
            "thresholds": [{ "metric": "x", "expression": "p(95)<1", "ok": number == 1, "observed": 1.0, "limit": 1.0 }],
            "generator": { "cpu_percent": 10.0 * number as f64, "loop_lag_p99_ms": 2.0 - number as f64 },
            "events": [{ "at_ms": number, "kind": "stage", "text": "x" }],
            "failures": [{ "kind": number, "what": "status 500" }], "failed": [{ "kind": 0, "count": 3 }, { "kind": 1 + number, "count": 1 }],
            "failure_kinds_left_out": 1 + number,
        })
    }

    #[test]
    fn counts_add_up_and_states_are_the_later() {
        let sum = merged(&second(0, 3, 200), &second(1, 4, 300));
        assert_eq!(
            (&sum["second"], &sum["at_ms"], &sum["duration_ms"]),
            (&json!(0), &json!(0), &json!(2_000))
        );
        let scenario = &sum["scenarios"]["a"];
        assert_eq!(
            (&scenario["iterations"]["offered"], &scenario["iterations"]["started"]),
            (&json!(6), &json!(5))
        );
        assert_eq!(
            (&scenario["vus"], &scenario["queued"], &scenario["stage"]),
            (&json!(1), &json!(5), &json!("s1"))
        );
        let series = sum["series"].as_array().unwrap();
        assert_eq!(series.len(), 4, "{series:?}");
        assert_eq!(series[0]["value"], 20.0);
        assert_eq!(
            (&series[1]["value"], &series[1]["min"], &series[1]["max"]),
            (&json!(1.0), &json!(0.0), &json!(5.0))
        );
        assert_eq!((&series[2]["passes"], &series[2]["total"]), (&json!(7), &json!(20)));
        assert_eq!(
            (&series[3]["count"], &series[3]["sum"], &series[3]["max"]),
            (&json!(4), &json!(6.0), &json!(3.0))
        );
        assert_eq!(series[3]["buckets"], json!([[100, 2], [200, 1], [300, 1]]));
        assert_eq!(
            (&sum["checks"][0]["passes"], &sum["checks"][0]["fails"]),
            (&json!(7), &json!(2))
        );
        assert_eq!(sum["thresholds"], second(1, 0, 0)["thresholds"]);
        assert_eq!(
            (&sum["generator"]["cpu_percent"], &sum["generator"]["loop_lag_p99_ms"]),
            (&json!(5.0), &json!(2.0))
        );
        assert_eq!(sum["events"].as_array().unwrap().len(), 2);
        assert_eq!(
            (
                sum["failures"].as_array().unwrap().len(),
                &sum["failure_kinds_left_out"]
            ),
            (2, &json!(3))
        );
        let counts = json!([{ "kind": 0, "count": 6 }, { "kind": 1, "count": 1 }, { "kind": 2, "count": 1 }]);
        assert_eq!(sum["failed"], counts);
    }

    #[test]
    fn what_only_one_of_them_has_is_kept() {
        let mut early = second(0, 3, 200);
        early["outside"] =
            json!([{ "metric": "http_reqs", "type": "counter", "tags": { "status": "200" }, "value": 7.0 }]);
        let mut late = second(1, 4, 300);
        late["scenarios"] =
            json!({ "b": { "iterations": { "offered": 1 }, "vus": 0, "queued": 0, "warmup": { "offered": 2 } } });
        late["series"] = json!([{ "metric": "new", "type": "counter", "tags": {}, "value": 1.0 }]);
        late["checks"] = json!([{ "name": "other", "group": "", "passes": 1, "fails": 0 }]);
        let sum = merged(&early, &late);
        assert_eq!(sum["outside"], early["outside"]);
        assert_eq!(sum["scenarios"]["b"]["warmup"]["offered"], 2);
        assert_eq!(sum["series"].as_array().unwrap().len(), 5);
        assert_eq!(sum["checks"].as_array().unwrap().len(), 2);
        assert_eq!(texts(b"{}", b"no"), None);
    }
}
