//! Wires one test run: load, set up, start the cores, fold their samples each second, stop, drain, tear down, judge. What
//! any of these do is in the rooms below; nothing here prints or exits.

mod core;
mod files;
mod health;
mod hooks;
mod invariants;
mod judge;
mod load;
mod steer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::clock::{self, Instant};
use crate::control::{Control, Reason, State};
use crate::exec;
use crate::metrics::{Aggregation, Recorder, Timeline, Totals, builtin};
use crate::plan::Plan;
use crate::results::Summary;

use self::core::{CoreReport, CoreSeed, start_core};
use self::judge::Judge;

pub use self::load::{LoadError, LoadOptions, Test, load};

/// How a run is carried out, other than what the plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// Core threads that run virtual users.
    pub threads: u32,
    /// A suspect generator does not change the exit code.
    pub allow_suspect: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            allow_suspect: false,
        }
    }
}

/// All cores but one, which is left to the system and to the folding thread.
#[must_use]
pub fn default_threads() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.saturating_sub(1).max(1)).unwrap_or(1)
}

/// What happens at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `setup` runs.
    Setup,
    /// Virtual users are being made.
    Preparing,
    /// The load runs.
    Running,
    /// No new iterations; those in flight finish.
    Stopping,
    /// `teardown` runs.
    Teardown,
}

/// A look at a run, once a second.
#[derive(Debug)]
pub struct Tick<'a> {
    /// Since the start of the load.
    pub elapsed: Duration,
    /// The plan.
    pub plan: &'a Plan,
    /// Where each scenario stands.
    pub progress: Vec<exec::Progress>,
    /// Everything folded so far.
    pub totals: &'a Totals,
}

impl Tick<'_> {
    /// The 95th percentile of `http_req_duration` so far, in ms.
    #[must_use]
    pub fn http_p95(&self) -> Option<f64> {
        self.totals
            .root(builtin::HTTP_REQ_DURATION, Aggregation::Percentile(95.0))
    }

    /// The share of failed requests so far.
    #[must_use]
    pub fn http_failed(&self) -> Option<f64> {
        self.totals.root(builtin::HTTP_REQ_FAILED, Aggregation::Rate)
    }
}

/// Told what goes on; the progress display.
pub trait Observer {
    /// A stage begins.
    fn stage(&mut self, stage: Stage);
    /// A second has passed.
    fn tick(&mut self, tick: &Tick<'_>);
}

/// What a run gives.
#[derive(Debug)]
pub struct Outcome {
    /// Its summary.
    pub summary: Summary,
    /// What the script's `summary` function returned: file names (or `stdout`) and contents.
    pub files: BTreeMap<String, String>,
    /// The wall clock at the start of the load.
    pub started: SystemTime,
}

/// Runs a loaded test to its end, whatever end that is. Must be called on a `LocalSet`.
pub async fn run(test: Test, options: &RunOptions, observer: &mut dyn Observer) -> Outcome {
    if let Some(warning) = files::prepare(&test.plan) {
        tracing::warn!(target: "kingtide::run", "{warning}");
    }
    let control = Arc::clone(&test.session.control);
    let plan = Arc::clone(&test.plan);
    let mut totals = Totals::new(&test.session.registry, &test.catalog, plan.scenarios.len());
    totals.watch(timeline(&plan), &plan.thresholds);
    let mut judge = Judge::new(&plan, options);

    observer.stage(Stage::Setup);
    let ready = hooks::setup(&test, &mut judge).await;
    totals.merge(&test.recorder.take());

    let started = clock::wall();
    if ready && !control.stop_token().is_cancelled() {
        load_phase(&test, options, observer, &mut totals, &mut judge).await;
    }
    control.release();
    control.enter(State::Teardown);
    observer.stage(Stage::Teardown);
    control.close();
    hooks::teardown(&test, &mut judge).await;
    totals.merge(&test.recorder.take());

    let mut summary = judge.summary(&test, &totals, started);
    let files = hooks::summary(&test, &summary).await;
    let files = files.unwrap_or_else(|problem| {
        summary.warnings.push(problem);
        BTreeMap::new()
    });
    Outcome {
        summary,
        files,
        started,
    }
}

fn timeline(plan: &Plan) -> Timeline {
    let phases = plan.phases.iter();
    Timeline {
        measured_from: plan.measured_from(),
        phases: phases
            .map(|phase| (phase.name.clone(), phase.start..phase.end))
            .collect(),
    }
}

/// One second is the unit of memory.
const FOLD: Duration = Duration::from_secs(1);

/// Starts the cores, folds what they report, and ends when the last is done.
async fn load_phase(
    test: &Test,
    options: &RunOptions,
    observer: &mut dyn Observer,
    totals: &mut Totals,
    judge: &mut Judge,
) {
    observer.stage(Stage::Preparing);
    judge.prepare(test).await;
    let control = &test.session.control;
    let shared = Arc::new(exec::Shared::new(&test.plan, test.session.seed));
    let (reports, mut inbox) = mpsc::unbounded_channel();
    let (go, start) = watch::channel(None);
    let threads = options.threads.max(1);
    let barrier = Arc::new(tokio::sync::Barrier::new(threads as usize));
    let cores: Vec<_> = (0..threads)
        .map(|index| {
            let seed = CoreSeed {
                session: Arc::clone(&test.session),
                plan: Arc::clone(&test.plan),
                catalog: test.catalog.clone(),
                stripe: crate::schedule::Stripe { index, of: threads },
                shared: Arc::clone(&shared),
                reports: reports.clone(),
                start: start.clone(),
                created: Arc::clone(&barrier),
            };
            start_core(seed)
        })
        .collect();
    drop(reports);
    wait_until_ready(&mut inbox, threads, control, judge).await;
    let origin = clock::now() + Duration::from_millis(1);
    let _ = test.session.started.set(origin);
    control.steer(origin, steer::steerables(&test.plan));
    let _ = go.send(Some(origin));
    judge.begin(origin);
    observer.stage(Stage::Running);
    fold(test, &shared, origin, &mut inbox, observer, totals, judge).await;
    judge.end(clock::now());
    for core in cores {
        if core.join().is_err() {
            control.stop(Reason::Internal(
                "a core thread panicked; its last second of samples is lost".into(),
            ));
        }
    }
    judge.conclude(&test.session, totals);
}

async fn wait_until_ready(
    inbox: &mut mpsc::UnboundedReceiver<CoreReport>,
    threads: u32,
    control: &Control,
    judge: &mut Judge,
) {
    let mut ready = 0;
    while ready < threads {
        match inbox.recv().await {
            Some(CoreReport::Ready) => ready += 1,
            Some(CoreReport::Failed(reason)) => {
                control.stop(Reason::Internal(reason));
                ready += 1;
            }
            Some(CoreReport::Done { cpu, .. }) => judge.core_cpu(cpu),
            Some(CoreReport::Samples { .. }) => {}
            None => return,
        }
    }
}

async fn fold(
    test: &Test,
    shared: &exec::Shared,
    origin: Instant,
    inbox: &mut mpsc::UnboundedReceiver<CoreReport>,
    observer: &mut dyn Observer,
    totals: &mut Totals,
    judge: &mut Judge,
) {
    let control = &test.session.control;
    let mut next = origin + FOLD;
    let mut stopping = false;
    let mut live = steer::Reporter::default();
    let mut ended = None;
    let mut reported = Reported(vec![0; judge.threads()]);
    gauges(shared, totals);
    live.publish(control, &test.plan, Duration::ZERO, &progress(test, shared));
    loop {
        tokio::select! {
            report = inbox.recv() => match report {
                Some(CoreReport::Samples { core, second, delta }) => {
                    totals.merge_second(second, &delta);
                    totals.close(reported.note(core, second + 1));
                }
                Some(CoreReport::Done { core, second, delta, cpu }) => {
                    // Its last second is not over, so that this closes none.
                    totals.merge_second(second, &delta);
                    judge.core_cpu(cpu);
                    reported.note(core, u64::MAX);
                    // What comes after the last is only the taking down of virtual machines.
                    ended = Some(clock::now());
                }
                Some(CoreReport::Failed(reason)) => control.stop(Reason::Internal(reason)),
                Some(CoreReport::Ready) => {}
                None => break,
            },
            () = control.stop_token().cancelled(), if !stopping => {
                stopping = true;
                control.enter(State::Stopping);
                observer.stage(Stage::Stopping);
            }
            () = clock::sleep_until(next) => {
                next += FOLD;
                let elapsed = clock::now().saturating_duration_since(origin);
                totals.set_elapsed(elapsed);
                gauges(shared, totals);
                judge.watch(&test.session, totals, elapsed);
                let progress = progress(test, shared);
                live.publish(control, &test.plan, elapsed, &progress);
                observer.tick(&Tick { elapsed, plan: &test.plan, progress, totals });
            }
        }
    }
    totals.finish(ended.unwrap_or_else(clock::now).saturating_duration_since(origin));
}

/// Up to which second each core has handed over its samples.
#[derive(Debug)]
struct Reported(Vec<u64>);

impl Reported {
    /// Core `index` has handed over the seconds below `end`. Gives the seconds that all have handed over.
    fn note(&mut self, index: u32, end: u64) -> u64 {
        if let Some(known) = self.0.get_mut(index as usize) {
            *known = end.max(*known);
        }
        self.0.iter().copied().min().unwrap_or(0)
    }
}

fn progress(test: &Test, shared: &exec::Shared) -> Vec<exec::Progress> {
    let scenarios = 0..test.plan.scenarios.len();
    scenarios.map(|index| shared.progress(index)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of VUs stay far below 2^52")]
fn gauges(shared: &exec::Shared, totals: &mut Totals) {
    if shared.vus_initialised() == 0 {
        // The cores have ended; the gauges keep what was last true of the load.
        return;
    }
    totals.set_gauge(builtin::VUS, shared.vus_active() as f64);
    totals.set_gauge(builtin::VUS_MAX, shared.vus_initialised() as f64);
}

/// A recorder for the thread that runs `setup` and `teardown`.
fn recorder(test: &load::Parts<'_>) -> Recorder {
    Recorder::new(test.registry, test.catalog)
}
