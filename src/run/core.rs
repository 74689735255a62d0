//! One core thread: a runtime, a recorder, the stripe of every scenario that it runs, and what makes its virtual users.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Barrier, mpsc, watch};

use crate::api;
use crate::clock::machine::thread_waited;
use crate::clock::{self, Instant, Timer};
use crate::control::Reason;
use crate::direct::{Call, DirectVuFactory};
use crate::exec;
use crate::metrics::{Catalog, Delta, Recorder, Tap, builtin};
use crate::net::outbox;
use crate::plan::Plan;
use crate::schedule::Stripe;
use crate::script::{Host, LuaVuFactory, Session, collector, flow, turnstile, usher};
use crate::vu::VuFactory;

use super::load::Work;

/// What a core tells the folding thread.
#[derive(Debug)]
pub(super) enum CoreReport {
    /// Its virtual users are made.
    Ready,
    /// The samples of one second of the load.
    Samples {
        core: u32,
        /// The first is 0.
        second: u64,
        delta: Box<Delta>,
        /// CPU time used since the start of the load.
        cpu: Duration,
    },
    /// It has ended, in that second, with these last samples.
    Done {
        core: u32,
        second: u64,
        delta: Box<Delta>,
        /// Since the start of the load.
        spent: Spent,
        /// When that was, whenever it is read.
        ended: Instant,
    },
    /// It could not start.
    Failed(String),
}

/// What a core thread has had of a processor, and what it has not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// Time on it, user and system.
    pub(super) cpu: Duration,
    /// Time of being ready while others had it, where the system tells.
    pub(super) waited: Option<Duration>,
}

impl Spent {
    /// By the calling thread so far.
    fn now() -> Self {
        Self {
            cpu: clock::thread_cpu(),
            waited: thread_waited(),
        }
    }

    fn since(self, before: Self) -> Self {
        let waited = self.waited.zip(before.waited);
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            waited: waited.map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// Which virtual users a core makes: the half of [`Work`] that every thread needs.
#[derive(Debug, Clone)]
pub(super) enum Users {
    /// Those of the session's script.
    Journeys,
    /// Those that send a request.
    Callers(Arc<Call>),
}

impl Users {
    pub(super) fn of(work: &Work) -> Self {
        match work {
            Work::Script(_) => Self::Journeys,
            Work::Call(call) => Self::Callers(Arc::clone(call)),
        }
    }
}

/// What a core thread is started with.
#[derive(Debug)]
pub(super) struct CoreSeed {
    pub(super) session: Arc<Session>,
    pub(super) users: Users,
    pub(super) plan: Arc<Plan>,
    pub(super) catalog: Catalog,
    /// Where each sample goes as well, if somebody wants them.
    pub(super) tap: Option<Tap>,
    pub(super) stripe: Stripe,
    pub(super) shared: Arc<exec::Shared>,
    pub(super) reports: mpsc::UnboundedSender<CoreReport>,
    pub(super) start: watch::Receiver<Option<Instant>>,
    pub(super) created: Arc<Barrier>,
    pub(super) at_work: AtWork,
}

/// Says that a core is at work until it is dropped, and hears when none is any more.
#[derive(Debug)]
pub(super) struct AtWork {
    mine: watch::Receiver<()>,
    all: Arc<watch::Sender<()>>,
}

impl AtWork {
    /// One for each of so many cores.
    pub(super) fn of(cores: u32) -> Vec<Self> {
        let all = Arc::new(watch::Sender::new(()));
        let one = |_| Self {
            mine: all.subscribe(),
            all: Arc::clone(&all),
        };
        (0..cores).map(one).collect()
    }

    /// Waits until the others are done too.
    async fn done(self) {
        drop(self.mine);
        self.all.closed().await;
    }
}

/// Starts the thread of a core.
pub(super) fn start_core(seed: CoreSeed) -> JoinHandle<()> {
    let reports = seed.reports.clone();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let failed = |error: String| {
            let _ = reports.send(CoreReport::Failed(error));
        };
        match runtime {
            Ok(runtime) => {
                let local = tokio::task::LocalSet::new();
                if let Err(error) = local.block_on(&runtime, run(seed)) {
                    failed(error);
                }
            }
            Err(error) => failed(format!("a core's runtime cannot start: {error}")),
        }
    };
    let name = "kingtide-core".to_owned();
    match std::thread::Builder::new().name(name).spawn(work) {
        Ok(handle) => handle,
        // The operating system has no thread to give; a finished one stands in, and its closed channel ends the run.
        Err(error) => std::thread::spawn(move || panic!("a core thread cannot start: {error}")),
    }
}

async fn run(seed: CoreSeed) -> Result<(), String> {
    match seed.users.clone() {
        Users::Journeys => drive(seed, journeys).await,
        Users::Callers(call) => {
            let callers = |seed: &CoreSeed, recorder: &Recorder| {
                DirectVuFactory::new(
                    &call,
                    &seed.plan,
                    &seed.session.connections,
                    recorder,
                    &seed.session.failed,
                )
                .map_err(|error| error.to_string())
            };
            drive(seed, callers).await
        }
    }
}

/// Runs the core's stripes with the virtual users of the factory that `make` gives.
async fn drive<F: VuFactory + 'static>(
    mut seed: CoreSeed,
    make: impl FnOnce(&CoreSeed, &Recorder) -> Result<F, String>,
) -> Result<(), String> {
    let recorder = Recorder::new(&seed.session.registry, &seed.catalog);
    if let Some(tap) = &seed.tap {
        recorder.tap(tap);
    }
    let made = make(&seed, &recorder);
    // The others wait for this core, whether it could be made or not.
    seed.created.wait().await;
    let factory = Rc::new(made?);
    let mut core = stripes(&seed, &factory, &recorder);
    core.prepare().await;
    let _ = seed.reports.send(CoreReport::Ready);
    let start = match seed.start.wait_for(Option::is_some).await {
        Ok(start) => start.unwrap_or_else(clock::now),
        Err(_) => return Ok(()),
    };
    let before = Rc::new(Cell::new(None));
    let core_index = seed.stripe.index;
    let reported = Rc::new(Cell::new(0));
    let reports = seed.reports.clone();
    let reporting = report(
        reports,
        recorder.clone(),
        core_index,
        (start, Rc::clone(&before)),
        Rc::clone(&reported),
    );
    let reporter = tokio::task::spawn_local(reporting);
    let lag = tokio::task::spawn_local(measure_loop(recorder.clone()));
    let flows = tokio::task::spawn_local({
        let (session, recorder) = (Arc::clone(&seed.session), recorder.clone());
        async move { flow::keep_sweeping(&session.flows, &recorder).await }
    });
    let attendants = [
        tokio::task::spawn_local(usher::attend()),
        tokio::task::spawn_local(turnstile::attend()),
        tokio::task::spawn_local(outbox::attend()),
    ];
    core.run(start).await;
    let (ended, now) = (clock::now(), Spent::now());
    reporter.abort();
    lag.abort();
    flows.abort();
    attendants.iter().for_each(tokio::task::JoinHandle::abort);
    flow::sweep(&seed.session.flows, &recorder);
    collector::record_pauses(&recorder);
    let _ = seed.reports.send(CoreReport::Done {
        core: core_index,
        // Not the clock's: the end of a load on a whole second may come before the report of that second.
        second: reported.get(),
        delta: Box::new(recorder.take()),
        spent: now.since(before.get().unwrap_or(now)),
        ended,
    });
    // Connections that this core has opened may carry requests of the others.
    seed.at_work.done().await;
    // Taking a virtual machine down takes its time, which nobody has to wait for.
    drop(factory);
    Ok(())
}

/// This core's part of the load.
fn stripes<F: VuFactory + 'static>(seed: &CoreSeed, factory: &Rc<F>, recorder: &Recorder) -> exec::Core<F> {
    let control = Arc::clone(&seed.session.control);
    let steering = Arc::clone(&control);
    let signals = exec::Signals {
        stop: control.stop_token().clone(),
        kill: control.kill_token().clone(),
        abort: Arc::new(move |saturated| control.stop(Reason::Saturation(saturated.to_string()))),
        steering,
    };
    let factory = Rc::clone(factory);
    exec::Core::new(&seed.plan, seed.stripe, factory, recorder, &seed.shared, &signals)
}

/// A VM with everything that journeys need.
fn journeys(seed: &CoreSeed, recorder: &Recorder) -> Result<LuaVuFactory, String> {
    let host = Host::new(Arc::clone(&seed.session), seed.plan.limits, api::OPEN)
        .map_err(|error| format!("a script VM cannot start: {error}"))?;
    host.follow(&seed.plan).map_err(|error| error.to_string())?;
    let base_url = seed.plan.http.base_url.as_ref();
    if base_url.is_some_and(|url| url.scheme() == "https") {
        // The system's roots take milliseconds to read, which the first iterations must not wait for.
        let net = host.net().map_err(|_| "there are no HTTP resources".to_owned())?;
        net.warm_tls().map_err(|error| error.to_string())?;
    }
    let _ = host.recorder.set(recorder.clone());
    Ok(LuaVuFactory { host })
}

/// Hands over what was recorded, each second of the run, and counts these seconds. Says what the thread had `spent` when the
/// load began: what came before it is none of its work.
async fn report(
    reports: mpsc::UnboundedSender<CoreReport>,
    recorder: Recorder,
    core: u32,
    (start, spent): (Instant, Rc<Cell<Option<Spent>>>),
    reported: Rc<Cell<u64>>,
) {
    Timer::new().sleep_until(start).await;
    let before = Spent::now();
    spent.set(Some(before));
    let mut next = start;
    for second in 0.. {
        next += Duration::from_secs(1);
        clock::sleep_until(next).await;
        let delta = Box::new(recorder.take());
        let cpu = clock::thread_cpu().saturating_sub(before.cpu);
        let samples = CoreReport::Samples {
            core,
            second,
            delta,
            cpu,
        };
        if reports.send(samples).is_err() {
            return;
        }
        reported.set(second + 1);
    }
}

/// How often the loop is asked how late it is.
const LOOP_GRID: Duration = Duration::from_millis(10);
/// For how many points of the grid a stall counts at most: ten seconds of it.
const MOST_MISSED: u32 = 1_000;

/// How late this core's loop comes round: what every virtual user on it waits besides its own work.
async fn measure_loop(recorder: Recorder) {
    let mut timer = Timer::new();
    let mut due = clock::now() + LOOP_GRID;
    loop {
        timer.sleep_until(due).await;
        due = came_round(&recorder, due, clock::now());
        collector::record_pauses(&recorder);
    }
}

/// The loop has come round for the point that was `due`, and for those that it missed since: whoever was due at any of them
/// has waited too, so that a stall is more samples the longer it is. Gives the next point.
fn came_round(recorder: &Recorder, mut due: Instant, now: Instant) -> Instant {
    let tags = recorder.no_tags();
    for _ in 0..MOST_MISSED {
        let late = now.saturating_duration_since(due);
        recorder.record(builtin::LOOP_LAG, late.as_secs_f64() * 1e3, &tags);
        due += LOOP_GRID;
        if due > now {
            return due;
        }
    }
    now + LOOP_GRID
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Aggregation, Registry, Totals};

    #[test]
    fn a_stall_is_as_many_samples_as_points_that_it_missed() {
        // (how late, samples, shortest, longest, until the next point; in ms)
        let table = [
            (0, 1.0, 0.0, 0.0, 10),
            (9, 1.0, 9.0, 9.0, 1),
            (10, 2.0, 0.0, 10.0, 10),
            (250, 26.0, 0.0, 250.0, 10),
            (254, 26.0, 4.0, 254.0, 6),
            (60_000, 1_000.0, 50_010.0, 60_000.0, 10),
        ];
        for (late, samples, shortest, longest, next) in table {
            let registry = Registry::default();
            let catalog = Catalog::new(&registry, &[]).unwrap();
            let recorder = Recorder::new(&registry, &catalog);
            let due = clock::now();
            let now = due + Duration::from_millis(late);
            assert_eq!(
                came_round(&recorder, due, now) - now,
                Duration::from_millis(next),
                "{late} ms"
            );
            let mut totals = Totals::new(&registry, &catalog, 0);
            totals.merge(&recorder.take());
            let of = |aggregation| totals.root(builtin::LOOP_LAG, aggregation).unwrap();
            let got = (of(Aggregation::Count), of(Aggregation::Min), of(Aggregation::Max));
            assert_eq!(got, (samples, shortest, longest), "{late} ms");
        }
    }
}
