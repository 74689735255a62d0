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

/// A load of a thousand requests by name, each of which came ten times in a second.
fn crowded(number: u64) -> Interval {
    let spread: Vec<(u32, u64)> = (0..10)
        .map(|n| (9_000 + 40 * n + u32::try_from(number % 7).unwrap(), 1))
        .collect();
    let one = second(number, &spread).series.remove(0);
    let named = |n| Series {
        tags: [("name".to_owned(), format!("GET /api/customers/{{id}}/orders/{n:04}"))].into(),
        ..one.clone()
    };
    Interval {
        series: (0..1_000).map(named).collect(),
        ..second(number, &spread)
    }
}

/// The figure of results/README.md: 1,800 such lines are 470 MB.
#[test]
fn a_thousand_series_take_what_is_documented() {
    let line = serde_json::to_string(&crowded(1_000)).unwrap().len();
    assert!((200_000..290_000).contains(&line), "{line}");
}

#[tokio::test]
async fn a_disk_that_is_full_is_told_once_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("intervals.jsonl")).unwrap();
    let mut keeper = Box::new(Keeper::new(folder.path()).unwrap());
    keeper.begin(&header().into());
    for number in 0..3 {
        keeper.interval(&second(number, &[(5, 1)]).into());
    }
    let summary = rebuild::summary(&header(), &[]);
    let reports = keeper.end(&summary, &Patience::default()).await;
    assert_eq!(reports.len(), 1);
    let report = &reports[0];
    assert_eq!((report.written, report.dropped), (0, 4));
    let error = report.error.as_deref().unwrap();
    assert!(error.starts_with("cannot write intervals.jsonl: "), "{error}");
    let log = std::fs::read_to_string(folder.path().join("latency.hlog")).unwrap();
    assert_eq!(
        log.matches("Tag=http_req_duration").count(),
        3,
        "the other file is whole"
    );
}

/// The folder of a run of which nothing is known but what was run.
fn begun() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = json!({
        "schema": MANIFEST_SCHEMA, "versions": {}, "script": { "path": "saga.lua", "sha256": "", "bytes": 0 }, "data": [],
        "options": {}, "seed": 1, "host": Host::this(), "started_at": "2026-11-20T10:00:00Z", "ended_at": null,
    });
    write_json(&folder.path().join("manifest.json"), &manifest).unwrap();
    folder
}

#[test]
fn a_summary_that_cannot_be_read_does_not_hide_the_seconds() {
    let folder = begun();
    let [summary, intervals] = ["summary.json", "intervals.jsonl"].map(|name| folder.path().join(name));
    let whole = serde_json::to_string(&rebuild::summary(&header(), &[])).unwrap();
    for text in ["", &whole[..whole.len() / 2]] {
        std::fs::write(&summary, text).unwrap();
        std::fs::write(&intervals, "").unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("summary.json"), "{error}");
        let lines = [
            serde_json::to_string(&header()),
            serde_json::to_string(&second(0, &[(5, 1)])),
        ];
        std::fs::write(&intervals, lines.map(|line| line.unwrap() + "\n").concat()).unwrap();
        let run = open(folder.path()).unwrap();
        let told = run.summary.unwrap();
        assert_eq!((run.ended, run.unread, told.run.duration_ms), (false, None, 1_000));
        assert_eq!(told.warnings, [error.as_str()]);
        // With nothing else to go by, it is the summary that is told.
        std::fs::write(&intervals, "no\n").unwrap();
        assert_eq!(open(folder.path()).unwrap_err().to_string(), error);
    }
}

#[tokio::test]
async fn what_is_kept_is_read_back() {
    let folder = begun();
    let nothing = open(folder.path()).unwrap();
    assert_eq!((nothing.header, nothing.summary, nothing.ended), (None, None, false));
    let all = [second(0, &[(5, 1)]), second(1, &[(5, 2), (7, 1)])];
    let mut keeper = Box::new(Keeper::new(folder.path()).unwrap());
    keeper.begin(&header().into());
    for interval in &all {
        keeper.interval(&interval.clone().into());
    }
    let report = keeper
        .end(&rebuild::summary(&header(), &[]), &Patience::default())
        .await;
    assert_eq!(report, []);
    let run = open(folder.path()).unwrap();
    assert_eq!((run.header, run.intervals.as_slice()), (Some(header()), all.as_slice()));
    assert_eq!(run.summary.unwrap().run.duration_ms, 2_000);
    // A line in the middle that is broken is no half line of a kill.
    let file = folder.path().join("intervals.jsonl");
    let text = std::fs::read_to_string(&file).unwrap().replacen("\n{", "\n", 1);
    std::fs::write(&file, text).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    // What the run has told itself does not depend on it.
    let summary = rebuild::summary(&header(), &all);
    write_json(&folder.path().join("summary.json"), &summary).unwrap();
    let run = open(folder.path()).unwrap();
    assert_eq!(
        (run.summary, run.header, run.intervals),
        (Some(summary), None, Vec::new())
    );
    assert_eq!(run.unread, Some(error));
}
