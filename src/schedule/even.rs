//! Evenly spaced arrivals under a rate curve, from one of its times to another. What draws random ones is `poisson`.

use std::time::Duration;

use super::carry::Carry;
use super::curve::{Curve, within};
use super::numbered::{Numbered, Range};

/// The arrivals of a part of a curve: the first when what was left of a gap is covered, then one for each unit of area.
#[derive(Debug)]
pub(super) struct Even {
    curve: Curve,
    range: Range,
    /// The area at which the first is.
    first: u128,
    /// The area at which the part ends.
    end: u128,
    total: u64,
}

impl Even {
    pub(super) fn new(curve: Curve, range: Range, carry: Option<Carry>) -> Self {
        let begin = curve.area_until(range.0);
        let first = match carry {
            Some(carry) => begin.saturating_add(carry.of(curve.unit)),
            // As if the curve had been there from its start: at the next whole number.
            None => begin.div_ceil(curve.unit).saturating_mul(curve.unit),
        };
        let end = range.1.map_or(curve.area, |until| curve.area_until(until));
        let total = end.saturating_sub(first).div_ceil(curve.unit);
        Self {
            total: u64::try_from(total).unwrap_or(u64::MAX),
            curve,
            range,
            first,
            end,
        }
    }
}

impl Numbered for Even {
    fn total(&self) -> u64 {
        self.total
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        let (at, segment) = self.curve.locate(self.first + u128::from(number) * self.curve.unit);
        (within(at, self.range), segment)
    }

    fn rest(&self) -> Option<Carry> {
        let covered = u128::from(self.total).saturating_mul(self.curve.unit);
        Some(Carry {
            left: self.first.saturating_add(covered).saturating_sub(self.end),
            unit: self.curve.unit,
        })
    }
}
