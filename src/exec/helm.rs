//! What a scenario is told through live control and edits of its plan, as its executor asks: may a VU begin now, when is a
//! time of the schedule due, when is the end. What can be told at all is `control`'s, what follows for the times `terms`'s.
//!
//! A setting is heard of before it takes effect, so that all stripes act as if they had known it from the start. While a
//! scenario is paused, its own time stands still: closed VUs begin nothing, no arrival is due, and the end moves.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant, Timer};
use crate::control::Setpoint;
use crate::schedule::{Edition, Ramps, Setting};

use super::lane::{Lane, ended};
use super::shared::Shared;
use super::terms::{Agenda, Terms, Turns};

/// The settings of one scenario, as one stripe knows them.
pub(super) struct Helm {
    /// `None` where nobody steers.
    news: Option<watch::Receiver<Vec<Setpoint>>>,
    known: RefCell<Known>,
    /// What the schedule's own time counts from.
    begin: Instant,
    shared: Arc<Shared>,
    scenario: usize,
}

struct Known {
    news: Option<watch::Receiver<Vec<Setpoint>>>,
    agenda: Agenda,
    /// How often something was heard.
    heard: usize,
}

impl Helm {
    /// For a scenario whose own time counts from `begin`.
    pub(super) fn new(lane: &Lane, begin: Instant) -> Self {
        let mut news = lane.signals.steering.setpoints(lane.index);
        if let Some(news) = &mut news {
            news.mark_changed();
        }
        Self {
            known: RefCell::new(Known {
                news: news.clone(),
                agenda: Agenda::new(Vec::new(), lane.joint().terms(), begin),
                heard: 0,
            }),
            news,
            begin,
            shared: Arc::clone(&lane.shared),
            scenario: lane.index,
        }
    }

    /// What the schedule's own time counts from.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// Takes note of what was set.
    fn refresh(&self) {
        let mut known = self.known.borrow_mut();
        if let Some(setpoints) = news(&mut known.news) {
            let terms = self.shared.joint(self.scenario).terms();
            known.agenda = Agenda::new(setpoints, terms, self.begin);
            known.heard += 1;
        }
    }

    pub(super) fn agenda<T>(&self, read: impl FnOnce(&Agenda) -> T) -> T {
        self.refresh();
        read(&self.known.borrow().agenda)
    }

    /// The schedule's own time at `at`.
    pub(super) fn own(&self, at: Instant) -> Duration {
        self.agenda(|agenda| agenda.own(at))
    }

    /// The planned end; `None` while the schedule stands still.
    pub(super) fn end(&self) -> Option<Instant> {
        self.agenda(|agenda| agenda.real(agenda.end()))
    }

    /// The most VUs that are wanted now or by what is set.
    pub(super) fn vus_ahead(&self) -> u64 {
        self.agenda(|agenda| agenda.vus_ahead(clock::now()))
    }

    /// How the iterations of VU `index` are numbered.
    pub(super) fn turns(&self, index: u64) -> Turns {
        self.agenda(|agenda| agenda.turns(index))
    }

    /// Waits until the schedule comes to its own time `own`, and gives the instant at which it did.
    pub(super) async fn reach(&self, own: Duration) -> Instant {
        self.reach_aim(|agenda| agenda.real(own)).await
    }

    /// Waits for the planned end.
    pub(super) async fn over(&self) {
        let _ = self.reach_aim(|agenda| agenda.real(agenda.end())).await;
    }

    /// Waits for the end of a graceful stop that began at `from`.
    pub(super) async fn grace(&self, from: Instant) {
        let _ = self.reach_aim(|agenda| Some(agenda.grace(from))).await;
    }

    /// Waits for an instant that may change with what is set.
    async fn reach_aim(&self, aim: impl Fn(&Agenda) -> Option<Instant>) -> Instant {
        let mut news = self.listen();
        loop {
            let due = self.agenda(&aim);
            if let Some(due) = due
                && clock::now() >= due
            {
                return due;
            }
            tokio::select! {
                biased;
                () = heard(&mut news) => {}
                () = until(due) => {}
            }
        }
    }

    /// Waits for the scenario's `start_time`, counted from [`Helm::begin`], to the timer's precision.
    pub(super) async fn start(&self, timer: &mut Timer) -> Instant {
        let mut news = self.listen();
        let start = |agenda: &Agenda| agenda.real(agenda.aim(|terms| terms.scenario.start_time));
        loop {
            match self.agenda(start) {
                Some(due) if clock::now() >= due => return due,
                Some(due) => tokio::select! {
                    biased;
                    () = heard(&mut news) => {}
                    () = timer.sleep_until(due) => {}
                },
                None => heard(&mut news).await,
            }
        }
    }

    /// Waits until VU `index` may begin an iteration, and gives the time at which it may; `None` when it never may again.
    pub(super) async fn turn(&self, lane: &Lane, index: u64) -> Option<Instant> {
        match self.look(lane, index) {
            Turn::Now(now) => Some(now),
            Turn::Over => None,
            // Boxed: what waiting takes is ten times what a VU takes that has its turn, as nearly all have.
            Turn::Wait(_) => Box::pin(self.wait_for_turn(lane, index)).await,
        }
    }

    fn look(&self, lane: &Lane, index: u64) -> Turn {
        let now = clock::now();
        let ((go, change), over) = self.agenda(|agenda| (agenda.may_begin(now, index), agenda.is_over(now)));
        match () {
            () if lane.is_closed() || over => Turn::Over,
            () if go => Turn::Now(now),
            () => Turn::Wait(change),
        }
    }

    async fn wait_for_turn(&self, lane: &Lane, index: u64) -> Option<Instant> {
        let mut news = self.listen();
        loop {
            let change = match self.look(lane, index) {
                Turn::Now(now) => return Some(now),
                Turn::Over => return None,
                Turn::Wait(change) => change,
            };
            tokio::select! {
                biased;
                () = ended(&lane.signals) => return None,
                () = heard(&mut news) => {}
                () = until(change) => {}
                () = until(self.end()) => {}
            }
        }
    }

    /// All settings of an open schedule when something was heard since it was `seen`, which is counted up.
    pub(super) fn settings(&self, seen: &mut usize) -> Option<(Vec<Setting>, Vec<Arc<Edition>>)> {
        self.news_since(seen, Agenda::settings)
    }

    /// The ramps of `ramping-vus`, likewise.
    pub(super) fn ramps(&self, seen: &mut usize) -> Option<Ramps> {
        self.news_since(seen, Agenda::ramps)
    }

    fn news_since<T>(&self, seen: &mut usize, read: impl FnOnce(&Agenda) -> T) -> Option<T> {
        self.refresh();
        let known = self.known.borrow();
        let more = known.heard > *seen;
        *seen = known.heard;
        more.then(|| read(&known.agenda))
    }

    /// The version of the plan that holds at `now`, and when something else will.
    pub(super) fn version(&self, now: Instant) -> (Option<Arc<Terms>>, Option<Instant>) {
        self.agenda(|agenda| {
            let (current, change) = agenda.in_force(now);
            let version = current.map_or(0, |setpoint| setpoint.terms);
            (agenda.version(version), change)
        })
    }

    /// To be woken by what is set. May wake once too often, never too seldom.
    pub(super) fn listen(&self) -> News {
        News(self.news.clone())
    }
}

/// Whether a VU may begin an iteration.
enum Turn {
    /// It may, at this time.
    Now(Instant),
    /// Not before something else holds, which is set to happen then.
    Wait(Option<Instant>),
    /// Never again.
    Over,
}

/// Somebody who waits for settings.
pub(super) struct News(Option<watch::Receiver<Vec<Setpoint>>>);

/// Waits until something is set; for ever where nobody steers.
pub(super) async fn heard(news: &mut News) {
    if let Some(receiver) = &mut news.0
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn news(receiver: &mut Option<watch::Receiver<Vec<Setpoint>>>) -> Option<Vec<Setpoint>> {
    let receiver = receiver.as_mut()?;
    let changed = receiver.has_changed().unwrap_or(false);
    changed.then(|| receiver.borrow_and_update().clone())
}

/// Waits for `at`; for ever when there is none.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => clock::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
