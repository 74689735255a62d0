//! The arrivals of a schedule under settings that are added while it is walked. Pure: what arrives when follows from the
//! list of settings alone, so that all stripes agree, and it does not matter when each of them hears of a setting as long
//! as that is before it takes effect.
//!
//! A pause shifts what comes after it. Another rate or another shape is another leg, in the schedule's own time: numbers
//! continue, and the fraction of an arrival is carried.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::course::{Course, Setting};
use super::leg::{Cursor, Leg, Walk};
use super::{Arrival, Edition, Shape, Stripe};

/// One stripe's arrivals of a schedule, at their times since the scenario's start.
pub struct Steered {
    course: Course,
    /// The arrivals in the schedule's own time.
    walk: Walk,
    next: Option<Arrival>,
    /// Where the walk was with the last one that was taken, and the number after it.
    taken: (Cursor, u64),
    end: Duration,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This arrival.
    Arrival(Arrival),
    /// None before the planned end, which is then.
    End(Duration),
    /// Nothing, until the schedule runs again.
    Paused,
}

impl Steered {
    /// The arrivals of `shape` as planned; `seed` decides random ones.
    #[must_use]
    pub fn new(shape: Shape, seed: u64, stripe: Stripe) -> Self {
        let legs = Course::default().legs(&[Arc::new(Edition::plain(shape))]);
        let end = legs.last().map_or(Duration::ZERO, Leg::end);
        let mut walk = Walk::new(legs, seed, stripe);
        Self {
            taken: (walk.cursor(), 0),
            next: walk.next(),
            walk,
            course: Course::default(),
            end,
        }
    }

    /// From now on under `settings`, which say when which of the `editions` holds: all there are, those from before too.
    /// Settings that are new take effect after what has been taken. There is at least one edition.
    pub fn set(&mut self, settings: impl IntoIterator<Item = Setting>, editions: &[Arc<Edition>]) {
        self.course = Course::new(settings);
        let legs = self.course.legs(editions);
        if legs != self.walk.legs() {
            self.end = legs.last().map_or(Duration::ZERO, Leg::end);
            let (cursor, from) = self.taken.clone();
            self.walk.resume(legs, cursor, from);
            self.next = self.walk.next();
        }
    }

    /// What comes next, without taking it.
    #[must_use]
    pub fn peek(&self) -> Next {
        match self.next {
            Some(arrival) => self
                .course
                .real(arrival.at)
                .map_or(Next::Paused, |at| Next::Arrival(Arrival { at, ..arrival })),
            None => self.end().map_or(Next::Paused, Next::End),
        }
    }

    /// The planned end; `None` while the schedule stands still.
    #[must_use]
    pub fn end(&self) -> Option<Duration> {
        self.course.real(self.end)
    }

    /// The next arrival, if it is due by `now`.
    pub fn take(&mut self, now: Duration) -> Option<Arrival> {
        let Next::Arrival(arrival) = self.peek() else {
            return None;
        };
        if arrival.at > now {
            return None;
        }
        self.taken = (self.walk.cursor(), arrival.number.saturating_add(1));
        self.next = self.walk.next();
        Some(arrival)
    }
}

impl fmt::Debug for Steered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steered")
            .field("legs", &self.walk.legs())
            .field("course", &self.course)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
