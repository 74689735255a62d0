//! Random arrivals under any rate curve: a Poisson process. Where the curve comes from is `curve`'s.
//!
//! Arrival `k` is where the area under the rate reaches `E₀ + E₁ + … + E_k`, with gaps `E` that are exponential with mean 1:
//! the standard time change of a homogeneous process (Çinlar, Introduction to Stochastic Processes, 1975, ch. 4). The sum
//! is kept in fixed point, so that the billionth gap counts like the first.

use rand::SeedableRng as _;
use rand_distr::{Distribution as _, Exp1};
use rand_pcg::Pcg64Mcg;

use super::curve::Curve;
use super::{Arrival, Stripe};

/// Fraction bits of a position: a gap is rounded to a quarter of a billionth of the mean gap.
const FRACTION: u32 = 32;

/// A Poisson process under a curve. Every stripe draws the same gaps and keeps what is its own: a draw costs a few
/// nanoseconds, and no stripe has to know another.
#[derive(Debug)]
pub(super) struct Poisson {
    curve: Curve,
    gaps: Pcg64Mcg,
    /// The sum of the gaps.
    position: u128,
    next: u64,
    stripe: Stripe,
}

impl Poisson {
    pub(super) fn new(curve: Curve, seed: u64, stripe: Stripe) -> Self {
        Self {
            curve,
            gaps: Pcg64Mcg::seed_from_u64(seed),
            position: 0,
            next: 0,
            stripe,
        }
    }

    /// The position in the curve's unit, without the overflow of multiplying first.
    fn area(&self) -> u128 {
        let (whole, fraction) = (self.position >> FRACTION, self.position & ((1 << FRACTION) - 1));
        let (high, low) = (self.curve.unit >> FRACTION, self.curve.unit & ((1 << FRACTION) - 1));
        whole
            .saturating_mul(self.curve.unit)
            .saturating_add(fraction * high + ((fraction * low) >> FRACTION))
    }
}

impl Iterator for Poisson {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let gap: f64 = Exp1.sample(&mut self.gaps);
            self.position += (gap * (1_u64 << FRACTION) as f64).round() as u128;
            let area = self.area();
            if area >= self.curve.area {
                return None;
            }
            let number = self.next;
            self.next += 1;
            if self.stripe.owns(number) {
                let (at, segment) = self.curve.locate(area);
                return Some(Arrival { number, at, segment });
            }
        }
    }
}
