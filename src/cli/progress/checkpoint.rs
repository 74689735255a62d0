//! The line that a checkpoint leaves above the progress: always the same parts in the same order, for people and for grep.

use std::time::Duration;

use crate::metrics::{CheckpointTotal, Counts, MetricSummary};
use crate::plan::Plan;
use crate::plan::duration::format as human;

/// `checkpoint 2 · 5m-10m · mixed 15000 (50.0/s) · http_reqs 15000 (50.0/s) · p95 25.1 ms · 0.0 % failed · 0 dropped`
pub(super) fn line(number: usize, checkpoint: &CheckpointTotal, plan: &Plan) -> String {
    let span = &checkpoint.span;
    let over = span.end.saturating_sub(span.start);
    let mut parts = vec![
        format!("checkpoint {number}"),
        format!("{}-{}", seconds(span.start), seconds(span.end)),
    ];
    for (scenario, counts) in plan.scenarios.iter().zip(&checkpoint.counts) {
        let ended = counts.completed + counts.failed;
        parts.push(format!("{} {ended} ({:.1}/s)", scenario.name, rate(ended, over)));
    }
    let counted = |name: &str| match checkpoint.metrics.get(name) {
        Some(MetricSummary::Counter { count, rate, .. }) => (*count, *rate),
        _ => (0.0, 0.0),
    };
    // What there is of one kind alone; HTTP where there is both.
    let is_grpc = counted("http_reqs").0 == 0.0 && counted("grpc_reqs").0 > 0.0;
    let [reqs, duration, failed] = if is_grpc {
        ["grpc_reqs", "grpc_req_duration", "grpc_req_failed"]
    } else {
        ["http_reqs", "http_req_duration", "http_req_failed"]
    };
    let (requests, per_second) = counted(reqs);
    parts.push(format!("{reqs} {requests} ({per_second:.1}/s)"));
    parts.push(match checkpoint.metrics.get(duration) {
        Some(MetricSummary::Trend {
            values: Some(values), ..
        }) => format!("p95 {:.1} ms", values.p95),
        _ => "p95 -".to_owned(),
    });
    parts.push(match checkpoint.metrics.get(failed) {
        Some(MetricSummary::Rate { rate: Some(rate), .. }) => format!("{:.1} % failed", rate * 100.0),
        _ => "- failed".to_owned(),
    });
    let dropped = |counts: &Counts| counts.dropped;
    parts.push(format!(
        "{} dropped",
        checkpoint.counts.iter().map(dropped).sum::<u64>()
    ));
    parts.join(" · ")
}

/// Only the last one ends between two seconds.
fn seconds(at: Duration) -> String {
    let tenths = (at.as_millis() + 50) / 100 * 100;
    human(Duration::from_millis(u64::try_from(tenths).unwrap_or(u64::MAX)))
}

#[expect(clippy::cast_precision_loss, reason = "counts of iterations stay below 2^52")]
fn rate(count: u64, over: Duration) -> f64 {
    if over.is_zero() {
        return 0.0;
    }
    count as f64 / over.as_secs_f64()
}
