//! A run that never was, second by second: three scenarios over HTTP and gRPC, and a system that answers nobody for fifteen
//! seconds in the middle. Its summary is the sum of its seconds.

use std::collections::BTreeMap;

use kingtide::metrics::buckets;
use kingtide::results::{Header, Interval, Run, Series, Summary, Trend, Values};
use serde_json::{Value, json};

/// When it began, in milliseconds since 1970.
const START: u64 = 1_795_168_800_000;
/// How long nobody is answered.
const STALL: u64 = 15;
/// A name that would break out of a page that is careless with it.
pub const NASTY: &str = "GET /</script><script>alert(1)</script>&<!--";

/// Numbers that look like chance and are the same each time (Knuth's MMIX constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).expect("31 bits")) / f64::from(1_u32 << 31)
    }

    /// Mostly around `middle`, sometimes much more.
    fn time(&mut self, middle: f64) -> f64 {
        let tail = if self.roll() > 0.985 { 6.0 } else { 1.0 };
        middle * tail * (0.55 + self.roll() * self.roll() * 2.2)
    }
}

/// `bucket` of a time in ms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of this run are small"
)]
fn trend(metric: &str, tags: &Value, times: &[f64]) -> Value {
    let mut counts = BTreeMap::new();
    for ms in times {
        *counts.entry(buckets::index((ms * 1e4).round() as u64)).or_insert(0_u64) += 1;
    }
    let min = times.iter().copied().fold(f64::INFINITY, f64::min);
    let max = times.iter().copied().fold(0.0, f64::max);
    let sum = times.iter().sum::<f64>();
    json!({ "metric": metric, "type": "trend", "unit": "ms", "tags": tags, "count": times.len(), "sum": sum,
            "min": min, "max": max, "buckets": counts.into_iter().collect::<Vec<_>>() })
}

fn counter(metric: &str, tags: &Value, value: u64) -> Value {
    json!({ "metric": metric, "type": "counter", "tags": tags, "value": value })
}

fn rate(tags: &Value, passes: u64, total: u64) -> Value {
    json!({ "metric": "http_req_failed", "type": "rate", "tags": tags, "passes": passes, "total": total })
}

fn counts(offered: u64, started: u64, completed: u64) -> Value {
    json!({ "offered": offered, "started": started, "completed": completed, "dropped": offered - started,
            "interrupted": 0, "failed": 0 })
}

/// What the run is at in one second.
struct Second {
    at: u64,
    of: u64,
}

impl Second {
    fn stall(&self) -> std::ops::Range<u64> {
        let from = self.of * 7 / 15;
        from..from + STALL
    }

    fn is_stalled(&self) -> bool {
        self.stall().contains(&self.at)
    }

    fn is_first_after(&self) -> bool {
        self.at == self.stall().end
    }

    fn is_last(&self) -> bool {
        self.at + 1 == self.of
    }

    /// What 60 iterations a second are worth to users who are at most 200.
    fn orders(&self) -> (Value, u64) {
        let waiting = (self.at.saturating_sub(self.stall().start) * 60).min(200);
        let (value, vus) = if self.is_stalled() {
            (counts(60, 60.min(200 - waiting), 0), (waiting + 60).min(200))
        } else if self.is_first_after() {
            (counts(60, 60, 260), 60)
        } else {
            (counts(60, 60, 60), 3 + self.at % 3)
        };
        (value, vus)
    }

    fn stage(&self) -> &'static str {
        if self.at < self.of / 3 { "up" } else { "hold" }
    }

    /// The series, how many HTTP requests there were, and how many of them failed.
    fn series(&self, dice: &mut Dice, browsing: u64, ordered: u64) -> (Vec<Value>, u64, u64) {
        let late = self.is_first_after();
        let mut series = Vec::new();
        let mut http = Vec::new();
        for (name, many, middle) in [(NASTY, browsing, 8.0), ("POST /api/orders", ordered, 21.0)] {
            let times: Vec<f64> = (0..many)
                .map(|i| match (late, i % 5) {
                    (true, 0..4) => dice.roll() * 15_000.0 + 40.0,
                    _ => dice.time(middle),
                })
                .collect();
            if !times.is_empty() {
                series.push(trend("http_req_duration", &json!({ "name": name }), &times));
                let scenario = if name == NASTY { "browse" } else { "orders" };
                series.push(trend("http_req_duration", &json!({ "scenario": scenario }), &times));
                let stage = json!({ "scenario": scenario, "stage": self.stage() });
                series.push(trend("http_req_duration", &stage, &times));
                // Orders alone fail, one of twenty.
                let failed = if name == NASTY { 0 } else { many / 20 };
                series.push(rate(&json!({ "name": name }), failed, many));
                http.extend(times);
            }
        }
        let many = http.len() as u64;
        let broken = if late {
            90
        } else {
            u64::from(many > 0 && self.at.is_multiple_of(17)) * 2
        };
        if !http.is_empty() {
            outcomes(&mut series, &http, broken);
        }
        let calls: Vec<f64> = (0..30).map(|_| dice.time(3.0)).collect();
        series.push(trend("grpc_req_duration", &json!({}), &calls));
        series.push(trend(
            "grpc_req_duration",
            &json!({ "name": "EventService/OnMessage" }),
            &calls,
        ));
        series.push(trend("grpc_req_duration", &json!({ "scenario": "events" }), &calls));
        series.push(counter("grpc_reqs", &json!({}), 30));
        series.push(counter("grpc_reqs", &json!({ "status": "OK" }), 29));
        series.push(counter("grpc_reqs", &json!({ "status": "UNAVAILABLE" }), 1));
        (series, many, broken)
    }

    fn interval(&self, dice: &mut Dice) -> Interval {
        let (orders, vus) = self.orders();
        let browsing = if self.is_stalled() { 0 } else { 20 + self.at / 10 };
        let (mut series, many, broken) = self.series(dice, browsing, orders["completed"].as_u64().expect("a count"));
        series.push(json!({ "metric": "vus", "type": "gauge", "tags": {}, "value": vus, "min": 0, "max": vus }));
        let stage = self.stage();
        let mut events = Vec::new();
        for (at, kind, text) in [
            (0, "stage", "browse: up"),
            (self.of / 3, "stage", "browse: hold"),
            (self.of * 4 / 5, "rate", "orders: 60/s"),
        ] {
            if at == self.at {
                events.push(json!({ "at_ms": at * 1_000 + 20, "kind": kind, "text": text }));
            }
        }
        let passes = many - broken;
        let value = json!({
            "second": self.at, "at_ms": START + self.at * 1_000, "duration_ms": 1_000,
            "scenarios": {
                "orders": { "iterations": orders, "vus": vus, "queued": if self.is_stalled() && vus == 200 { 40 } else { 0 } },
                "browse": { "iterations": counts(browsing, browsing, browsing), "vus": 10, "queued": 0, "stage": stage },
                "events": { "iterations": counts(30, 30, 30), "vus": 1, "queued": 0 },
            },
            "series": series,
            "checks": if many > 0 { json!([{ "name": "order accepted <b>", "group": "", "passes": passes, "fails": broken }]) } else { json!([]) },
            "thresholds": if self.is_last() { json!([
                { "metric": "http_req_duration", "expression": "p(99)<1s", "ok": false, "observed": 1_532.0, "limit": 1_000.0 },
                { "metric": "http_req_failed", "expression": "rate<0.02", "ok": true, "observed": 0.008, "limit": 0.02 },
                { "metric": "grpc_req_duration", "expression": "p(95)<50ms", "ok": true, "observed": 7.4, "limit": 50.0 },
            ]) } else { json!([]) },
            "generator": { "cpu_percent": 6.0 + dice.roll() * 4.0, "dispatch_lag_p99_ms": 0.2 + dice.roll() * 0.3,
                           "loop_lag_p99_ms": 0.1 + dice.roll() * 0.3, "gc_pause_max_ms": dice.roll() },
            "events": events,
            "failures": if self.is_first_after() { json!([failed()]) } else { json!([]) },
            "failed": if broken > 0 && self.at > self.stall().start { json!([{ "kind": 0, "count": broken }]) } else { json!([]) },
        });
        serde_json::from_value(value).expect("it is an interval")
    }
}

/// A request that failed, with texts that would break out of a page.
fn failed() -> Value {
    let message = json!({ "headers": [["x-a", NASTY]], "body": NASTY.repeat(20), "body_bytes": 9_000, "cut": true });
    json!({ "kind": 0, "at_ms": 140_000, "scenario": "orders", "vu": 7, "iteration": 4_711, "name": "POST /api/orders",
            "method": "POST", "url": format!("h:80/{NASTY}"), "what": "status 503", "status": 503, "error_code": 1_503,
            "request": message, "response": message, "timings": { "waiting": 12.5 } })
}

/// What comes with the times of requests.
fn outcomes(series: &mut Vec<Value>, http: &[f64], broken: u64) {
    let many = http.len() as u64;

    series.push(trend("http_req_duration", &json!({}), http));
    series.push(trend(
        "http_req_response_time",
        &json!({}),
        &http.iter().map(|ms| ms + 0.3 + ms * 0.02).collect::<Vec<_>>(),
    ));
    series.push(counter("http_reqs", &json!({}), many));
    series.push(counter("http_reqs", &json!({ "status": "200" }), many - broken));
    if broken > 0 {
        series.push(counter("http_reqs", &json!({ "status": "503" }), broken / 2));
        series.push(counter("http_reqs", &json!({ "status": "0" }), broken - broken / 2));
        series.push(counter(
            "http_reqs",
            &json!({ "error_code": "timeout" }),
            broken - broken / 2,
        ));
        series.push(counter("http_reqs", &json!({ "error_code": "http_5xx" }), broken / 2));
    }
    series.push(rate(&json!({}), broken, many));
    series.push(
        json!({ "metric": "data_received", "type": "counter", "unit": "bytes", "tags": {}, "value": many * 1_830 }),
    );
    series.push(json!({ "metric": "data_sent", "type": "counter", "unit": "bytes", "tags": {}, "value": many * 402 }));
}

/// The run.
pub fn run(seconds: u64) -> Run {
    let mut dice = Dice(7);
    let intervals: Vec<Interval> = (0..seconds)
        .map(|at| Second { at, of: seconds }.interval(&mut dice))
        .collect();
    let summary = summary(&intervals);
    Run {
        folder: "results/fixture".into(),
        manifest: serde_json::from_value(json!({
            "schema": "kingtide.manifest/1", "versions": { "kingtide": "0.1.0" },
            "script": { "path": "scripts/shop/day.lua", "sha256": "ab".repeat(32), "bytes": 3_210 }, "data": [],
            "options": { "scenarios": { "orders": { "rate": 60 } } }, "seed": 7,
            "host": { "os": "linux", "arch": "x86_64", "cpus": 2 },
            "started_at": "2026-11-20T10:00:00Z", "ended_at": "2026-11-20T10:05:00Z",
        }))
        .expect("it is a manifest"),
        header: Some(header()),
        intervals,
        summary: Some(summary),
        ended: true,
        unread: None,
    }
}

fn header() -> Header {
    let scenario =
        |name, executor| json!({ "name": name, "executor": executor, "start_ms": 0, "duration_ms": 300_000 });
    let header = json!({ "schema": "kingtide.intervals/1", "run": {
        "script": "scripts/shop/day.lua", "seed": 7, "started_at": "2026-11-20T10:00:00Z", "started_at_ms": START,
        "scenarios": [scenario("browse", "ramping-vus"), scenario("events", "constant-arrival-rate"), scenario("orders", "constant-arrival-rate")],
        "thresholds": [], "buckets": { "doubling": 1024, "units_per_ms": 10_000.0, "units_per_one": 1_000_000.0 },
    }});
    serde_json::from_value(header).expect("it is a header")
}

/// Series by key, as the summary names them.
pub fn trends(intervals: &[Interval]) -> BTreeMap<String, Trend> {
    let mut sums: BTreeMap<String, Trend> = BTreeMap::new();
    for series in intervals.iter().flat_map(|interval| &interval.series) {
        if let Values::Trend(trend) = &series.values {
            let known = sums.get_mut(&key(series)).map(|sum| sum.merge(trend));
            if known.is_none() {
                sums.insert(key(series), trend.clone());
            }
        }
    }
    sums
}

fn key(series: &Series) -> String {
    let tags: Vec<_> = series
        .tags
        .iter()
        .map(|(tag, value)| format!("{tag}:{value}"))
        .collect();
    if tags.is_empty() {
        return series.metric.clone();
    }
    format!("{}{{{}}}", series.metric, tags.join(","))
}

fn scenarios(intervals: &[Interval]) -> BTreeMap<String, Value> {
    let mut sums: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for (name, row) in intervals.iter().flat_map(|interval| &interval.scenarios) {
        let n = row.iterations;
        let sum = sums.entry(name.clone()).or_default();
        for (sum, n) in sum.iter_mut().zip([n.offered, n.started, n.completed, n.dropped]) {
            *sum += n;
        }
    }
    sums.into_iter()
        .map(|(name, [offered, started, completed, dropped])| {
            let iterations = json!({ "offered": offered, "started": started, "completed": completed, "dropped": dropped,
                                     "interrupted": started - completed, "failed": 0 });
            (
                name,
                json!({ "executor": "constant-arrival-rate", "iterations": iterations }),
            )
        })
        .collect()
}

fn summary(intervals: &[Interval]) -> Summary {
    #[expect(clippy::cast_precision_loss, reason = "some hundred seconds")]
    let seconds = intervals.len() as f64;
    let mut metrics = serde_json::Map::new();
    for (key, trend) in trends(intervals) {
        let p = |percent| trend.percentile(percent);
        metrics.insert(
            key,
            json!({ "type": "trend", "unit": "ms", "count": trend.count, "min": trend.min, "avg": trend.mean(),
            "med": p(50.0), "p90": p(90.0), "p95": p(95.0), "p99": p(99.0), "p99.9": p(99.9), "max": trend.max }),
        );
    }
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    let mut shares: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for interval in intervals {
        for series in &interval.series {
            match &series.values {
                Values::Counter { value } => *sums.entry(key(series)).or_default() += value,
                Values::Rate { passes, total } => {
                    let share = shares.entry(key(series)).or_default();
                    *share = (share.0 + passes, share.1 + total);
                }
                _ => {}
            }
        }
    }
    for (key, sum) in sums {
        metrics.insert(key, json!({ "type": "counter", "count": sum, "rate": sum / seconds }));
    }
    let (passes, total) = shares["http_req_failed"];
    for (key, (passes, total)) in shares {
        #[expect(clippy::cast_precision_loss, reason = "some thousand requests")]
        let rate = passes as f64 / total as f64;
        metrics.insert(
            key,
            json!({ "type": "rate", "rate": rate, "passes": passes, "total": total }),
        );
    }
    let threshold = |metric, expression, ok, observed: f64| json!({ "metric": metric, "expression": expression, "ok": ok, "observed": observed, "aborted": false });
    let reason = "threshold `http_req_duration p(99)<1s` was not met: 1.532 s";
    let value = json!({
        "schema": "kingtide.summary/1", "verdict": "fail", "exit_code": 99,
        "run": { "script": "scripts/shop/day.lua", "seed": 7, "started_at": "2026-11-20T10:00:00Z", "duration_ms": intervals.len() * 1_000,
                 "reasons": [{ "exit_code": 99, "message": reason }] },
        "scenarios": scenarios(intervals), "metrics": metrics,
        "checks": [{ "name": "order accepted <b>", "group": "", "passes": total - passes, "fails": passes }],
        "thresholds": [threshold("http_req_duration", "p(99)<1s", false, 1_532.0), threshold("http_req_failed", "rate<0.02", true, 0.008),
                       threshold("grpc_req_duration", "p(95)<50ms", true, 7.4)],
        "generator": { "verdict": "valid", "start_lag_p99_ms": 0.4, "cpu_percent": 7.5, "reasons": [], "dispatch_lag_p99_ms": 0.3 },
    });
    serde_json::from_value(value).expect("it is a summary")
}
