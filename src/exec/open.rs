//! The driver of all open executors: begins iterations when a schedule says so, whatever the system does. It knows no
//! shape; finding a VU is `pool`'s.
//!
//! | state | event | next | what happens |
//! |---|---|---|---|
//! | offering | an arrival is due | offering | dispatched: idle VU, new VU, other stripe, `on_saturation` |
//! | offering | planned end | draining | the backlog goes on starting |
//! | offering, draining | `stop`; data exhausted; saturated with `abort` | draining | the lane closes: the backlog is dropped |
//! | draining | all VUs idle, no backlog, no stripe offers | ended | |
//! | draining | `graceful_stop` over since the earlier of planned end and closing | ended | VUs cut off, backlog dropped |
//! | any | `kill` | ended | VUs cut off, backlog dropped |

use std::iter::Peekable;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::{self, Instant, Timer};
use crate::plan::OnSaturation;
use crate::schedule::Arrival;
use crate::vu::VuFactory;

use super::crew::Seat;
use super::exchange::Ticket;
use super::lane::{Lane, later, surface};
use super::pool::Pool;

/// Arrivals closer together than this share a wake-up: finer ones cost more CPU than their punctuality is worth.
const GRID: Duration = Duration::from_micros(250);

/// The most arrivals dispatched before the VUs get their turn.
const BURST: usize = 256;

/// Why a driver stopped offering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The schedule and its time are over.
    Planned,
    /// Stopped from outside, exhausted or saturated.
    Early,
    /// Killed.
    Kill,
}

/// Offers the arrivals of `schedule`, which count from `span.start`, and lets their iterations finish.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    timer: Timer,
    schedule: Box<dyn Iterator<Item = Arrival>>,
    span: Range<Instant>,
    on_saturation: OnSaturation,
) {
    let pool = Pool::new(Rc::clone(&lane), factory, on_saturation);
    let mut vus = JoinSet::new();
    pool.admit(crew, &mut vus);
    let end = offer(&pool, &mut vus, timer, schedule.peekable(), &span).await;
    lane.leave();
    if end != End::Kill {
        drain(&pool, &mut vus, end, span.end).await;
    }
    lane.close();
    vus.shutdown().await;
    pool.leave();
}

/// Dispatches each arrival when it is due, until the end.
async fn offer<F: VuFactory + 'static>(
    pool: &Rc<Pool<F>>,
    vus: &mut JoinSet<()>,
    mut timer: Timer,
    mut schedule: Peekable<impl Iterator<Item = Arrival>>,
    span: &Range<Instant>,
) -> End {
    let signals = &pool.lane.signals;
    let mut kill = pin!(signals.kill.cancelled());
    let mut stop = pin!(signals.stop.cancelled());
    loop {
        if pool.exchange().is_over() {
            return End::Early;
        }
        let now = clock::now();
        dispatch_due(pool, vus, &mut schedule, span.start, now);
        let wake = match schedule.peek() {
            Some(next) => on_grid(later(span.start, next.at), now),
            None if now >= span.end => return End::Planned,
            None => span.end,
        };
        if wake <= now {
            tokio::task::yield_now().await;
        }
        tokio::select! {
            biased;
            () = &mut kill => return End::Kill,
            () = &mut stop => return End::Early,
            () = pool.member.wake.notified() => pool.collect(),
            Some(ended) = vus.join_next(), if !vus.is_empty() => surface(ended),
            () = timer.sleep_until(wake) => {}
        }
    }
}

/// Dispatches what is due at `now`, up to a burst.
fn dispatch_due<F: VuFactory + 'static>(
    pool: &Rc<Pool<F>>,
    vus: &mut JoinSet<()>,
    schedule: &mut Peekable<impl Iterator<Item = Arrival>>,
    begin: Instant,
    now: Instant,
) {
    for _ in 0..BURST {
        let Some(arrival) = schedule.next_if(|next| later(begin, next.at) <= now) else {
            return;
        };
        let ticket = Ticket {
            number: arrival.number,
            at: arrival.at,
            segment: arrival.segment,
            due: later(begin, arrival.at),
            handled: now,
            assigned: now,
        };
        pool.dispatch(ticket, vus);
        if pool.exchange().is_over() {
            return;
        }
    }
}

/// When to wake for an arrival due at `due`: then, but not within a grid step of this turn.
fn on_grid(due: Instant, now: Instant) -> Instant {
    if due <= now { now } else { due.max(now + GRID) }
}

/// Lets the backlog start and what is in flight finish, within the graceful stop.
async fn drain<F: VuFactory + 'static>(pool: &Rc<Pool<F>>, vus: &mut JoinSet<()>, end: End, planned: Instant) {
    let lane = &pool.lane;
    if end == End::Early {
        pool.close();
    }
    pool.drain();
    pool.collect();
    let deadline = later(clock::now().min(planned), lane.scenario().graceful_stop);
    let mut over = pin!(clock::sleep_until(deadline));
    let mut kill = pin!(lane.signals.kill.cancelled());
    while !pool.is_drained() {
        tokio::select! {
            biased;
            () = &mut kill => return,
            () = lane.signals.stop.cancelled(), if !lane.is_closed() => pool.close(),
            Some(ended) = vus.join_next(), if !vus.is_empty() => surface(ended),
            () = pool.member.wake.notified() => {
                pool.collect();
                if pool.exchange().is_over() && !lane.is_closed() {
                    pool.close();
                }
            }
            () = &mut over => return,
        }
    }
}
