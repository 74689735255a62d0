//! The slowest requests whose traces are kept, for whoever goes on to look at one.

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table};
use crate::report::traces::by_name;
use crate::results::Summary;

/// More of them than people look up.
pub(in crate::report) const MOST: usize = 5;

pub(super) fn section(summary: &Summary, style: &Style) -> Vec<String> {
    let slow = by_name(summary);
    if slow.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&[Align::Right, Align::Left, Align::Left], 2, 2);
    for slow in slow.iter().take(MOST) {
        table.push(vec![
            Cell::plain(human::time(slow.exemplar.value)),
            Cell::plain(slow.exemplar.trace_id.to_string()),
            Cell::plain(&slow.name),
        ]);
    }
    let traces = summary.run.traces.as_ref();
    let note = traces.map_or_else(String::new, |traces| {
        format!("of the {} that are kept", human::percent(traces.sampling))
    });
    let mut lines = vec![style.heading("SLOWEST TRACES", &note)];
    lines.extend(table.lines(style));
    if let Some(url) = traces.and_then(|traces| traces.url.as_ref()) {
        lines.push(style.paint(&style.plain(&format!("  {url}")), Paint::Dim));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_slowest_of_each_name_are_told_with_where_to_look() {
        let style = Style {
            unicode: false,
            colour: false,
            width: 100,
        };
        let trend = |value: f64, id: &str| {
            json!({ "type": "trend", "unit": "ms", "count": 1, "min": value, "avg": value, "med": value, "p90": value, "p95": value,
                "p99": value, "p99.9": value, "max": value,
                "exemplar": { "value": value, "trace_id": format!("{id:0<32}"), "at_ms": 1 } })
        };
        let summary = |run: serde_json::Value| -> Summary {
            serde_json::from_value(
                json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0, "run": run,
                "scenarios": {}, "checks": [], "thresholds": [],
                "generator": { "verdict": "valid", "cpu_percent": 1.0, "reasons": [] },
                "metrics": {
                    "http_req_duration": trend(750.0, "7"),
                    "http_req_duration{name:GET /}": trend(3.0, "8"),
                    "http_req_duration{name:GET /slow}": trend(750.0, "7"),
                    "http_req_duration{scenario:s}": trend(750.0, "7"),
                } }),
            )
            .unwrap()
        };
        let run = json!({ "script": "s", "seed": 1, "started_at": "", "duration_ms": 1,
            "traces": { "sampling": 0.1, "url": "http://t/{trace_id}", "run": "r" } });
        let lines = section(&summary(run), &style);
        let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let rows: Vec<_> = lines.iter().map(words).collect();
        assert_eq!(
            rows,
            [
                "SLOWEST TRACES of the 10.00% that are kept",
                "750ms 70000000000000000000000000000000 GET /slow",
                "3.00ms 80000000000000000000000000000000 GET /",
                "http://t/{trace_id}",
            ]
        );
    }
}
