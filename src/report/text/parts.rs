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
    }
    let mut lines = vec![style.heading("STAGES", "by intended start of the iteration")];
    lines.extend(table.lines(style));
    lines
}

/// Of more rows than this, only the first and the last are shown: half of this many each.
const MOST_ROWS: usize = 40;

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
        let scenarios: BTreeSet<String> = phase.metrics.keys().filter_map(|name| scenario_of(name)).collect();
        if scenarios.len() > 1 {
            for scenario in scenarios {
                let tags = [("scenario".to_owned(), scenario.clone())];
                push(row(&format!("  {scenario}"), String::new(), &phase.metrics, &tags));
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

/// The cells under [`NUMBERS`].
fn numbers(metrics: &MetricSummaries, tags: &[(String, String)]) -> Vec<Cell> {
    let requests = trend(metrics, "http_req_duration", tags).or_else(|| trend(metrics, "grpc_req_duration", tags));
    let response = trend(metrics, "iteration_response_time", tags);
    let time = |value: Option<f64>| value.map_or(Cell::dim("-"), |ms| Cell::plain(human::time(ms)));
    let of_requests = |pick: fn(&TrendSummary) -> f64| time(requests.map(|(_, values)| pick(values)));
    vec![
        requests.map_or(Cell::dim("-"), |(count, _)| Cell::plain(human::count(count))),
        of_requests(|values| values.med),
        of_requests(|values| values.p95),
        of_requests(|values| values.p99),
        failed(metrics, tags),
        time(response.map(|(_, values)| values.p95)),
    ]
}

/// Whether any request of a part has failed.
pub(super) fn has_failed(metrics: &MetricSummaries, tags: &[(String, String)]) -> bool {
    let rates = ["http_req_failed", "grpc_req_failed"].map(|metric| find(metrics, metric, tags));
    let failed = |rate: &&MetricSummary| matches!(rate, MetricSummary::Rate { passes, .. } if *passes > 0);
    rates.iter().flatten().any(failed)
}

/// The share of requests that failed.
pub(super) fn failed(metrics: &MetricSummaries, tags: &[(String, String)]) -> Cell {
    match find(metrics, "http_req_failed", tags).or_else(|| find(metrics, "grpc_req_failed", tags)) {
        Some(MetricSummary::Rate { rate: Some(rate), .. }) => {
            let paint = if *rate > 0.0 { Paint::Warn } else { Paint::Plain };
            Cell::new(human::percent(*rate), paint)
        }
        _ => Cell::dim("-"),
    }
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
