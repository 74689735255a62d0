//! One probe is one run: the script is loaded, its plan held at the probe's levels, and run as any other. What the outcome
//! means is in `judge`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::control::{Control, Reason};
use crate::metrics::CheckpointTotal;
use crate::plan::probe::Probe as PlanProbe;
use crate::plan::{Executor, Plan, Scenario, validate};
use crate::results::{ExitCode, Probe, Summary};
use crate::run::{self, LoadError, LoadOptions, Observer, Reload, RunOptions, Stage, Test, Tick};

use super::conduct::{Halt, Prober};
use super::judge::{Found, Look, Span};
use super::strategy::Cell;

/// The parts of each probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Warm-up; whole seconds.
    pub settle: Duration,
    /// What is measured; whole seconds.
    pub measure: Duration,
    /// How long iterations in flight have then.
    pub drain: Duration,
    /// How long the system is left alone after a probe that it did not hold.
    pub rest: Duration,
}

impl Times {
    fn plan(self, cell: &Cell) -> PlanProbe {
        PlanProbe {
            levels: cell.clone(),
            settle: self.settle,
            measure: self.measure,
            drain: self.drain,
        }
    }
}

/// The switches of the probe that runs now. Each run has its own; a signal means all of them.
#[derive(Debug)]
pub struct Switch(Mutex<Arc<Control>>);

impl Default for Switch {
    fn default() -> Self {
        Self(Mutex::new(Arc::new(Control::new())))
    }
}

impl Switch {
    /// The switches of this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Control> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a signal has ended the search.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.current().reasons().contains(&Reason::Signal)
    }

    /// Switches for the next run; none after a signal.
    fn renew(&self) -> Result<Arc<Control>, Halt> {
        if self.is_off() {
            return Err(Halt::Stopped);
        }
        let control = Arc::new(Control::new());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&control);
        Ok(control)
    }
}

/// Where the summary of a probe is kept, by its number; gives the file's name.
pub type Keep<'a> = dyn FnMut(u32, &Summary) -> Result<Option<String>, Halt> + 'a;

/// Runs probes of a script.
pub struct Engine<'a> {
    /// The script and its values; its overrides hold the further thresholds.
    pub load: LoadOptions,
    /// The parts of each probe.
    pub times: Times,
    /// As for any run.
    pub options: RunOptions,
    /// What the script read when the search began.
    pub script_hash: String,
    /// Its switches.
    pub switch: &'a Switch,
    /// Whether the probe before was not held.
    pub broke: bool,
    /// Where summaries go.
    pub keep: Box<Keep<'a>>,
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("load", &self.load)
            .finish_non_exhaustive()
    }
}

/// The load options of one probe.
fn at(load: &LoadOptions, probe: &PlanProbe) -> LoadOptions {
    let mut load = load.clone();
    load.overrides.probe = Some(probe.clone());
    load
}

/// Loads the script as its first probe will, and sees that its plan can be held at all levels. Gives the test, with what it
/// leaves out, and whether the first-named level counts users.
///
/// # Errors
/// [`LoadError`] with the place of the mistake, or the level that does not fit.
pub async fn check(
    load: &LoadOptions,
    times: Times,
    cells: &[Cell],
    control: Arc<Control>,
) -> Result<(Test, Vec<String>, bool), LoadError> {
    let empty = Cell::new();
    let first = cells.first().unwrap_or(&empty);
    let probe = times.plan(first);
    let test = run::load(at(load, &probe), control).await?;
    let wrong = |text: String| LoadError {
        text: format!("error: {text}"),
    };
    for cell in cells {
        let mut scenarios = test.plan.scenarios.clone();
        let held = times.plan(cell).apply(&mut scenarios);
        held.map_err(|error| wrong(error.to_string()))?;
        for scenario in &scenarios {
            let fits = validate::scenario(scenario);
            fits.map_err(|(key, what)| wrong(format!("scenarios.{}: `{key}` {what}", scenario.name)))?;
        }
    }
    let mut plan = Plan::clone(&test.plan);
    let told = test.left_out.iter().cloned().chain(probe.adapt(&mut plan)).collect();
    let name = first.first().map_or("", |level| level.name.as_str());
    let own = plan.scenarios.iter().find(|scenario| scenario.name == name);
    let counts_users = |scenario: &Scenario| matches!(scenario.executor, Executor::ConstantVus { .. });
    let whole = own.map_or(name == crate::plan::probe::ALL_VUS, counts_users);
    Ok((test, told, whole))
}

impl Prober for Engine<'_> {
    async fn probe(&mut self, cell: &Cell, number: u32, attempt: u32) -> Result<Probe, Halt> {
        let control = self.switch.renew()?;
        if self.broke {
            // The stop is looked at again by the run.
            let stop = control.stop_token().cancelled();
            let _ = clock::timeout(self.times.rest, stop).await;
        }
        let probe = self.times.plan(cell);
        let invalid = |message: String| Halt::Failed {
            code: ExitCode::Invalid,
            message,
        };
        let loaded = run::load(at(&self.load, &probe), control).await;
        let mut test = loaded.map_err(|error| invalid(error.text))?;
        if test.session.revision().hash() != self.script_hash {
            return Err(invalid(
                "the script or its data have changed since the search began; begin a new one".to_owned(),
            ));
        }
        let mut plan = Plan::clone(&test.plan);
        let _ = probe.adapt(&mut plan);
        test.set_plan(plan.clone());
        let mut watch = Watch::new(self.times);
        // The search judges the generator itself.
        let options = RunOptions {
            allow_suspect: true,
            ..self.options.clone()
        };
        let session = Arc::clone(&test.session);
        let outcome = run::run(test, &options, &mut watch, Vec::new()).await;
        let found = Found {
            levels: cell.iter().map(|level| (level.name.clone(), level.value)).collect(),
            number,
            attempt,
            plan: &plan,
            times: self.times,
            summary: &outcome.summary,
            span: &watch.span,
            exhausted: &session.exhausted(),
            allow_suspect: self.options.allow_suspect,
        };
        let mut probe = found.probe()?;
        self.broke = !probe.held;
        probe.summary = (self.keep)(number, &outcome.summary)?;
        Ok(probe)
    }
}

/// Looks at the load when the measured part begins, and as long as it lasts.
#[derive(Debug)]
struct Watch {
    times: Times,
    span: Span,
}

/// A look comes once a second and a little late, never half a second.
const LATE: Duration = Duration::from_millis(500);

impl Watch {
    fn new(times: Times) -> Self {
        let begin = times.settle.is_zero().then(|| Look {
            at: Duration::ZERO,
            progress: Vec::new(),
        });
        Self {
            times,
            span: Span {
                begin,
                ..Span::default()
            },
        }
    }
}

impl Observer for Watch {
    fn stage(&mut self, stage: Stage) {
        self.span.cut |= stage == Stage::Stopping;
    }

    fn reload(&mut self, _: &Reload) {}
    fn checkpoint(&mut self, _: usize, _: &CheckpointTotal, _: &Plan) {}

    fn tick(&mut self, tick: &Tick<'_>) {
        let look = || Look {
            at: tick.elapsed,
            progress: tick.progress.clone(),
        };
        let ends = self.times.settle + self.times.measure + LATE;
        if tick.elapsed >= ends || self.span.cut {
            return;
        }
        if let Some(begin) = &mut self.span.begin {
            if begin.progress.is_empty() {
                begin.progress = vec![crate::exec::Progress::default(); tick.progress.len()];
            }
            self.span.end = Some(look());
        } else if tick.elapsed >= self.times.settle {
            self.span.begin = Some(look());
        }
    }
}
