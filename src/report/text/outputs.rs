//! The table of outputs: what each has passed on, what it has lost, and why.

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table};
use crate::results::OutputReport;

pub(super) fn section(outputs: &[OutputReport], style: &Style) -> Vec<String> {
    if outputs.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![style.heading("OUTPUTS", "")];
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left], 2, 1);
    for output in outputs {
        let is_whole = output.dropped == 0;
        table.push(vec![
            style.mark(is_whole),
            Cell::plain(output.name()),
            Cell::new(passed_on(output), if is_whole { Paint::Plain } else { Paint::Bad }),
        ]);
    }
    lines.extend(table.lines(style));
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
    match (output.failures, &output.error) {
        (0, _) => {}
        (1, error) => text.push_str(&format!(", failed once: {}", error.as_deref().unwrap_or("unknown"))),
        (n, error) => {
            let times = human::count(n);
            text.push_str(&format!(
                ", failed {times} times: {}",
                error.as_deref().unwrap_or("unknown")
            ));
        }
    }
    text
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
            rows[2].ends_with("otlp=http://a/ 1 written, 517 dropped, 12 retries, failed 13 times: connection refused"),
            "{text}"
        );
        assert!(section(&[], &style).is_empty());
    }
}
