//! What people see while a run lasts: a line per scenario that stays in place on a terminal, a line every 10 s elsewhere.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::terminal;
use crate::exec;
use crate::plan::{Plan, Scenario};
use crate::run::{Observer, Stage, Tick};

/// How often a line is written when stderr is no terminal.
const PLAIN_PERIOD: u64 = 10;

/// Shows nothing.
#[derive(Debug)]
pub(super) struct Quiet;

impl Observer for Quiet {
    fn stage(&mut self, _: Stage) {}
    fn tick(&mut self, _: &Tick<'_>) {}
}

/// Lines of text, for logs and CI.
#[derive(Debug, Default)]
pub(super) struct Plain {
    before: Vec<exec::Progress>,
    last: u64,
}

impl Observer for Plain {
    fn stage(&mut self, stage: Stage) {
        match stage {
            Stage::Stopping => terminal::note("stopping"),
            Stage::Setup | Stage::Preparing | Stage::Running | Stage::Teardown => {}
        }
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        let seconds = tick.elapsed.as_secs();
        if seconds < self.last + PLAIN_PERIOD {
            return;
        }
        let over = Duration::from_secs((seconds - self.last).max(1));
        self.last = seconds;
        for (index, scenario) in tick.plan.scenarios.iter().enumerate() {
            terminal::note(&line(tick, index, scenario, self.before.get(index), over));
        }
        self.before.clone_from(&tick.progress);
    }
}

/// One line per scenario, redrawn each second.
#[derive(Debug)]
pub(super) struct Live {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    before: Vec<exec::Progress>,
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Self {
        let all = MultiProgress::new();
        let style =
            ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bars = plan
            .scenarios
            .iter()
            .map(|_| all.add(ProgressBar::new_spinner().with_style(style.clone())))
            .collect();
        terminal::share_progress(Some(all.clone()));
        Self {
            all,
            bars,
            before: Vec::new(),
        }
    }
}

impl Observer for Live {
    fn stage(&mut self, stage: Stage) {
        let text = match stage {
            Stage::Setup => "setting up",
            Stage::Preparing => "making virtual users",
            Stage::Teardown => "tearing down",
            Stage::Running | Stage::Stopping => return,
        };
        for bar in &self.bars {
            bar.set_message(text);
            bar.tick();
        }
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        for (index, (bar, scenario)) in self.bars.iter().zip(&tick.plan.scenarios).enumerate() {
            bar.set_message(line(
                tick,
                index,
                scenario,
                self.before.get(index),
                Duration::from_secs(1),
            ));
            bar.tick();
        }
        self.before.clone_from(&tick.progress);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        terminal::share_progress(None);
        for bar in &self.bars {
            bar.finish_and_clear();
        }
        let _ = self.all.clear();
    }
}

/// Longer names are cut.
const LONGEST_NAME: usize = 24;

/// `sagas 12s/30s ·  10.0/s of 10.0/s · 14 VUs · p95 25.1 ms · 0.0 % failed`
fn line(tick: &Tick<'_>, index: usize, scenario: &Scenario, before: Option<&exec::Progress>, over: Duration) -> String {
    let now = tick.progress.get(index).copied().unwrap_or_default();
    let before = before.copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts of some seconds")]
    let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / over.as_secs_f64();
    let end = scenario.start_time + scenario.executor.duration();
    // In columns, but no wider than they must be: with its usual numbers a line fits into 80 columns.
    let names = tick.plan.scenarios.iter().map(|scenario| scenario.name.chars().count());
    let longest = names.max().unwrap_or_default().min(LONGEST_NAME);
    let name: String = scenario.name.chars().take(LONGEST_NAME).collect();
    let (elapsed, end) = (tick.elapsed.as_secs(), end.as_secs().to_string());
    let mut parts = vec![format!("{name:<longest$} {elapsed:>0$}s/{end}s", end.len())];
    if scenario.executor.is_open() {
        parts.push(format!(
            "{:>5.1}/s of {:.1}/s",
            rate(now.started, before.started),
            rate(now.offered, before.offered)
        ));
    } else {
        parts.push(format!("{:>5.1}/s", rate(now.started, before.started)));
    }
    parts.push(format!("{:>2} VUs", now.active));
    if let Some(p95) = tick.http_p95() {
        parts.push(format!("p95 {p95:.1} ms"));
    }
    if let Some(failed) = tick.http_failed() {
        parts.push(format!("{:.1} % failed", failed * 100.0));
    }
    if now.backlog > 0 {
        parts.push(format!("{} waiting", now.backlog));
    }
    if now.dropped > 0 {
        parts.push(format!("{} dropped", now.dropped));
    }
    parts.join(" · ")
}
