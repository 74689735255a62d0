//! Arrivals whose time follows from their number alone: nothing adds up over a day, and a stripe leaves out what is not
//! its own without computing it.

use std::time::Duration;

use super::carry::Carry;

/// From a time on, until before another if there is one.
pub(super) type Range = (Duration, Option<Duration>);

/// A schedule as a function of the arrival's number.
pub(super) trait Numbered {
    /// How many arrivals there are.
    fn total(&self) -> u64;

    /// Time and segment of arrival `number`, which is below the total. Times never go back.
    fn at(&self, number: u64) -> (Duration, u32);

    /// What is left of the gap after the last one when the schedule ends; `None` where there are no gaps.
    fn rest(&self) -> Option<Carry> {
        None
    }
}

/// The arrivals of a schedule that are within a range, counted from 0.
#[derive(Debug)]
pub(super) struct Cut<N> {
    whole: N,
    first: u64,
    end: u64,
}

impl<N: Numbered> Cut<N> {
    pub(super) fn new(whole: N, (since, until): Range) -> Self {
        let first = below(&whole, since);
        let end = until.map_or_else(|| whole.total(), |until| below(&whole, until));
        Self { whole, first, end }
    }
}

impl<N: Numbered> Numbered for Cut<N> {
    fn total(&self) -> u64 {
        self.end.saturating_sub(self.first)
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        self.whole.at(self.first + number)
    }
}

/// How many arrivals are before `time`, by bisection.
fn below(numbered: &impl Numbered, time: Duration) -> u64 {
    let (mut low, mut high) = (0, numbered.total());
    if time.is_zero() {
        return 0;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if numbered.at(middle).0 < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
