//! What is in the file, and what happens when it cannot keep up.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

use crate::metrics::{Catalog, Kind, Recorder, Registry, Unit, builtin};
use crate::output::{Naming, Outputs, Spec};
use crate::results::{OutputReport, Patience, Sink, Summary};

/// An output at work, and a recorder whose samples it gets.
fn open(path: &Path) -> (Outputs, Registry, Recorder) {
    let outputs = Outputs::open(&[Spec::Jsonl(path.to_owned())], Naming::Kingtide).unwrap();
    let registry = Registry::new();
    let recorder = Recorder::new(&registry, &Catalog::new(&registry, &[]).unwrap());
    recorder.tap(&Sink::tap(&outputs).unwrap());
    (outputs, registry, recorder)
}

/// Ends it after `limit` at the latest.
async fn end(outputs: Outputs, limit: Duration) -> OutputReport {
    let summary = json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
        "run": { "script": "j.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 1_000 },
        "scenarios": {}, "metrics": {}, "checks": [], "thresholds": [],
        "generator": { "verdict": "valid", "cpu_percent": 0.0, "reasons": [] } });
    let summary: Summary = serde_json::from_value(summary).unwrap();
    let patience = Patience::default();
    let mut ending = Sink::end(Box::new(outputs), &summary, &patience);
    match tokio::time::timeout(limit, &mut ending).await {
        Ok(mut reports) => reports.remove(0),
        Err(_) => {
            patience.end();
            ending.await.remove(0)
        }
    }
}

const ENOUGH: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_line_for_each_sample_as_k6_has_them() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.jsonl", "a.jsonl.gz"] {
        let path = folder.path().join(name);
        let (outputs, registry, recorder) = open(&path);
        let price = registry.declare("price", Kind::Trend, Unit::parse("USD")).unwrap();
        let tags = recorder.tags(&recorder.no_tags(), &[("name", "GET \"/\\ü\n"), ("status", "200")]);
        recorder.record(builtin::HTTP_REQ_DURATION, 1.25, &tags);
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
        recorder.record(price, 0.1, &recorder.no_tags());
        let _ = recorder.take();
        recorder.record(builtin::HTTP_REQS, 3.0, &tags);
        let _ = recorder.take();
        let report = end(outputs, ENOUGH).await;
        assert_eq!((report.written, report.dropped, report.error), (4, 0, None), "{name}");
        assert_eq!(
            (report.kind.as_str(), report.target.as_str()),
            ("jsonl", path.to_str().unwrap())
        );

        let bytes = std::fs::read(&path).unwrap();
        let mut text = String::new();
        match name.ends_with(".gz") {
            true => GzDecoder::new(&*bytes).read_to_string(&mut text).map(|_| ()).unwrap(),
            false => text = String::from_utf8(bytes).unwrap(),
        }
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told = lines.iter().filter(|line| line["type"] == "Metric");
        let told: Vec<_> = told
            .map(|line| (line["metric"].as_str().unwrap(), line["data"].clone()))
            .collect();
        let duration = json!({ "name": "http_req_duration", "type": "trend", "contains": "time", "unit": "ms" });
        let reqs = json!({ "name": "http_reqs", "type": "counter", "contains": "default" });
        let usd = json!({ "name": "price", "type": "trend", "contains": "default", "unit": "USD" });
        assert_eq!(
            told,
            [("http_req_duration", duration), ("http_reqs", reqs), ("price", usd)]
        );
        let points: Vec<&Value> = lines.iter().filter(|line| line["type"] == "Point").collect();
        let values: Vec<f64> = points
            .iter()
            .map(|point| point["data"]["value"].as_f64().unwrap())
            .collect();
        assert_eq!(values, [1.25, 1.0, 0.1, 3.0]);
        assert_eq!(
            points[0]["data"]["tags"],
            json!({ "name": "GET \"/\\ü\n", "status": "200" })
        );
        assert_eq!(points[2]["data"]["tags"], json!({}));
        assert!(text.contains("\"value\":1,"), "whole numbers are: {text}");
        let now = jiff::Timestamp::try_from(crate::clock::wall()).unwrap();
        for point in points {
            let time = point["data"]["time"].as_str().unwrap();
            assert_eq!((time.len(), &time[19..20]), ("2026-11-21T10:00:00.123456Z".len(), "."));
            let since = time.parse::<jiff::Timestamp>().unwrap().duration_until(now).abs();
            assert!(since < jiff::SignedDuration::from_secs(120), "{time}");
        }
    }
}

#[tokio::test]
async fn a_pipe_that_nobody_reads_drops_and_counts_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    // Who opens it may write, and nothing is ever read.
    let mut reader = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let (outputs, _registry, recorder) = open(&path);
    let tags = recorder.tags(&recorder.no_tags(), &[("name", "x".repeat(100).as_str())]);
    // More than there are buffers for.
    let all: u64 = 1_500_000;
    for n in 0..all {
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
        if n % 100_000 == 0 {
            let _ = recorder.take();
        }
    }
    let _ = recorder.take();
    let report = end(outputs, Duration::from_millis(50)).await;
    assert_eq!(report.written + report.dropped, all, "{report:?}");
    assert!(report.dropped > all / 5, "{report:?}");
    assert!(report.error.is_some(), "{report:?}");
    // Its thread ends once somebody reads.
    let mut rest = vec![0; 1 << 20];
    let _ = reader.read(&mut rest).unwrap();
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_counted() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // What a compressor would hold back is not written either.
    for name in ["a.jsonl", "a.jsonl.gz"] {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let (outputs, _registry, recorder) = open(&path);
        for _ in 0..1_000 {
            recorder.record(builtin::HTTP_REQS, 1.0, &recorder.no_tags());
        }
        let _ = recorder.take();
        let report = end(outputs, ENOUGH).await;
        assert_eq!((report.written, report.dropped), (0, 1_000), "{name}: {report:?}");
        assert!(report.error.is_some_and(|error| error.contains("space")), "{name}");
    }
}

#[test]
fn samples_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let specs = ["a", "b"].map(|name| Spec::Jsonl(folder.path().join(name)));
    let error = Outputs::open(&specs, Naming::Kingtide).err().unwrap().to_string();
    assert!(
        error.ends_with("samples can be written once only; copy the file"),
        "{error}"
    );
}
