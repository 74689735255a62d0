//! `kingtide.summary/1`: what a run has shown, as `--summary-json` and `summary.json` promise it. Additive changes only.
//!
//! Fields that the first version did not have are optional when read, and left out when they say nothing.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::failed::FailureSummary;
use super::interval::TracesHeader;
use super::sink::OutputReport;
use crate::metrics::{
    self, CheckTotal, CheckpointTotal, Counts, Kind, MetricSummaries, MetricSummary, PhaseTotal, Threshold,
};

/// The value of [`Summary::schema`].
pub const SUMMARY_SCHEMA: &str = "kingtide.summary/1";

/// What a run has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SUMMARY_SCHEMA`].
    pub schema: String,
    /// The verdict in one word.
    pub verdict: Verdict,
    /// The exit code of the process.
    pub exit_code: u8,
    /// What was run, and when.
    pub run: RunInfo,
    /// By name.
    pub scenarios: BTreeMap<String, ScenarioSummary>,
    /// By name of the series.
    pub metrics: MetricSummaries,
    /// The plan's phases that have begun, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseSummary>,
    /// The load in equal spans, in their order; together they are the load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<CheckpointSummary>,
    /// Sorted by group and name.
    pub checks: Vec<CheckTotal>,
    /// In the plan's order.
    pub thresholds: Vec<ThresholdSummary>,
    /// By name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<InvariantSummary>,
    /// Whether the numbers can be trusted.
    pub generator: Generator,
    /// Script errors, the most frequent first.
    #[serde(default)]
    pub errors: Vec<ErrorSummary>,
    /// Kinds of failed requests, the most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureSummary>,
    /// Kinds of failed requests that there was no room for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failure_kinds_left_out: u64,
    /// What a reader should know besides, for example that a cap on series was reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What became of each output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputReport>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The verdict in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was asked of the system was met, by numbers that can be trusted.
    Pass,
    /// Something was not met, or the journey has a bug.
    Fail,
    /// The run ended before its plan: signal, live control, abort, timeout, internal error.
    Aborted,
    /// Nothing failed, but the generator was suspect or invalid.
    Untrusted,
}

/// What was run, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The script's path as it was given.
    pub script: String,
    /// The seed of the run.
    pub seed: u64,
    /// Start of the first scenario, RFC 3339 in UTC (see [`timestamp`]).
    pub started_at: String,
    /// From there to the end of the last iteration.
    pub duration_ms: u64,
    /// Made from what was written down of a run that has left no summary: iterations in flight have not ended in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut_short: bool,
    /// Test-wide tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How requests were traced, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesHeader>,
    /// Why the verdict is not pass; the first gave the exit code.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What was changed through live control and by editing the script, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventSummary>,
    /// The states of the script, where its changes were followed; more than one if it was edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<RevisionSummary>,
}

/// A state of the script that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionSummary {
    /// From 1; the value of the tag `revision` on its samples.
    pub number: u32,
    /// When virtual users began to take it up, from the start of the load.
    pub at_ms: u64,
    /// SHA-256 over names and contents of everything that it read.
    pub hash: String,
    /// The files that had been saved, separated by commas; of the first one the script.
    pub file: String,
    /// What it changed in the plan.
    pub changed: Vec<String>,
    /// What it was to change in the plan and did not, with the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
}

/// A change while the run lasted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventSummary {
    /// When it took effect, from the start of the load; 0 before it.
    pub at_ms: u64,
    /// `pause`, `resume`, `rate`, `vus` or `stop`; `reload` or `reload-refused`.
    pub what: String,
    /// Whose it was; that of all scenarios when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// The new rate or number of virtual users; the number of the revision that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Which files were saved, or why a script was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The exit code that it alone would give.
    pub exit_code: u8,
    /// What happened, in one sentence without a full stop.
    pub message: String,
}

/// What a scenario did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioSummary {
    /// The executor's name.
    pub executor: String,
    /// The six counts, without those of the warm-up.
    pub iterations: Counts,
    /// The six counts of the warm-up, whose iterations are in no other number; not there without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Counts>,
}

/// What belongs to one phase: iterations by their intended start, and all that they did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Its name.
    pub name: String,
    /// Its start, from the start of the load.
    pub start_ms: u64,
    /// Its end; that of the load at the latest.
    pub end_ms: u64,
    /// By name of the series, as those of the run; rates are for each second of the phase.
    pub metrics: MetricSummaries,
}

impl From<PhaseTotal> for PhaseSummary {
    fn from(total: PhaseTotal) -> Self {
        Self {
            name: total.name,
            start_ms: millis(total.span.start),
            end_ms: millis(total.span.end),
            metrics: total.metrics,
        }
    }
}

/// What happened in one span of the load, whenever the iterations were due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSummary {
    /// Its start, from the start of the load.
    pub start_ms: u64,
    /// Its end; the last one ends with the load.
    pub end_ms: u64,
    /// The six counts of each scenario, by name; without those of warm-ups.
    pub scenarios: BTreeMap<String, Counts>,
    /// The metrics as wholes and the series that thresholds name; rates are for each second of the span.
    pub metrics: MetricSummaries,
}

impl CheckpointSummary {
    /// With the scenarios' names in the plan's order.
    #[must_use]
    pub fn new(total: &CheckpointTotal, names: &[&str]) -> Self {
        let named = names.iter().map(|name| (*name).to_owned());
        Self {
            start_ms: millis(total.span.start),
            end_ms: millis(total.span.end),
            scenarios: named.zip(total.counts.iter().copied()).collect(),
            metrics: total.metrics.clone(),
        }
    }
}

/// How a threshold came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdSummary {
    /// The series.
    pub metric: String,
    /// The expression as it was written.
    pub expression: String,
    /// Whether it was met; never one whose failure ended the run, whatever it came to in the end.
    pub ok: bool,
    /// What was compared with the limit; `null` without data.
    pub observed: Option<f64>,
    /// Whether its failure ended the run.
    pub aborted: bool,
    /// The kind of the metric: the `rate` of one is a share, that of another is for each second.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What `observed` is measured in, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The length of the slices that were judged, as `30s`; not there when it was the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<String>,
    /// Where the worst of these slices, which `observed` is from, begins: from the start of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_at_ms: Option<u64>,
    /// How long that slice is, when that is not the length above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_length_ms: Option<u64>,
    /// What was before this, from the start of the load, does not count: an edited script brought the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
}

impl ThresholdSummary {
    /// The outcome of a threshold by its verdict at the end.
    #[must_use]
    pub fn new(threshold: &Threshold, verdict: &metrics::Verdict, aborted: bool) -> Self {
        let unit = threshold.unit.name();
        Self {
            metric: threshold.selector.to_string(),
            expression: threshold.expression.clone(),
            ok: threshold.passes(verdict) && !aborted,
            observed: verdict.observed,
            aborted,
            kind: Some(threshold.kind),
            unit: (!unit.is_empty()).then(|| unit.to_owned()),
            window: threshold.window.map(whole_seconds),
            window_at_ms: verdict.window_at.map(millis),
            window_length_ms: verdict
                .window_length
                .filter(|length| threshold.window != Some(*length))
                .map(millis),
            since_ms: threshold.since.map(millis),
        }
    }
}

/// That all requests or all calls failed, where that was so.
#[must_use]
pub fn nothing_worked(metrics: &MetricSummaries) -> Vec<String> {
    let failed = [("http_req_failed", "requests"), ("grpc_req_failed", "gRPC calls")];
    let told = failed
        .into_iter()
        .filter_map(|(metric, what)| match metrics.get(metric) {
            Some(MetricSummary::Rate { passes, total, .. }) if *total > 0 && passes == total => Some(format!(
                "all {total} {what} failed: this run says nothing about the system's speed"
            )),
            _ => None,
        });
    told.collect()
}

/// How an invariant came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvariantSummary {
    /// Its key in the plan.
    pub name: String,
    /// Whether it was checked, and held each time.
    pub ok: bool,
    /// How often it was checked.
    pub checks: u64,
    /// How often it did not hold, or raised an error.
    pub broken_checks: u64,
    /// When it did so for the first time, from the start of the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_broken_at_ms: Option<u64>,
    /// The keys that it blamed, the first 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offending: Vec<String>,
    /// The most keys that it blamed at once; more than `offending` holds when not all are there.
    #[serde(default)]
    pub offending_count: u64,
}

/// `30s`, `1m30s`, `1h`.
pub(super) fn whole_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3_600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).collect();
    parts.iter().map(|(n, unit)| format!("{n}{unit}")).collect()
}

/// Whole milliseconds, as all times in a summary are written.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the generator kept up with what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorVerdict {
    /// It did.
    Valid,
    /// Numbers may be the generator's own.
    Suspect,
    /// Numbers are the generator's own.
    Invalid,
}

/// The generator's own health.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// The verdict.
    pub verdict: GeneratorVerdict,
    /// Actual minus intended start; `null` when no scenario is open.
    pub start_lag_p99_ms: Option<f64>,
    /// CPU time used, 100 being all core threads busy all the time.
    pub cpu_percent: f64,
    /// How long the core thread that waited most was ready to run while others had its processor, 100 being all the time;
    /// where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_wait_percent: Option<f64>,
    /// What of the machine's CPU time its host took, 100 being all of it; where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steal_percent: Option<f64>,
    /// Why the verdict is not valid.
    pub reasons: Vec<String>,
    /// The generator's own part of the start lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch_lag_p99_ms: Option<f64>,
    /// How late the timer grid fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loop_lag_p99_ms: Option<f64>,
    /// How long steps of collecting the garbage of scripts kept their core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_pause_p99_ms: Option<f64>,
    /// The longest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_pause_max_ms: Option<f64>,
    /// Connections that the local system refused: no ports, no file descriptors, no memory.
    #[serde(default)]
    pub socket_errors: u64,
    /// What is worth knowing and no ground for doubt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A script error and how often it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorSummary {
    /// What went wrong.
    pub message: String,
    /// How often.
    pub count: u64,
    /// Where, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In which line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// It was no error of the script, which ended its iteration by `kt.fail`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_fail: bool,
}

/// A point in time as the files of a run write it: `2026-11-20T10:00:00Z`, whole seconds.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    timestamp_as(at, "%Y-%m-%dT%H:%M:%SZ")
}

/// Times outside the calendar's years (a clock that was never set) are shown as the epoch.
pub(super) fn timestamp_as(at: SystemTime, format: &str) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The example of the promise, word for word.
    fn promised() -> Value {
        json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
          "run": { "script": "scripts/shop/saga.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 30000 },
          "scenarios": { "sagas": { "executor": "constant-arrival-rate",
              "iterations": { "offered": 300, "started": 300, "completed": 300, "dropped": 0, "interrupted": 0, "failed": 0 } } },
          "metrics": {
            "http_req_duration": { "type": "trend", "unit": "ms", "count": 300, "min": 0.4, "avg": 1.1, "med": 1.0, "p90": 1.6, "p95": 2.0, "p99": 4.1, "p99.9": 9.0, "max": 21.3 },
            "http_reqs":         { "type": "counter", "count": 2711, "rate": 90.4 },
            "http_req_failed":   { "type": "rate", "rate": 0.0, "passes": 0, "total": 2711 },
            "vus":               { "type": "gauge", "value": 12, "min": 1, "max": 31 } },
          "checks": [ { "name": "order accepted", "group": "", "passes": 300, "fails": 0 } ],
          "thresholds": [ { "metric": "saga_duration", "expression": "p(95)<8s", "ok": true, "observed": 2310.0, "aborted": false, "type": "trend" } ],
          "generator": { "verdict": "valid", "start_lag_p99_ms": 0.4, "cpu_percent": 7.5, "reasons": [] } })
    }

    #[test]
    fn reads_the_promised_example_and_writes_it_again() {
        let summary: Summary = serde_json::from_value(promised()).unwrap();
        let mut written = serde_json::to_value(&summary).unwrap();
        // Additive fields that are always written.
        assert_eq!(written["errors"].take(), json!([]));
        assert_eq!(written["generator"]["socket_errors"].take(), json!(0));
        written.as_object_mut().unwrap().remove("errors");
        written["generator"].as_object_mut().unwrap().remove("socket_errors");
        assert_eq!(written, promised());
    }

    /// A rate that was too low at first may be high enough when the run has ended for it.
    #[test]
    fn what_ended_the_run_was_not_met_whatever_it_came_to() {
        let threshold = Threshold::parse("iterations", "rate>90", &metrics::Registry::new()).unwrap();
        let verdict = metrics::Verdict {
            ok: Some(true),
            observed: Some(100.0),
            window_at: None,
            window_length: None,
        };
        let met = [false, true].map(|aborted| ThresholdSummary::new(&threshold, &verdict, aborted).ok);
        assert_eq!(met, [true, false]);
    }

    #[test]
    fn unknown_fields_of_later_versions_do_not_hurt() {
        let mut later = promised();
        later["outputs"] = json!([]);
        later["run"]["events"] = json!([]);
        later["metrics"]["http_reqs"]["per_second"] = json!([1, 2]);
        later["metrics"]["http_req_duration"]["p99.99"] = json!(20.0);
        let read: Summary = serde_json::from_value(later).unwrap();
        assert_eq!(read, serde_json::from_value(promised()).unwrap());
    }

    #[test]
    fn timestamps_are_whole_seconds_in_utc() {
        let table = [
            (Duration::ZERO, "1970-01-01T00:00:00Z"),
            (Duration::from_millis(1_795_168_800_999), "2026-11-20T10:00:00Z"),
            (Duration::from_secs(u64::from(u32::MAX) * 1_000), "1970-01-01T00:00:00Z"), // beyond the calendar
        ];
        for (since_epoch, text) in table {
            assert_eq!(timestamp(SystemTime::UNIX_EPOCH + since_epoch), text);
        }
    }
}
