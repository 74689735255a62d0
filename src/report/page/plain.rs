//! The report without scripts: verdict, thresholds, counts, the run in at most sixty lines, metrics and checks as tables.

use std::fmt::Write as _;
use std::time::Duration;

use crate::metrics::MetricSummary;
use crate::report::human;
use crate::report::traces::{Slow, of_seconds};
use crate::results::{Interval, Run, Summary, Trend, Values, Verdict};

use super::data::MOST_TRACES;
use super::escaped;

/// Lines that the run is told in.
const LINES: usize = 60;

/// What distributions the run is told by: the first that was measured.
const WAITS: &[&str] = &[
    "http_req_response_time",
    "grpc_req_response_time",
    "iteration_response_time",
    "http_req_duration",
    "grpc_req_duration",
    "iteration_duration",
];

/// The verdict as people say it.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "Pass",
        Verdict::Fail => "Fail",
        Verdict::Aborted => "Aborted",
        Verdict::Untrusted => "Not trusted",
    }
}

/// The whole fallback.
pub(super) fn tables(run: &Run) -> String {
    let mut out = String::from("<div>");
    if let Some(summary) = &run.summary {
        verdict(&mut out, summary);
        thresholds(&mut out, summary);
        scenarios(&mut out, summary);
    }
    course(&mut out, &run.intervals);
    if let Some(summary) = &run.summary {
        metrics(&mut out, summary);
        checks(&mut out, summary);
    }
    slowest(&mut out, run);
    super::failures::section(&mut out, &run.intervals);
    out.push_str("</div>");
    out
}

fn verdict(out: &mut String, summary: &Summary) {
    let _ = write!(
        out,
        "<h1>{} (exit code {})</h1><p>{}, {}</p><ul>",
        word(summary.verdict),
        summary.exit_code,
        escaped(&summary.run.script),
        human::duration(Duration::from_millis(summary.run.duration_ms)),
    );
    let reasons = summary.run.reasons.iter().map(|reason| &reason.message);
    for text in reasons.chain(&summary.generator.reasons).chain(&summary.warnings) {
        let _ = write!(out, "<li>{}</li>", escaped(text));
    }
    out.push_str("</ul>");
}

fn table(out: &mut String, title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = write!(out, "<section><h2>{title}</h2><div class=\"scroll\"><table><thead><tr>");
    for name in head {
        let _ = write!(out, "<th>{name}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escaped(&cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></section>");
}

fn thresholds(out: &mut String, summary: &Summary) {
    let rows = summary.thresholds.iter().map(|threshold| {
        let met = if threshold.ok { "met" } else { "not met" };
        let unit = threshold.unit.as_deref().unwrap_or_default();
        let observed = threshold
            .observed
            .map_or_else(|| "no data".to_owned(), |value| format!("{} {unit}", short(value)));
        vec![
            threshold.metric.clone(),
            threshold.expression.clone(),
            met.to_owned(),
            observed,
        ]
    });
    table(out, "Thresholds", &["metric", "expression", "", "observed"], rows);
}

fn scenarios(out: &mut String, summary: &Summary) {
    let head = [
        "scenario",
        "offered",
        "started",
        "dropped",
        "completed",
        "failed",
        "interrupted",
    ];
    let rows = summary.scenarios.iter().map(|(name, scenario)| {
        let n = scenario.iterations;
        let counts = [n.offered, n.started, n.dropped, n.completed, n.failed, n.interrupted];
        std::iter::once(name.clone())
            .chain(counts.iter().map(u64::to_string))
            .collect()
    });
    table(out, "Iterations by scenario", &head, rows);
}

/// The seconds, as many to a line as are needed.
fn course(out: &mut String, intervals: &[Interval]) {
    let load: Vec<&Interval> = intervals.iter().filter(|interval| !interval.after_load).collect();
    let measured = |metric: &&str| load.iter().any(|interval| whole(interval, metric).is_some());
    let metric = WAITS.iter().copied().find(measured).unwrap_or(WAITS[0]);
    let head = [
        "from second",
        "offered",
        "completed",
        "dropped",
        "VUs",
        "p50",
        "p99",
        "max",
    ];
    let rows = load.chunks(load.len().div_ceil(LINES).max(1)).map(|seconds| {
        let mut counts = [0; 4];
        let mut waits: Option<Trend> = None;
        for interval in seconds {
            for row in interval.scenarios.values() {
                counts[0] += row.iterations.offered;
                counts[1] += row.iterations.completed;
                counts[2] += row.iterations.dropped;
            }
            counts[3] = counts[3].max(interval.scenarios.values().map(|row| row.vus).sum());
            match (&mut waits, whole(interval, metric)) {
                (Some(waits), Some(trend)) => waits.merge(trend),
                (none @ None, Some(trend)) => *none = Some(trend.clone()),
                (_, None) => {}
            }
        }
        let wait = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |ms| format!("{} ms", short(ms)));
        let waits = waits.as_ref();
        let mut row = vec![seconds.first().map_or(0, |first| first.second).to_string()];
        row.extend(counts.iter().map(u64::to_string));
        row.push(wait(waits.and_then(|waits| waits.percentile(50.0))));
        row.push(wait(waits.and_then(|waits| waits.percentile(99.0))));
        row.push(wait(waits.map(|waits| waits.max)));
        row
    });
    table(out, &format!("The run, with {metric}"), &head, rows);
}

fn whole<'a>(interval: &'a Interval, metric: &str) -> Option<&'a Trend> {
    let series = interval
        .series
        .iter()
        .find(|series| series.metric == metric && series.tags.is_empty())?;
    match &series.values {
        Values::Trend(trend) => Some(trend),
        _ => None,
    }
}

fn metrics(out: &mut String, summary: &Summary) {
    let head = [
        "metric", "count", "avg", "min", "med", "p90", "p95", "p99", "p99.9", "max",
    ];
    let trends = summary.metrics.iter().filter_map(|(name, metric)| match metric {
        MetricSummary::Trend {
            unit,
            count,
            values: Some(v),
            ..
        } => {
            let name = match unit {
                Some(unit) => format!("{name} ({unit})"),
                None => name.clone(),
            };
            let numbers = [v.avg, v.min, v.med, v.p90, v.p95, v.p99, v.p999, v.max].map(short);
            Some([name, count.to_string()].into_iter().chain(numbers).collect())
        }
        _ => None,
    });
    table(out, "Distributions", &head, trends);
    let others = summary.metrics.iter().filter_map(|(name, metric)| match metric {
        MetricSummary::Counter { count, rate, .. } => {
            Some(vec![name.clone(), short(*count), format!("{}/s", short(*rate))])
        }
        MetricSummary::Rate {
            rate: Some(rate),
            passes,
            total,
            ..
        } => Some(vec![
            name.clone(),
            human::percent(*rate),
            format!("{passes} of {total}"),
        ]),
        MetricSummary::Gauge {
            value: Some(value),
            max,
            ..
        } => Some(vec![
            name.clone(),
            short(*value),
            max.map_or_else(String::new, |max| format!("at most {}", short(max))),
        ]),
        _ => None,
    });
    table(out, "Counters, shares and gauges", &["metric", "value", ""], others);
}

fn checks(out: &mut String, summary: &Summary) {
    let rows = summary.checks.iter().map(|check| {
        vec![
            check.name.clone(),
            check.group.clone(),
            check.passes.to_string(),
            check.fails.to_string(),
        ]
    });
    table(out, "Checks", &["check", "group", "passes", "fails"], rows);
}

/// The slowest requests whose traces are kept. Their ids are links where the plan says to what.
fn slowest(out: &mut String, run: &Run) {
    let Some(header) = &run.header else { return };
    let slow = of_seconds(&run.intervals, MOST_TRACES);
    if slow.is_empty() {
        return;
    }
    let started = header.run.started_at_ms;
    out.push_str("<section><h2>Slowest traces</h2><div class=\"scroll\"><table><thead><tr><th>at</th><th>took</th>");
    out.push_str("<th>request</th><th>trace</th></tr></thead><tbody>");
    for Slow { name, exemplar } in slow {
        let at = Duration::from_millis(exemplar.at_ms.saturating_sub(started));
        let id = exemplar.trace_id;
        let link = header.run.traces.as_ref().and_then(|traces| traces.link(id));
        let id = link.map_or_else(
            || id.to_string(),
            |link| format!("<a href=\"{}\" rel=\"noreferrer\">{id}</a>", escaped(&link)),
        );
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{} ms</td><td>{}</td><td>{id}</td></tr>",
            human::duration(at),
            short(exemplar.value),
            escaped(&name),
        );
    }
    out.push_str("</tbody></table></div></section>");
}

/// Whole numbers as they are, others with up to four decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
