//! `arrival = "burst"`: what a rate would spread over a time unit starts at once, at the unit's beginning.

use std::time::Duration;

use super::curve::Curve;
use super::nanos;
use super::numbered::Numbered;

/// The arrivals of a curve, each moved back to the last whole multiple of the time unit. So there are as many as under
/// the curve itself; 2.5 a second come as 3, 2, 3, 2.
#[derive(Debug)]
pub(super) struct Bunched {
    pub(super) curve: Curve,
    pub(super) time_unit: Duration,
}

impl Numbered for Bunched {
    fn total(&self) -> u64 {
        self.curve.total()
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        let (at, _) = self.curve.at(number);
        let at = nanos(at);
        let at = Duration::from_nanos(at - at % nanos(self.time_unit).max(1));
        (at, self.curve.segment_at(at))
    }
}
