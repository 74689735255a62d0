//! Evenly spaced arrivals under a rate that is constant, stepped or ramped: the area under the rate reaches a whole number
//! at each. What draws other positions under the same curve is `poisson`.
//!
//! # Derivation
//!
//! The rates are integers over one denominator `q` (see `rational`), times are integer nanoseconds, `u` is the time unit.
//! A piece of length `d` that goes straight from rate `a/q` to `b/q` covers `(a + b) · d / (2 · u · q)` arrivals, and its
//! first `t` cover `(2·a·t + (b − a)·t²/d) / (2 · u · q)`. So areas are kept as integers in units of `1 / (2·u·q)`
//! arrivals: a piece has `(a + b) · d`, and one arrival is `2·u·q`.
//!
//! **Convention.** Arrival `k` (0, 1, …) is where the area begins to exceed `k`: the first one as soon as there is any
//! rate, and one that falls on the end of the curve is out. Hence `⌈area⌉` arrivals, a plateau of rate zero has none, and
//! `a = b` gives `t = w / (2·a)`, that is `k · u · q / p`: a constant rate is no special case.
//!
//! **Inversion.** With `w` left for the piece, `t` solves `2·a·t + (b − a)·t²/d = w`. Of the two forms of the root the one
//! without cancellation is `t = w / (a + √(a² + (b − a)·w/d))`, for rising and falling pieces alike. That float is off
//! by some 10⁻¹⁶ of the piece; where the equation fits 127 bits (all but absurd plans) it is corrected to the exact
//! integer below the root. Everything follows from `k` alone, so that nothing drifts.

use std::time::Duration;

use super::numbered::{Numbered, Range};
use super::{nanos, rational};

/// A piecewise linear rate and its integral.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    /// Those that have an area.
    pieces: Vec<Piece>,
    /// The end of each segment, those without area too.
    ends: Vec<u64>,
    /// The area of one arrival: `2·u·q`.
    pub(super) unit: u128,
    /// The area of all.
    pub(super) area: u128,
}

#[derive(Debug, Clone)]
struct Piece {
    /// Where it begins, and how long it is; ns.
    start: u64,
    length: u64,
    /// The area before it.
    before: u128,
    /// Rates at its ends.
    from: u64,
    to: u64,
    segment: u32,
    exact: Option<Exact>,
}

/// The equation of a ramp without fractions: `linear·t + square·t² ≤ scale·w`.
#[derive(Debug, Clone)]
struct Exact {
    linear: i128,
    square: i128,
    scale: i128,
}

/// One segment as people write it: rate at its beginning, rate at its end, how long.
pub(super) type Segment = (f64, f64, Duration);

impl Curve {
    pub(super) fn new(time_unit: Duration, segments: impl IntoIterator<Item = Segment>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        let rates: Vec<f64> = segments.iter().flat_map(|&(from, to, _)| [from, to]).collect();
        let (rates, denominator) = rational::common(&rates);
        let mut curve = Self {
            pieces: Vec::new(),
            ends: Vec::new(),
            unit: 2 * u128::from(nanos(time_unit).max(1)) * u128::from(denominator),
            area: 0,
        };
        for ((segment, &(_, _, duration)), rates) in (0..).zip(&segments).zip(rates.chunks_exact(2)) {
            let start = curve.ends.last().copied().unwrap_or(0);
            let end = start.saturating_add(nanos(duration));
            let (length, from, to) = (end - start, rates[0], rates[1]);
            let area = (u128::from(from) + u128::from(to)) * u128::from(length);
            if area > 0 {
                curve.pieces.push(Piece {
                    start,
                    length,
                    before: curve.area,
                    from,
                    to,
                    segment,
                    exact: Exact::of(from, to, length),
                });
            }
            curve.area += area;
            curve.ends.push(end);
        }
        curve
    }

    /// Time and segment of the point that has `area` before it; `area` is below the whole.
    pub(super) fn locate(&self, area: u128) -> (Duration, u32) {
        let index = self.pieces.partition_point(|piece| piece.before <= area);
        let piece = &self.pieces[index.saturating_sub(1)];
        let at = piece.start + piece.offset(area - piece.before);
        (Duration::from_nanos(at), piece.segment)
    }

    /// The area before the time `at`, rounded up: an arrival is before `at` if and only if its area is below this.
    pub(super) fn area_until(&self, at: Duration) -> u128 {
        let at = nanos(at);
        let index = self.pieces.partition_point(|piece| piece.start < at);
        let piece = index.checked_sub(1).map(|last| &self.pieces[last]);
        piece.map_or(0, |piece| {
            piece.before + piece.covered((at - piece.start).min(piece.length))
        })
    }

    /// The segment that the time `at` belongs to.
    pub(super) fn segment_at(&self, at: Duration) -> u32 {
        let at = nanos(at);
        let index = self.ends.partition_point(|end| *end <= at);
        u32::try_from(index.min(self.ends.len().saturating_sub(1))).unwrap_or(u32::MAX)
    }
}

impl Numbered for Curve {
    fn total(&self) -> u64 {
        u64::try_from(self.area.div_ceil(self.unit)).unwrap_or(u64::MAX)
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        self.locate(u128::from(number) * self.unit)
    }
}

/// `at`, moved into a range that it may have left by a rounding.
pub(super) fn within(at: Duration, (since, until): Range) -> Duration {
    let last = until.map_or(Duration::MAX, |until| until.saturating_sub(Duration::from_nanos(1)));
    at.min(last).max(since)
}

impl Piece {
    /// The whole nanoseconds after which its first `w` of area are covered; `w` is below its area.
    fn offset(&self, w: u128) -> u64 {
        if self.from == self.to {
            let at = w / (2 * u128::from(self.from));
            return u64::try_from(at).map_or(self.length, |at| at.min(self.length - 1));
        }
        let (a, b, d) = (self.from as f64, self.to as f64, self.length as f64);
        let area = w as f64;
        let root = a.mul_add(a, (b - a) * area / d).max(0.0).sqrt();
        // At the foot of a ramp from zero the quotient is 0/0, which casts to 0 as it should.
        let estimate = ((area / (a + root)) as u64).min(self.length - 1);
        match &self.exact {
            Some(exact) => exact.correct(estimate, w).min(self.length - 1),
            None => estimate,
        }
    }
}

impl Piece {
    /// The area of its first `t` ns, rounded up.
    fn covered(&self, t: u64) -> u128 {
        let (t, length) = (u128::from(t), u128::from(self.length));
        let level = 2 * u128::from(self.from) * t;
        let slope = u128::from(self.from.abs_diff(self.to)) * t;
        // slope · t / length without the overflow of multiplying first.
        let (whole, rest) = (slope / length * t, slope % length * t);
        if self.to >= self.from {
            level + whole + rest.div_ceil(length)
        } else {
            level - whole - rest / length
        }
    }
}

impl Exact {
    /// None when it does not fit, or when the float would be too far off for a few steps to reach it.
    fn of(from: u64, to: u64, length: u64) -> Option<Self> {
        const LONGEST: u128 = 1 << 50;
        let slope = from.abs_diff(to);
        let (slope, length) = (u128::from(slope), u128::from(length));
        let common = rational::gcd(slope, length);
        let (square, scale) = (slope / common, length / common);
        let linear = (2 * u128::from(from)).checked_mul(scale)?;
        let fits = |value: Option<u128>| value.is_some_and(|value| value < 1 << 125);
        let all = (u128::from(from) + u128::from(to)) * length;
        let fit = length < LONGEST
            && fits(linear.checked_mul(length + 1))
            && fits(square.checked_mul((length + 1).pow(2)))
            && fits(scale.checked_mul(all));
        let signed = |value: u128| i128::try_from(value).ok();
        let square = signed(square)?;
        fit.then_some(Self {
            linear: signed(linear)?,
            square: if to > from { square } else { -square },
            scale: signed(scale)?,
        })
    }

    /// The largest `t` that the equation allows, from one close by.
    fn correct(&self, estimate: u64, w: u128) -> u64 {
        let limit = self.scale * i128::try_from(w).unwrap_or(i128::MAX);
        let within = |t: u64| {
            let t = i128::from(t);
            self.linear * t + self.square * t * t <= limit
        };
        let mut t = estimate;
        while !within(t) {
            t -= 1;
        }
        while within(t + 1) {
            t += 1;
        }
        t
    }
}
