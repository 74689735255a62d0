//! The summary as Markdown, for pull requests and wikis: the verdict with its reasons, thresholds, counts and durations. GitHub's
//! dialect, whose tables GitLab and most others read too.

use std::fmt::Write as _;
use std::time::Duration;

use crate::metrics::{MetricSummary, TrendSummary};
use crate::results::{GeneratorVerdict, Summary, Verdict};

use super::human;
use super::text::failures::{MOST, detail, more, tally, title};
use super::text::{capacity, held, traces};
use super::traces::by_name;

/// More rows than these are counted only.
const MOST_ROWS: usize = 40;

/// Renders the summary, ending with a line break.
#[must_use]
pub fn markdown(summary: &Summary) -> String {
    let mut out = String::new();
    head(summary, &mut out);
    thresholds(summary, &mut out);
    verdicts(summary, &mut out);
    scenarios(summary, &mut out);
    durations(summary, &mut out);
    slowest(summary, &mut out);
    failures(summary, &mut out);
    foot(summary, &mut out);
    out
}

/// A text that stays what it is in Markdown, on one line and in one cell.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_control() => plain.push(' '),
            '<' => plain.push_str("&lt;"),
            '&' => plain.push_str("&amp;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' | '#' | '@' => {
                plain.push('\\');
                plain.push(c);
            }
            _ => plain.push(c),
        }
    }
    plain
}

fn head(summary: &Summary, out: &mut String) {
    let (mark, word) = match summary.verdict {
        Verdict::Pass => ("✅", "PASS"),
        Verdict::Fail => ("❌", "FAIL"),
        Verdict::Aborted => ("❌", "ABORTED"),
        Verdict::Untrusted => ("⚠️", "NOT TRUSTED"),
    };
    let _ = writeln!(out, "## {mark} {word}: {}\n", plain(&summary.run.script));
    if summary.run.reasons.is_empty() {
        let _ = writeln!(out, "{}.", held(summary));
    }
    for reason in &summary.run.reasons {
        let _ = writeln!(out, "- {} (exit code {})", plain(&reason.message), reason.exit_code);
    }
    for warning in &summary.warnings {
        let _ = writeln!(out, "- ⚠️ {}", plain(warning));
    }
}

/// A heading and a table; nothing without rows.
fn table(heading: &str, columns: &[&str], right_from: usize, rows: &[Vec<String>], out: &mut String) {
    if rows.is_empty() {
        return;
    }
    let align = |column: usize| if column < right_from { ":--" } else { "--:" };
    let aligns: Vec<_> = (0..columns.len()).map(align).collect();
    let _ = write!(
        out,
        "\n### {heading}\n\n| {} |\n|{}|\n",
        columns.join(" | "),
        aligns.join("|")
    );
    for row in rows.iter().take(MOST_ROWS) {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    if rows.len() > MOST_ROWS {
        let _ = writeln!(out, "\n{} more are not shown.", rows.len() - MOST_ROWS);
    }
}

fn mark(ok: bool) -> String {
    if ok { "✅".to_owned() } else { "❌".to_owned() }
}

fn thresholds(summary: &Summary, out: &mut String) {
    let row = |threshold: &crate::results::ThresholdSummary| {
        let window = threshold.window.as_ref();
        let window = window.map(|window| format!(" in each {window}")).unwrap_or_default();
        let observed = capacity::value(threshold).unwrap_or_else(|| "no samples".to_owned());
        vec![
            mark(threshold.ok),
            plain(&threshold.metric),
            plain(&format!("{}{window}", threshold.expression)),
            plain(&observed),
        ]
    };
    let rows: Vec<_> = summary.thresholds.iter().map(row).collect();
    table("Thresholds", &["", "Metric", "Limit", "Observed"], 3, &rows, out);
}

fn verdicts(summary: &Summary, out: &mut String) {
    let invariant = |invariant: &crate::results::InvariantSummary| {
        let broken = format!("{} of {}", invariant.broken_checks, invariant.checks);
        vec![mark(invariant.ok), plain(&invariant.name), broken]
    };
    let rows: Vec<_> = summary.invariants.iter().map(invariant).collect();
    table("Invariants", &["", "Invariant", "Broken"], 2, &rows, out);
    let check = |check: &crate::metrics::CheckTotal| {
        let name = if check.group.is_empty() {
            check.name.clone()
        } else {
            format!("{}: {}", check.group, check.name)
        };
        let (passes, fails) = (human::count(check.passes), human::count(check.fails));
        vec![mark(check.fails == 0), plain(&name), passes, fails]
    };
    let rows: Vec<_> = summary.checks.iter().map(check).collect();
    table("Checks", &["", "Check", "Held", "Did not"], 2, &rows, out);
}

/// Two lines for each of the most frequent kinds of failed requests.
fn failures(summary: &Summary, out: &mut String) {
    if summary.failures.is_empty() {
        return;
    }
    out.push_str("\n### Failed requests\n\n");
    for kind in summary.failures.iter().take(MOST) {
        let _ = writeln!(
            out,
            "- {} {}  \n  {}",
            tally(kind),
            plain(&title(kind)),
            plain(&detail(kind))
        );
    }
    if let more @ 1.. = more(summary) {
        let _ = writeln!(out, "\n{} more kinds are in the report.", human::count(more));
    }
}

fn scenarios(summary: &Summary, out: &mut String) {
    let row = |(name, scenario): (&String, &crate::results::ScenarioSummary)| {
        let n = &scenario.iterations;
        let counts = [n.offered, n.started, n.completed, n.failed, n.interrupted, n.dropped];
        let mut row = vec![plain(name), plain(&scenario.executor)];
        row.extend(counts.map(human::count));
        row
    };
    let rows: Vec<_> = summary.scenarios.iter().map(row).collect();
    let columns = [
        "Scenario",
        "Executor",
        "Offered",
        "Started",
        "Completed",
        "Failed",
        "Interrupted",
        "Dropped",
    ];
    table("Iterations", &columns, 2, &rows, out);
}

fn durations(summary: &Summary, out: &mut String) {
    const WHOLES: [&str; 6] = [
        "http_req_duration",
        "http_req_response_time",
        "grpc_req_duration",
        "grpc_req_response_time",
        "iteration_duration",
        "iteration_response_time",
    ];
    let of = |name: &str| match summary.metrics.get(name)? {
        MetricSummary::Trend { count, values, .. } => Some((*count, (*values)?)),
        _ => None,
    };
    let row = |label: String, (count, values): (u64, TrendSummary)| {
        let mut row = vec![label, human::count(count)];
        row.extend([values.med, values.p95, values.p99, values.p999, values.max].map(human::time));
        row
    };
    let wholes = WHOLES.iter().filter_map(|name| Some(row(plain(name), of(name)?)));
    let mut rows: Vec<_> = wholes.collect();
    // Of each request, the busiest first.
    let named = summary.metrics.keys().filter_map(|key| {
        let (_, name) = key.split_once("_req_duration{name:")?;
        let name = name.strip_suffix('}')?;
        Some((name, of(key)?))
    });
    let mut named: Vec<_> = named.collect();
    named.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    rows.extend(named.into_iter().map(|(name, values)| row(plain(name), values)));
    let columns = ["Duration", "Count", "p50", "p95", "p99", "p99.9", "max"];
    table("Durations", &columns, 1, &rows, out);
}

/// The slowest requests whose traces are kept, as links where the plan says to what.
fn slowest(summary: &Summary, out: &mut String) {
    let row = |slow: &super::traces::Slow| {
        let id = slow.exemplar.trace_id;
        let link = summary.run.traces.as_ref().and_then(|traces| traces.link(id));
        let id = match link {
            // What could end the link's place or a cell is written as URLs write it.
            Some(link) => format!("[{id}]({})", addressed(&link)),
            None => id.to_string(),
        };
        vec![human::time(slow.exemplar.value), plain(&slow.name), id]
    };
    let rows: Vec<_> = by_name(summary).iter().take(traces::MOST).map(row).collect();
    table("Slowest traces", &["Took", "Request", "Trace"], 3, &rows, out);
}

/// A URL that stays one within a link.
fn addressed(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            ' ' | '(' | ')' | '<' | '>' | '|' | '\\' | '`' | '"' => {
                let _ = write!(out, "%{:02X}", u32::from(c));
            }
            _ if c.is_control() => {}
            _ => out.push(c),
        }
    }
    out
}

fn foot(summary: &Summary, out: &mut String) {
    let generator = match summary.generator.verdict {
        GeneratorVerdict::Valid => "generator valid",
        GeneratorVerdict::Suspect => "⚠️ generator suspect",
        GeneratorVerdict::Invalid => "⚠️ generator invalid",
    };
    let run = &summary.run;
    let took = human::duration(Duration::from_millis(run.duration_ms));
    let _ = writeln!(
        out,
        "\n{generator} at {:.1} % CPU · {took} · seed {} · {}",
        summary.generator.cpu_percent, run.seed, run.started_at
    );
}
