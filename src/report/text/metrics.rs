//! The tables of metrics: distributions, endpoints, counters, rates, gauges. Which metrics there are is the summary's.

use std::cmp::Reverse;

use crate::metrics::builtin::BUILTINS;
use crate::metrics::{MetricSummaries, MetricSummary, Selector, TrendSummary};

use super::Style;
use super::parts::{MOST_ROWS, has_failed};
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table, wrap};

/// A series of the summary, its name taken apart.
struct Row<'a> {
    selector: Selector,
    summary: &'a MetricSummary,
}

pub(super) fn sections(metrics: &MetricSummaries, style: &Style) -> Vec<Vec<String>> {
    let mut rows: Vec<Row> = metrics
        .iter()
        .map(|(name, summary)| Row {
            selector: Selector::parse(name).unwrap_or_else(|_| Selector::root(name)),
            summary,
        })
        // Revisions have a table of their own.
        .filter(|row| !matches!(row.selector.tags.as_slice(), [(key, _)] if key == "revision"))
        .collect();
    rows.sort_by_cached_key(|row| (position(&row.selector.metric), row.selector.clone()));
    let (times, others): (Vec<_>, Vec<_>) = rows
        .iter()
        .filter(|row| is_shown_trend(row))
        .partition(|row| unit(row) == Some("ms"));
    let (own, listed): (Vec<_>, Vec<_>) = times.into_iter().partition(|row| listed_by(row).is_none());
    let mut sections = vec![trends("DURATIONS", "", &own, (full_name, None), style)];
    for (metric, key) in [
        ("http_req_duration", "name"),
        ("grpc_req_duration", "name"),
        ("http_req_duration", "scenario"),
        ("grpc_req_duration", "scenario"),
        ("http_req_response_time", "scenario"),
        ("grpc_req_response_time", "scenario"),
        ("iteration_response_time", "scenario"),
        ("iteration_start_lag", "scenario"),
    ] {
        let wanted = |row: &&&Row| row.selector.metric == metric && listed_by(row) == Some(key);
        let rows: Vec<_> = listed.iter().filter(wanted).copied().collect();
        // One scenario alone says what the whole says.
        if key == "name" || rows.len() > 1 {
            let failed = metric.ends_with("_req_duration").then_some(metrics);
            let (rows, hidden) = foremost(rows, metrics);
            let note = match hidden {
                0 => format!("by {key}"),
                hidden => format!("by {key}; {} more are in the JSON", human::count(hidden as u64)),
            };
            let mut lines = trends(metric, &note, &rows, (tag_value, failed), style);
            if hidden > 0 && key == "name" {
                lines.extend(wrap("  ", SHARE, style));
            }
            sections.push(lines);
        }
    }
    sections.push(trends("TRENDS", "", &others, (full_name, None), style));
    sections.push(numbers(&rows, style));
    sections.push(refused(&rows, style));
    sections
}

/// What helps against too many names.
const SHARE: &str = "requests that belong together can share a row: `name = \"/items/{id}\"` in their options";

/// Of too many rows, those whose requests failed and those with the most, in the order in which they came; and how many are
/// left out.
fn foremost<'a>(rows: Vec<&'a Row<'a>>, metrics: &MetricSummaries) -> (Vec<&'a Row<'a>>, usize) {
    let hidden = rows.len().saturating_sub(MOST_ROWS);
    if hidden == 0 {
        return (rows, 0);
    }
    let mut ranked: Vec<_> = rows.into_iter().enumerate().collect();
    ranked.sort_by_cached_key(|(_, row)| {
        let count = match row.summary {
            MetricSummary::Trend { count, .. } => *count,
            _ => 0,
        };
        Reverse((has_failed(metrics, protocol(row), &row.selector.tags), count))
    });
    ranked.truncate(MOST_ROWS);
    ranked.sort_by_key(|(index, _)| *index);
    (ranked.into_iter().map(|(_, row)| row).collect(), hidden)
}

/// Built-in metrics come first, in the order of their list.
fn position(metric: &str) -> usize {
    let found = BUILTINS.iter().position(|builtin| builtin.name == metric);
    found.unwrap_or(BUILTINS.len())
}

/// Whether a row belongs in a table of distributions. Timings that were always 0 (TLS without TLS) do not.
fn is_shown_trend(row: &Row) -> bool {
    let is_builtin = position(&row.selector.metric) < BUILTINS.len();
    match row.summary {
        MetricSummary::Trend { values, .. } => !is_builtin || values.is_none_or(|values| values.max > 0.0),
        _ => false,
    }
}

fn unit<'a>(row: &Row<'a>) -> Option<&'a str> {
    match row.summary {
        MetricSummary::Trend { unit, .. } | MetricSummary::Gauge { unit, .. } | MetricSummary::Counter { unit, .. } => {
            unit.as_deref()
        }
        MetricSummary::Rate { .. } => None,
    }
}

/// The tag that a series is listed by in a table of its own. Stages have theirs in `parts`.
fn listed_by<'a>(row: &'a Row) -> Option<&'a str> {
    let metric = row.selector.metric.as_str();
    let is_duration = matches!(metric, "http_req_duration" | "grpc_req_duration");
    let is_listed = matches!(
        metric,
        "http_req_response_time" | "grpc_req_response_time" | "iteration_response_time" | "iteration_start_lag"
    );
    let is_failed = matches!(metric, "http_req_failed" | "grpc_req_failed");
    match row.selector.tags.as_slice() {
        [(key, _)] if (is_duration || is_failed) && key == "name" => Some("name"),
        [(key, _)] if (is_duration || is_failed || is_listed) && key == "scenario" => Some("scenario"),
        // Kept for outputs; by status alone says as much here.
        [(expected, _), (_, _)] if metric == "http_reqs" && expected == "expected_response" => Some("status"),
        [(scenario, _), (stage, _)] if scenario == "scenario" && stage == "stage" => Some("stage"),
        _ => None,
    }
}

/// How the metrics of its requests begin.
fn protocol<'a>(row: &'a Row) -> &'a str {
    let metric = row.selector.metric.as_str();
    metric.split_once('_').map_or(metric, |(protocol, _)| protocol)
}

fn full_name(row: &Row) -> String {
    match unit(row) {
        None | Some("ms" | "bytes") => row.selector.to_string(),
        Some(unit) => format!("{} ({unit})", row.selector),
    }
}

fn tag_value(row: &Row) -> String {
    row.selector
        .tags
        .first()
        .map_or_else(String::new, |(_, value)| value.clone())
}

/// A table of distributions, each under its `name`; with metrics also with the share of the part's requests that failed, if
/// any has.
fn trends(
    heading: &str,
    note: &str,
    rows: &[&Row],
    (name, failed): (fn(&Row) -> String, Option<&MetricSummaries>),
    style: &Style,
) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    // What must give way on a narrow terminal is what says least.
    let is_narrow = style.columns() < 96;
    let has_failed = |metrics: &&MetricSummaries| {
        let mut rows = rows.iter();
        rows.any(|row| has_failed(metrics, protocol(row), &row.selector.tags))
    };
    let failed = failed.filter(has_failed);
    let mut columns = vec!["", "count", "avg", "min", "p50", "p90", "p95", "p99", "p99.9", "max"];
    columns.extend(failed.map(|_| "failed"));
    let gives_way = |column: &str| matches!(column, "avg" | "min") || (failed.is_some() && column == "p90");
    columns.retain(|column| !is_narrow || !gives_way(column));
    let mut aligns = vec![Align::Left];
    aligns.resize(columns.len(), Align::Right);
    let mut table = Table::new(&aligns, 2, 0);
    table.push(columns.iter().map(|word| Cell::dim(*word)).collect());
    let mut parent = None;
    for row in rows {
        let MetricSummary::Trend {
            unit, count, values, ..
        } = row.summary
        else {
            continue;
        };
        let mut name = name(row);
        if row.selector.tags.is_empty() {
            parent = Some(&row.selector.metric);
        } else if parent == Some(&row.selector.metric)
            && let Some(tags) = name.strip_prefix(&*row.selector.metric)
        {
            // A part stands under its whole.
            name = format!("  {tags}");
        }
        let mut cells = vec![Cell::plain(name), Cell::plain(human::count(*count))];
        if let Some(values) = values {
            let show = |value| Cell::plain(bare(value, unit.as_deref()));
            cells.extend(columns.iter().filter_map(|column| of_column(values, column)).map(show));
            cells.extend(failed.map(|metrics| super::parts::failed(metrics, &[protocol(row)], &row.selector.tags)));
        }
        cells.resize(columns.len(), Cell::dim("-"));
        table.push(cells);
    }
    let mut lines = vec![style.heading(heading, note)];
    lines.extend(table.lines(style));
    lines
}

fn of_column(values: &TrendSummary, column: &str) -> Option<f64> {
    Some(match column {
        "avg" => values.avg,
        "min" => values.min,
        "p50" => values.med,
        "p90" => values.p90,
        "p95" => values.p95,
        "p99" => values.p99,
        "p99.9" => values.p999,
        "max" => values.max,
        _ => return None,
    })
}

/// A value whose unit stands elsewhere, unless it is one that changes with the magnitude.
fn bare(value: f64, unit: Option<&str>) -> String {
    match unit {
        Some("ms") => human::time(value),
        Some("bytes") => human::bytes(value),
        _ => human::number(value),
    }
}

/// A value and its unit.
pub(super) fn with_unit(value: f64, unit: Option<&str>) -> String {
    match unit {
        None | Some("ms" | "bytes") => bare(value, unit),
        Some(unit) => format!("{} {unit}", bare(value, None)),
    }
}

/// Counters, rates and gauges in one table: what it came to, and what more there is to say.
fn numbers(rows: &[Row], style: &Style) -> Vec<String> {
    let mut table = Table::new(&[Align::Left, Align::Right, Align::Left], 2, 0);
    for row in rows.iter().filter(|row| listed_by(row).is_none()) {
        let unit = unit(row);
        let (value, more) = match row.summary {
            MetricSummary::Trend { .. } => continue,
            // Counters of the engine that have counted nothing say nothing.
            MetricSummary::Counter { count, .. }
                if *count == 0.0 && position(&row.selector.metric) < BUILTINS.len() =>
            {
                continue;
            }
            MetricSummary::Counter { count, rate, .. } => {
                let rate = match unit {
                    Some("bytes") => format!("{}/s", human::bytes(*rate)),
                    _ => human::per_second(*rate),
                };
                (with_unit(*count, unit), rate)
            }
            MetricSummary::Rate {
                rate, passes, total, ..
            } => (
                rate.map_or_else(|| "no data".to_owned(), human::percent),
                format!("{} of {}", human::count(*passes), human::count(*total)),
            ),
            MetricSummary::Gauge { value, min, max, .. } => match (value, min, max) {
                (Some(value), Some(min), Some(max)) => (
                    with_unit(*value, unit),
                    format!("min {}  max {}", bare(*min, unit), bare(*max, unit)),
                ),
                _ => ("no data".to_owned(), String::new()),
            },
        };
        table.push(vec![
            Cell::plain(row.selector.to_string()),
            Cell::plain(value),
            Cell::dim(more),
        ]);
    }
    if table.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![style.heading("COUNTERS, RATES, GAUGES", "")];
    lines.extend(table.lines(style));
    lines
}

/// Samples that a metric could not take: never silently.
fn refused(rows: &[Row], style: &Style) -> Vec<String> {
    let mut lines = Vec::new();
    for row in rows {
        let (MetricSummary::Counter { out_of_range, .. }
        | MetricSummary::Gauge { out_of_range, .. }
        | MetricSummary::Rate { out_of_range, .. }
        | MetricSummary::Trend { out_of_range, .. }) = row.summary;
        if *out_of_range > 0 {
            let text = format!("{}: {}", row.selector, human::count(*out_of_range));
            let wrapped = wrap("  - ", &text, style);
            lines.extend(wrapped.into_iter().map(|line| style.paint(&line, Paint::Warn)));
        }
    }
    if !lines.is_empty() {
        let note = "samples that are in no number above";
        lines.insert(0, style.heading("OUT OF RANGE", note));
    }
    lines
}
