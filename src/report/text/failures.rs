//! The most frequent kinds of failed requests, two lines each. The whole of them is in the report.

use super::{Style, wrap};
use crate::report::human;
use crate::report::table::Paint;
use crate::results::{FailureSummary, Summary};

/// Kinds that are shown.
pub(in crate::report) const MOST: usize = 5;

pub(super) fn section(summary: &Summary, style: &Style) -> Vec<String> {
    let kinds = &summary.failures;
    if kinds.is_empty() {
        return Vec::new();
    }
    let more = more(summary);
    let note = match more {
        0 => String::new(),
        more => format!("and {} more kinds, in the report", human::count(more)),
    };
    let counts: Vec<_> = kinds.iter().take(MOST).map(tally).collect();
    let width = counts.iter().map(|count| count.chars().count()).max().unwrap_or(0);
    let mut lines = vec![style.heading("FAILED REQUESTS", &note)];
    for (kind, count) in kinds.iter().zip(counts) {
        let first = format!("  {count:>width$}  ");
        let indent = " ".repeat(width + 4);
        lines.extend(one_line(&first, &title(kind), style));
        let second = one_line(&indent, &detail(kind), style);
        lines.extend(second.into_iter().map(|line| style.paint(&line, Paint::Dim)));
    }
    lines
}

/// Kinds that are not shown.
pub(in crate::report) fn more(summary: &Summary) -> u64 {
    summary.failures.len().saturating_sub(MOST) as u64 + summary.failure_kinds_left_out
}

/// How often it was met.
pub(in crate::report) fn tally(kind: &FailureSummary) -> String {
    match kind.count {
        0 => "warm-up".to_owned(),
        count => format!("{}×", human::count(count)),
    }
}

/// What failed.
pub(in crate::report) fn title(kind: &FailureSummary) -> String {
    let place = match kind.scenario.as_str() {
        "" => String::new(),
        place => format!(" in {place}"),
    };
    let method = match kind.name.starts_with(&format!("{} ", kind.method)) {
        true => String::new(),
        false => format!("{} ", kind.method),
    };
    format!("{} · {method}{}{place}", kind.what, kind.name)
}

/// What was wrong with the first of them.
pub(in crate::report) fn detail(kind: &FailureSummary) -> String {
    let at = human::duration(std::time::Duration::from_millis(kind.first_at_ms));
    match &kind.detail {
        Some(detail) => format!("first after {at}: {detail}"),
        None => format!("first after {at}: {}", kind.url),
    }
}

/// The first line that wrapping makes of it.
fn one_line(first: &str, text: &str, style: &Style) -> Option<String> {
    let lines = wrap(&style.plain(first), text, style);
    let is_cut = lines.len() > 1;
    let line = lines.into_iter().next()?;
    Some(if is_cut {
        format!("{line} {}", style.glyph("…"))
    } else {
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_kinds_have_two_lines_each() {
        let style = Style {
            unicode: true,
            colour: false,
            width: 80,
        };
        let kind = |count| FailureSummary {
            what: "status 500".to_owned(),
            name: "POST /orders".to_owned(),
            method: "POST".to_owned(),
            scenario: "buyers".to_owned(),
            count,
            first_at_ms: 1_500,
            url: "http://h/orders".to_owned(),
            detail: (count == 0).then(|| "no room ".repeat(50)),
        };
        let mut summary = super::super::tests::sample();
        assert!(section(&summary, &style).is_empty());
        summary.failures = vec![kind(1_200), kind(30), kind(4), kind(3), kind(0), kind(0), kind(0)];
        summary.failure_kinds_left_out = 4;
        let lines = section(&summary, &style);
        assert_eq!(lines.len(), 11, "{lines:#?}");
        assert_eq!(lines[0], "FAILED REQUESTS  and 6 more kinds, in the report");
        assert_eq!(lines[1], "   1,200×  status 500 · POST /orders in buyers");
        assert_eq!(lines[2], "           first after 1.50s: http://h/orders");
        assert!(
            lines[9].starts_with("  warm-up  status 500") && lines[10].ends_with(" …"),
            "{lines:#?}"
        );
    }
}
