//! Random arrivals under any rate curve: a Poisson process. Where the curve comes from is `curve`'s.
//!
//! Arrival `k` is where the area under the rate reaches `E₀ + E₁ + … + E_k`, with gaps `E` that are exponential with mean 1:
//! the standard time change of a homogeneous process (Çinlar, Introduction to Stochastic Processes, 1975, ch. 4). The sum
//! is kept in fixed point, so that the billionth gap counts like the first. Where a curve begins in the middle, what is left
//! of the gap before is waited for under it: gaps have no memory, so that it is a Poisson process all the same.

use std::time::Duration;

use rand_distr::{Distribution as _, Exp1};
use rand_pcg::Pcg64Mcg;

use super::carry::Carry;
use super::curve::{Curve, within};
use super::numbered::Range;

/// Fraction bits of a position: a gap is rounded to a quarter of a billionth of the mean gap.
const FRACTION: u32 = 32;

/// A Poisson process under a part of a curve. Every stripe draws the same gaps and keeps what is its own: a draw costs a
/// few nanoseconds, and no stripe has to know another.
#[derive(Debug)]
pub(super) struct Poisson {
    curve: Curve,
    range: Range,
    /// The area at which the part begins.
    begin: u128,
    /// The area that it has.
    area: u128,
}

/// The arrival that was drawn last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// Its number in the whole schedule.
    pub(super) number: u64,
    /// The sum of the gaps before it since the part began.
    position: u128,
}

impl Pending {
    /// Arrival `number`, the first of a part.
    pub(super) fn first((number, carry): (u64, Option<Carry>), gaps: &mut Pcg64Mcg) -> Self {
        Self {
            number,
            position: carry.map_or_else(|| gap(gaps), |carry| carry.of(1 << FRACTION)),
        }
    }
}

impl Poisson {
    pub(super) fn new(curve: Curve, range: Range) -> Self {
        let begin = curve.area_until(range.0);
        let end = range.1.map_or(curve.area, |until| curve.area_until(until));
        Self {
            area: end.saturating_sub(begin),
            begin,
            curve,
            range,
        }
    }

    /// Time and segment of arrival `number`, which is not before the pending one; draws the gaps on the way there. `None`
    /// when the part ends before it: then the pending one is the first that is not in it.
    pub(super) fn seek(&self, number: u64, pending: &mut Pending, gaps: &mut Pcg64Mcg) -> Option<(Duration, u32)> {
        loop {
            let area = self.area_of(pending.position);
            if area >= self.area {
                return None;
            }
            if pending.number >= number {
                let (at, segment) = self.curve.locate(self.begin + area);
                return Some((within(at, self.range), segment));
            }
            pending.number += 1;
            pending.position += gap(gaps);
        }
    }

    /// What is left of the gap before the pending arrival, which is behind the end.
    pub(super) fn rest(&self, pending: &Pending) -> Carry {
        let unit = self.curve.unit;
        let fraction = (self.area % unit) as f64 / unit as f64 * (1_u64 << FRACTION) as f64;
        let end = ((self.area / unit) << FRACTION) + fraction as u128;
        Carry {
            left: pending.position.saturating_sub(end),
            unit: 1 << FRACTION,
        }
    }

    /// A position in the curve's unit, without the overflow of multiplying first.
    fn area_of(&self, position: u128) -> u128 {
        let (whole, fraction) = (position >> FRACTION, position & ((1 << FRACTION) - 1));
        let (high, low) = (self.curve.unit >> FRACTION, self.curve.unit & ((1 << FRACTION) - 1));
        whole
            .saturating_mul(self.curve.unit)
            .saturating_add(fraction * high + ((fraction * low) >> FRACTION))
    }
}

fn gap(gaps: &mut Pcg64Mcg) -> u128 {
    let gap: f64 = Exp1.sample(gaps);
    (gap * (1_u64 << FRACTION) as f64).round() as u128
}
