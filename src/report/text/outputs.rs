//! The table of outputs: what each has passed on, what it has lost, and why.

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table, wrap};
use crate::results::OutputReport;

pub(super) fn section(outputs: &[OutputReport], style: &Style) -> Vec<String> {
    if outputs.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![style.heading("OUTPUTS", "")];
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left], 2, 1);
    let mut why = Vec::new();
    for output in outputs {
        let is_whole = output.dropped == 0;
        table.push(vec![
            style.mark(is_whole),
            Cell::plain(output.name()),
            Cell::new(passed_on(output), if is_whole { Paint::Plain } else { Paint::Bad }),
        ]);
        why.push(failed(output).map_or_else(Vec::new, |text| wrap("     ", &text, style)));
    }
    lines.extend(
        table
            .lines(style)
            .into_iter()
            .zip(why)
            .flat_map(|(line, why)| std::iter::once(line).chain(why)),
    );
    lines
}

fn passed_on(output: &OutputReport) -> String {
    let mut text = format!("{} written", human::count(output.written));
    if output.dropped > 0 {
        text.push_str(&format!(", {} dropped", human::count(output.dropped)));
    }
    if output.retries > 0 {
        text.push_str(&format!(", {} retries", human::count(output.retries)));
    }
    text
}

fn failed(output: &OutputReport) -> Option<String> {
    let error = output.error.as_deref().unwrap_or("unknown");
    match output.failures {
        0 => None,
        1 => Some(format!("failed once: {error}")),
        n => Some(format!("failed {} times: {error}", human::count(n))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_told_with_its_reason() {
        let style = Style {
            unicode: false,
            colour: false,
            width: 120,
        };
        let whole = OutputReport {
            kind: "csv".to_owned(),
            target: "a.csv".to_owned(),
            written: 440,
            ..OutputReport::default()
        };
        let broken = OutputReport {
            kind: "otlp".to_owned(),
            target: "http://a/".to_owned(),
            retries: 12,
            written: 1,
            dropped: 517,
            failures: 13,
            error: Some("connection refused".to_owned()),
        };
        let text = section(&[whole, broken], &style).join("\n");
        let rows: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows[0], "OUTPUTS");
        assert!(rows[1].ends_with("csv=a.csv 440 written"), "{text}");
        assert!(
            rows[2].ends_with("otlp=http://a/ 1 written, 517 dropped, 12 retries"),
            "{text}"
        );
        assert_eq!(rows[3], "failed 13 times: connection refused", "{text}");
        assert!(section(&[], &style).is_empty());
    }
}
