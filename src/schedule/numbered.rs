//! Arrivals whose time follows from their number alone: nothing adds up over a day, and a stripe leaves out what is not
//! its own without computing it.

use std::time::Duration;

use super::{Arrival, Stripe};

/// A schedule as a function of the arrival's number.
pub(super) trait Numbered {
    /// How many arrivals there are.
    fn total(&self) -> u64;

    /// Time and segment of arrival `number`, which is below the total.
    fn at(&self, number: u64) -> (Duration, u32);
}

/// Walks the arrivals of one stripe.
#[derive(Debug)]
pub(super) struct Walk<N> {
    shape: N,
    total: u64,
    stripe: Stripe,
    next: u64,
}

impl<N: Numbered> Walk<N> {
    pub(super) fn new(shape: N, stripe: Stripe) -> Self {
        Self {
            total: shape.total(),
            shape,
            stripe,
            next: u64::from(stripe.index),
        }
    }

    /// Without the arrivals below `number`, which is the stripe's own.
    pub(super) fn from(self, number: u64) -> Self {
        Self { next: number, ..self }
    }
}

impl<N: Numbered> Iterator for Walk<N> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let number = self.next;
        if number >= self.total {
            return None;
        }
        self.next = number.saturating_add(u64::from(self.stripe.of));
        let (at, segment) = self.shape.at(number);
        Some(Arrival { number, at, segment })
    }
}
