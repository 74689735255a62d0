//! `ramping-vus`: each VU loops while the ramp wants it. How many are wanted when is `schedule`'s.
//!
//! No driver tells VUs to come and go: each knows the spans in which it is wanted, so that stripes need not talk.
//!
//! | VU state | event | next |
//! |---|---|---|
//! | off | its next span begins | looping |
//! | off | no further span | off until the end of the scenario |
//! | looping | an iteration ended within a span | looping |
//! | looping | an iteration ended outside of its spans | off |
//! | looping | `graceful_ramp_down` over since the end of its span, and not wanted again meanwhile | interrupted |
//! | looping | data exhausted | gone |
//! | interrupted | wanted again later | replaced by a new VU, off |
//! | any | `stop`, or the end of the scenario | as for all closed executors |

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock;
use crate::schedule::Ramp;
use crate::vu::{Outcome, VuFactory};

use super::closed::conduct;
use super::crew::Seat;
use super::helm::Helm;
use super::lane::{Lane, ended};

/// Runs the lane's VUs, each when the ramp wants it.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    ramp: Ramp,
    helm: Rc<Helm>,
    graceful_ramp_down: Duration,
) {
    let ramp = Rc::new(ramp);
    let mut vus = JoinSet::new();
    for seat in crew {
        let vu = Rover {
            lane: Rc::clone(&lane),
            factory: Rc::clone(&factory),
            shifts: shifts(&ramp, seat.index, graceful_ramp_down),
            ramp: Rc::clone(&ramp),
            index: seat.index,
            helm: Rc::clone(&helm),
        };
        vus.spawn_local(vu.live(seat));
    }
    conduct(&lane, vus, &helm, |_| {}).await;
    lane.leave();
}

/// A time in which a VU is wanted, in the schedule's own time: a pause shifts what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shift {
    from: Duration,
    to: Duration,
    /// When an iteration that began in it is interrupted; `None` leaves that to the end of the scenario.
    cut: Option<Duration>,
}

/// The shifts of VU `index`. An iteration is not cut where its VU is wanted again before its time is over.
fn shifts(ramp: &Ramp, index: u64, graceful_ramp_down: Duration) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for wanted in ramp.spans(index).into_iter().rev() {
        let (from, to) = (wanted.start, wanted.end);
        let cut = to.saturating_add(graceful_ramp_down);
        let cut = match shifts.last() {
            Some(next) if next.from <= cut => next.cut,
            None if to >= ramp.duration() => None,
            _ => Some(cut),
        };
        shifts.push(Shift { from, to, cut });
    }
    shifts.reverse();
    shifts
}

/// A VU that comes and goes.
struct Rover<F: VuFactory> {
    lane: Rc<Lane>,
    factory: Rc<F>,
    shifts: Vec<Shift>,
    ramp: Rc<Ramp>,
    index: u64,
    helm: Rc<Helm>,
}

impl<F: VuFactory> Rover<F> {
    async fn live(self, seat: Seat<F::Vu>) {
        let mut seat = Some(seat);
        let mut done = 0;
        while !self.lane.is_closed() {
            let now = self.helm.own(clock::now());
            let Some(shift) = self.shifts.iter().find(|shift| shift.to > now) else {
                // The scenario lasts until its end, even when nobody is wanted any more.
                let _ = self.rest(self.ramp.duration()).await;
                return;
            };
            let Some(present) = &mut seat else {
                seat = self.replacement().await;
                if seat.is_none() {
                    return;
                }
                continue;
            };
            if shift.from > now {
                if self.rest(shift.from).await.is_break() {
                    return;
                }
                continue;
            }
            if !self.helm.turn(&self.lane, self.index).await {
                return;
            }
            let Some(ready) = self.lane.ready(&mut present.vu).await else {
                return;
            };
            if !ready.took.is_zero() {
                // It may not be wanted any more.
                continue;
            }
            let number = done * self.ramp.peak() + self.index;
            let segment = self.ramp.segment_at(self.helm.own(clock::now()));
            done += 1;
            let outcome = tokio::select! {
                biased;
                outcome = self.lane.run_closed(&mut present.vu, ready, number, segment) => Some(outcome),
                () = self.reach(shift.cut) => None,
            };
            match outcome {
                Some(Outcome::Retired) => return,
                Some(_) => {}
                None => seat = None,
            }
        }
    }

    /// Waits; a stop breaks it off.
    async fn rest(&self, until: Duration) -> ControlFlow<()> {
        tokio::select! {
            biased;
            () = ended(&self.lane.signals) => ControlFlow::Break(()),
            _ = self.helm.reach(until) => ControlFlow::Continue(()),
        }
    }

    async fn reach(&self, own: Option<Duration>) {
        match own {
            Some(own) => drop(self.helm.reach(own).await),
            None => std::future::pending().await,
        }
    }

    /// A VU in the place of one that was interrupted.
    async fn replacement(&self) -> Option<Seat<F::Vu>> {
        let permit = self.lane.shared.acquire(self.lane.index)?;
        Some(Seat::on_demand(&self.lane, &*self.factory, permit).await)
    }
}
