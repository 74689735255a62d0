//! What virtual users do, step by step, for `--trace-http`: told in order to whoever asked, with secrets left out. Without
//! anybody asking it is one empty cell. How steps look is the command line's business; what a request is, `api`'s.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{self, Instant};

use super::context::{Lifecycle, VuContext};

/// What kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Something goes out.
    Sent,
    /// Something came back.
    Received,
    /// Nothing came back, or something else failed.
    Failed,
    /// A condition held.
    Passed,
    /// A condition did not hold.
    Broken,
    /// Time is waited for.
    Wait,
    /// A part of the journey begins.
    Begin,
    /// A part of the journey ends.
    End,
    /// The journey says something.
    Log,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What kind.
    pub mark: Mark,
    /// One line.
    pub title: String,
    /// More lines: headers, a body.
    pub lines: Vec<String>,
}

impl Step {
    /// A step of one line.
    pub fn new(mark: Mark, title: impl Into<String>) -> Self {
        Self {
            mark,
            title: title.into(),
            lines: Vec::new(),
        }
    }
}

/// A step and where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// `setup`, or scenario, iteration and virtual user.
    pub place: String,
    /// Since the iteration, or that part of the run, began.
    pub elapsed: Duration,
    /// The step.
    pub step: Step,
}

/// Who hears of steps.
pub struct Trace {
    hear: Box<dyn Fn(Told) + Send + Sync>,
    /// When parts other than iterations began.
    began: Mutex<HashMap<String, Instant>>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trace")
    }
}

impl Trace {
    /// Tells `hear` of every step.
    pub fn new(hear: impl Fn(Told) + Send + Sync + 'static) -> Self {
        Self {
            hear: Box::new(hear),
            began: Mutex::default(),
        }
    }

    fn tell(&self, vu: &VuContext, mut step: Step) {
        let session = &vu.host.session;
        step.title = session.redact(&step.title);
        for line in &mut step.lines {
            *line = session.redact(line);
        }
        let place = place(vu);
        let now = clock::now();
        let iteration = vu
            .iteration
            .get()
            .filter(|_| vu.lifecycle.get() == Lifecycle::Iteration);
        let began = match iteration {
            Some(iteration) => iteration.started_at,
            None => {
                let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
                *began.entry(place.clone()).or_insert(now)
            }
        };
        (self.hear)(Told {
            place,
            elapsed: now.saturating_duration_since(began),
            step,
        });
    }
}

/// Tells a step of `vu`, if anybody asked; `make` is not called otherwise.
pub fn tell(vu: &VuContext, make: impl FnOnce() -> Step) {
    if let Some(trace) = vu.host.session.trace.get() {
        trace.tell(vu, make());
    }
}

/// Whether anybody asked.
#[must_use]
pub fn is_on(vu: &VuContext) -> bool {
    vu.host.session.trace.get().is_some()
}

fn place(vu: &VuContext) -> String {
    let plan = vu.plan();
    let scenario = vu.scenario.and_then(|index| plan.as_ref()?.scenarios.get(index));
    let scenario = scenario.map_or("", |scenario| &scenario.name);
    match (vu.lifecycle.get(), vu.iteration.get()) {
        (Lifecycle::Iteration, Some(iteration)) => {
            format!("{scenario}, iteration {}, virtual user {}", iteration.number, vu.id)
        }
        (Lifecycle::VuInit, _) => format!("vu_init of {scenario}, virtual user {}", vu.id),
        (lifecycle, _) => lifecycle.tag().unwrap_or("the file loads").to_owned(),
    }
}
