//! Tables of the parts of a run in time: the phases of the plan, and the stages of each scenario. What belongs to which is
//! decided in `metrics`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::metrics::{MetricSummaries, MetricSummary, Selector, TrendSummary};
use crate::results::{PhaseSummary, RevisionSummary};

use super::Style;
use crate::report::human;
use crate::report::table::{Align, Cell, Paint, Table, wrap};

/// What a row tells of its requests and iterations.
const NUMBERS: [&str; 6] = ["requests", "p50", "p95", "p99", "failed", "response p95"];

/// One row for each stage of each scenario, in natural order of their names.
pub(super) fn stages(metrics: &MetricSummaries, style: &Style) -> Vec<String> {
    let stages: BTreeSet<(String, Natural, String)> = metrics
        .keys()
        .filter_map(|name| match Selector::parse(name).ok()?.tags.as_slice() {
            [(key, scenario), (stage_key, stage)] if key == "scenario" && stage_key == "stage" => {
                Some((scenario.clone(), natural(stage), stage.clone()))
            }
            _ => None,
        })
        .collect();
    if stages.is_empty() {
        return Vec::new();
    }
    let mut aligns = vec![Align::Left, Align::Left];
    aligns.extend([Align::Right; NUMBERS.len()]);
    let mut table = Table::new(&aligns, 2, 0);
    table.push(["", "stage"].into_iter().chain(NUMBERS).map(Cell::dim).collect());
    for (scenario, _, stage) in stages {
        let tags = vec![
            ("scenario".to_owned(), scenario.clone()),
            ("stage".to_owned(), stage.clone()),
        ];
        let mut row = vec![Cell::plain(scenario), Cell::plain(stage)];
        row.extend(numbers(metrics, &tags));
        table.push(row);
        for (name, cells) in apart(metrics, &tags) {
            let mut row = vec![Cell::plain(""), Cell::dim(name)];
            row.extend(cells);
            row.push(Cell::plain(""));
            table.push(row);
        }
    }
    let mut lines = vec![style.heading("STAGES", "by intended start of the iteration")];
    lines.extend(table.lines(style));
    lines
}

/// The most rows of a table. Of parts in time, the first and the last are shown then: half of this many each.
pub(super) const MOST_ROWS: usize = 40;

/// The rows that are shown, each with its index, and how many are not.
pub(super) fn first_and_last<T>(rows: &[T]) -> (Vec<(usize, &T)>, usize) {
    let hidden = rows.len().saturating_sub(MOST_ROWS);
    let half = if hidden > 0 { MOST_ROWS / 2 } else { rows.len() };
    let is_shown = |(index, _): &(usize, &T)| *index < half || *index >= half + hidden;
    (rows.iter().enumerate().filter(is_shown).collect(), hidden)
}

/// One row for each state of a script that was edited, with what it changed below it.
pub(super) fn revisions(revisions: &[RevisionSummary], metrics: &MetricSummaries, style: &Style) -> Vec<String> {
    if revisions.len() < 2 {
        return Vec::new();
    }
    // On a narrow terminal the median gives way.
    let is_narrow = style.columns() < 96;
    let fit = |mut cells: Vec<Cell>| {
        if is_narrow {
            cells.remove(5);
        }
        cells
    };
    let mut aligns = vec![Align::Left, Align::Right, Align::Right, Align::Right];
    aligns.extend([Align::Right; NUMBERS.len() - 1]);
    aligns.truncate(if is_narrow { 8 } else { 9 });
    let mut table = Table::new(&aligns, 2, 0);
    let numbered = NUMBERS.split_last().map_or(&[][..], |(_, numbers)| numbers);
    let head = ["", "from", "iterations", "errors"]
        .into_iter()
        .chain(numbered.iter().copied());
    table.push(fit(head.map(Cell::dim).collect()));
    let (shown, hidden) = first_and_last(revisions);
    for (_, revision) in &shown {
        let tags = [("revision".to_owned(), revision.number.to_string())];
        let from = human::duration(Duration::from_millis(revision.at_ms));
        let short = revision.hash.get(..8).unwrap_or(&revision.hash);
        let mut cells = row(&format!("{} {short}", revision.number), from, metrics, &tags);
        // The rate of a part whose end nobody planned, and the response time of the iterations, say nothing here.
        cells[3] = match find(metrics, "script_errors", &tags) {
            Some(MetricSummary::Counter { count, .. }) if *count > 0.0 => Cell::new(human::number(*count), Paint::Bad),
            _ => Cell::plain("0"),
        };
        cells.pop();
        table.push(fit(cells));
        for mut cells in below(metrics, &tags) {
            cells.pop();
            table.push(fit(cells));
        }
    }
    let note = "the script was edited while the load ran";
    let note = match hidden {
        0 => note.to_owned(),
        hidden => format!("{note}; {} in the middle are in the JSON", human::count(hidden as u64)),
    };
    let mut lines = vec![style.heading("REVISIONS", &note)];
    lines.extend(table.lines(style));
    for (_, revision) in &shown[1..] {
        let refused = revision.refused.iter().map(|change| format!("not applied: {change}"));
        let changes: Vec<_> = revision.changed.iter().cloned().chain(refused).collect();
        let first = format!("  {}  ", revision.number);
        lines.extend(wrap(&first, &revision.file, style));
        let indent = format!("{:width$}- ", "", width = first.len());
        lines.extend(changes.iter().flat_map(|change| wrap(&indent, change, style)));
    }
    lines
}

/// One row for each phase, and one for each scenario in it where there are several.
pub(super) fn phases(phases: &[PhaseSummary], style: &Style) -> Vec<String> {
    if phases.is_empty() {
        return Vec::new();
    }
    // What must give way on a narrow terminal is what follows from the rest, or says least.
    let is_narrow = style.columns() < 96;
    let head = ["", "from", "iterations", "rate"].into_iter().chain(NUMBERS);
    let head: Vec<_> = head.map(Cell::dim).collect();
    let mut aligns = vec![Align::Left];
    aligns.resize(if is_narrow { head.len() - 2 } else { head.len() }, Align::Right);
    let mut table = Table::new(&aligns, 2, 0);
    let mut push = |mut row: Vec<Cell>| {
        if is_narrow {
            row.remove(5);
            row.remove(3);
        }
        table.push(row);
    };
    push(head);
    for phase in phases {
        let from = human::duration(Duration::from_millis(phase.start_ms));
        push(row(&phase.name, from, &phase.metrics, &[]));
        below(&phase.metrics, &[]).into_iter().for_each(&mut push);
        let scenarios: BTreeSet<String> = phase.metrics.keys().filter_map(|name| scenario_of(name)).collect();
        if scenarios.len() > 1 {
            for scenario in scenarios {
                let tags = [("scenario".to_owned(), scenario.clone())];
                push(row(&format!("  {scenario}"), String::new(), &phase.metrics, &tags));
                below(&phase.metrics, &tags).into_iter().for_each(&mut push);
            }
        }
    }
    let mut lines = vec![style.heading("PHASES", "by intended start of the iteration")];
    lines.extend(table.lines(style));
    lines
}

fn row(name: &str, from: String, metrics: &MetricSummaries, tags: &[(String, String)]) -> Vec<Cell> {
    let (count, rate) = match find(metrics, "iterations", tags) {
        Some(MetricSummary::Counter { count, rate, .. }) => (human::number(*count), human::per_second(*rate)),
        _ => ("-".to_owned(), "-".to_owned()),
    };
    let mut cells = vec![
        Cell::plain(name),
        Cell::dim(from),
        Cell::plain(count),
        Cell::plain(rate),
    ];
    cells.extend(numbers(metrics, tags));
    cells
}

/// The rows of [`apart`] below a [`row`].
fn below(metrics: &MetricSummaries, tags: &[(String, String)]) -> Vec<Vec<Cell>> {
    let row = |(name, cells): (&str, Vec<Cell>)| {
        let mut row = vec![Cell::dim(name), Cell::plain(""), Cell::plain(""), Cell::plain("")];
        row.extend(cells);
        row.push(Cell::plain(""));
        row
    };
    apart(metrics, tags).into_iter().map(row).collect()
}

/// What requests are spoken in: how their metrics begin.
pub(super) const PROTOCOLS: [&str; 2] = ["http", "grpc"];

/// The cells under [`NUMBERS`].
fn numbers(metrics: &MetricSummaries, tags: &[(String, String)]) -> Vec<Cell> {
    let mut cells = requests(metrics, &PROTOCOLS, tags);
    let response = trend(metrics, "iteration_response_time", tags);
    cells.push(response.map_or(Cell::dim("-"), |(_, values)| Cell::plain(human::time(values.p95))));
    cells
}

/// Count, three percentiles and the failed share of requests. Distributions of two protocols cannot be added up any more: they
/// are in [`apart`].
pub(super) fn requests(metrics: &MetricSummaries, protocols: &[&str], tags: &[(String, String)]) -> Vec<Cell> {
    let found = protocols.iter();
    let found = found.filter_map(|protocol| trend(metrics, &format!("{protocol}_req_duration"), tags));
    let found: Vec<_> = found.collect();
    let count = match found.as_slice() {
        [] => Cell::dim("-"),
        all => Cell::plain(human::count(all.iter().map(|(count, _)| count).sum())),
    };
    let alone = found.first().filter(|_| found.len() == 1);
    let time = |pick: fn(&TrendSummary) -> f64| {
        alone.map_or(Cell::dim("-"), |(_, values)| Cell::plain(human::time(pick(values))))
    };
    vec![
        count,
        time(|values| values.med),
        time(|values| values.p95),
        time(|values| values.p99),
        failed(metrics, protocols, tags),
    ]
}

/// The [`requests`] of each protocol under its name, where a part has several.
pub(super) fn apart(metrics: &MetricSummaries, tags: &[(String, String)]) -> Vec<(&'static str, Vec<Cell>)> {
    let has = |protocol: &str| trend(metrics, &format!("{protocol}_req_duration"), tags).is_some();
    if !PROTOCOLS.into_iter().all(has) {
        return Vec::new();
    }
    let names = PROTOCOLS.iter().zip(["  HTTP", "  gRPC"]);
    names
        .map(|(protocol, name)| (name, requests(metrics, &[protocol], tags)))
        .collect()
}

/// Whether any request of a part has failed.
pub(super) fn has_failed(metrics: &MetricSummaries, protocol: &str, tags: &[(String, String)]) -> bool {
    let rate = find(metrics, &format!("{protocol}_req_failed"), tags);
    matches!(rate, Some(MetricSummary::Rate { passes, .. }) if *passes > 0)
}

/// The share of requests that failed.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
pub(super) fn failed(metrics: &MetricSummaries, protocols: &[&str], tags: &[(String, String)]) -> Cell {
    let rates = protocols.iter();
    let rates = rates.filter_map(|protocol| find(metrics, &format!("{protocol}_req_failed"), tags));
    let (failed, all) = rates.fold((0, 0), |(failed, all), rate| match rate {
        MetricSummary::Rate { passes, total, .. } => (failed + passes, all + total),
        _ => (failed, all),
    });
    if all == 0 {
        return Cell::dim("-");
    }
    let paint = if failed > 0 { Paint::Warn } else { Paint::Plain };
    Cell::new(human::percent(failed as f64 / all as f64), paint)
}

pub(super) fn trend<'a>(
    metrics: &'a MetricSummaries,
    metric: &str,
    tags: &[(String, String)],
) -> Option<(u64, &'a TrendSummary)> {
    match find(metrics, metric, tags)? {
        MetricSummary::Trend {
            count,
            values: Some(values),
            ..
        } => Some((*count, values)),
        _ => None,
    }
}

pub(super) fn find<'a>(
    metrics: &'a MetricSummaries,
    metric: &str,
    tags: &[(String, String)],
) -> Option<&'a MetricSummary> {
    let selector = Selector {
        metric: metric.to_owned(),
        tags: tags.to_vec(),
    };
    metrics.get(&selector.to_string())
}

/// The scenario of a series that is one scenario's part of its metric.
fn scenario_of(name: &str) -> Option<String> {
    match Selector::parse(name).ok()?.tags.as_slice() {
        [(key, scenario)] if key == "scenario" => Some(scenario.clone()),
        _ => None,
    }
}

/// Sorts `9` before `10`, and both before names.
type Natural = (u64, String);

fn natural(stage: &str) -> Natural {
    match stage.parse() {
        Ok(number) => (number, String::new()),
        Err(_) => (u64::MAX, stage.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What failed of the one says nothing of the other, and together they have no percentiles.
    #[test]
    fn requests_of_two_protocols_are_told_together_and_apart() {
        let trend = |count: u64, value: f64| {
            json!({ "type": "trend", "unit": "ms", "count": count, "min": value, "avg": value, "med": value, "p90": value,
                "p95": value, "p99": value, "p99.9": value, "max": value })
        };
        let rate = |passes: u64, total: u64| json!({ "type": "rate", "rate": 0.5, "passes": passes, "total": total });
        let metrics = json!({ "http_req_duration": trend(150, 1.0), "http_req_failed": rate(0, 150),
            "grpc_req_duration": trend(50, 7.0), "grpc_req_failed": rate(50, 50) });
        let phase = json!({ "name": "noon", "start_ms": 0, "end_ms": 1_000, "metrics": metrics });
        let phase: PhaseSummary = serde_json::from_value(phase).unwrap();
        let style = Style {
            unicode: false,
            colour: false,
            width: 100,
        };
        let words = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = phases(&[phase], &style).iter().map(words).collect();
        assert_eq!(
            lines[2..],
            [
                "noon 0s - - 200 - - - 25.00% -",
                "HTTP 150 1.00ms 1.00ms 1.00ms 0%",
                "gRPC 50 7.00ms 7.00ms 7.00ms 100%"
            ]
        );
    }
}
