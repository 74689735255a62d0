//! The six counts of iterations, laid out so that everyone can add them up. Counting them is the metrics' business.

use std::collections::BTreeMap;

use crate::metrics::Counts;
use crate::results::ScenarioSummary;

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table, wrap};

pub(super) fn section(scenarios: &BTreeMap<String, ScenarioSummary>, cut_short: bool, style: &Style) -> Vec<String> {
    if scenarios.is_empty() {
        return Vec::new();
    }
    let table = equations(scenarios);
    let mut lines = vec![style.heading("ITERATIONS", "")];
    if table.fits(style) {
        lines.extend(table.lines(style));
    } else {
        for (name, scenario) in scenarios {
            lines.extend(wrap("  ", name, style));
            let sums = sums(&scenario.iterations);
            lines.extend(sums.iter().flat_map(|sum| wrap("    ", sum, style)));
        }
    }
    for (name, scenario) in scenarios {
        let Some(warmup) = &scenario.warmup else { continue };
        let [offered, started] = sums(warmup);
        let text = format!("{name}, warm-up, in no other number: {offered}; {started}");
        let wrapped = wrap("  ", &text, style);
        lines.extend(wrapped.into_iter().map(|line| style.paint(&line, Paint::Dim)));
    }
    for (name, scenario) in scenarios {
        let adds_up = scenario.iterations.adds_up() && scenario.warmup.is_none_or(|warmup| warmup.adds_up());
        if !adds_up && cut_short {
            let text = format!("{name}: what is missing was in flight when this was written down");
            lines.extend(wrap("  ", &text, style));
        } else if !adds_up {
            let text = format!("{name}: these counts do not add up, which is a bug in kingtide");
            let wrapped = wrap("  ", &text, style);
            lines.extend(wrapped.into_iter().map(|line| style.paint(&line, Paint::Bad)));
        }
    }
    lines
}

/// Both sums of each scenario in columns, numbers under the words of the equation, so that everyone can add them up.
fn equations(scenarios: &BTreeMap<String, ScenarioSummary>) -> Table {
    let mut aligns = vec![Align::Left];
    aligns.extend([Align::Right; 13]);
    let mut table = Table::new(&aligns, 1, 0);
    table.push(
        [
            "",
            "offered",
            "=",
            "started",
            "+",
            "dropped",
            " ",
            "started",
            "=",
            "completed",
            "+",
            "interrupted",
            "+",
            "failed",
        ]
        .map(Cell::dim)
        .into(),
    );
    for (name, scenario) in scenarios {
        let c = &scenario.iterations;
        let good = |n: u64| Cell::plain(human::count(n));
        let bad = |n: u64| Cell::new(human::count(n), if n == 0 { Paint::Plain } else { Paint::Warn });
        table.push(vec![
            Cell::plain(name),
            good(c.offered),
            Cell::dim("="),
            good(c.started),
            Cell::dim("+"),
            bad(c.dropped),
            Cell::plain(" "),
            good(c.started),
            Cell::dim("="),
            good(c.completed),
            Cell::dim("+"),
            bad(c.interrupted),
            Cell::dim("+"),
            bad(c.failed),
        ]);
    }
    table
}

/// The same for a narrow terminal, or for numbers that are too long.
fn sums(c: &Counts) -> [String; 2] {
    let n = human::count;
    [
        format!(
            "offered {} = started {} + dropped {}",
            n(c.offered),
            n(c.started),
            n(c.dropped)
        ),
        format!(
            "started {} = completed {} + interrupted {} + failed {}",
            n(c.started),
            n(c.completed),
            n(c.interrupted),
            n(c.failed)
        ),
    ]
}
