//! The table of invariants: which held at every look, and which keys broke the others.

use std::time::Duration;

use crate::results::InvariantSummary;

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table, wrap};

pub(super) fn section(invariants: &[InvariantSummary], style: &Style) -> Vec<String> {
    if invariants.is_empty() {
        return Vec::new();
    }
    let held = invariants.iter().filter(|invariant| invariant.ok).count();
    let mut lines = vec![style.heading("INVARIANTS", &format!("{held} of {} held", invariants.len()))];
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left], 2, 1);
    for invariant in invariants {
        table.push(vec![
            style.mark(invariant.ok),
            Cell::plain(&invariant.name),
            Cell::new(looks(invariant), if invariant.ok { Paint::Plain } else { Paint::Bad }),
        ]);
    }
    for (line, invariant) in table.lines(style).into_iter().zip(invariants) {
        lines.push(line);
        if !invariant.offending.is_empty() {
            lines.extend(wrap("       ", &offending(invariant), style));
        }
    }
    lines
}

fn looks(invariant: &InvariantSummary) -> String {
    let times = human::count(invariant.checks);
    match (invariant.checks, invariant.broken_checks) {
        (0, _) => "was never looked at".to_owned(),
        (1, 0) => "held once".to_owned(),
        (_, 0) => format!("held all {times} times"),
        (_, broken) => {
            let broken = human::count(broken);
            let first = Duration::from_millis(invariant.first_broken_at_ms.unwrap_or(0));
            format!("broken {broken} of {times} times, first at {}", human::duration(first))
        }
    }
}

fn offending(invariant: &InvariantSummary) -> String {
    let keys = invariant.offending.join(", ");
    match invariant
        .offending_count
        .saturating_sub(invariant.offending.len() as u64)
    {
        0 => keys,
        more => format!("{keys} and {} more", human::count(more)),
    }
}
