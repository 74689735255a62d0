//! Wires one test run: load, set up, start the cores, fold their samples each second, stop, drain, tear down, judge. What
//! any of these do is in the rooms below; nothing here prints or exits.

mod core;
mod edit;
mod feed;
mod files;
mod fold;
mod hooks;
mod invariants;
mod judge;
mod load;
mod reload;
mod steer;
mod warnings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, watch};

use crate::clock::{self, Instant};
use crate::control::{Control, Reason, State};
use crate::exec;
use crate::metrics::{Aggregation, CheckpointTotal, Selector, StageSpan, Tap, Timeline, Totals, builtin};
use crate::plan::{Plan, Scenario, order};
use crate::results::{Sink, Summary};

use self::core::{AtWork, CoreReport, CoreSeed, Users, start_core};
use self::feed::Feed;
use self::fold::Load;
use self::judge::Judge;
use self::reload::Reloads;

pub use self::files::raise as raise_file_limit;
pub use self::load::{LoadError, LoadOptions, Script, Test, Work, load};
pub use self::reload::{Reload, Reloaded};

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
    /// All is over but for what outputs have not passed on yet.
    Closing,
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
    /// When each scenario's load is over by plan, with all pauses and edits so far; since the start of the load.
    pub ends: Vec<Duration>,
    /// Everything folded so far.
    pub totals: &'a Totals,
}

impl Tick<'_> {
    /// The 95th percentile of a scenario's `http_req_duration` in the last ten seconds, in ms; of its `grpc_req_duration`
    /// where there is no HTTP.
    #[must_use]
    pub fn p95(&self, scenario: &str) -> Option<f64> {
        let mut of = DURATIONS.iter().map(|metric| part(metric, scenario));
        of.find_map(|selector| self.totals.recent(&selector, Aggregation::Percentile(95.0)))
    }

    /// How many errors scripts have raised so far, if any.
    #[must_use]
    pub fn script_errors(&self) -> Option<f64> {
        let errors = self.totals.root(builtin::SCRIPT_ERRORS, Aggregation::Count);
        errors.filter(|errors| *errors > 0.0)
    }

    /// The share of a scenario's requests that have failed in the last ten seconds; of its gRPC calls where there is no
    /// HTTP.
    #[must_use]
    pub fn failed(&self, scenario: &str) -> Option<f64> {
        let mut of = FAILED.iter().map(|metric| part(metric, scenario));
        of.find_map(|selector| self.totals.recent(&selector, Aggregation::Rate))
    }
}

/// What a [`Tick`] tells of the last seconds.
pub(crate) fn recent_of(plan: &Plan) -> Vec<Selector> {
    let metrics = DURATIONS.iter().chain(&FAILED);
    metrics
        .flat_map(|metric| plan.scenarios.iter().map(|scenario| part(metric, &scenario.name)))
        .collect()
}

const DURATIONS: [&str; 2] = ["http_req_duration", "grpc_req_duration"];
const FAILED: [&str; 2] = ["http_req_failed", "grpc_req_failed"];

fn part(metric: &str, scenario: &str) -> Selector {
    Selector {
        metric: metric.to_owned(),
        tags: vec![("scenario".to_owned(), scenario.to_owned())],
    }
}

/// Told what goes on; the progress display.
pub trait Observer {
    /// A stage begins.
    fn stage(&mut self, stage: Stage);
    /// A second has passed.
    fn tick(&mut self, tick: &Tick<'_>);
    /// Files of the script have been saved.
    fn reload(&mut self, reload: &Reload);
    /// The end of the run waits for these: outputs, and what else takes its seconds.
    fn waits(&mut self, _for: &[String]) {}
    /// A checkpoint is complete; the first has the number 1.
    fn checkpoint(&mut self, number: usize, checkpoint: &CheckpointTotal, plan: &Plan);
}

/// What a run gives.
#[derive(Debug)]
pub struct Outcome {
    /// Its summary.
    pub summary: Summary,
    /// What the script's `summary` function returned: file names (or `stdout`) and contents.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The wall clock at the start of the load.
    pub started: SystemTime,
}

/// Runs a loaded test to its end, whatever end that is. Must be called on a `LocalSet`. Each second goes to the sinks.
pub async fn run(
    mut test: Test,
    options: &RunOptions,
    observer: &mut dyn Observer,
    sinks: Vec<Box<dyn Sink>>,
) -> Outcome {
    if let Some(warning) = files::prepare(&test.plan) {
        tracing::warn!(target: "kingtide::run", "{warning}");
    }
    let control = Arc::clone(&test.session.control);
    let plan = Arc::clone(&test.plan);
    let options = &RunOptions {
        threads: plan.http.config.most_threads(options.threads.max(1)),
        ..options.clone()
    };
    test.session.revision().set_plan(Arc::clone(&plan));
    let mut feed = Feed::new(sinks);
    if let Some(tap) = feed.tap() {
        test.recorder.tap(tap);
    }
    let mut totals = totals_of(&test, feed.is_wanted());
    let mut judge = Judge::new(&plan, options);
    let watching = watch_files(&test, &mut judge);

    observer.stage(Stage::Setup);
    let ready = hooks::setup(&test, &mut judge).await;
    totals.merge(&test.recorder.take());

    let started = clock::wall();
    if ready && !control.stop_token().is_cancelled() {
        let seen = Seen {
            observer,
            totals: &mut totals,
            judge: &mut judge,
            feed: &mut feed,
        };
        load_phase(&mut test, options, watching, seen).await;
    }
    tear_down(&mut test, observer, &mut judge).await;
    totals.merge(&test.recorder.take());
    if let Some(rest) = totals.rest_of_seconds() {
        feed.after_load(rest, judge.duration(), test.session.failed.take());
    }

    let mut summary = judge.summary(&test, &totals, started);
    let files = hooks::summary(&test, &summary).await;
    let files = files.unwrap_or_else(|problem| {
        summary.warnings.push(problem);
        BTreeMap::new()
    });
    control.finish();
    observer.stage(Stage::Closing);
    summary.outputs = feed.end(&summary, control.hurry_token(), observer).await;
    Outcome {
        summary,
        files,
        started,
    }
}

/// Gives the script its last word.
async fn tear_down(test: &mut Test, observer: &mut dyn Observer, judge: &mut Judge) {
    let control = Arc::clone(&test.session.control);
    control.release();
    control.enter(State::Teardown);
    observer.stage(Stage::Teardown);
    control.close();
    if let Err(text) = test.renew().await {
        tracing::warn!(target: "kingtide::run", "{text}");
    }
    hooks::teardown(test, judge).await;
}

/// What samples add up to, with all histories that the plan asks for.
fn totals_of(test: &Test, by_second: bool) -> Totals {
    let plan = &test.plan;
    let mut totals = Totals::new(&test.session.registry, &test.catalog, plan.scenarios.len());
    totals.watch(timeline(plan), &plan.thresholds);
    totals.watch_recent(&recent_of(plan));
    if by_second {
        totals.keep_seconds();
    }
    if let Some(every) = plan.checkpoints {
        totals.keep_checkpoints(every, order::latest_end(&plan.scenarios));
    }
    totals
}

/// Follows changes of the script from now on, when that is wanted.
fn watch_files(test: &Test, judge: &mut Judge) -> Option<Reloads> {
    let revision = test.session.revision();
    if revision.number == 0 {
        return None;
    }
    judge.first_revision(&revision, &test.session.script);
    match Reloads::of(&revision) {
        Ok(reloads) => Some(reloads),
        Err(error) => {
            let text = format!("the script's {error}; the run goes on without reloads");
            tracing::warn!(target: "kingtide::run", "{text}");
            None
        }
    }
}

fn timeline(plan: &Plan) -> Timeline {
    let phases = plan.phases.iter();
    Timeline {
        measured_from: plan.measured_from(),
        measured_until: plan.measured_until,
        phases: phases
            .map(|phase| (phase.name.clone(), phase.start..phase.end))
            .collect(),
        stages: stages(plan),
        scenarios: Vec::new(),
    }
}

/// The stages of all scenarios.
fn stages(plan: &Plan) -> Vec<StageSpan> {
    let of = |scenario: &Scenario| {
        let executor = &scenario.executor;
        let stages = executor.segments().into_iter().zip(executor.segment_lengths());
        let start = scenario.start_after.is_none().then_some(scenario.start_time);
        StageSpan::of(&scenario.name, start, scenario.warmup, stages).collect::<Vec<_>>()
    };
    plan.scenarios.iter().flat_map(of).collect()
}

/// Those who see what the load does.
struct Seen<'a> {
    observer: &'a mut dyn Observer,
    totals: &'a mut Totals,
    judge: &'a mut Judge,
    feed: &'a mut Feed,
}

/// Starts the cores, folds what they report, and ends when the last is done.
async fn load_phase(test: &mut Test, options: &RunOptions, mut watching: Option<Reloads>, seen: Seen<'_>) {
    let Seen {
        observer,
        totals,
        judge,
        feed,
    } = seen;
    observer.stage(Stage::Preparing);
    judge.prepare(test).await;
    let control = &Arc::clone(&test.session.control);
    let shared = Arc::new(exec::Shared::new(&test.plan, test.session.seed));
    let threads = options.threads.max(1);
    test.session.connections.deal(threads as usize);
    if let Some(Ok(net)) = test.script().map(|script| script.host.net()) {
        // What `setup` has left open counts, and nobody else could use it.
        net.release();
    }
    let (go, start) = watch::channel(None);
    let (cores, mut inbox) = start_cores(test, &shared, &start, threads, feed.tap());
    wait_until_ready(&mut inbox, threads, control, judge).await;
    let origin = clock::now() + Duration::from_millis(1);
    let _ = test.session.started.set(origin);
    test.session.failed.begin(origin);
    control.steer(origin, steer::steerables(&test.plan));
    let _ = go.send(Some(origin));
    judge.begin(origin);
    feed.begin(test, origin, threads);
    if let Some(reloads) = &mut watching {
        reloads.begin(origin);
    }
    observer.stage(Stage::Running);
    let load = Load {
        test,
        shared: &shared,
        origin,
        watching,
        observer,
        totals,
        judge,
        feed,
    };
    let ended = fold::fold(load, &mut inbox).await;
    judge.end(ended, shared.unmade());
    for core in cores {
        if core.join().is_err() {
            control.stop(Reason::Internal(
                "a core thread panicked; its last second of samples is lost".into(),
            ));
        }
    }
    judge.conclude(&test.session, totals);
}

/// Starts the threads of the cores, which make their virtual users and wait for `start`. What they report comes out of the
/// channel, which closes after the last.
fn start_cores(
    test: &Test,
    shared: &Arc<exec::Shared>,
    start: &watch::Receiver<Option<Instant>>,
    threads: u32,
    tap: Option<&Tap>,
) -> (Vec<JoinHandle<()>>, mpsc::UnboundedReceiver<CoreReport>) {
    let (reports, inbox) = mpsc::unbounded_channel();
    let created = Arc::new(tokio::sync::Barrier::new(threads as usize));
    let start_one = |(index, at_work)| {
        start_core(CoreSeed {
            session: Arc::clone(&test.session),
            users: Users::of(&test.work),
            plan: Arc::clone(&test.plan),
            catalog: test.catalog.clone(),
            tap: tap.cloned(),
            stripe: crate::schedule::Stripe { index, of: threads },
            shared: Arc::clone(shared),
            reports: reports.clone(),
            start: start.clone(),
            created: Arc::clone(&created),
            at_work,
        })
    };
    ((0..).zip(AtWork::of(threads)).map(start_one).collect(), inbox)
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
            Some(CoreReport::Done { spent, .. }) => judge.core_spent(spent),
            Some(CoreReport::Samples { .. }) => {}
            None => return,
        }
    }
}
