//! Runs as a table, one line for each. Where they come from is in `results`.

use std::time::Duration;

use crate::results::{PastRun, Verdict};

use super::human;
use super::table::{Align, Cell, Paint, Table};
use super::text::Style;

/// Renders the runs in the order given, ending with a line break.
#[must_use]
pub fn history(runs: &[PastRun], style: Style) -> String {
    let style = &style;
    let right = Align::Right;
    let aligns = [Align::Left, Align::Left, Align::Left, right, right, right, right];
    let mut table = Table::new(&aligns, 2, 1);
    let headings = ["RUN", "SCRIPT", "VERDICT", "DURATION", "ITERATIONS", "P95", "FAILED"];
    table.push(headings.iter().map(|heading| Cell::dim(*heading)).collect());
    for run in runs {
        let (word, paint) = match run.verdict {
            Some(Verdict::Pass) => ("pass", Paint::Good),
            Some(Verdict::Fail) => ("fail", Paint::Bad),
            Some(Verdict::Aborted) if run.ended => ("aborted", Paint::Bad),
            Some(Verdict::Aborted) => ("not ended", Paint::Warn),
            Some(Verdict::Untrusted) => ("not trusted", Paint::Warn),
            None => ("no results", Paint::Dim),
        };
        let or_dash = |text: Option<String>| Cell::plain(text.unwrap_or_else(|| "-".to_owned()));
        let length = run.duration_ms.map(Duration::from_millis).map(human::duration);
        table.push(vec![
            Cell::plain(style.plain(&run.name)),
            Cell::plain(style.plain(&run.script)),
            Cell::new(word, paint),
            or_dash(length),
            or_dash(run.iterations.map(human::count)),
            or_dash(run.p95_ms.map(human::time)),
            or_dash(run.failed.map(human::percent)),
        ]);
    }
    table.lines(style).join("\n") + "\n"
}
