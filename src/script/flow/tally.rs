//! What is recorded of flows, and by whom: their start and their end carry the tags of the start, whoever finishes them and
//! on whatever core. Whether a flow is in time is decided next door.

use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::metrics::{DeclareError, Kind, MetricId, Recorder, Registry, TagSet, Unit, WARMUP};

use super::{Awaited, Flows, Full, Met, Tags};

/// The flows of one name: their metrics, and how many are in flight.
#[derive(Debug)]
pub struct Line {
    started: MetricId,
    completed: MetricId,
    not_completed: MetricId,
    timed_out: MetricId,
    duplicate: MetricId,
    out_of_order: MetricId,
    duration: MetricId,
    in_flight: MetricId,
    /// Without those of warm-ups, which no headline has.
    flying: AtomicI64,
}

/// How a flow's finish was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Finished in time, after this long.
    InTime(Duration),
    /// Finished too late, after this long; counted as timed out now.
    TimedOut(Duration),
    /// Finished too late; counted as timed out before.
    TimedOutBefore,
    /// Finished a second time.
    Duplicate,
    /// Finished before it was started.
    OutOfOrder,
}

/// The outcome of a flow that did what it was there for.
pub const COMPLETED: &str = "completed";

impl Line {
    fn declare(name: &str, registry: &Registry) -> Result<Self, DeclareError> {
        let declare =
            |ending: &str, kind: Kind, unit: Unit| registry.declare_own(&format!("{name}{ending}"), kind, unit);
        let counter = |ending: &str| declare(ending, Kind::Counter, Unit::None);
        // First, because built-in metrics have this ending, and then there is to be none of the others.
        let duration = declare("_duration", Kind::Trend, Unit::Ms)?;
        Ok(Self {
            started: counter("_started")?,
            completed: counter("_completed")?,
            not_completed: counter("_not_completed")?,
            timed_out: counter("_timed_out")?,
            duplicate: counter("_duplicate")?,
            out_of_order: counter("_out_of_order")?,
            duration,
            in_flight: declare("_in_flight", Kind::Gauge, Unit::None)?,
            flying: AtomicI64::new(0),
        })
    }

    /// Different for each name.
    pub(super) fn id(&self) -> u32 {
        self.started.index()
    }

    /// Records how many are in flight now. Cores may do so at once: whoever finds that the number has changed meanwhile
    /// records it again, so that the newest sample is always the truth.
    fn fly(&self, change: i64, recorder: &Recorder) {
        let mut number = self.flying.fetch_add(change, Ordering::SeqCst) + change;
        let no_tags = recorder.no_tags();
        loop {
            #[expect(clippy::cast_precision_loss, reason = "at most a million")]
            recorder.record(self.in_flight, number as f64, &no_tags);
            let current = self.flying.load(Ordering::SeqCst);
            if current == number {
                return;
            }
            number = current;
        }
    }
}

impl Flows {
    /// The flows of that name.
    ///
    /// # Errors
    /// [`DeclareError`] when its metrics cannot be declared.
    pub fn line(&self, name: &str, registry: &Registry) -> Result<Arc<Line>, DeclareError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(name) {
            return Ok(Arc::clone(line));
        }
        let line = Arc::new(Line::declare(name, registry)?);
        lines.insert(name.to_owned(), Arc::clone(&line));
        Ok(line)
    }
}

/// How many tag sets a core's starts alternate between, before they are copied again.
const SETS_KEPT: usize = 16;

/// Records flows on one core.
#[derive(Debug, Default)]
pub struct Tally {
    /// The sets that starts had last, in the form that leaves the core.
    sets: RefCell<Vec<(TagSet, Tags)>>,
}

impl Tally {
    /// Starts a flow and counts it. False for a second start.
    ///
    /// # Errors
    /// [`Full`] when too many are in flight.
    pub fn start(
        &self,
        flows: &Flows,
        recorder: &Recorder,
        line: &Arc<Line>,
        key: &[u8],
        timeout: Duration,
        tags: &TagSet,
    ) -> Result<bool, Full> {
        let begun = flows.start(line, key, self.portable(tags), timeout, clock::now())?;
        if let Some(overdue) = &begun.overdue {
            timed_out(overdue, recorder);
        }
        if begun.is_new {
            recorder.record(line.started, 1.0, tags);
            if tags.get(WARMUP).is_none() {
                line.fly(1, recorder);
            }
        } else {
            recorder.record(line.duplicate, 1.0, tags);
        }
        Ok(begun.is_new)
    }

    /// Finishes a flow and counts it; `tags` are those of whoever finishes it.
    pub fn finish(
        &self,
        flows: &Flows,
        recorder: &Recorder,
        line: &Line,
        key: &[u8],
        outcome: &str,
        tags: &TagSet,
    ) -> Finish {
        let now = clock::now();
        match flows.finish(line, key, now) {
            Met::InTime(flow) => {
                let took = now - flow.started;
                ended(&flow, outcome, took, recorder);
                Finish::InTime(took)
            }
            Met::Overdue(flow) => {
                timed_out(&flow, recorder);
                Finish::TimedOut(now - flow.started)
            }
            Met::TimedOut => Finish::TimedOutBefore,
            Met::Finished => {
                recorder.record(line.duplicate, 1.0, tags);
                Finish::Duplicate
            }
            Met::Nothing => {
                recorder.record(line.out_of_order, 1.0, tags);
                Finish::OutOfOrder
            }
        }
    }

    fn portable(&self, tags: &TagSet) -> Tags {
        let mut sets = self.sets.borrow_mut();
        if let Some((_, known)) = sets.iter().find(|(set, _)| set == tags) {
            return Arc::clone(known);
        }
        let copy: Tags = tags.iter().map(|(key, value)| (key.into(), value.into())).collect();
        if sets.len() == SETS_KEPT {
            sets.remove(0);
        }
        sets.push((tags.clone(), Arc::clone(&copy)));
        copy
    }
}

fn tags_of(flow: &Awaited, more: &[(&str, &str)], recorder: &Recorder) -> TagSet {
    let pairs: Vec<(&str, &str)> = flow.tags.iter().map(|(key, value)| (&**key, &**value)).collect();
    recorder.tags(&recorder.no_tags(), &[pairs.as_slice(), more].concat())
}

fn landed(flow: &Awaited, tags: &TagSet, recorder: &Recorder) {
    if tags.get(WARMUP).is_none() {
        flow.line.fly(-1, recorder);
    }
}

fn ended(flow: &Awaited, outcome: &str, took: Duration, recorder: &Recorder) {
    let line = &flow.line;
    let tags = if outcome == COMPLETED {
        let tags = tags_of(flow, &[], recorder);
        recorder.record(line.completed, 1.0, &tags);
        recorder.record(line.duration, took.as_secs_f64() * 1e3, &tags);
        tags
    } else {
        let tags = tags_of(flow, &[("outcome", outcome)], recorder);
        recorder.record(line.not_completed, 1.0, &tags);
        tags
    };
    landed(flow, &tags, recorder);
}

fn timed_out(flow: &Awaited, recorder: &Recorder) {
    let tags = tags_of(flow, &[], recorder);
    recorder.record(flow.line.timed_out, 1.0, &tags);
    landed(flow, &tags, recorder);
}

/// Counts the flows whose time is over, whoever started them.
pub fn sweep(flows: &Flows, recorder: &Recorder) {
    while sweep_some(flows, recorder) {}
}

/// Between so many and the next a core turns to its virtual users.
const BITE: usize = 1_000;

/// True when there may be more.
fn sweep_some(flows: &Flows, recorder: &Recorder) -> bool {
    let overdue = flows.overdue(clock::now(), BITE);
    for flow in &overdue {
        timed_out(flow, recorder);
    }
    overdue.len() == BITE
}

/// How late a timeout may be counted that nobody finishes.
const SWEEP: Duration = Duration::from_millis(100);

/// Sweeps until it is dropped. Each core does so, because the one that started a flow may have ended before its time is over.
pub async fn keep_sweeping(flows: &Flows, recorder: &Recorder) {
    loop {
        clock::sleep(SWEEP).await;
        while sweep_some(flows, recorder) {
            tokio::task::yield_now().await;
        }
    }
}
