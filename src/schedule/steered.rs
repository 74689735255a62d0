//! The arrivals of a shape under settings that are added while they are walked. Pure: what arrives when follows from the
//! list of settings alone, so that all stripes agree, and it does not matter when each of them hears of a setting as long
//! as that is before it takes effect.
//!
//! A pause shifts what comes after it. Another rate is another piece of the rate curve in the schedule's own time: the
//! area goes on where it was, so the fraction of an arrival is carried, and numbers continue.

use std::fmt;
use std::time::Duration;

use super::course::{Course, Setting};
use super::{Arrival, Shape, Stripe};

/// One stripe's arrivals of a shape, at their times since the scenario's start.
pub struct Steered {
    shape: Shape,
    seed: u64,
    stripe: Stripe,
    course: Course,
    /// How long the shape lasts in its own time.
    duration: Duration,
    rates: Vec<(Duration, f64)>,
    /// The arrivals in the schedule's own time.
    walk: Box<dyn Iterator<Item = Arrival>>,
    next: Option<Arrival>,
    /// The number of the next arrival of this stripe, be there one or not.
    from: u64,
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
        let mut walk = shape.arrivals(seed, stripe);
        Self {
            duration: shape.duration(),
            next: walk.next(),
            walk,
            course: Course::default(),
            rates: Vec::new(),
            from: u64::from(stripe.index),
            shape,
            seed,
            stripe,
        }
    }

    /// From now on under `settings`: all there are, those from before too. Those that are new take effect after what has
    /// been taken.
    pub fn set(&mut self, settings: impl IntoIterator<Item = Setting>) {
        self.course = Course::new(settings);
        let rates = self.course.rates();
        if rates != self.rates {
            self.rates = rates;
            self.walk = self.shape.arrivals_at(&self.rates, self.seed, self.stripe, self.from);
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
        self.course.real(self.duration)
    }

    /// The next arrival, if it is due by `now`.
    pub fn take(&mut self, now: Duration) -> Option<Arrival> {
        let Next::Arrival(arrival) = self.peek() else {
            return None;
        };
        if arrival.at > now {
            return None;
        }
        self.from = arrival.number.saturating_add(u64::from(self.stripe.of));
        self.next = self.walk.next();
        Some(arrival)
    }
}

impl fmt::Debug for Steered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steered")
            .field("shape", &self.shape)
            .field("stripe", &self.stripe)
            .field("course", &self.course)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
