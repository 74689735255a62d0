//! The load while it lasts: what the cores report is folded, judged when all have reported a second, and shown once a
//! second. Starting and ending cores is next door.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{self, Instant};
use crate::control::{Control, Reason, State};
use crate::exec;
use crate::metrics::{MetricId, ScenarioSpan, Totals, builtin};
use crate::plan::Scenario;

use super::core::CoreReport;
use super::feed::{Feed, Look};
use super::judge::Judge;
use super::reload::{Reloads, Tried};
use super::steer::{self, Reporter};
use super::{Observer, Stage, Test, Tick};

/// One second is the unit of memory.
const FOLD: Duration = Duration::from_secs(1);
/// How often gauges of the run are looked at: the most users of a second are rarely there at its end. A part of [`FOLD`].
const GAUGES: Duration = Duration::from_millis(100);

/// A load that has begun, and those who look at it.
pub(super) struct Load<'a> {
    pub(super) test: &'a mut Test,
    pub(super) shared: &'a exec::Shared,
    pub(super) origin: Instant,
    pub(super) watching: Option<Reloads>,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) totals: &'a mut Totals,
    pub(super) judge: &'a mut Judge,
    pub(super) feed: &'a mut Feed,
}

/// Folds what cores report until the last one is done, and gives when that was.
pub(super) async fn fold(mut load: Load<'_>, inbox: &mut mpsc::UnboundedReceiver<CoreReport>) -> Instant {
    let control = &Arc::clone(&load.test.session.control);
    let (mut next, mut second) = (load.origin + GAUGES, load.origin + FOLD);
    let mut stopping = false;
    let mut course = Course {
        reported: vec![0; load.judge.threads()],
        ..Course::default()
    };
    load.count_made();
    load.publish(&mut course, Duration::ZERO);
    loop {
        tokio::select! {
            report = inbox.recv() => match report {
                Some(report) => load.take(report, &mut course, control),
                None => break,
            },
            () = control.stop_token().cancelled(), if !stopping => {
                stopping = true;
                course.stopped = Some(clock::now());
                control.enter(State::Stopping);
                load.observer.stage(Stage::Stopping);
            }
            tried = Reloads::tried(&mut load.watching, load.test), if !stopping => {
                load.reload(tried).await;
            }
            () = clock::sleep_until(next) => {
                let elapsed = load.sample(&mut course);
                if next == second {
                    second += FOLD;
                    load.look(&mut course, elapsed);
                }
                next += GAUGES;
            }
        }
    }
    let ended = course.ended.unwrap_or_else(clock::now);
    let elapsed = ended.saturating_duration_since(load.origin);
    if !course.sampled {
        // Shorter than the grid: the users have gone before anybody looked.
        load.set(builtin::VUS, load.shared.vus_peak());
    }
    load.place(&course);
    load.totals.finish(elapsed);
    load.tell(&mut course);
    let last = load.totals.last_second().map_or(0, |last| last + 1);
    load.pass_on(last, elapsed);
    ended
}

/// How far the folding has come.
#[derive(Debug, Default)]
struct Course {
    /// Up to which second each core has handed over its samples.
    reported: Vec<u64>,
    /// The seconds that all have handed over, as they were judged last.
    judged: u64,
    /// The gauges have been looked at while the load lasted.
    sampled: bool,
    /// How many checkpoints have been told.
    told: usize,
    live: Reporter,
    /// When the load was told to stop.
    stopped: Option<Instant>,
    /// When the last core so far was done.
    ended: Option<Instant>,
}

impl Course {
    /// Core `index` has handed over the seconds below `end`. Gives the seconds that all have handed over.
    fn note(&mut self, index: u32, end: u64) -> u64 {
        if let Some(known) = self.reported.get_mut(index as usize) {
            *known = end.max(*known);
        }
        self.reported.iter().copied().min().unwrap_or(0)
    }
}

impl Load<'_> {
    fn take(&mut self, report: CoreReport, course: &mut Course, control: &Control) {
        match report {
            CoreReport::Samples {
                core,
                second,
                delta,
                cpu,
            } => {
                self.totals.merge_second(second, &delta);
                self.feed.core_cpu(core, second, cpu);
                let end = course.note(core, second + 1);
                if end > course.judged {
                    self.place(course);
                }
                self.totals.close(end);
                self.tell(course);
                self.heard_of(end, course);
                // Where the others are done, this core's seconds are all there are.
                self.pass_on(end.min(second + 1), Duration::MAX);
            }
            CoreReport::Done {
                core,
                second,
                delta,
                spent,
                ended,
            } => {
                // Its last second is not over, so that this closes none.
                self.totals.merge_second(second, &delta);
                self.feed.core_cpu(core, second, spent.cpu);
                self.judge.core_spent(spent);
                course.note(core, u64::MAX);
                // What comes after the last is only the taking down of virtual machines.
                course.ended = course.ended.max(Some(ended));
            }
            CoreReport::Failed(reason) => control.stop(Reason::Internal(reason)),
            CoreReport::Ready => {}
        }
    }

    /// Tells the totals where the scenarios are by now.
    fn place(&mut self, course: &Course) {
        let control = &self.test.session.control;
        let since = |at: Instant| at.saturating_duration_since(self.origin);
        let span = |(index, scenario): (usize, &Scenario)| {
            let (begun, end) = self.shared.span(index, control);
            ScenarioSpan {
                scenario: scenario.name.clone(),
                begun: begun.map(since),
                warmup: scenario.warmup,
                end: since(course.stopped.map_or(end, |stopped| stopped.min(end))),
            }
        };
        let scenarios = self.test.plan.scenarios.iter().enumerate();
        self.totals.place(scenarios.map(span).collect());
    }

    /// What was saved has been tried: puts it into effect if it can be.
    async fn reload(&mut self, tried: Tried) {
        let Some(reloads) = &mut self.watching else { return };
        let reload = reloads
            .settle(tried, self.test, self.shared, self.totals, self.judge)
            .await;
        if let Some(reload) = reload {
            self.observer.reload(&reload);
        }
    }

    /// Looks at the gauges, and gives how long the load is by now.
    fn sample(&mut self, course: &mut Course) -> Duration {
        let elapsed = clock::now().saturating_duration_since(self.origin);
        self.totals.set_elapsed(elapsed);
        if self.count_made() {
            course.sampled = true;
            self.set(builtin::VUS, self.shared.vus_active());
        }
        elapsed
    }

    /// Judges the load by the seconds below `end`, which all cores have handed over: in any longer time, rates of counters
    /// would lack what is under way.
    fn heard_of(&mut self, end: u64, course: &mut Course) {
        if end <= course.judged {
            return;
        }
        course.judged = end;
        let elapsed = Duration::from_secs(end);
        self.totals.set_elapsed(elapsed);
        // A core that was kept for seconds hands over all that it gathered in them as the first of these.
        if clock::now() < self.origin + elapsed + FOLD {
            self.judge.watch(&self.test.session, self.totals, elapsed);
        }
    }

    /// A second has passed.
    fn look(&mut self, course: &mut Course, elapsed: Duration) {
        let (progress, ends) = self.publish(course, elapsed);
        self.observer.tick(&Tick {
            elapsed,
            plan: &self.test.plan,
            progress,
            ends,
            totals: self.totals,
        });
    }

    /// Feeds the seconds below `end` to the sinks, of a load that is `elapsed` long.
    fn pass_on(&mut self, end: u64, elapsed: Duration) {
        while let Some(second) = self.totals.next_second(end) {
            let look = Look {
                test: self.test,
                shared: self.shared,
                totals: self.totals,
                judge: self.judge,
            };
            self.feed.second(second, elapsed, &look);
        }
    }

    /// Tells of the checkpoints that are complete since the last time.
    fn tell(&mut self, course: &mut Course) {
        for checkpoint in &self.totals.checkpoints()[course.told..] {
            course.told += 1;
            self.observer.checkpoint(course.told, checkpoint, &self.test.plan);
        }
    }

    /// Tells live control where each scenario stands.
    fn publish(&self, course: &mut Course, elapsed: Duration) -> (Vec<exec::Progress>, Vec<Duration>) {
        let scenarios = 0..self.test.plan.scenarios.len();
        let progress: Vec<_> = scenarios.map(|index| self.shared.progress(index)).collect();
        let control = &self.test.session.control;
        let ends = steer::ends(control, self.shared, self.origin, progress.len());
        course
            .live
            .publish(control, &self.test.plan, elapsed, (&progress, &ends));
        (progress, ends)
    }

    /// Looks how many users there are. Nobody is there any more when the cores have ended: the gauges keep what was last true
    /// of the load.
    fn count_made(&mut self) -> bool {
        let made = self.shared.vus_initialised();
        if made > 0 {
            self.set(builtin::VUS_MAX, made);
        }
        made > 0
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of VUs stay far below 2^52")]
    fn set(&mut self, gauge: MetricId, vus: u64) {
        self.totals.set_gauge(gauge, vus as f64);
    }
}
