//! What GitHub Actions shows of a run besides its log: the report as the step's summary, and an annotation for each thing that
//! is wrong. What is in the report is `report`'s.
//!
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::terminal;
use crate::report::{self, Style, capacity};
use crate::results::{Capacity, ErrorSummary, GeneratorVerdict, Summary};

#[derive(Debug, Args, Clone, Copy)]
pub(super) struct GithubArgs {
    /// Within GitHub Actions: write no step summary and no annotations.
    #[arg(long, help_heading = "Outputs")]
    no_github: bool,
}

/// Annotations of a kind that GitHub shows for a step.
const MOST: usize = 10;
/// A step's summary that is longer is not shown at all.
const LONGEST: u64 = 1 << 20;

impl GithubArgs {
    /// Tells of a run, where it runs on GitHub.
    pub(super) fn run(self, summary: &Summary) {
        if self.is_wanted() {
            annotate(&annotations(summary));
            step_summary(&report::markdown(summary));
        }
    }

    /// Tells why there was nothing to tell of: a script that cannot be run, mostly.
    pub(super) fn failed(self, text: &str) {
        if self.is_wanted() {
            annotate(&[of_failure(text)]);
        }
    }

    /// Tells of a search.
    pub(super) fn capacity(self, found: &Capacity) {
        if self.is_wanted() {
            annotate(&[of_capacity(found)]);
            let plain = Style {
                unicode: true,
                colour: false,
                width: 100,
            };
            let text = capacity::render(found, plain);
            // A fence that is longer than any in the text.
            let fence = "`".repeat(text.split(|c| c != '`').map(str::len).max().unwrap_or(0).max(2) + 1);
            step_summary(&format!("{fence}text\n{text}{fence}\n"));
        }
    }

    fn is_wanted(self) -> bool {
        !self.no_github && std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
    }
}

/// How serious something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Something that GitHub shows beside the code, or above the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Annotation {
    level: Level,
    title: String,
    text: String,
    /// A file and a line.
    place: Option<(String, Option<u32>)>,
}

impl Annotation {
    fn new(level: Level, title: &str, text: impl Into<String>) -> Self {
        Self {
            level,
            title: title.to_owned(),
            text: text.into(),
            place: None,
        }
    }

    /// The workflow command.
    fn command(&self) -> String {
        let mut command = format!("::{} ", self.level.name());
        if let Some((file, line)) = &self.place {
            let _ = write!(command, "file={},", property(file));
            if let Some(line) = line {
                let _ = write!(command, "line={line},");
            }
        }
        let _ = write!(command, "title={}::{}", property(&self.title), data(&self.text));
        command
    }
}

/// A message, as the runner reads it back.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, whose end and neighbours are marked by two signs more.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What is wrong with a run, the worst first; of one that has passed, that it has.
fn annotations(summary: &Summary) -> Vec<Annotation> {
    let mut all = Vec::new();
    for threshold in summary.thresholds.iter().filter(|threshold| !threshold.ok) {
        all.push(Annotation::new(
            Level::Error,
            "Threshold",
            capacity::observed(threshold),
        ));
    }
    for invariant in summary.invariants.iter().filter(|invariant| !invariant.ok) {
        let (broken, checks) = (invariant.broken_checks, invariant.checks);
        let mut text = format!("{} did not hold in {broken} of {checks} checks", invariant.name);
        if !invariant.offending.is_empty() {
            let _ = write!(text, "; blamed: {}", invariant.offending.join(", "));
        }
        all.push(Annotation::new(Level::Error, "Invariant", text));
    }
    all.extend(summary.errors.iter().map(of_error));
    let generator = &summary.generator;
    let level = match generator.verdict {
        GeneratorVerdict::Valid => None,
        GeneratorVerdict::Suspect => Some(Level::Warning),
        GeneratorVerdict::Invalid => Some(Level::Error),
    };
    if let Some(level) = level {
        let text = generator.reasons.join("; ");
        all.push(Annotation::new(level, "The numbers cannot be trusted", text));
    }
    let is_told = all.iter().any(|annotation| annotation.level == Level::Error);
    let reasons = summary.run.reasons.iter().map(|reason| reason.message.as_str());
    if summary.exit_code != 0 && !is_told {
        let text = reasons.collect::<Vec<_>>().join("; ");
        all.push(Annotation::new(Level::Error, "The run did not pass", text));
    }
    for output in summary.outputs.iter().filter(|output| output.dropped > 0) {
        let text = format!(
            "{}: {} written, {} dropped",
            output.name(),
            output.written,
            output.dropped
        );
        all.push(Annotation::new(Level::Warning, "An output is not whole", text));
    }
    if all.is_empty() {
        all.push(Annotation::new(
            Level::Notice,
            "The run has passed",
            summary.run.script.clone(),
        ));
    }
    limited(all)
}

/// An error of the script where it was raised, or what has ended iterations.
/// An error as people read it: its message, then `--> file:line`.
fn of_failure(text: &str) -> Annotation {
    let message = text.lines().next().unwrap_or_default();
    let place = text.lines().find_map(|line| line.trim_start().strip_prefix("--> "));
    let place = place.map(|place| match place.rsplit_once(':') {
        Some((file, line)) if line.parse::<u32>().is_ok() => (file.to_owned(), line.parse().ok()),
        _ => (place.to_owned(), None),
    });
    Annotation {
        place,
        ..Annotation::new(
            Level::Error,
            "kingtide",
            message.strip_prefix("error: ").unwrap_or(message),
        )
    }
}

fn of_error(error: &ErrorSummary) -> Annotation {
    let (level, title) = match error.by_fail {
        true => (Level::Warning, "Iterations ended by kt.fail"),
        false => (Level::Error, "Script error"),
    };
    let text = match error.count {
        1 => error.message.clone(),
        times => format!("{} ({times} times)", error.message),
    };
    Annotation {
        place: error.file.clone().map(|file| (file, error.line)),
        ..Annotation::new(level, title, text)
    }
}

/// At most as many of each kind as are shown, the last of which says how many are not.
fn limited(all: Vec<Annotation>) -> Vec<Annotation> {
    let mut limited = Vec::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let mut same: Vec<_> = all
            .iter()
            .filter(|annotation| annotation.level == level)
            .cloned()
            .collect();
        if same.len() > MOST {
            let more = same.len() - (MOST - 1);
            same.truncate(MOST - 1);
            let text = format!("{more} more are in the summary of this step");
            same.push(Annotation::new(level, "And more", text));
        }
        limited.extend(same);
    }
    limited
}

fn of_capacity(found: &Capacity) -> Annotation {
    let level = match found.exit_code {
        Some(0) => Level::Notice,
        _ => Level::Error,
    };
    Annotation::new(level, "Capacity", found.verdict.clone())
}

/// On stderr, where the runner looks too: what is on stdout may be JSON for somebody.
fn annotate(annotations: &[Annotation]) {
    for annotation in annotations {
        terminal::note(&annotation.command());
    }
}

/// Appends to the summary of the step.
fn step_summary(markdown: &str) {
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty()) else {
        return;
    };
    if let Err(error) = append(&PathBuf::from(file), markdown) {
        terminal::error(&format!("the step's summary cannot be written: {error}"));
    }
}

fn append(file: &Path, markdown: &str) -> std::io::Result<()> {
    let mut to = OpenOptions::new().append(true).create(true).open(file)?;
    let before = to.metadata()?.len();
    // Of markdown that is cut somewhere nobody knows how it ends.
    let text = match before + markdown.len() as u64 + 1 {
        all if all <= LONGEST => markdown,
        _ => "kingtide's report does not fit into what is left of the 1 MiB of this summary.\n",
    };
    if before + (text.len() as u64) < LONGEST {
        // What stands there may not end its last line.
        to.write_all(format!("\n{text}").as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn what_cannot_be_run_is_shown_at_its_line() {
        let table = [
            (
                "error: unknown option `a, b`\n  --> scripts/j.lua:3\n   3 | return {",
                "::error file=scripts/j.lua,line=3,title=kingtide::unknown option `a, b`",
            ),
            (
                "error: no plan\n  --> j.lua",
                "::error file=j.lua,title=kingtide::no plan",
            ),
            ("there is no file `x`", "::error title=kingtide::there is no file `x`"),
        ];
        for (text, command) in table {
            assert_eq!(of_failure(text).command(), command);
        }
    }

    fn summary(parts: Value) -> Summary {
        let mut all = json!({ "schema": "kingtide.summary/1", "verdict": "pass", "exit_code": 0,
            "run": { "script": "j.lua", "seed": 1, "started_at": "2026-11-20T10:00:00Z", "duration_ms": 1_000 },
            "scenarios": {}, "metrics": {}, "checks": [], "thresholds": [],
            "generator": { "verdict": "valid", "cpu_percent": 0.0, "reasons": [] } });
        for (key, value) in parts.as_object().unwrap() {
            all[key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    fn commands(parts: Value) -> Vec<String> {
        annotations(&summary(parts)).iter().map(Annotation::command).collect()
    }

    #[test]
    fn whatever_is_wrong_is_told_once_and_escaped() {
        assert_eq!(commands(json!({})), ["::notice title=The run has passed::j.lua"]);
        let told = commands(json!({
            "exit_code": 99, "verdict": "fail",
            "thresholds": [
                { "metric": "http_req_duration", "expression": "p(95)<600", "ok": false, "observed": 812.0, "aborted": false, "unit": "ms" },
                { "metric": "checks", "expression": "rate>0.9", "ok": true, "observed": 1.0, "aborted": false } ],
            "invariants": [ { "name": "100% stock", "ok": false, "checks": 3, "broken_checks": 1, "offending": ["a", "b"] } ],
            "errors": [
                { "message": "first\r\nsecond ::error::x", "count": 2, "file": "a,b:c.lua", "line": 7 },
                { "message": "no stock", "count": 1, "by_fail": true } ],
            "generator": { "verdict": "suspect", "cpu_percent": 99.0, "reasons": ["busy", "late"] },
            "outputs": [ { "kind": "csv", "target": "a.csv", "written": 1, "dropped": 2 } ],
        }));
        let expected = [
            "::error title=Threshold::http_req_duration p(95)<600 was 812ms",
            "::error title=Invariant::100%25 stock did not hold in 1 of 3 checks; blamed: a, b",
            "::error file=a%2Cb%3Ac.lua,line=7,title=Script error::first%0D%0Asecond ::error::x (2 times)",
            "::warning title=Iterations ended by kt.fail::no stock",
            "::warning title=The numbers cannot be trusted::busy; late",
            "::warning title=An output is not whole::csv=a.csv: 1 written, 2 dropped",
        ];
        assert_eq!(told, expected);
        let stopped = json!({ "exit_code": 105, "verdict": "aborted", "run": { "script": "j.lua", "seed": 1,
            "started_at": "2026-11-20T10:00:00Z", "duration_ms": 1,
            "reasons": [ { "exit_code": 105, "message": "stopped by a signal" } ] } });
        assert_eq!(
            commands(stopped),
            ["::error title=The run did not pass::stopped by a signal"]
        );
    }

    #[test]
    fn what_github_would_not_show_is_counted() {
        let error = |n: u32| json!({ "message": format!("e{n}"), "count": 1 });
        let told = commands(json!({ "errors": (0..25).map(error).collect::<Vec<_>>() }));
        assert_eq!(told.len(), MOST);
        assert_eq!(told[8], "::error title=Script error::e8");
        assert_eq!(
            told[9],
            "::error title=And more::16 more are in the summary of this step"
        );
    }

    #[test]
    fn a_summary_that_would_be_too_long_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary.md");
        append(&file, "one\n").unwrap();
        append(&file, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "\none\n\ntwo\n");
        append(&file, &"x".repeat(1 << 20)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.ends_with("of this summary.\n") && text.len() < 200, "{text}");
        std::fs::write(&file, "x".repeat(1 << 20)).unwrap();
        append(&file, "one\n").unwrap();
        assert_eq!(file.metadata().unwrap().len(), 1 << 20);
    }
}
