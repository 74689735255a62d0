//! One scenario on one stripe: runs its iterations one by one and accounts for each exactly once. Who runs when is the
//! executors' business.
//!
//! The life of an iteration, and the one place where each count is taken:
//!
//! | state | event | next | counted |
//! |---|---|---|---|
//! | (none) | due, or claimed by a VU | offered | `Offered` |
//! | offered | a VU begins it | in flight | `Started`; open: start lag, dispatch lag |
//! | offered | dropped by policy, end or panic ([`Offer`] goes out of scope) | — | `Dropped` |
//! | in flight | the journey returned or failed | — | `Completed` or `Failed`, durations |
//! | in flight | data exhausted, cut off or panic ([`Flight`] goes out of scope) | — | `Interrupted`, no durations |
//!
//! Offers and flights are values that count when they go out of scope, so that the sums add up whatever happens.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Instant};
use crate::metrics::{Count, Recorder, TagSet, builtin};
use crate::plan::{Executor, Plan, Scenario};
use crate::schedule::Stripe;
use crate::vu::{Iteration, Outcome, Part, Ready, Vu};

use super::exchange::Ticket;
use super::parts::Parts;
use super::shared::{Joint, Shared, Tally};
use super::signals::Signals;

/// One scenario on one stripe.
pub(super) struct Lane {
    pub(super) plan: Arc<Plan>,
    pub(super) index: usize,
    pub(super) stripe: Stripe,
    pub(super) shared: Arc<Shared>,
    pub(super) signals: Signals,
    recorder: Recorder,
    is_open: bool,
    tags: Parts,
    tally: Arc<Tally>,
    /// No iteration may begin any more.
    closed: Cell<bool>,
    left: Cell<bool>,
    concluded: Cell<bool>,
    /// When the load began.
    origin: Cell<Instant>,
    /// When the scenario began.
    begun: Cell<Instant>,
}

impl Lane {
    pub(super) fn new(
        plan: &Arc<Plan>,
        index: usize,
        stripe: Stripe,
        recorder: &Recorder,
        shared: &Arc<Shared>,
        signals: &Signals,
    ) -> Self {
        Self {
            is_open: plan.scenarios[index].executor.is_open(),
            tags: Parts::new(plan, index, recorder, &signals.steering),
            tally: shared.joint(index).join(),
            plan: Arc::clone(plan),
            index,
            stripe,
            shared: Arc::clone(shared),
            signals: signals.clone(),
            recorder: recorder.clone(),
            closed: Cell::new(false),
            left: Cell::new(false),
            concluded: Cell::new(false),
            origin: Cell::new(clock::now()),
            begun: Cell::new(clock::now()),
        }
    }

    /// The scenario begins, which was meant to happen at `at`, in a load that began at `origin`.
    pub(super) fn begin(&self, at: Instant, origin: Instant) {
        self.origin.set(origin);
        self.begun.set(at);
        self.joint().begin(at);
    }

    pub(super) fn scenario(&self) -> &Scenario {
        &self.plan.scenarios[self.index]
    }

    pub(super) fn joint(&self) -> &Joint {
        self.shared.joint(self.index)
    }

    /// From now on no iteration begins.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.conclude();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Nothing comes due here any more. Where that is so of all stripes, live control has nothing to say any more.
    fn conclude(&self) {
        if !self.concluded.replace(true) && self.joint().conclude() {
            self.signals.steering.conclude(self.index);
        }
    }

    /// This stripe offers no more. The last one to leave drops what nobody claimed of work that all stripes have in common.
    /// Only the first call does anything.
    pub(super) fn leave(&self) {
        self.conclude();
        if !self.left.replace(true)
            && self.joint().leave()
            && let Executor::SharedIterations { iterations, .. } = &self.scenario().executor
        {
            self.drop_planned(self.joint().claim_rest(*iterations));
        }
    }

    /// A new arrival.
    pub(super) fn offer(self: &Rc<Self>, ticket: Ticket) -> Offer {
        let part = self.part(ticket.segment, ticket.due);
        self.count(Count::Offered, &self.tally.offered, 1, part);
        self.adopt(ticket)
    }

    /// An arrival that some stripe has counted as offered.
    pub(super) fn adopt(self: &Rc<Self>, ticket: Ticket) -> Offer {
        Offer {
            lane: Rc::clone(self),
            ticket,
            open: true,
        }
    }

    /// Arrivals that were offered will never start.
    pub(super) fn drop_offered(&self, tickets: impl IntoIterator<Item = Ticket>) {
        for ticket in tickets {
            let part = self.part(ticket.segment, ticket.due);
            self.count(Count::Dropped, &self.tally.dropped, 1, part);
        }
    }

    /// `n` planned iterations that nobody claimed will never start: they count as offered and dropped.
    pub(super) fn drop_planned(&self, n: u64) {
        if n > 0 {
            let part = self.part(0, clock::now());
            self.count(Count::Offered, &self.tally.offered, n, part);
            self.count(Count::Dropped, &self.tally.dropped, n, part);
        }
    }

    /// How many iterations have begun here.
    pub(super) fn started(&self) -> u64 {
        self.tally.started.load(Ordering::Relaxed)
    }

    /// Brings a VU that is free up to date; `None` when no iteration may begin any more.
    pub(super) async fn ready<V: Vu>(&self, vu: &mut V) -> Option<Ready> {
        let ready = vu.ready().await;
        (!self.is_closed()).then_some(ready)
    }

    /// Runs an iteration that begins because its VU, which has its turn at `now`, is free and ready: intended and actual
    /// start are the same.
    pub(super) fn run_closed<V: Vu>(
        &self,
        vu: &mut V,
        ready: Ready,
        number: u64,
        segment: u32,
        now: Instant,
    ) -> impl Future<Output = Outcome> {
        let iteration = self.iteration(number, segment, now, now, ready);
        self.count(Count::Offered, &self.tally.offered, 1, iteration.part);
        self.run(vu, iteration)
    }

    /// Runs an arrival by a VU that is free and ready.
    pub(super) fn run_open<V: Vu>(&self, vu: &mut V, ready: Ready, offer: Offer) -> impl Future<Output = Outcome> {
        let now = clock::now();
        let Ticket {
            number,
            segment,
            due,
            handled,
            assigned,
            ..
        } = offer.take();
        // A user that takes up an edited script waits for itself, not for the dispatcher.
        let found = now.saturating_duration_since(assigned).saturating_sub(ready.took);
        let iteration = self.iteration(number, segment, due, now, ready);
        let lag = now.saturating_duration_since(due);
        {
            let tags = self.tags(iteration.part);
            let mut samples = self.recorder.batch(&tags);
            samples.record(builtin::ITERATION_START_LAG, ms(lag));
            samples.record(builtin::DISPATCH_LAG, ms((handled - due) + found));
        }
        self.run(vu, iteration)
    }

    fn iteration(&self, number: u64, segment: u32, due: Instant, started_at: Instant, ready: Ready) -> Iteration {
        Iteration {
            scenario: self.index,
            number,
            part: Part {
                revision: ready.revision,
                ..self.part(segment, due)
            },
            begun_at: self.begun.get(),
            scheduled_at: due,
            started_at,
        }
    }

    /// What belongs to `segment` and is due at `due`, whoever runs it.
    fn part(&self, segment: u32, due: Instant) -> Part {
        let since = |start: &Cell<Instant>| due.saturating_duration_since(start.get());
        self.plan
            .part(self.index, segment, since(&self.origin), since(&self.begun))
    }

    fn run<V: Vu>(&self, vu: &mut V, iteration: Iteration) -> impl Future<Output = Outcome> {
        self.count(Count::Started, &self.tally.started, 1, iteration.part);
        self.tally.began();
        let flight = Flight {
            lane: self,
            iteration,
            ended_as: Count::Interrupted,
        };
        async move {
            let mut paused = false;
            let outcome = {
                // In place: a function around it would hold it twice.
                let mut running = pin!(vu.run(&flight.iteration));
                std::future::poll_fn(|cx| {
                    let poll = running.as_mut().poll(cx);
                    paused |= poll.is_pending();
                    poll
                })
                .await
            };
            match outcome {
                Outcome::Completed => flight.land(Count::Completed),
                Outcome::Failed => flight.land(Count::Failed),
                Outcome::Retired => drop(flight),
            }
            if !paused {
                // A journey that never waits must not keep its core from the others.
                tokio::task::yield_now().await;
            }
            outcome
        }
    }

    fn landed(&self, iteration: &Iteration) {
        let now = clock::now();
        let tags = self.tags(iteration.part);
        let mut samples = self.recorder.batch(&tags);
        samples.record(builtin::ITERATION_DURATION, ms(now - iteration.started_at));
        if self.is_open {
            samples.record(builtin::ITERATION_RESPONSE_TIME, ms(now - iteration.scheduled_at));
        }
    }

    fn count(&self, what: Count, tally: &AtomicU64, n: u64, part: Part) {
        // Nobody else writes it.
        tally.store(tally.load(Ordering::Relaxed) + n, Ordering::Relaxed);
        self.recorder.count(self.index, what, n, &self.tags(part));
    }

    fn tags(&self, part: Part) -> TagSet {
        self.tags.get(part, &self.plan, &self.recorder)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.leave();
        self.joint().end();
    }
}

/// An arrival that waits for a VU; dropped unless taken.
pub(super) struct Offer {
    lane: Rc<Lane>,
    ticket: Ticket,
    open: bool,
}

impl Offer {
    /// Takes the arrival out, to begin it or to hand it on; it is the taker's to account for.
    pub(super) fn take(mut self) -> Ticket {
        self.open = false;
        self.ticket
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if self.open {
            self.lane.drop_offered([self.ticket]);
        }
    }
}

/// An iteration in flight; interrupted unless it has landed.
struct Flight<'a> {
    lane: &'a Lane,
    iteration: Iteration,
    ended_as: Count,
}

impl Flight<'_> {
    /// It has come to its end.
    fn land(mut self, ended_as: Count) {
        self.ended_as = ended_as;
        let (lane, iteration) = (self.lane, self.iteration);
        drop(self);
        lane.landed(&iteration);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let part = self.iteration.part;
        self.lane.count(self.ended_as, &self.lane.tally.finished, 1, part);
    }
}

/// A duration as trends take it.
fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Ready to be polled by a `select!`: waits for the first of a graceful stop and a kill.
pub(super) async fn ended(signals: &Signals) {
    tokio::select! {
        () = signals.kill.cancelled() => {}
        () = signals.stop.cancelled() => {}
    }
}

/// Passes a VU task's panic on; a task that was cut off is fine.
pub(super) fn surface(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
