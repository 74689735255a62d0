//! The driver of all open executors: begins iterations when a schedule says so, whatever the system does. It knows no
//! shape; finding a VU is `pool`'s.
//!
//! | state | event | next | what happens |
//! |---|---|---|---|
//! | offering | an arrival is due | offering | dispatched: idle VU, new VU, other stripe, `on_saturation` |
//! | offering | paused, or another rate or shape set | offering | what is not due yet is due at another time |
//! | offering | an edit holds that allows more VUs | offering | they are made for the backlog |
//! | offering | planned end, which a pause puts off | draining | the backlog goes on starting |
//! | offering, draining | `stop`; data exhausted; saturated with `abort` | draining | the lane closes: the backlog is dropped |
//! | draining | all VUs idle, no backlog, no stripe offers | ended | |
//! | draining | `graceful_stop` over since the earlier of planned end and closing | ended | arrivals that have a VU start; VUs cut off, backlog dropped |
//! | any | `kill` | ended | VUs cut off, backlog dropped |

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock::{self, Instant, Timer};
use crate::vu::VuFactory;

use super::crew::Seat;
use super::helm::heard;
use super::lane::{Lane, surface};
use super::pool::Pool;
use super::timetable::{Due, Timetable};

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

/// Offers the arrivals of `schedule` and lets their iterations finish.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    timer: Timer,
    mut schedule: Timetable,
) {
    let pool = Pool::new(Rc::clone(&lane), factory);
    let mut vus = JoinSet::new();
    pool.admit(crew, &mut vus);
    let end = offer(&pool, &mut vus, timer, &mut schedule).await;
    lane.leave();
    if end != End::Kill {
        drain(&pool, &mut vus, end, &schedule).await;
    }
    // Before the VUs go that are still being made.
    pool.close();
    vus.shutdown().await;
    pool.leave();
}

/// Dispatches each arrival when it is due, until the end.
async fn offer<F: VuFactory + 'static>(
    pool: &Rc<Pool<F>>,
    vus: &mut JoinSet<()>,
    mut timer: Timer,
    schedule: &mut Timetable,
) -> End {
    let signals = &pool.lane.signals;
    let mut kill = pin!(signals.kill.cancelled());
    let mut stop = pin!(signals.stop.cancelled());
    let mut news = schedule.listen();
    loop {
        if pool.exchange().is_over() {
            return End::Early;
        }
        let now = clock::now();
        schedule.refresh();
        if let Some(terms) = schedule.turn(now) {
            pool.follow(&terms, vus);
        }
        dispatch_due(pool, vus, schedule, now);
        let wake = match schedule.due() {
            Due::Arrival(due) => Some(on_grid(due, now)),
            Due::End(end) if now >= end => return End::Planned,
            Due::End(end) => Some(end),
            Due::Paused => None,
        };
        let wake = wake.into_iter().chain(schedule.change()).min();
        if wake.is_some_and(|wake| wake <= now) {
            tokio::task::yield_now().await;
        }
        tokio::select! {
            biased;
            () = &mut kill => return End::Kill,
            () = &mut stop => return End::Early,
            () = pool.member.wake.notified() => pool.collect(),
            Some(ended) = vus.join_next(), if !vus.is_empty() => surface(ended),
            () = heard(&mut news) => {}
            () = rest(&mut timer, wake) => {}
        }
    }
}

/// Dispatches what is due at `now`, up to a burst.
fn dispatch_due<F: VuFactory + 'static>(
    pool: &Rc<Pool<F>>,
    vus: &mut JoinSet<()>,
    schedule: &mut Timetable,
    now: Instant,
) {
    for _ in 0..BURST {
        let Some(ticket) = schedule.take(now) else {
            return;
        };
        pool.dispatch(ticket, vus);
        if pool.exchange().is_over() {
            return;
        }
    }
}

/// Waits until `wake`; for ever when there is nothing to wake for.
async fn rest(timer: &mut Timer, wake: Option<Instant>) {
    match wake {
        Some(wake) => timer.sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// When to wake for an arrival due at `due`: then, but not within a grid step of this turn.
fn on_grid(due: Instant, now: Instant) -> Instant {
    if due <= now { now } else { due.max(now + GRID) }
}

/// Lets the backlog start and what is in flight finish, within the graceful stop.
async fn drain<F: VuFactory + 'static>(pool: &Rc<Pool<F>>, vus: &mut JoinSet<()>, end: End, schedule: &Timetable) {
    let lane = &pool.lane;
    if end == End::Early {
        pool.close();
    }
    pool.drain();
    pool.collect();
    let now = clock::now();
    let closed = schedule.end().map_or(now, |planned| now.min(planned));
    let mut over = pin!(schedule.helm().grace(closed));
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
            // Who was found before the end begins, however short the graceful stop is.
            () = &mut over, if !pool.has_assigned() => return,
        }
    }
}
