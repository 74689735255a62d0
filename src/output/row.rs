//! A second of a run as one list of rows, which all outputs read alike. Nothing is kept from one second to the next.

use crate::results::{Header, Interval, Trend, Values};

/// Which run it is, and what all its samples carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// What the run is called, and its folder: `20261120T100000Z-saga`.
    pub(super) id: String,
    /// The script's path, or the URL of a run without one.
    pub(super) script: String,
    /// Test-wide tags. Where a series has a tag of such a name itself, that one holds for it, as with its samples.
    pub(super) tags: Vec<(String, String)>,
}

/// A tag of the run, by a name that is not one of those that an output gives itself.
pub(super) fn renamed(key: &str, ours: &[&str]) -> String {
    match ours.contains(&key) {
        true => format!("tag_{key}"),
        false => key.to_owned(),
    }
}

impl Run {
    pub(super) fn of(header: &Header) -> Self {
        let run = &header.run;
        Self {
            id: run.name.clone(),
            script: run.script.clone(),
            tags: run.tags.clone().into_iter().collect(),
        }
    }
}

/// What outputs without histograms tell of a trend besides its count, minimum and maximum; nothing of one without samples.
pub(super) fn statistics(trend: &Trend) -> Vec<(&'static str, f64)> {
    let trend = trend.to_metrics();
    let percentiles = [
        ("med", 50.0),
        ("p90", 90.0),
        ("p95", 95.0),
        ("p99", 99.0),
        ("p999", 99.9),
    ];
    let percentiles = percentiles.map(|(name, percent)| (name, trend.percentile(percent)));
    let all = percentiles.into_iter().chain([("avg", trend.mean())]);
    all.filter_map(|(name, value)| Some((name, value?))).collect()
}

/// When a second ended, in milliseconds since 1970.
pub(super) fn end_ms(interval: &Interval) -> u64 {
    interval.at_ms + interval.duration_ms
}

/// One metric, or a part of it, in one second.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row<'a> {
    pub(super) metric: &'a str,
    /// `ms`, `bytes`, `percent`, one of the script's own, or nothing.
    pub(super) unit: &'a str,
    /// Sorted by key.
    pub(super) tags: Vec<(&'a str, &'a str)>,
    /// The tags choose a part of a metric that is there as a whole too, so that both together would count twice.
    pub(super) is_part: bool,
    pub(super) value: Value<'a>,
}

/// A value of that second alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Counter(f64),
    Gauge(f64),
    Rate { passes: u64, total: u64 },
    Trend(&'a Trend),
}

impl Row<'_> {
    /// The metric's name, and what a part of it is chosen by: `http_req_duration_by_name`. Each of these names adds up to the
    /// whole at most once.
    pub(super) fn family(&self) -> String {
        family(self.metric, self.is_part, self.tags.iter().map(|(key, _)| *key))
    }
}

/// See [`Row::family`].
pub(super) fn family<'a>(metric: &str, is_part: bool, keys: impl Iterator<Item = &'a str>) -> String {
    let mut name = metric.to_owned();
    if is_part {
        for (n, key) in keys.enumerate() {
            name.push_str(if n == 0 { "_by_" } else { "_" });
            name.push_str(key);
        }
    }
    name
}

/// All rows of a second.
pub(super) fn rows(interval: &Interval) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = interval.series.iter().map(of_series).collect();
    for check in &interval.checks {
        let mut tags = vec![("check", check.name.as_str())];
        if !check.group.is_empty() {
            tags.push(("group", check.group.as_str()));
        }
        let value = Value::Rate {
            passes: check.passes,
            total: check.passes + check.fails,
        };
        rows.push(own("check", "", tags, value));
    }
    scenarios(interval, &mut rows);
    thresholds(interval, &mut rows);
    generator(interval, &mut rows);
    rows
}

fn of_series(series: &crate::results::Series) -> Row<'_> {
    let value = match &series.values {
        Values::Counter { value } => Value::Counter(*value),
        Values::Gauge { value, .. } => Value::Gauge(*value),
        Values::Rate { passes, total } => Value::Rate {
            passes: *passes,
            total: *total,
        },
        Values::Trend(trend) => Value::Trend(trend),
    };
    Row {
        metric: &series.metric,
        unit: series.unit.as_deref().unwrap_or_default(),
        tags: series
            .tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        is_part: !series.tags.is_empty(),
        value,
    }
}

/// A metric that exists by these tags only.
fn own<'a>(metric: &'a str, unit: &'a str, tags: Vec<(&'a str, &'a str)>, value: Value<'a>) -> Row<'a> {
    Row {
        metric,
        unit,
        tags,
        is_part: false,
        value,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn scenarios<'a>(interval: &'a Interval, rows: &mut Vec<Row<'a>>) {
    for (name, scenario) in &interval.scenarios {
        let counts = &scenario.iterations;
        let counted = [
            ("scenario_iterations_offered", counts.offered),
            ("scenario_iterations_started", counts.started),
            ("scenario_iterations_completed", counts.completed),
            ("scenario_iterations_dropped", counts.dropped),
            ("scenario_iterations_interrupted", counts.interrupted),
            ("scenario_iterations_failed", counts.failed),
        ];
        let tags = || vec![("scenario", name.as_str())];
        rows.extend(counted.map(|(metric, n)| own(metric, "", tags(), Value::Counter(n as f64))));
        if !interval.after_load {
            rows.push(own("scenario_vus", "", tags(), Value::Gauge(scenario.vus as f64)));
            rows.push(own("scenario_queued", "", tags(), Value::Gauge(scenario.queued as f64)));
        }
    }
}

fn thresholds<'a>(interval: &'a Interval, rows: &mut Vec<Row<'a>>) {
    for threshold in &interval.thresholds {
        // `series`, as `metric` is a reserved word in some of the receivers.
        let tags = || {
            let mut tags = vec![
                ("expression", threshold.expression.as_str()),
                ("series", threshold.metric.as_str()),
            ];
            // The same may be judged as a whole and by slices.
            tags.extend(threshold.window.as_deref().map(|window| ("window", window)));
            tags
        };
        if let Some(ok) = threshold.ok {
            rows.push(own("threshold_ok", "", tags(), Value::Gauge(f64::from(u8::from(ok)))));
        }
        if let Some(observed) = threshold.observed {
            rows.push(own("threshold_observed", "", tags(), Value::Gauge(observed)));
        }
        rows.push(own("threshold_limit", "", tags(), Value::Gauge(threshold.limit)));
    }
}

fn generator<'a>(interval: &'a Interval, rows: &mut Vec<Row<'a>>) {
    let generator = &interval.generator;
    let gauges = [
        ("generator_cpu", "percent", generator.cpu_percent),
        ("generator_dispatch_lag_p99", "ms", generator.dispatch_lag_p99_ms),
        ("generator_loop_lag_p99", "ms", generator.loop_lag_p99_ms),
        ("generator_gc_pause_max", "ms", generator.gc_pause_max_ms),
    ];
    for (metric, unit, value) in gauges {
        rows.extend(value.map(|value| own(metric, unit, Vec::new(), Value::Gauge(value))));
    }
}

/// Samples for the tests of encoders.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use serde_json::json;

    pub(crate) fn header() -> Header {
        serde_json::from_value(json!({ "schema": "kingtide.intervals/1", "run": {
            "name": "20261120T100000Z-saga", "script": "scripts/shop/saga.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "started_at_ms": 1_795_168_800_000_u64,
            "scenarios": [], "thresholds": [], "tags": { "env": "stag ing" },
            "buckets": crate::results::Buckets::default() } }))
        .unwrap()
    }

    /// Second `n`: 10 requests, 8 of 1.5 ms, 1 of none and 1 of 1 s, one of which failed.
    pub(crate) fn interval(n: u64) -> Interval {
        let trend = |tags: serde_json::Value| {
            json!({ "metric": "http_req_duration", "type": "trend", "unit": "ms", "tags": tags, "count": 10, "sum": 1012.0,
                "min": 0.0, "max": 1000.0, "buckets": [[0, 1], [4947, 8], [14_532, 1]] })
        };
        serde_json::from_value(json!({ "second": n, "at_ms": 1_795_168_800_000_u64 + n * 1_000, "duration_ms": 1_000,
            "scenarios": { "sagas": { "iterations": { "offered": 5, "started": 4, "completed": 4, "dropped": 1, "interrupted": 0, "failed": 0 }, "vus": 3, "queued": 1 } },
            "series": [
                trend(json!({})),
                trend(json!({ "name": "GET \"a b\",=\\" })),
                { "metric": "http_reqs", "type": "counter", "tags": {}, "value": 10.0 },
                { "metric": "http_reqs", "type": "counter", "tags": { "status": "200" }, "value": 10.0 },
                { "metric": "http_req_failed", "type": "rate", "tags": {}, "passes": 1, "total": 10 },
                { "metric": "vus", "type": "gauge", "tags": {}, "value": 3.0, "min": 1.0, "max": 3.0 },
                { "metric": "data_sent", "type": "counter", "unit": "bytes", "tags": {}, "value": 1234.0 } ],
            "checks": [ { "name": "ok", "group": "", "passes": 9, "fails": 1 } ],
            "thresholds": [ { "metric": "http_req_duration", "expression": "p(95)<600", "ok": true, "observed": 12.0, "limit": 600.0 } ],
            "generator": { "cpu_percent": 12.5 } }))
        .unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or the second of two rows with the same tags would take the place of the first.
    #[test]
    fn thresholds_that_differ_by_their_window_have_rows_of_their_own() {
        let mut interval = samples::interval(0);
        let mut sliced = interval.thresholds[0].clone();
        sliced.window = Some("30s".to_owned());
        interval.thresholds.push(sliced);
        let rows = rows(&interval);
        let tags: Vec<_> = rows
            .iter()
            .filter(|row| row.metric == "threshold_ok")
            .map(|row| &row.tags)
            .collect();
        let alike = [("expression", "p(95)<600"), ("series", "http_req_duration")];
        assert_eq!(*tags[0], alike);
        assert_eq!(*tags[1], [alike[0], alike[1], ("window", "30s")]);
    }

    #[test]
    fn each_part_has_a_family_of_its_own() {
        let interval = samples::interval(0);
        let families: Vec<String> = rows(&interval).iter().map(Row::family).collect();
        let expected = [
            "http_req_duration",
            "http_req_duration_by_name",
            "http_reqs",
            "http_reqs_by_status",
            "http_req_failed",
            "vus",
            "data_sent",
            "check",
            "scenario_iterations_offered",
            "scenario_iterations_started",
            "scenario_iterations_completed",
            "scenario_iterations_dropped",
            "scenario_iterations_interrupted",
            "scenario_iterations_failed",
            "scenario_vus",
            "scenario_queued",
            "threshold_ok",
            "threshold_observed",
            "threshold_limit",
            "generator_cpu",
        ];
        assert_eq!(families, expected);
        assert_eq!(family("m", true, ["name", "status"].into_iter()), "m_by_name_status");
    }
}
