//! The table of checkpoints: one row for each span of the load. What belongs to a span is decided in `metrics`.

use std::time::Duration;

use crate::metrics::{Counts, MetricSummary, TrendSummary};
use crate::results::CheckpointSummary;

use super::Style;
use super::parts::{failed, find, first_and_last, trend};
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table};

const HEAD: [&str; 10] = [
    "",
    "until",
    "iterations",
    "rate",
    "dropped",
    "requests",
    "p50",
    "p95",
    "p99",
    "failed",
];

/// Nothing when there are none.
pub(super) fn section(checkpoints: &[CheckpointSummary], style: &Style) -> Vec<String> {
    let Some(first) = checkpoints.first() else {
        return Vec::new();
    };
    let mut table = Table::new(&[Align::Right; HEAD.len()], 2, 1);
    table.push(HEAD.map(Cell::dim).into());
    let (shown, hidden) = first_and_last(checkpoints);
    for (index, checkpoint) in shown {
        table.push(row(index + 1, checkpoint));
    }
    let every = human::duration(Duration::from_millis(first.end_ms.saturating_sub(first.start_ms)));
    let mut note = format!("every {every}, by when it happened");
    if hidden > 0 {
        note.push_str(&format!(
            "; {} in the middle are in the JSON",
            human::count(hidden as u64)
        ));
    }
    let mut lines = vec![style.heading("CHECKPOINTS", &note)];
    lines.extend(table.lines(style));
    lines
}

fn row(number: usize, checkpoint: &CheckpointSummary) -> Vec<Cell> {
    let metrics = &checkpoint.metrics;
    let mut sum = Counts::default();
    checkpoint.scenarios.values().for_each(|counts| sum.merge(counts));
    let over = Duration::from_millis(checkpoint.end_ms.saturating_sub(checkpoint.start_ms));
    let ended = sum.completed + sum.failed;
    let requests = match find(metrics, "http_reqs", &[]) {
        Some(MetricSummary::Counter { count, .. }) => human::number(*count),
        _ => "-".to_owned(),
    };
    let times = trend(metrics, "http_req_duration", &[]).or_else(|| trend(metrics, "grpc_req_duration", &[]));
    let time = |pick: fn(&TrendSummary) -> f64| {
        times.map_or(Cell::dim("-"), |(_, values)| Cell::plain(human::time(pick(values))))
    };
    let dropped = if sum.dropped > 0 { Paint::Warn } else { Paint::Plain };
    vec![
        Cell::plain(number.to_string()),
        Cell::dim(human::duration(Duration::from_millis(checkpoint.end_ms))),
        Cell::plain(human::count(ended)),
        rate(ended, over).map_or(Cell::dim("-"), |rate| Cell::plain(human::per_second(rate))),
        Cell::new(human::count(sum.dropped), dropped),
        Cell::plain(requests),
        time(|values| values.med),
        time(|values| values.p95),
        time(|values| values.p99),
        failed(metrics, &[]),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts of iterations stay below 2^52")]
fn rate(count: u64, over: Duration) -> Option<f64> {
    (!over.is_zero()).then(|| count as f64 / over.as_secs_f64())
}
