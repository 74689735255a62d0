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
//! | interrupted | wanted again later | replaced by a new VU 1 s before that, off |
//! | (none) | wanted by an edit | made 1 s before that, off |
//! | any | `stop`, or the end of the scenario | as for all closed executors |

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::clock;
use crate::schedule::Ramps;
use crate::vu::{Outcome, VuFactory};

use super::closed::conduct;
use super::crew::{Seat, embark};
use super::helm::{Helm, News, heard};
use super::lane::{Lane, ended};
use super::retinue::{Presence, Stay, hold_out};
use super::terms::Agenda;

/// How long before it is wanted a VU is made that an edit made room for.
const AHEAD: Duration = Duration::from_secs(1);

/// Runs the lane's VUs, each when the ramp wants it; an edit may want more than there were.
pub(super) async fn drive<F: VuFactory + 'static>(
    lane: Rc<Lane>,
    crew: Vec<Seat<F::Vu>>,
    factory: Rc<F>,
    helm: Rc<Helm>,
) {
    let mut vus = JoinSet::new();
    let rover = |present, index| Rover {
        present,
        factory: Rc::clone(&factory),
        ramps: helm.agenda(Agenda::ramps),
        shifts: Vec::new(),
        seen: 0,
        index,
        helm: Rc::clone(&helm),
    };
    embark(&mut vus, crew, |seat| {
        rover(Presence(Rc::clone(&lane)), seat.index).live(Some(seat))
    })
    .await;
    vus.spawn_local(hold_out(Rc::clone(&lane), Rc::clone(&helm), Stay::WhileSomebodyCan));
    let (mut known, _) = lane.scenario().executor.vus();
    let recruit = |vus: &mut JoinSet<()>| {
        let wanted = helm.agenda(Agenda::ramps).peak();
        if wanted <= known {
            return;
        }
        for index in lane.stripe.numbers(wanted).skip_while(|index| *index < known) {
            vus.spawn_local(rover(Presence::new(&lane), index).live(None));
        }
        known = wanted;
    };
    conduct(&lane, vus, &helm, recruit).await;
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
fn shifts(ramps: &Ramps, index: u64, helm: &Helm) -> Vec<Shift> {
    let mut shifts: Vec<Shift> = Vec::new();
    for wanted in ramps.spans(index).into_iter().rev() {
        let (from, to) = (wanted.start, wanted.end);
        let cut = helm.agenda(|agenda| agenda.aim(|terms| to.saturating_add(terms.graceful_ramp_down())));
        let cut = match shifts.last() {
            Some(next) if next.from <= cut => next.cut,
            None if to >= ramps.end() => None,
            _ => Some(cut),
        };
        shifts.push(Shift { from, to, cut });
    }
    shifts.reverse();
    shifts
}

/// A VU that comes and goes.
struct Rover<F: VuFactory> {
    present: Presence,
    factory: Rc<F>,
    shifts: Vec<Shift>,
    ramps: Ramps,
    /// How much was heard when the shifts were made.
    seen: usize,
    index: u64,
    helm: Rc<Helm>,
}

impl<F: VuFactory> Rover<F> {
    async fn live(mut self, mut seat: Option<Seat<F::Vu>>) {
        let (mut done, turns) = (0, self.helm.turns(self.index));
        let mut news = self.helm.listen();
        self.shifts = shifts(&self.ramps, self.index, &self.helm);
        while !self.lane().is_closed() {
            self.refresh();
            let now = self.helm.own(clock::now());
            let Some(shift) = self.shifts.iter().find(|shift| shift.to > now) else {
                // The scenario lasts until its end, even when nobody is wanted any more.
                let over = self.helm.agenda(|agenda| agenda.is_over(clock::now()));
                if over || Box::pin(self.rest(self.ramps.end(), &mut news)).await.is_break() {
                    return;
                }
                continue;
            };
            let Some(present) = &mut seat else {
                let soon = shift.from.saturating_sub(AHEAD);
                if soon > now {
                    if Box::pin(self.rest(soon, &mut news)).await.is_break() {
                        return;
                    }
                    continue;
                }
                // Boxed, as what seldom happens is: it would take more than all the rest.
                seat = Box::pin(self.replacement()).await;
                if seat.is_none() {
                    return;
                }
                continue;
            };
            if shift.from > now {
                if Box::pin(self.rest(shift.from, &mut news)).await.is_break() {
                    return;
                }
                continue;
            }
            let Some(now) = self.helm.turn(self.lane(), self.index).await else {
                return;
            };
            let Some(ready) = self.lane().ready(&mut *present.vu).await else {
                return;
            };
            if !ready.took.is_zero() {
                // It may not be wanted any more.
                continue;
            }
            let began = self.helm.own(now);
            let (number, segment) = (turns.number(done), self.ramps.segment_at(began));
            done += 1;
            let outcome = tokio::select! {
                biased;
                outcome = self.lane().run_closed(&mut *present.vu, ready, number, segment, now) => Some(outcome),
                () = self.cut(began, &mut news) => None,
            };
            match outcome {
                Some(Outcome::Retired) => return,
                Some(_) => {}
                None => seat = None,
            }
        }
    }

    fn lane(&self) -> &Lane {
        &self.present.0
    }

    /// Takes note of edits.
    fn refresh(&mut self) {
        if let Some(ramps) = self.helm.ramps(&mut self.seen) {
            self.shifts = shifts(&ramps, self.index, &self.helm);
            self.ramps = ramps;
        }
    }

    /// Waits, at most until something was set; a stop breaks it off.
    async fn rest(&self, until: Duration, news: &mut News) -> ControlFlow<()> {
        tokio::select! {
            biased;
            () = ended(&self.lane().signals) => ControlFlow::Break(()),
            () = heard(news) => ControlFlow::Continue(()),
            _ = self.helm.reach(until) => ControlFlow::Continue(()),
        }
    }

    /// Waits until an iteration that began at `began`, in the schedule's own time, is to be interrupted.
    async fn cut(&self, began: Duration, news: &mut News) {
        loop {
            let mut seen = self.seen;
            let edited = self.helm.ramps(&mut seen);
            let edited = edited.map(|ramps| shifts(&ramps, self.index, &self.helm));
            let shifts = edited.as_ref().unwrap_or(&self.shifts);
            let cut = shifts
                .iter()
                .rfind(|shift| shift.from <= began)
                .and_then(|shift| shift.cut);
            let Some(cut) = cut else {
                heard(news).await;
                continue;
            };
            tokio::select! {
                biased;
                () = heard(news) => {}
                _ = Box::pin(self.helm.reach(cut)) => return,
            }
        }
    }

    /// A VU in the place of one that was interrupted, or never there.
    async fn replacement(&self) -> Option<Seat<F::Vu>> {
        let lane = self.lane();
        let permit = lane.shared.acquire(lane.index)?;
        Some(Seat::on_demand(lane, &*self.factory, permit).await)
    }
}
