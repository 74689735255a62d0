//! The summary as text for a terminal: the verdict first, then the numbers. Their types are in `results`; iterations
//! and metrics have files of their own.

use std::time::Duration;

use crate::metrics::MetricSummary;
use crate::results::{ErrorSummary, Generator, GeneratorVerdict, Summary, ThresholdSummary, Verdict};

use super::human;
use super::table::{Align, Cell, Paint, Table, wrap};

pub mod capacity;
mod checkpoints;
pub(super) mod failures;
mod invariants;
mod iterations;
mod metrics;
mod outputs;
mod parts;
#[cfg(test)]
mod tests;
pub(super) mod traces;

/// How the text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether other than ASCII characters may be used.
    pub unicode: bool,
    /// Whether ANSI colours may be used.
    pub colour: bool,
    /// Columns of the terminal; between 80 and 100 of them are used.
    pub width: usize,
}

impl Style {
    pub(super) fn columns(&self) -> usize {
        self.width.clamp(80, 100)
    }

    /// One of our own signs, or what ASCII has for it.
    pub(super) fn glyph(&self, glyph: &'static str) -> &'static str {
        if self.unicode {
            return glyph;
        }
        match glyph {
            "✓" => "ok",
            "✗" => "x",
            "·" => "|",
            "…" => "..",
            other => other,
        }
    }

    /// A text that keeps to its line: no control characters, and only ASCII when that is asked for.
    pub(super) fn plain(&self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                _ if c.is_control() => plain.push(' '),
                _ if self.unicode || c.is_ascii() => plain.push(c),
                'µ' => plain.push('u'),
                '×' => plain.push('x'),
                '·' => plain.push('|'),
                '✓' | '✗' => plain.push_str(self.glyph(if c == '✓' { "✓" } else { "✗" })),
                _ => plain.push('?'),
            }
        }
        plain
    }

    pub(super) fn paint(&self, text: &str, paint: Paint) -> String {
        let code = match paint {
            _ if !self.colour => return text.to_owned(),
            Paint::Plain => return text.to_owned(),
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    fn mark(&self, ok: bool) -> Cell {
        if ok {
            Cell::new(self.glyph("✓"), Paint::Good)
        } else {
            Cell::new(self.glyph("✗"), Paint::Bad)
        }
    }

    fn heading(&self, text: &str, note: &str) -> String {
        let heading = self.paint(text, Paint::Bold);
        if note.is_empty() {
            return heading;
        }
        format!("{heading}  {}", self.paint(&self.plain(note), Paint::Dim))
    }
}

/// Renders the summary, ending with a line break.
#[must_use]
pub fn render(summary: &Summary, style: Style) -> String {
    let style = &style;
    let mut sections = vec![verdict(summary, style)];
    // What makes a pass worth less belongs beside it.
    sections.push(list("WARNINGS", &summary.warnings, style));
    sections.push(thresholds(&summary.thresholds, style));
    sections.push(invariants::section(&summary.invariants, style));
    sections.push(checks(summary, style));
    sections.push(iterations::section(&summary.scenarios, summary.run.cut_short, style));
    sections.push(parts::phases(&summary.phases, style));
    sections.push(checkpoints::section(&summary.checkpoints, style));
    sections.push(parts::stages(&summary.metrics, style));
    sections.push(parts::revisions(&summary.run.revisions, &summary.metrics, style));
    sections.extend(metrics::sections(&summary.metrics, style));
    sections.push(traces::section(summary, style));
    sections.push(failures::section(summary, style));
    sections.push(generator(&summary.generator, style));
    sections.push(outputs::section(&summary.outputs, style));
    let (failed, raised): (Vec<_>, Vec<_>) = summary.errors.iter().partition(|error| error.by_fail);
    sections.push(errors("SCRIPT ERRORS", &raised, style));
    sections.push(errors("FAILED BY KT.FAIL", &failed, style));
    let sections: Vec<String> = sections
        .into_iter()
        .filter(|lines| !lines.is_empty())
        .map(|lines| lines.join("\n") + "\n")
        .collect();
    sections.join("\n")
}

fn verdict(summary: &Summary, style: &Style) -> Vec<String> {
    let (mark, word, paint) = match summary.verdict {
        Verdict::Pass => ("✓", "PASS", Paint::Good),
        Verdict::Fail => ("✗", "FAIL", Paint::Bad),
        Verdict::Aborted => ("✗", "ABORTED", Paint::Bad),
        Verdict::Untrusted => ("!", "NOT TRUSTED", Paint::Warn),
    };
    let reasons: Vec<_> = summary.run.reasons.iter().map(|r| r.message.as_str()).collect();
    let why = if reasons.is_empty() {
        held(summary)
    } else {
        format!("exit code {}: {}", summary.exit_code, reasons.join("; "))
    };
    let first = format!("{} {word}  ", style.glyph(mark));
    let mut lines = painted(wrap(&first, &why, style), first.trim_end(), paint, style);

    let generator = &summary.generator;
    let (mark, word, paint) = match generator.verdict {
        GeneratorVerdict::Valid => ("✓", "generator valid", Paint::Good),
        GeneratorVerdict::Suspect => ("!", "generator suspect", Paint::Warn),
        GeneratorVerdict::Invalid => ("!", "generator invalid", Paint::Bad),
    };
    let why = match generator.verdict {
        GeneratorVerdict::Valid => health(generator),
        _ => format!("not to be trusted: {}", generator.reasons.join("; ")),
    };
    let first = format!("{} {word}  ", style.glyph(mark));
    lines.extend(painted(wrap(&first, &why, style), first.trim_end(), paint, style));

    let run = &summary.run;
    let took = human::duration(Duration::from_millis(run.duration_ms));
    let tags = run.tags.iter().map(|(key, value)| format!(" · {key}={value}"));
    let edited = match run.revisions.len() {
        0 | 1 => String::new(),
        2 => " · edited once".to_owned(),
        n => format!(" · edited {} times", n - 1),
    };
    let about = format!(
        "{} · {took} · seed {} · {}{edited}{}",
        run.script,
        run.seed,
        run.started_at,
        tags.collect::<String>()
    );
    let about = wrap("  ", &about, style);
    lines.extend(about.into_iter().map(|line| style.paint(&line, Paint::Dim)));
    lines
}

/// Paints the beginning of the first line.
fn painted(mut lines: Vec<String>, start: &str, paint: Paint, style: &Style) -> Vec<String> {
    if let Some(line) = lines.first_mut() {
        let rest = line.split_off(start.len().min(line.len()));
        *line = style.paint(line, paint) + &rest;
    }
    lines
}

/// What a passed run has to say for itself.
pub(super) fn held(summary: &Summary) -> String {
    let iterations: u64 = summary.scenarios.values().map(|s| s.iterations.completed).sum();
    let thresholds = match summary.thresholds.len() {
        0 => "no thresholds".to_owned(),
        1 => "1 threshold met".to_owned(),
        n => format!("all {n} thresholds met"),
    };
    format!("{thresholds}, {} iterations completed", human::count(iterations))
}

fn thresholds(thresholds: &[ThresholdSummary], style: &Style) -> Vec<String> {
    if thresholds.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(
        &[Align::Left, Align::Left, Align::Left, Align::Right, Align::Left],
        2,
        1,
    );
    for threshold in thresholds {
        let observed = match (threshold.observed, threshold.unit.as_deref()) {
            (None, _) => "no data".to_owned(),
            (Some(value), unit) => metrics::with_unit(value, unit),
        };
        let mut expression = threshold.expression.clone();
        let mut notes = Vec::new();
        if let Some(window) = &threshold.window {
            expression.push_str(&format!(" in {window}"));
        }
        if let Some(at) = threshold.window_at_ms {
            notes.push(format!("worst at {}", human::duration(Duration::from_millis(at))));
        }
        if let Some(length) = threshold.window_length_ms {
            notes.push(format!("{} long", human::duration(Duration::from_millis(length))));
        }
        if let Some(since) = threshold.since_ms {
            notes.push(format!("since {}", human::duration(Duration::from_millis(since))));
        }
        if threshold.aborted {
            notes.push("ended the run".to_owned());
        }
        table.push(vec![
            style.mark(threshold.ok),
            Cell::plain(&threshold.metric),
            Cell::plain(expression),
            Cell::new(observed, if threshold.ok { Paint::Plain } else { Paint::Bad }),
            Cell::dim(notes.join(", ")),
        ]);
    }
    let met = thresholds.iter().filter(|threshold| threshold.ok).count();
    let mut lines = vec![style.heading("THRESHOLDS", &format!("{met} of {} met", thresholds.len()))];
    lines.extend(table.lines(style));
    lines
}

fn checks(summary: &Summary, style: &Style) -> Vec<String> {
    if summary.checks.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(
        &[Align::Left, Align::Left, Align::Right, Align::Right, Align::Right],
        2,
        1,
    );
    table.push(["", "", "passes", "fails", ""].map(Cell::dim).into());
    let (mut passes, mut fails) = (0, 0);
    for check in &summary.checks {
        passes += check.passes;
        fails += check.fails;
        let name = match check.group.as_str() {
            "" => check.name.clone(),
            group => format!("{group} · {}", check.name),
        };
        let paint = if check.fails == 0 { Paint::Plain } else { Paint::Bad };
        table.push(vec![
            style.mark(check.fails == 0),
            Cell::plain(name),
            Cell::plain(human::count(check.passes)),
            Cell::new(human::count(check.fails), paint),
            Cell::plain(share(check.passes, check.passes + check.fails)),
        ]);
    }
    let all = (passes, passes + fails);
    // The table has those of setup as well, the metric has not.
    let journeys = match summary.metrics.get("checks") {
        Some(MetricSummary::Rate { passes, total, .. }) => (*passes, *total),
        _ => all,
    };
    let of = |(part, whole): (u64, u64)| format!("{} of {} passed", human::count(part), human::count(whole));
    let mut note = format!("{}, {}", of(journeys), share(journeys.0, journeys.1));
    let outside = (all.0.saturating_sub(journeys.0), all.1.saturating_sub(journeys.1));
    if outside.1 > 0 {
        note += &format!("; {} outside of journeys", of(outside));
    }
    let mut lines = vec![style.heading("CHECKS", &note)];
    lines.extend(table.lines(style));
    lines
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    human::percent(part as f64 / whole as f64)
}

/// The generator's numbers in one line.
fn health(generator: &Generator) -> String {
    let mut parts = Vec::new();
    let lags = [
        ("start lag p99", generator.start_lag_p99_ms),
        ("dispatch lag p99", generator.dispatch_lag_p99_ms),
        ("loop lag p99", generator.loop_lag_p99_ms),
    ];
    for (name, value) in lags {
        if let Some(ms) = value {
            parts.push(format!("{name} {}", human::time(ms)));
        }
    }
    if let (Some(p99), Some(max)) = (generator.gc_pause_p99_ms, generator.gc_pause_max_ms) {
        parts.push(format!("gc pause p99 {}, max {}", human::time(p99), human::time(max)));
    }
    parts.push(format!("CPU {:.1}%", generator.cpu_percent));
    for (name, percent) in [
        ("CPU wait", generator.cpu_wait_percent),
        ("steal", generator.steal_percent),
    ] {
        if let Some(percent) = percent.filter(|percent| *percent >= 0.1) {
            parts.push(format!("{name} {percent:.1}%"));
        }
    }
    if generator.socket_errors > 0 {
        parts.push(format!("socket errors {}", human::count(generator.socket_errors)));
    }
    parts.join(" · ")
}

fn generator(generator: &Generator, style: &Style) -> Vec<String> {
    // A valid generator has shown its numbers under the verdict.
    let is_valid = generator.verdict == GeneratorVerdict::Valid;
    if is_valid && generator.notes.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![style.heading("GENERATOR", "")];
    if !is_valid {
        lines.extend(wrap("  ", &health(generator), style));
    }
    for note in &generator.notes {
        lines.extend(wrap("  - ", note, style));
    }
    lines
}

fn errors(heading: &str, errors: &[&ErrorSummary], style: &Style) -> Vec<String> {
    if errors.is_empty() {
        return Vec::new();
    }
    let counts: Vec<_> = errors.iter().map(|e| format!("{}×", human::count(e.count))).collect();
    let width = counts.iter().map(|count| super::table::chars(count)).max().unwrap_or(0);
    let mut lines = vec![style.heading(heading, "")];
    for (error, count) in errors.iter().zip(counts) {
        let place = match (&error.file, error.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let first = style.plain(&format!("  {count:>width$}  "));
        lines.extend(wrap(&first, &format!("{place}{}", error.message), style));
    }
    lines
}

fn list(heading: &str, items: &[String], style: &Style) -> Vec<String> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![style.heading(heading, "")];
    lines.extend(items.iter().flat_map(|item| wrap("  - ", item, style)));
    lines
}
