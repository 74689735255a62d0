//! Intervals, and what is made of them.

use std::io::Cursor;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::json;

use super::*;

/// A run of one scenario.
pub(super) fn header() -> Header {
    let header = json!({
        "schema": INTERVALS_SCHEMA,
        "run": {
            "script": "saga.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "started_at_ms": 1_795_168_800_000_u64,
            "scenarios": [{ "name": "sagas", "executor": "constant-arrival-rate", "start_ms": 0, "duration_ms": 30_000 }],
            "thresholds": [], "buckets": Buckets::default(),
        },
    });
    serde_json::from_value(header).unwrap()
}

/// A second with some durations of `http_req_duration`.
fn second(second: u64, buckets: &[(u32, u64)]) -> Interval {
    let count: u64 = buckets.iter().map(|(_, count)| count).sum();
    let series = json!({
        "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": {}, "count": count, "sum": 10.0,
        "min": 0.1, "max": 90_000.0, "buckets": buckets,
    });
    Interval {
        second,
        at_ms: 1_795_168_800_000 + second * 1_000,
        duration_ms: 1_000,
        series: vec![serde_json::from_value(series).unwrap()],
        ..Interval::default()
    }
}

fn trend(interval: &Interval) -> &Trend {
    match &interval.series[0].values {
        Values::Trend(trend) => trend,
        other => panic!("not a trend: {other:?}"),
    }
}

#[test]
fn the_documented_second_is_read_and_written() {
    let line = json!({
        "second": 0, "at_ms": 1_763_740_000_000_u64, "duration_ms": 1_000,
        "scenarios": { "sagas": {
            "iterations": { "offered": 10, "started": 10, "completed": 9, "dropped": 0, "interrupted": 0, "failed": 0 },
            "vus": 3, "queued": 0, "stage": "up" } },
        "series": [
            { "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": {}, "count": 2, "sum": 12.5,
              "min": 0.5, "max": 12.0, "buckets": [[4_000, 1], [9_000, 1]] },
            { "metric": "http_reqs", "type": "counter", "tags": { "status": "200" }, "value": 10.0 },
            { "metric": "http_req_failed", "type": "rate", "tags": {}, "passes": 0, "total": 10 },
            { "metric": "vus", "type": "gauge", "tags": {}, "value": 3.0, "min": 1.0, "max": 3.0 } ],
        "checks": [{ "name": "ok", "group": "", "passes": 10, "fails": 0 }],
        "thresholds": [{ "metric": "http_req_duration", "expression": "p(95)<600", "ok": true, "observed": 12.0, "limit": 600.0 }],
        "generator": { "cpu_percent": 4.1, "dispatch_lag_p99_ms": 0.3, "loop_lag_p99_ms": 0.2, "gc_pause_max_ms": 0.1 },
        "events": [{ "at_ms": 400, "kind": "stage", "text": "sagas: up" }],
    });
    let read: Interval = serde_json::from_value(line.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), line);
}

#[test]
fn bounds_are_in_the_metric_s_unit() {
    let interval = second(0, &[(15, 1), (4_000, 2)]);
    let trend = trend(&interval);
    assert_eq!(trend.bounds(15), (0.0015, 0.0016), "tenths of microseconds");
    let spread: Vec<_> = trend.spread().collect();
    assert_eq!(spread[1], (0.7808, 0.7812, 2));
    let (low, high) = trend.bounds(4_000);
    let median = trend.percentile(50.0).unwrap();
    assert!(low <= median && median < high, "{low} {median} {high}");
}

#[test]
fn a_reader_of_hdr_histogram_finds_every_sample() {
    let all = [
        second(0, &[(0, 7), (1, 1), (3, 2), (4_000, 1_000_000), (20_000, 3)]),
        second(1, &[(2_047, 5)]),
        second(2, &[(0, 1), (30_000, u64::from(u32::MAX))]),
    ];
    let mut log = Hlog::new(Vec::new(), &header()).unwrap();
    for interval in &all {
        log.interval(interval).unwrap();
    }
    let text = log.into_inner();
    let mut lines = all.iter();
    let mut deserializer = Deserializer::new();
    for entry in IntervalLogIterator::new(&text) {
        let LogEntry::Interval(entry) = entry.unwrap() else {
            continue;
        };
        let interval = lines.next().unwrap();
        assert_eq!(entry.tag().unwrap().as_str(), "http_req_duration");
        assert_eq!(entry.duration().as_millis(), 1_000);
        assert_eq!(entry.start_timestamp().as_secs(), interval.second);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(entry.encoded_histogram())
            .unwrap();
        let histogram: Histogram<u64> = deserializer.deserialize(&mut Cursor::new(bytes)).unwrap();
        let trend = trend(interval);
        assert_eq!(histogram.len(), trend.count);
        for &(index, count) in &trend.buckets {
            let nanos = crate::metrics::buckets::middle(index) * 100;
            assert_eq!(histogram.count_at(nanos), count, "bucket {index}");
        }
    }
    assert_eq!(lines.next(), None);
}
