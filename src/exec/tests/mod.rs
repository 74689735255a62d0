//! Executors in virtual time with exact counts, and the stage on which they play. No real VUs; real time only in `threads`.

mod closed;
mod edits;
mod ends;
mod fakes;
mod laws;
mod open;
mod order;
mod ramping;
mod shapes;
mod standing;
mod steering;
mod stripes;
mod threads;
mod updates;
mod warmup;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::LocalSet;

use crate::clock::{self, Instant};
use crate::control::{Abilities, Command, Control, Steerable};
use crate::metrics::{Aggregation, Catalog, Counts, MetricId, Recorder, Registry, Selector, Totals, builtin};
use crate::plan::{Executor, Limits, OnSaturation, OnScriptError, Plan, Scenario};
use crate::schedule::{Shape, Spacing, Stripe};
use crate::vu::{Iteration, Outcome, Ready, Vu, VuFactory};

use self::fakes::{FakeFactory, Init, Log, Script, Update};
use super::{Change, Core, Progress, Saturated, Shared, Signals, replan};

/// Of random arrivals.
const SEED: u64 = 1;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// A scenario with half a minute of graceful stop, as by default.
pub(super) fn scenario(name: &str, executor: Executor) -> Scenario {
    Scenario {
        name: name.to_owned(),
        executor,
        start_time: Duration::ZERO,
        start_after: None,
        warmup: Duration::ZERO,
        graceful_stop: ms(30_000),
        tags: BTreeMap::new(),
        env: BTreeMap::new(),
    }
}

pub(super) fn plan(scenarios: Vec<Scenario>) -> Plan {
    Plan {
        scenarios,
        http: crate::plan::HttpPlan::default(),
        phases: Vec::new(),
        checkpoints: None,
        measured_until: None,
        thresholds: Vec::new(),
        invariants: Vec::new(),
        traces: None,
        tags: BTreeMap::new(),
        setup_timeout: ms(60_000),
        teardown_timeout: ms(60_000),
        on_script_error: OnScriptError::Fail,
        limits: Limits::default(),
    }
}

pub(super) fn looping(vus: u64, duration: u64) -> Executor {
    Executor::ConstantVus {
        vus,
        duration: ms(duration),
    }
}

/// `rate` a second for `duration` ms.
pub(super) fn arrivals(rate: f64, duration: u64, vus: (u64, u64), on_saturation: OnSaturation) -> Executor {
    let shape = Shape::ConstantArrivalRate {
        rate,
        time_unit: ms(1_000),
        duration: ms(duration),
        arrival: Spacing::Constant,
    };
    open(shape, vus, on_saturation)
}

pub(super) fn open(shape: Shape, vus: (u64, u64), on_saturation: OnSaturation) -> Executor {
    Executor::Open {
        shape,
        pre_allocated_vus: vus.0,
        max_vus: vus.1,
        on_saturation,
    }
}

/// One iteration as its VU saw it; times in ms from the start of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) scenario: usize,
    pub(super) number: u64,
    pub(super) segment: u32,
    pub(super) vu: u64,
    pub(super) due: u64,
    pub(super) started: u64,
}

/// A run to be played.
pub(super) struct Stage {
    scenarios: Vec<Scenario>,
    script: Script,
    creation: Duration,
    init: Init,
    update: Option<Update>,
    stripes: u32,
    stop: Option<Duration>,
    kill: Option<Duration>,
    /// What is told, and when.
    told: Vec<(Duration, Order)>,
    /// How much later each stripe begins than the one before.
    skew: Duration,
    /// Sub-metrics to keep.
    selectors: Vec<Selector>,
}

/// What is told while a run lasts.
enum Order {
    /// Through live control.
    Command(Command),
    /// Through live control, which refuses it.
    Refused(Command),
    /// By an edited plan.
    Edit(Edit),
}

type Edit = Box<dyn Fn(&mut [Scenario]) + Send>;

/// What came of it.
pub(super) struct Report {
    pub(super) counts: Vec<Counts>,
    /// In the order of their starts.
    pub(super) seen: Vec<Seen>,
    pub(super) created: Vec<u64>,
    /// The most VUs at once.
    pub(super) peak: u64,
    /// Iterations that never started because VUs were being made.
    pub(super) unmade: u64,
    pub(super) saturated: Vec<Saturated>,
    /// What became of edits.
    pub(super) changes: Vec<Change>,
    /// Why commands were refused.
    pub(super) refused: Vec<String>,
    /// How long it took, ms.
    pub(super) elapsed: u64,
    /// How long the making of fixed VUs took, ms.
    pub(super) preparation: u64,
    totals: Totals,
}

impl Stage {
    /// Every iteration takes `service` ms and completes.
    pub(super) fn new(scenarios: Vec<Scenario>, service: u64) -> Self {
        Self {
            scenarios,
            script: Rc::new(move |_| (ms(service), Outcome::Completed)),
            creation: Duration::ZERO,
            init: Rc::new(|_| Duration::ZERO),
            update: None,
            stripes: 1,
            stop: None,
            kill: None,
            told: Vec::new(),
            skew: Duration::ZERO,
            selectors: Vec::new(),
        }
    }

    pub(super) fn one(executor: Executor, service: u64) -> Self {
        Self::new(vec![scenario("only", executor)], service)
    }

    pub(super) fn script(self, script: impl Fn(&Iteration) -> (Duration, Outcome) + 'static) -> Self {
        Self {
            script: Rc::new(script),
            ..self
        }
    }

    pub(super) fn graceful(mut self, graceful_stop: u64) -> Self {
        for scenario in &mut self.scenarios {
            scenario.graceful_stop = ms(graceful_stop);
        }
        self
    }

    pub(super) fn creation(self, creation: u64) -> Self {
        Self {
            creation: ms(creation),
            ..self
        }
    }

    /// VU `id` initialises itself for `init(id)` ms.
    pub(super) fn init(self, init: impl Fn(u64) -> u64 + 'static) -> Self {
        Self {
            init: Rc::new(move |id| ms(init(id))),
            ..self
        }
    }

    /// From `at` on each VU has something to take up, which takes so long.
    pub(super) fn update_at(self, at: u64, takes: u64) -> Self {
        let update = Update {
            at: ms(at),
            takes: ms(takes),
        };
        Self {
            update: Some(update),
            ..self
        }
    }

    pub(super) fn stripes(self, stripes: u32) -> Self {
        Self { stripes, ..self }
    }

    pub(super) fn stop_at(self, at: u64) -> Self {
        Self {
            stop: Some(ms(at)),
            ..self
        }
    }

    pub(super) fn kill_at(self, at: u64) -> Self {
        Self {
            kill: Some(ms(at)),
            ..self
        }
    }

    pub(super) fn tell_at(mut self, at: u64, command: Command) -> Self {
        self.told.push((ms(at), Order::Command(command)));
        self
    }

    pub(super) fn refused_at(mut self, at: u64, command: Command) -> Self {
        self.told.push((ms(at), Order::Refused(command)));
        self
    }

    /// Edits the plan, after the edits before.
    pub(super) fn edit_at(mut self, at: u64, edit: impl Fn(&mut [Scenario]) + Send + 'static) -> Self {
        self.told.push((ms(at), Order::Edit(Box::new(edit))));
        self
    }

    pub(super) fn skew(self, skew: u64) -> Self {
        Self { skew: ms(skew), ..self }
    }

    pub(super) fn keep(self, selectors: &[&str]) -> Self {
        Self {
            selectors: selectors.iter().map(|text| Selector::parse(text).unwrap()).collect(),
            ..self
        }
    }

    /// The first `warmup` ms of each scenario are no result.
    pub(super) fn warmup(mut self, warmup: u64) -> Self {
        for scenario in &mut self.scenarios {
            scenario.warmup = ms(warmup);
        }
        self
    }

    fn factory(&self, log: &Rc<RefCell<Log>>) -> FakeFactory {
        FakeFactory {
            log: Rc::clone(log),
            script: Rc::clone(&self.script),
            creation: self.creation,
            init: Rc::clone(&self.init),
            update: self.update,
        }
    }

    /// Plays the run, each stripe on a `LocalSet` of its own, and checks what holds for every run.
    pub(super) async fn play(self) -> Report {
        let log = Rc::new(RefCell::new(Log::default()));
        let factory = Rc::new(self.factory(&log));
        let plan = Arc::new(plan(self.scenarios));
        let registry = Registry::default();
        let catalog = Catalog::new(&registry, &self.selectors).unwrap();
        let (signals, saturated) = signals();
        let shared = Arc::new(Shared::new(&plan, SEED));
        let of = self.stripes;
        let recorders: Vec<_> = (0..of).map(|_| Recorder::new(&registry, &catalog)).collect();
        let mut cores: Vec<_> = (0..of)
            .zip(&recorders)
            .map(|(index, recorder)| {
                let stripe = Stripe { index, of };
                Core::new(&plan, stripe, Rc::clone(&factory), recorder, &shared, &signals)
            })
            .collect();
        let before = clock::now();
        for core in &mut cores {
            core.prepare().await;
        }
        let start = clock::now();
        let preparation = millis(start - before);
        log.borrow_mut().starts(start, &shared);
        signals.steering.steer(start, steerables(&plan));
        let answers = Arc::<Mutex<Answers>>::default();
        let scene = (Arc::clone(&signals.steering), Arc::clone(&shared), Arc::clone(&answers));
        let orders = tokio::spawn(tell(scene, plan.scenarios.clone(), start, self.told));
        let switches = tokio::spawn(switch(signals, start, self.stop, self.kill));
        let runs = (0..).zip(cores).map(|(index, core)| async move {
            LocalSet::new().run_until(core.run(start + self.skew * index)).await;
        });
        futures_util::future::join_all(runs).await;
        let elapsed = millis(clock::now() - start);
        for task in [switches, orders] {
            task.abort();
        }
        let totals = sum(Totals::new(&registry, &catalog, plan.scenarios.len()), &recorders);
        let log = std::mem::take(&mut *log.borrow_mut());
        let Answers { changes, refused } = std::mem::take(&mut *answers.lock().unwrap());
        let report = Report {
            counts: (0..plan.scenarios.len()).map(|i| totals.counts(i)).collect(),
            seen: log.seen,
            created: log.created,
            peak: log.peak,
            unmade: shared.unmade(),
            saturated: std::mem::take(&mut *saturated.lock().unwrap()),
            changes,
            refused,
            elapsed,
            preparation,
            totals,
        };
        assert_eq!(log.alive, 0, "no VU outlives the run");
        assert_eq!(Rc::strong_count(&factory), 1, "no task outlives the run");
        report.check(&plan, &shared);
        report
    }
}

/// Everything that was recorded.
fn sum(mut totals: Totals, recorders: &[Recorder]) -> Totals {
    recorders.iter().for_each(|recorder| totals.merge(&recorder.take()));
    totals
}

/// Switches, and what is said through them.
fn signals() -> (Signals, Arc<Mutex<Vec<Saturated>>>) {
    let saturated = Arc::new(Mutex::new(Vec::new()));
    let reasons = Arc::clone(&saturated);
    let mut signals = Signals::new(move |reason| reasons.lock().unwrap().push(reason));
    signals.steering = Arc::new(Control::new());
    (signals, saturated)
}

/// Everything can be told here; which executors are told what is `run`'s.
fn steerables(plan: &Plan) -> Vec<Steerable> {
    let scenarios = plan.scenarios.iter();
    let steerable = |scenario: &Scenario| Steerable {
        name: scenario.name.clone(),
        executor: scenario.executor.name().to_owned(),
        abilities: Abilities {
            pause: true,
            rate: true,
            no_rate: None,
            max_vus: Some(scenario.executor.vus().1),
        },
        stages: scenario.executor.segments(),
    };
    scenarios.map(steerable).collect()
}

/// What was said to what was told.
#[derive(Default)]
struct Answers {
    changes: Vec<Change>,
    refused: Vec<String>,
}

type Scene = (Arc<Control>, Arc<Shared>, Arc<Mutex<Answers>>);

async fn tell((control, shared, answers): Scene, plan: Vec<Scenario>, start: Instant, told: Vec<(Duration, Order)>) {
    let (mut edited, mut in_effect) = (plan.clone(), plan);
    for (at, order) in told {
        clock::sleep_until(start + at).await;
        match order {
            Order::Command(command) => control.obey(&command).expect("what is told can be done"),
            Order::Refused(command) => {
                let refused = control.obey(&command).expect_err("what is told cannot be done");
                answers.lock().unwrap().refused.push(refused.to_string());
            }
            Order::Edit(edit) => {
                edit(&mut edited);
                let replanned = replan(&control, &shared, &edited);
                let accepted = replanned.changes.iter().any(|change| change.refused.is_none());
                assert_eq!(accepted, replanned.scenarios != in_effect, "{:?}", replanned.changes);
                in_effect = replanned.scenarios;
                answers.lock().unwrap().changes.extend(replanned.changes);
            }
        }
    }
}

async fn switch(signals: Signals, start: Instant, stop: Option<Duration>, kill: Option<Duration>) {
    if let Some(at) = stop {
        clock::sleep_until(start + at).await;
        signals.stop.cancel();
    }
    if let Some(at) = kill {
        clock::sleep_until(start + at).await;
        signals.kill.cancel();
    }
    std::future::pending::<()>().await;
}

impl Report {
    /// What holds for every run, however it went and ended.
    fn check(&self, plan: &Plan, shared: &Shared) {
        let mut closed_ends = 0;
        let mut ends = 0;
        let mut starts = 0;
        for (i, counts) in self.counts.iter().enumerate() {
            let warmup = self.totals.warmup_counts(i);
            assert!(counts.adds_up() && warmup.adds_up(), "{counts:?} {warmup:?}");
            let mut all = *counts;
            all.merge(&warmup);
            let expected = Progress {
                offered: all.offered,
                started: all.started,
                finished: all.started,
                active: 0,
                backlog: 0,
                dropped: all.dropped,
            };
            assert_eq!(shared.progress(i), expected, "progress tells the same as the counts");
            let numbers: Vec<_> = self.seen.iter().filter(|s| s.scenario == i).map(|s| s.number).collect();
            assert_eq!(numbers.len() as u64, all.started, "a start is a VU that runs");
            assert_eq!(
                numbers.iter().collect::<BTreeSet<_>>().len(),
                numbers.len(),
                "iteration numbers are unique"
            );
            if plan.scenarios[i].executor.is_open() {
                ends += counts.completed + counts.failed;
                starts += counts.started;
            } else {
                closed_ends += counts.completed + counts.failed;
            }
        }
        let dropped: u64 = self.counts.iter().map(|c| c.dropped).sum();
        assert_eq!(self.count(builtin::ITERATIONS), closed_ends + ends);
        assert_eq!(self.count(builtin::DROPPED_ITERATIONS), dropped);
        assert_eq!(self.count(builtin::ITERATION_DURATION), closed_ends + ends);
        assert_eq!(self.count(builtin::ITERATION_RESPONSE_TIME), ends);
        assert_eq!(self.count(builtin::ITERATION_START_LAG), starts);
        assert_eq!(self.count(builtin::DISPATCH_LAG), starts);
        assert_eq!((shared.vus_initialised(), shared.vus_active()), (0, 0));
        assert!(self.peak <= shared.vus_max(), "the cap holds");
        let ids: BTreeSet<_> = self.created.iter().collect();
        assert_eq!(ids.len(), self.created.len(), "VU ids are unique");
        assert!(!self.created.contains(&0), "VU ids count from 1");
    }

    fn count(&self, metric: MetricId) -> u64 {
        self.totals.root(metric, Aggregation::Count).unwrap_or(0.0) as u64
    }

    /// (smallest, largest) of a time trend, in ms.
    pub(super) fn range(&self, metric: MetricId) -> (f64, f64) {
        let of = |aggregation| self.totals.root(metric, aggregation).expect("has samples");
        (of(Aggregation::Min), of(Aggregation::Max))
    }

    /// Something was edited, and nothing of it refused.
    pub(super) fn applied(&self) {
        assert!(!self.changes.is_empty());
        let refused = self.changes.iter().find(|change| change.refused.is_some());
        assert_eq!(refused, None);
    }

    /// The number of samples of a sub-metric that was kept.
    pub(super) fn samples(&self, selector: &str) -> u64 {
        let selector = Selector::parse(selector).unwrap();
        self.totals.value(&selector, Aggregation::Count).unwrap_or(0.0) as u64
    }

    /// How many iterations began in each segment.
    pub(super) fn by_segment(&self) -> Vec<u64> {
        let mut counts = Vec::new();
        for seen in &self.seen {
            let index = seen.segment as usize;
            counts.resize(counts.len().max(index + 1), 0);
            counts[index] += 1;
        }
        counts
    }

    /// Start times by number of the only scenario.
    pub(super) fn starts(&self) -> Vec<(u64, u64)> {
        self.seen.iter().map(|s| (s.number, s.started)).collect()
    }

    /// The one scenario's (offered, started, completed, dropped, interrupted, failed).
    pub(super) fn only(&self) -> (u64, u64, u64, u64, u64, u64) {
        assert_eq!(self.counts.len(), 1);
        self.of(0)
    }

    /// The same of its warm-up.
    pub(super) fn warmup(&self) -> (u64, u64, u64, u64, u64, u64) {
        let c = self.totals.warmup_counts(0);
        (c.offered, c.started, c.completed, c.dropped, c.interrupted, c.failed)
    }

    pub(super) fn of(&self, scenario: usize) -> (u64, u64, u64, u64, u64, u64) {
        let c = self.counts[scenario];
        (c.offered, c.started, c.completed, c.dropped, c.interrupted, c.failed)
    }
}
