//! The VUs of an open scenario on one stripe: finds one for each arrival, makes more while the cap allows. When arrivals
//! are due is `open`'s business.
//!
//! A VU is a task that lives as long as its VU and is fed through its [`Slot`], so that an iteration costs no task.
//!
//! | VU state | event | next |
//! |---|---|---|
//! | (none) | an arrival finds no idle VU, and the cap allows one more: it joins the backlog | being made |
//! | being made | made, backlog not empty | running the oldest of the backlog |
//! | being made | made, no backlog or lane closed | idle |
//! | idle | claimed by an arrival; the last to go idle goes first, being warm | running |
//! | running | iteration ended, backlog not empty | running the oldest of the backlog |
//! | running | iteration ended, no backlog or lane closed | idle |
//! | running | data exhausted | gone, and the scenario offers no more |
//! | any | cut off | gone |

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use tokio::task::JoinSet;

use crate::clock::{self, Instant, later};
use crate::plan::{Executor, OnSaturation};
use crate::vu::{Outcome, Vu, VuFactory};

use super::crew::Seat;
use super::exchange::{Exchange, Member, Ticket};
use super::lane::{Lane, Offer};
use super::shared::Permit;
use super::signals::Saturated;
use super::terms::Terms;

/// The VUs of one lane.
pub(super) struct Pool<F: VuFactory> {
    pub(super) lane: Rc<Lane>,
    pub(super) member: Arc<Member>,
    factory: Rc<F>,
    on_saturation: Cell<OnSaturation>,
    /// The cap, as this stripe knows it.
    max_vus: Cell<u64>,
    /// VUs without work, the warmest last. As many are unclaimed as `member` says; the others have a ticket in the inbox.
    idle: RefCell<Vec<Rc<Slot>>>,
    /// VUs that exist or are being made.
    live: Cell<usize>,
    /// Arrivals in slots: their VUs have yet to get their turn of the event loop.
    assigned: Cell<usize>,
    /// The driver waits for the VUs to become idle.
    draining: Cell<bool>,
    /// No arrival after the warm-up has come yet.
    warming_up: Cell<bool>,
}

/// Where a VU's task waits for its next arrival.
#[derive(Default)]
struct Slot {
    offer: Cell<Option<Offer>>,
    waker: Cell<Option<Waker>>,
}

impl<F: VuFactory + 'static> Pool<F> {
    /// A pool that has yet to be told what to [follow](Pool::follow).
    pub(super) fn new(lane: Rc<Lane>, factory: Rc<F>) -> Rc<Self> {
        Rc::new(Self {
            warming_up: Cell::new(!lane.scenario().warmup.is_zero()),
            member: lane.joint().exchange.join(),
            max_vus: Cell::new(lane.joint().max_vus()),
            lane,
            factory,
            on_saturation: Cell::new(OnSaturation::Queue),
            idle: RefCell::default(),
            live: Cell::new(0),
            assigned: Cell::new(0),
            draining: Cell::new(false),
        })
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.lane.joint().exchange
    }

    /// Goes by a version of the plan from now on. Where it allows more VUs, this stripe makes its share of them for those
    /// that wait already: what comes later finds them busy, or makes the rest.
    pub(super) fn follow(self: &Rc<Self>, terms: &Terms, vus: &mut JoinSet<()>) {
        let Executor::Open {
            max_vus, on_saturation, ..
        } = terms.scenario.executor
        else {
            return;
        };
        self.on_saturation.set(on_saturation);
        let more = max_vus.saturating_sub(self.max_vus.get());
        self.max_vus.set(self.max_vus.get().max(max_vus));
        self.lane.joint().raise_max_vus(max_vus);
        for _ in 0..self.lane.stripe.share(more) {
            let making = self.lane.joint().making();
            if self.exchange().waiting() as u64 <= making || !self.grow(clock::now(), vus) {
                return;
            }
        }
    }

    /// Makes one more VU, which is needed since then, if the cap allows.
    fn grow(self: &Rc<Self>, since: Instant, vus: &mut JoinSet<()>) -> bool {
        let permit = self.lane.shared.acquire(self.lane.index);
        let Some(permit) = permit else { return false };
        vus.spawn_local(grow(Live::new(self), permit, since));
        true
    }

    /// Takes in VUs that are made already, idle.
    pub(super) fn admit(self: &Rc<Self>, crew: Vec<Seat<F::Vu>>, vus: &mut JoinSet<()>) {
        for seat in crew {
            let slot = Rc::new(Slot::default());
            self.idle.borrow_mut().push(Rc::clone(&slot));
            self.member.add_idle();
            vus.spawn_local(occupy(Live::new(self), seat, slot, None));
        }
    }

    /// Finds a VU for an arrival that has just been handled, or does what `on_saturation` says. Never waits.
    pub(super) fn dispatch(self: &Rc<Self>, ticket: Ticket, vus: &mut JoinSet<()>) {
        if self.warming_up.get() && !self.lane.scenario().is_warmup(ticket.at) {
            // What the warm-up left waiting would delay what is measured.
            self.warming_up.set(false);
            let warmup = self.lane.scenario().warmup;
            self.lane.drop_offered(self.exchange().discard_before(warmup));
        }
        let offer = self.lane.offer(ticket);
        if self.member.claim() {
            self.assign(offer);
        } else if self.grow(ticket.handled, vus) {
            // Not the new VU's alone: its `vu_init` may take longer than others are busy.
            self.exchange().queue(offer.take());
        } else {
            self.saturated(offer);
        }
    }

    /// Gives what other stripes have brought to the VUs that they have claimed.
    pub(super) fn collect(self: &Rc<Self>) {
        for ticket in self.member.collect() {
            self.assign(self.lane.adopt(ticket));
        }
    }

    /// No iteration begins any more, nor does the backlog's.
    pub(super) fn close(&self) {
        self.lane.close();
        let making = self.lane.joint().making();
        self.lane.drop_offered(self.exchange().discard(making));
    }

    /// From now on the driver is woken when the VUs become idle, and when none has an arrival left to begin.
    pub(super) fn drain(&self) {
        self.draining.set(true);
    }

    /// Whether some VU has an arrival and has not come to beginning it.
    pub(super) fn has_assigned(&self) -> bool {
        self.assigned.get() > 0
    }

    /// Nothing is left to do here, and nobody can bring anything more.
    pub(super) fn is_drained(&self) -> bool {
        !self.lane.joint().offering()
            && self.exchange().waiting() == 0
            && self.member.inbox_is_empty()
            && self.idle.borrow().len() == self.live.get()
    }

    /// After the VUs are gone: drops what is still addressed to them.
    pub(super) fn leave(&self) {
        self.lane.drop_offered(self.member.leave());
        self.close();
    }

    /// Gives an arrival to an idle VU that was claimed for it.
    fn assign(&self, offer: Offer) {
        let slot = self.idle.borrow_mut().pop().expect("a claimed VU is in the pool");
        self.assigned.set(self.assigned.get() + 1);
        slot.put(offer);
    }

    /// A VU has taken an arrival out of its slot.
    fn taken(&self) {
        self.assigned.set(self.assigned.get() - 1);
        if self.draining.get() && !self.has_assigned() {
            self.member.wake.notify_one();
        }
    }

    fn saturated(&self, offer: Offer) {
        let ticket = offer.take();
        let Err(ticket) = self.exchange().hand_over(ticket) else {
            return;
        };
        match self.on_saturation.get() {
            OnSaturation::Queue => self.exchange().queue(ticket),
            OnSaturation::Drop => self.lane.drop_offered([ticket]),
            OnSaturation::Abort => {
                self.lane.drop_offered([ticket]);
                // Warming up a system may be more than it can take.
                if !self.lane.scenario().is_warmup(ticket.at) {
                    self.abort(&ticket);
                }
            }
        }
    }

    fn abort(&self, ticket: &Ticket) {
        if self.exchange().end() {
            let signals = &self.lane.signals;
            (signals.abort)(Saturated {
                scenario: self.lane.scenario().name.clone(),
                max_vus: self.lane.joint().max_vus(),
                number: ticket.number,
                at: ticket.at,
            });
            signals.stop.cancel();
        }
    }

    /// The oldest of the backlog, for a VU that has become free at the instant that `free` gives.
    fn next_waiting(&self, free: impl FnOnce() -> Instant) -> Option<Offer> {
        if self.lane.is_closed() || self.exchange().waiting() == 0 {
            return None;
        }
        self.exchange().next(free()).map(|ticket| self.take_over(ticket))
    }

    /// Puts a VU's slot among the idle ones.
    fn park(&self, slot: &Rc<Slot>) {
        self.idle.borrow_mut().push(Rc::clone(slot));
        if let Some(ticket) = self.exchange().go_idle(&self.member) {
            self.assign(self.take_over(ticket));
        }
        if self.draining.get() {
            self.member.wake.notify_one();
        }
    }

    /// A ticket from the backlog.
    fn take_over(&self, ticket: Ticket) -> Offer {
        if self.exchange().waiting() == 0 && !self.lane.joint().offering() {
            // Other stripes may be waiting for the backlog only.
            self.exchange().wake_all();
        }
        self.lane.adopt(ticket)
    }
}

impl Slot {
    fn put(&self, offer: Offer) {
        self.offer.set(Some(offer));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    async fn take(&self) -> Offer {
        std::future::poll_fn(|cx| match self.offer.take() {
            Some(offer) => Poll::Ready(offer),
            None => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

/// Counts a VU as live while its task exists.
struct Live<F: VuFactory>(Rc<Pool<F>>);

impl<F: VuFactory> Live<F> {
    fn new(pool: &Rc<Pool<F>>) -> Self {
        pool.live.set(pool.live.get() + 1);
        Self(Rc::clone(pool))
    }
}

impl<F: VuFactory> Drop for Live<F> {
    fn drop(&mut self) {
        self.0.live.set(self.0.live.get() - 1);
        self.0.member.wake.notify_one();
    }
}

/// Makes a VU that is needed since then, and lives its life.
async fn grow<F: VuFactory + 'static>(live: Live<F>, permit: Permit, since: Instant) {
    let pool = &live.0;
    // Boxed: a VU is made once, and would keep the room for it all its life.
    let seat = Box::pin(Seat::on_demand(&pool.lane, &*pool.factory, permit)).await;
    // What it took besides its own initialisation is the generator's.
    let offer = pool.next_waiting(|| later(since, seat.vu.init_took()));
    let slot = Rc::default();
    if offer.is_none() {
        pool.park(&slot);
    }
    occupy(live, seat, slot, offer).await;
}

/// The life of one VU.
#[expect(
    clippy::manual_async_fn,
    reason = "an async function would hold its arguments twice, and each VU holds its future"
)]
fn occupy<F: VuFactory + 'static>(
    live: Live<F>,
    mut seat: Seat<F::Vu>,
    slot: Rc<Slot>,
    mut offer: Option<Offer>,
) -> impl Future<Output = ()> {
    async move {
        // Whole, with its right to exist, and before the pool, which is told last that it is gone.
        let (seat, pool) = (&mut seat, &live.0);
        loop {
            if offer.is_none() {
                offer = Some(slot.take().await);
                pool.taken();
            }
            let mut outcome = None;
            if !pool.lane.is_closed()
                && let Some(ready) = pool.lane.ready(&mut *seat.vu).await
                && let Some(offer) = offer.take()
            {
                outcome = Some(pool.lane.run_open(&mut *seat.vu, ready, offer).await);
            }
            if outcome == Some(Outcome::Retired) {
                pool.exchange().end();
                return;
            }
            // Nobody took it where the lane has closed meanwhile.
            drop(offer.take());
            offer = pool.next_waiting(clock::now);
            if offer.is_none() {
                pool.park(&slot);
            }
        }
    }
}
