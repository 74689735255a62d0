//! What a scenario is told through live control, as its executor asks: may a VU begin now, when is a time of the schedule
//! due, when is the end. What can be told at all is `control`'s, what follows for schedules `schedule`'s.
//!
//! A setting is heard of before it takes effect, so that all stripes act as if they had known it from the start. While a
//! scenario is paused, its own time stands still: closed VUs begin nothing, no arrival is due, and the end moves.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{self, Instant, Timer};
use crate::control::Setpoint;
use crate::schedule::{Course, Setting};

use super::lane::{Lane, ended, later};

/// The settings of one scenario, as one stripe knows them.
pub(super) struct Helm {
    /// `None` where nobody steers.
    news: Option<watch::Receiver<Vec<Setpoint>>>,
    known: RefCell<Known>,
    /// What the schedule's own time counts from.
    begin: Instant,
    /// How long it lasts in that time.
    duration: Duration,
    /// VUs wanted as planned.
    vus: u64,
}

#[derive(Default)]
struct Known {
    news: Option<watch::Receiver<Vec<Setpoint>>>,
    setpoints: Vec<Setpoint>,
    course: Course,
}

impl Helm {
    /// For a schedule that begins at `begin` and lasts for `duration`; all of its VUs are wanted.
    pub(super) fn new(lane: &Lane, begin: Instant, duration: Duration) -> Self {
        let mut news = lane.signals.steering.setpoints(lane.index);
        if let Some(news) = &mut news {
            news.mark_changed();
        }
        Self {
            known: RefCell::new(Known {
                news: news.clone(),
                ..Known::default()
            }),
            news,
            begin,
            duration,
            vus: u64::MAX,
        }
    }

    /// With this many VUs as planned.
    pub(super) fn with_vus(self, vus: u64) -> Self {
        Self { vus, ..self }
    }

    /// What the schedule's own time counts from.
    pub(super) fn begin(&self) -> Instant {
        self.begin
    }

    /// Takes note of what was set.
    fn refresh(&self) {
        let mut known = self.known.borrow_mut();
        if let Some(setpoints) = news(&mut known.news) {
            known.course = Course::new(settings(&setpoints, self.begin));
            known.setpoints = setpoints;
        }
    }

    fn course<T>(&self, read: impl FnOnce(&Course) -> T) -> T {
        self.refresh();
        read(&self.known.borrow().course)
    }

    /// The schedule's own time at `at`.
    pub(super) fn own(&self, at: Instant) -> Duration {
        self.course(|course| course.own(at.saturating_duration_since(self.begin)))
    }

    /// When the schedule comes to its own time `own`; `None` while it stands still.
    fn real(&self, own: Duration) -> Option<Instant> {
        self.course(|course| course.real(own)).map(|at| later(self.begin, at))
    }

    /// The planned end; `None` while the schedule stands still.
    pub(super) fn end(&self) -> Option<Instant> {
        self.real(self.duration)
    }

    /// The most VUs that are wanted now or by what is set.
    pub(super) fn vus_ahead(&self) -> u64 {
        self.refresh();
        let now = clock::now();
        let known = self.known.borrow();
        let current = known.current(now);
        let wanted = |setpoint: &Setpoint| setpoint.vus.unwrap_or(self.vus);
        let ahead = known.setpoints.iter().skip(current.unwrap_or(0)).map(wanted).max();
        ahead.unwrap_or(self.vus)
    }

    /// Waits until the schedule comes to its own time `own`, and gives the instant at which it did.
    pub(super) async fn reach(&self, own: Duration) -> Instant {
        let mut news = self.listen();
        loop {
            let due = self.real(own);
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

    /// As [`Helm::reach`], to the timer's precision.
    pub(super) async fn reach_by(&self, timer: &mut Timer, own: Duration) -> Instant {
        let mut news = self.listen();
        loop {
            let due = self.real(own);
            match due {
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

    /// Waits for the planned end.
    pub(super) async fn over(&self) {
        let _ = self.reach(self.duration).await;
    }

    /// Waits until VU `index` may begin an iteration; false when it never may again.
    pub(super) async fn turn(&self, lane: &Lane, index: u64) -> bool {
        let mut news = None;
        loop {
            let now = clock::now();
            let (go, change) = self.may_begin(now, index);
            if lane.is_closed() || self.own(now) >= self.duration {
                return false;
            }
            if go {
                return true;
            }
            let news = news.get_or_insert_with(|| self.listen());
            tokio::select! {
                biased;
                () = ended(&lane.signals) => return false,
                () = heard(news) => {}
                () = until(change) => {}
                () = until(self.end()) => {}
            }
        }
    }

    /// Whether VU `index` may begin at `now`, and when another setpoint takes effect.
    fn may_begin(&self, now: Instant, index: u64) -> (bool, Option<Instant>) {
        self.refresh();
        let known = self.known.borrow();
        let current = known.current(now);
        let next = known.setpoints.get(current.map_or(0, |current| current + 1));
        let go = match current.and_then(|current| known.setpoints.get(current)) {
            Some(setpoint) => !setpoint.paused && index < setpoint.vus.unwrap_or(self.vus),
            None => index < self.vus,
        };
        (go, next.map(|setpoint| setpoint.since))
    }

    /// All settings when there are more than `seen`, which is counted up.
    pub(super) fn settings(&self, seen: &mut usize) -> Option<Vec<Setting>> {
        self.refresh();
        let known = self.known.borrow();
        let more = known.setpoints.len() > *seen;
        *seen = known.setpoints.len();
        more.then(|| settings(&known.setpoints, self.begin))
    }

    /// To be woken by what is set. May wake once too often, never too seldom.
    pub(super) fn listen(&self) -> News {
        News(self.news.clone())
    }
}

impl Known {
    /// The setpoint in effect at `now`, as an index.
    fn current(&self, now: Instant) -> Option<usize> {
        let index = self.setpoints.partition_point(|setpoint| setpoint.since <= now);
        index.checked_sub(1)
    }
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

fn settings(setpoints: &[Setpoint], begin: Instant) -> Vec<Setting> {
    let setting = |setpoint: &Setpoint| Setting {
        since: setpoint.since.saturating_duration_since(begin),
        paused: setpoint.paused,
        rate: setpoint.rate,
        edition: 0,
    };
    setpoints.iter().map(setting).collect()
}

/// Waits for `at`; for ever when there is none.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => clock::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
