//! The table of checkpoints: one row for each span of the load. What belongs to a span is decided in `metrics`.

use std::time::Duration;

use crate::metrics::{Counts, MetricSummaries, MetricSummary};
use crate::results::CheckpointSummary;

use super::Style;
use super::parts::{PROTOCOLS, apart, find, first_and_last, requests};
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
        rows(index + 1, checkpoint).into_iter().for_each(|row| table.push(row));
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

/// A row, and one for each protocol where there are several.
fn rows(number: usize, checkpoint: &CheckpointSummary) -> Vec<Vec<Cell>> {
    let metrics = &checkpoint.metrics;
    let mut sum = Counts::default();
    checkpoint.scenarios.values().for_each(|counts| sum.merge(counts));
    let over = Duration::from_millis(checkpoint.end_ms.saturating_sub(checkpoint.start_ms));
    let ended = sum.completed + sum.failed;
    let dropped = if sum.dropped > 0 { Paint::Warn } else { Paint::Plain };
    let mut cells = vec![
        Cell::plain(number.to_string()),
        Cell::dim(human::duration(Duration::from_millis(checkpoint.end_ms))),
        Cell::plain(human::count(ended)),
        rate(ended, over).map_or(Cell::dim("-"), |rate| Cell::plain(human::per_second(rate))),
        Cell::new(human::count(sum.dropped), dropped),
    ];
    cells.extend(sent(metrics, &PROTOCOLS, requests(metrics, &PROTOCOLS, &[])));
    let mut rows = vec![cells];
    for (protocol, (name, requests)) in PROTOCOLS.iter().zip(apart(metrics, &[])) {
        let mut cells = vec![Cell::plain(""), Cell::dim(name)];
        cells.resize(cells.len() + 3, Cell::plain(""));
        cells.extend(sent(metrics, &[protocol], requests));
        rows.push(cells);
    }
    rows
}

/// The cells of requests with the count of all that were sent, polls and what belongs to no journey included.
fn sent(metrics: &MetricSummaries, protocols: &[&str], mut cells: Vec<Cell>) -> Vec<Cell> {
    let counters = protocols.iter();
    let counters = counters.filter_map(|protocol| match find(metrics, &format!("{protocol}_reqs"), &[]) {
        Some(MetricSummary::Counter { count, .. }) => Some(count),
        _ => None,
    });
    let counts: Vec<f64> = counters.copied().collect();
    let count = match counts.as_slice() {
        [] => "-".to_owned(),
        all => human::number(all.iter().sum()),
    };
    cells[0] = Cell::plain(count);
    cells
}

#[expect(clippy::cast_precision_loss, reason = "counts of iterations stay below 2^52")]
fn rate(count: u64, over: Duration) -> Option<f64> {
    (!over.is_zero()).then(|| count as f64 / over.as_secs_f64())
}
