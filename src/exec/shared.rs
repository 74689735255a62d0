//! What the stripes of a process know in common: VU caps and ids, the cursor of `shared-iterations`, the exchange of
//! open scenarios, and the sums that a progress display reads. Nothing here is touched once per iteration except the
//! cursor and a stripe's own tallies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant};
use crate::control::{Control, Setpoint};
use crate::plan::{Plan, Scenario};

use super::exchange::Exchange;
use super::terms::{Agenda, Terms};
use crate::clock::later;

/// Process-wide state of a run; one `Arc` for all cores.
#[derive(Debug)]
pub struct Shared {
    scenarios: Vec<Joint>,
    seed: u64,
    /// VU ids given out so far; those of fixed VUs are set aside from the start.
    last_vu: AtomicU64,
}

/// Where a scenario stands, summed over the stripes. The sums are read without stopping anybody, so that they may be
/// apart by what happened while reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Iterations that were due, or claimed.
    pub offered: u64,
    /// Iterations that a VU began.
    pub started: u64,
    /// Iterations that ended: completed, failed or interrupted.
    pub finished: u64,
    /// VUs that run an iteration now.
    pub active: u64,
    /// Iterations that are due and wait for a VU.
    pub backlog: u64,
    /// Iterations that never started.
    pub dropped: u64,
}

/// One scenario over all stripes.
#[derive(Debug)]
pub(super) struct Joint {
    /// Fixed VU `i` of the scenario has the id `first_vu + i`.
    pub(super) first_vu: u64,
    /// The cap on VUs of the process; never lowered.
    max_vus: AtomicU64,
    /// The versions of the plan, the first being the one that the run began with.
    terms: Mutex<Vec<Arc<Terms>>>,
    /// VUs that exist or are being made; never above the cap.
    held: AtomicU64,
    /// VUs that exist.
    initialised: AtomicU64,
    /// Stripes that may still offer iterations.
    offering: AtomicU64,
    /// Stripes where something may still come due.
    unconcluded: AtomicU64,
    /// When the scenario began, once some stripe has.
    begun: OnceLock<Instant>,
    /// VUs of a looping scenario that have not retired.
    present: watch::Sender<u64>,
    /// Stripes that are not at their very end, graceful stop included.
    unfinished: AtomicU64,
    /// When the last of them was.
    ended: watch::Sender<Option<Instant>>,
    /// Iterations that `shared-iterations` has handed out.
    cursor: AtomicU64,
    pub(super) exchange: Exchange,
    tallies: Mutex<Vec<Arc<Tally>>>,
}

/// One stripe's sums of one scenario. Written by one core only and on cache lines of its own (128 bytes:
/// they are fetched in pairs), so that none is fought over.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    pub(super) offered: AtomicU64,
    pub(super) started: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// The most iterations at once.
    peak: AtomicU64,
}

impl Tally {
    /// An iteration has begun.
    pub(super) fn began(&self) {
        let active = self.started.load(Ordering::Relaxed) - self.finished.load(Ordering::Relaxed);
        // Nobody else writes it.
        if active > self.peak.load(Ordering::Relaxed) {
            self.peak.store(active, Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// State for a run of `plan`, before its first core. `seed` decides random arrivals.
    #[must_use]
    pub fn new(plan: &Plan, seed: u64) -> Self {
        let mut last_vu = 0;
        let scenarios = plan
            .scenarios
            .iter()
            .map(|scenario| {
                let (fixed, max) = scenario.executor.vus();
                let joint = Joint::new(last_vu + 1, (fixed, max), scenario);
                last_vu += fixed;
                joint
            })
            .collect();
        Self {
            scenarios,
            seed,
            last_vu: AtomicU64::new(last_vu),
        }
    }

    /// VUs that run an iteration now.
    #[must_use]
    pub fn vus_active(&self) -> u64 {
        (0..self.scenarios.len()).map(|i| self.progress(i).active).sum()
    }

    /// The most VUs that have run an iteration at once, or more: each stripe counts its own.
    #[must_use]
    pub fn vus_peak(&self) -> u64 {
        let tallies = self.scenarios.iter().map(|s| lock(&s.tallies));
        tallies
            .map(|tallies| tallies.iter().map(|t| t.peak.load(Ordering::Relaxed)).sum::<u64>())
            .sum()
    }

    /// VUs that exist, busy or not.
    #[must_use]
    pub fn vus_initialised(&self) -> u64 {
        self.scenarios
            .iter()
            .map(|s| s.initialised.load(Ordering::Relaxed))
            .sum()
    }

    /// Iterations of open scenarios that never started because VUs were still being made when the scenario ended.
    #[must_use]
    pub fn unmade(&self) -> u64 {
        self.scenarios.iter().map(|s| s.exchange.unmade()).sum()
    }

    /// The most VUs that the plan allows at once: the sum of the scenarios' caps.
    #[must_use]
    pub fn vus_max(&self) -> u64 {
        self.scenarios
            .iter()
            .fold(0, |sum: u64, s| sum.saturating_add(s.max_vus()))
    }

    /// Where scenario `index` of the plan stands.
    #[must_use]
    pub fn progress(&self, index: usize) -> Progress {
        let mut sum = Progress::default();
        for tally in lock(&self.scenarios[index].tallies).iter() {
            // Ends before beginnings, so that a difference is never below zero for long.
            sum.finished += tally.finished.load(Ordering::Relaxed);
            sum.dropped += tally.dropped.load(Ordering::Relaxed);
            sum.started += tally.started.load(Ordering::Relaxed);
            sum.offered += tally.offered.load(Ordering::Relaxed);
        }
        sum.active = sum.started.saturating_sub(sum.finished);
        sum.backlog = sum.offered.saturating_sub(sum.started + sum.dropped);
        sum
    }

    /// How many scenarios there are.
    pub(super) fn scenarios(&self) -> usize {
        self.scenarios.len()
    }

    /// When a scenario that has not begun will, if nothing more is set; `None` while it waits for another one's end, or
    /// for that of a pause. `setpoints` are those of the scenario.
    pub(super) fn start(&self, index: usize, setpoints: Vec<Setpoint>) -> Option<Instant> {
        let terms = self.joint(index).terms();
        let origin = match self.predecessor(index) {
            Some(other) => self.joint(other).ended_at()?,
            None => setpoints.first()?.since,
        };
        let agenda = Agenda::new(setpoints, terms, origin);
        agenda.real(agenda.aim(|terms| terms.scenario.start_time))
    }

    /// When the load of a scenario is over by plan, with all pauses and edits so far; a pause that goes on ends now.
    #[must_use]
    pub fn planned_end(&self, index: usize, control: &Control) -> Instant {
        let (joint, now) = (self.joint(index), clock::now());
        let setpoints = control.setpoints(index).map(|known| known.borrow().clone());
        let setpoints = setpoints.unwrap_or_default();
        if let Some(begin) = joint.begun() {
            let agenda = Agenda::new(setpoints, joint.terms(), begin);
            return agenda.foreseen(agenda.end(), now);
        }
        let origin = match self.predecessor(index) {
            Some(other) => self
                .joint(other)
                .ended_at()
                .unwrap_or_else(|| self.planned_end(other, control)),
            None => setpoints.first().map_or(now, |first| first.since),
        };
        let agenda = Agenda::new(setpoints, joint.terms(), origin);
        let start = agenda.foreseen(agenda.aim(|terms| terms.scenario.start_time), now);
        later(start, joint.newest().scenario.executor.duration())
    }

    /// When a scenario began, if it has, and when its load is over: by plan, or before where it had no more to do.
    #[must_use]
    pub fn span(&self, index: usize, control: &Control) -> (Option<Instant>, Instant) {
        let (joint, end) = (self.joint(index), self.planned_end(index, control));
        (joint.begun(), joint.ended_at().map_or(end, |ended| ended.min(end)))
    }

    /// The name of the stage, step or wave that a scenario is in, as its plan then has them.
    #[must_use]
    pub fn stage(&self, index: usize, control: &Control, now: Instant) -> Option<String> {
        let joint = self.joint(index);
        let begin = joint.begun().filter(|begin| *begin <= now)?;
        let setpoints = control.setpoints(index).map(|known| known.borrow().clone());
        let agenda = Agenda::new(setpoints.unwrap_or_default(), joint.terms(), begin);
        if agenda.is_over(now) {
            return None;
        }
        let (current, _) = agenda.in_force(now);
        let terms = agenda.version(current.map_or(0, |setpoint| setpoint.terms))?;
        terms.scenario.executor.segment_at(agenda.own(now))
    }

    /// Whether a stage (or step) of scenario `index` is over at `at`; `None` where there is none of that name, and for waves,
    /// which are moments.
    #[must_use]
    pub fn has_passed(&self, index: usize, control: &Control, stage: &str, at: Instant) -> Option<bool> {
        let joint = self.joint(index);
        let executor = &joint.newest().scenario.executor;
        let last = executor.segments().iter().rposition(|name| name == stage)?;
        let end: Duration = executor
            .segment_lengths()
            .into_iter()
            .take(last + 1)
            .sum::<Option<_>>()?;
        let Some(begin) = joint.begun() else {
            return Some(false);
        };
        let setpoints = control.setpoints(index).map(|known| known.borrow().clone());
        let agenda = Agenda::new(setpoints.unwrap_or_default(), joint.terms(), begin);
        Some(agenda.own(at) >= end)
    }

    fn predecessor(&self, index: usize) -> Option<usize> {
        let plan = self.joint(index).newest();
        let other = plan.scenario.start_after.as_ref()?;
        let mut scenarios = self.scenarios.iter();
        scenarios.position(|joint| joint.newest().scenario.name == *other)
    }

    pub(super) fn joint(&self, scenario: usize) -> &Joint {
        &self.scenarios[scenario]
    }

    /// The seed of a scenario's arrivals: its own, whatever other scenarios there are (FNV-1a over its name).
    pub(super) fn seed(&self, scenario: &str) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        scenario.bytes().fold(OFFSET ^ self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        })
    }

    /// An id for a VU that was not foreseen.
    pub(super) fn next_vu(&self) -> u64 {
        self.last_vu.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The right to make one more VU of `scenario`, if its cap allows.
    pub(super) fn acquire(self: &Arc<Self>, scenario: usize) -> Option<Permit> {
        let joint = self.joint(scenario);
        joint
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
                (held < joint.max_vus()).then_some(held + 1)
            })
            .ok()?;
        Some(Permit {
            shared: Arc::clone(self),
            scenario,
            used: false,
        })
    }
}

impl Joint {
    fn new(first_vu: u64, (fixed, max_vus): (u64, u64), scenario: &Scenario) -> Self {
        let segments = (0..).take(scenario.executor.segments().len()).collect();
        let plan = Terms::new(scenario.clone(), segments);
        Self {
            first_vu,
            max_vus: AtomicU64::new(max_vus),
            terms: Mutex::new(vec![Arc::new(plan)]),
            held: AtomicU64::new(0),
            initialised: AtomicU64::new(0),
            offering: AtomicU64::new(0),
            unconcluded: AtomicU64::new(0),
            begun: OnceLock::new(),
            present: watch::Sender::new(fixed),
            unfinished: AtomicU64::new(0),
            ended: watch::Sender::default(),
            cursor: AtomicU64::new(0),
            exchange: Exchange::default(),
            tallies: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn max_vus(&self) -> u64 {
        self.max_vus.load(Ordering::Relaxed)
    }

    /// VUs that are being made.
    pub(super) fn making(&self) -> u64 {
        let initialised = self.initialised.load(Ordering::Relaxed);
        self.held.load(Ordering::Relaxed).saturating_sub(initialised)
    }

    /// There may be that many VUs from now on.
    pub(super) fn raise_max_vus(&self, max_vus: u64) {
        self.max_vus.fetch_max(max_vus, Ordering::Relaxed);
    }

    /// All versions of the plan.
    pub(super) fn terms(&self) -> Vec<Arc<Terms>> {
        lock(&self.terms).clone()
    }

    /// The newest version of the plan.
    pub(super) fn newest(&self) -> Arc<Terms> {
        let terms = lock(&self.terms);
        Arc::clone(terms.last().expect("there is the plan's version at least"))
    }

    /// One more version of the plan, which holds when a setpoint says so. Gives its number.
    pub(super) fn amend(&self, scenario: Scenario, segments: &[u32]) -> u32 {
        let mut terms = lock(&self.terms);
        if let Some(last) = terms.last() {
            let next = last.followed_by(scenario, segments);
            terms.push(Arc::new(next));
        }
        u32::try_from(terms.len() - 1).unwrap_or(u32::MAX)
    }

    /// When the scenario began, if it has.
    pub(super) fn begun(&self) -> Option<Instant> {
        self.begun.get().copied()
    }

    /// When all stripes were at their very end, if they are.
    pub(super) fn ended_at(&self) -> Option<Instant> {
        *self.ended.borrow()
    }

    /// One more looping VU.
    pub(super) fn enlist(&self) {
        self.present.send_modify(|present| *present += 1);
    }

    /// One less.
    pub(super) fn retire(&self) {
        self.present.send_modify(|present| *present = present.saturating_sub(1));
    }

    /// Waits until the looping VUs of all stripes have retired.
    pub(super) async fn all_retired(&self) {
        let _ = self.present.subscribe().wait_for(|present| *present == 0).await;
    }

    /// A stripe joins; it owes one [`Joint::leave`] and one [`Joint::end`].
    pub(super) fn join(&self) -> Arc<Tally> {
        let tally = Arc::new(Tally::default());
        lock(&self.tallies).push(Arc::clone(&tally));
        self.offering.fetch_add(1, Ordering::SeqCst);
        self.unconcluded.fetch_add(1, Ordering::SeqCst);
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        tally
    }

    pub(super) fn begin(&self, at: Instant) {
        let _ = self.begun.set(at);
    }

    /// Nothing comes due on a stripe any more. Returns whether it was the last one.
    pub(super) fn conclude(&self) -> bool {
        self.unconcluded.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// A stripe offers no more. Returns whether it was the last one and some stripe had begun: then what is left of the
    /// common work is the caller's to account for.
    pub(super) fn leave(&self) -> bool {
        let last = self.offering.fetch_sub(1, Ordering::SeqCst) == 1;
        if last {
            self.exchange.wake_all();
        }
        last && self.begun.get().is_some()
    }

    /// A stripe is at its very end.
    pub(super) fn end(&self) {
        if self.unfinished.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.ended.send_replace(Some(clock::now()));
        }
    }

    /// Waits until all stripes are at their very end; one instant for all who wait.
    pub(super) async fn ended(&self) -> Instant {
        let mut ended = self.ended.subscribe();
        loop {
            if let Some(at) = *ended.borrow_and_update() {
                return at;
            }
            if ended.changed().await.is_err() {
                return clock::now();
            }
        }
    }

    /// Whether any stripe may still offer iterations.
    pub(super) fn offering(&self) -> bool {
        self.offering.load(Ordering::SeqCst) > 0
    }

    /// The next of `total` shared iterations.
    pub(super) fn claim(&self, total: u64) -> Option<u64> {
        let number = self.cursor.fetch_add(1, Ordering::Relaxed);
        (number < total).then_some(number)
    }

    /// Takes all that is left of `total` shared iterations and returns how many that was.
    pub(super) fn claim_rest(&self, total: u64) -> u64 {
        total - self.cursor.swap(total, Ordering::Relaxed).min(total)
    }
}

/// The right to one VU under the cap; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    scenario: usize,
    used: bool,
}

impl Permit {
    /// The VU exists from now on.
    pub(super) fn initialised(&mut self) {
        if !self.used {
            self.used = true;
            let joint = self.shared.joint(self.scenario);
            joint.initialised.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let joint = self.shared.joint(self.scenario);
        joint.held.fetch_sub(1, Ordering::Relaxed);
        if self.used {
            joint.initialised.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Locks, whatever another thread's panic left behind: what is guarded here is plain data, valid after every step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
