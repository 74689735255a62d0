//! What people see while a run lasts: a line per scenario that stays in place on a terminal, a line every 10 s elsewhere.

mod checkpoint;
mod line;

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::echo::NoEcho;
use super::terminal;
use crate::exec;
use crate::metrics::CheckpointTotal;
use crate::plan::Plan;
use crate::run::{Observer, Reload, Reloaded, Stage, Tick};

/// How often a line is written when stderr is no terminal.
const PLAIN_PERIOD: u64 = 10;

/// How often it is redrawn elsewhere.
const SECOND: Duration = Duration::from_secs(1);

/// Shows nothing.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    has_told: bool,
}

impl Observer for Quiet {
    fn stage(&mut self, _: Stage) {}
    fn tick(&mut self, _: &Tick<'_>) {}
    fn waits(&mut self, outputs: &[String]) {
        if !std::mem::replace(&mut self.has_told, true) {
            show_waiting(outputs);
        }
    }
    fn checkpoint(&mut self, _: usize, _: &CheckpointTotal, _: &Plan) {}
    fn reload(&mut self, reload: &Reload) {
        // What was asked for and did not happen is no progress.
        if matches!(reload.outcome, Reloaded::Refused { .. }) {
            show_reload(reload);
        }
    }
}

/// What the end of a run waits for.
fn waiting(outputs: &[String]) -> String {
    format!("waiting for {}; Ctrl-C ends that", outputs.join(", "))
}

pub(super) fn show_waiting(outputs: &[String]) {
    terminal::note(&waiting(outputs));
}

/// What a checkpoint leaves.
pub(super) fn show_checkpoint(number: usize, checkpoint: &CheckpointTotal, plan: &Plan) {
    terminal::note(&checkpoint::line(number, checkpoint, plan));
}

/// What saving a file has led to, as people read it.
pub(super) fn show_reload(reload: &Reload) {
    let seconds = reload.at.as_secs_f64();
    let files = reload.files();
    match &reload.outcome {
        Reloaded::Adopted {
            revision,
            hash,
            applied,
            refused,
        } => {
            let short = hash.get(..8).unwrap_or(hash);
            terminal::note(&format!(
                "reload: revision {revision} ({short}) from {seconds:.1}s on: {files}"
            ));
            for change in applied {
                terminal::note(&format!("  {change}"));
            }
            for change in refused {
                terminal::note(&format!("  not applied: {change}"));
            }
        }
        Reloaded::Refused { revision, error } => {
            terminal::note(&format!(
                "reload refused at {seconds:.1}s, revision {revision} goes on: {files}\n{error}"
            ));
        }
    }
}

/// Lines of text, for logs and CI.
#[derive(Debug, Default)]
pub(super) struct Plain {
    before: Vec<exec::Progress>,
    last: u64,
    has_told: bool,
}

impl Observer for Plain {
    fn waits(&mut self, outputs: &[String]) {
        if !std::mem::replace(&mut self.has_told, true) {
            show_waiting(outputs);
        }
    }

    fn stage(&mut self, stage: Stage) {
        match stage {
            Stage::Stopping => terminal::note("stopping"),
            Stage::Setup | Stage::Preparing | Stage::Running | Stage::Teardown | Stage::Closing => {}
        }
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        let seconds = tick.elapsed.as_secs();
        if seconds < self.last + PLAIN_PERIOD {
            return;
        }
        let last = std::mem::replace(&mut self.last, seconds);
        for index in 0..tick.plan.scenarios.len() {
            // A scenario that has ended meanwhile was not there for all of it.
            let end = tick.ends.get(index).map_or(seconds, Duration::as_secs).min(seconds);
            let over = Duration::from_secs(end.saturating_sub(last).max(1));
            let look = (usize::MAX, terminal::colour_stderr());
            terminal::note(&line::line(tick, index, self.before.get(index), over, look));
        }
        self.before.clone_from(&tick.progress);
    }

    fn reload(&mut self, reload: &Reload) {
        show_reload(reload);
    }

    fn checkpoint(&mut self, number: usize, checkpoint: &CheckpointTotal, plan: &Plan) {
        show_checkpoint(number, checkpoint, plan);
    }
}

/// One line per scenario, redrawn each second.
#[derive(Debug)]
pub(super) struct Live {
    _echo: Option<NoEcho>,
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    before: Vec<exec::Progress>,
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Self {
        let all = MultiProgress::new();
        let style =
            ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bars = plan
            .scenarios
            .iter()
            .map(|_| all.add(ProgressBar::new_spinner().with_style(style.clone())))
            .collect();
        terminal::share_progress(Some(all.clone()));
        Self {
            _echo: NoEcho::new(),
            all,
            bars,
            before: Vec::new(),
        }
    }
}

impl Observer for Live {
    fn waits(&mut self, outputs: &[String]) {
        for bar in &self.bars {
            bar.set_message(waiting(outputs));
            bar.tick();
        }
    }

    fn stage(&mut self, stage: Stage) {
        let text = match stage {
            Stage::Setup => "setting up",
            Stage::Preparing => "making virtual users",
            Stage::Teardown => "tearing down",
            Stage::Running | Stage::Stopping | Stage::Closing => return,
        };
        for bar in &self.bars {
            bar.set_message(text);
            bar.tick();
        }
    }

    fn tick(&mut self, tick: &Tick<'_>) {
        let look = (terminal::width().saturating_sub(MARGIN), terminal::colour_stderr());
        for (index, bar) in self.bars.iter().enumerate() {
            bar.set_message(line::line(tick, index, self.before.get(index), SECOND, look));
            bar.tick();
        }
        self.before.clone_from(&tick.progress);
    }

    fn reload(&mut self, reload: &Reload) {
        show_reload(reload);
    }

    fn checkpoint(&mut self, number: usize, checkpoint: &CheckpointTotal, plan: &Plan) {
        show_checkpoint(number, checkpoint, plan);
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

/// Columns that stay free: the spinner's two, and the last one.
const MARGIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Catalog, Count, Recorder, Registry, Totals, builtin};
    use crate::plan::{Executor, Scenario};

    fn scenario(name: &str, minutes: u64) -> Scenario {
        let duration = Duration::from_secs(60 * minutes);
        Scenario::of(name, Executor::ConstantVus { vus: 10, duration })
    }

    #[test]
    fn a_checkpoint_leaves_the_same_parts_always() {
        let registry = Registry::new();
        let catalog = Catalog::new(&registry, &[]).unwrap();
        let recorder = Recorder::new(&registry, &catalog);
        let none = recorder.no_tags();
        recorder.record(builtin::HTTP_REQ_DURATION, 25.14, &none);
        recorder.record(builtin::HTTP_REQS, 15_001.0, &none);
        recorder.record(builtin::HTTP_REQ_FAILED, 0.0, &none);
        recorder.count(0, Count::Completed, 14_990, &none);
        recorder.count(0, Count::Failed, 10, &none);
        recorder.count(0, Count::Dropped, 3, &none);
        recorder.count(1, Count::Dropped, 4, &none);
        let mut totals = Totals::new(&registry, &catalog, 2);
        totals.keep_checkpoints(Duration::from_secs(300), Duration::from_secs(600));
        totals.merge_second(7, &recorder.take());
        totals.close(300);
        totals.finish(Duration::from_millis(602_345));
        let plan = Plan::of(vec![scenario("mixed", 10), scenario("late", 10)]);
        let lines = [0, 1].map(|index| checkpoint::line(index + 1, &totals.checkpoints()[index], &plan));
        assert_eq!(
            lines,
            [
                "checkpoint 1 · 0s-5m · mixed 15000 (50.0/s) · late 0 (0.0/s) · http_reqs 15001 (50.0/s) · p95 25.1 ms · 0.0 % failed · 7 dropped",
                "checkpoint 2 · 5m-10m2s300ms · mixed 0 (0.0/s) · late 0 (0.0/s) · http_reqs 0 (0.0/s) · p95 - · - failed · 0 dropped",
            ]
        );
    }
}
