//! Arrivals at a constant rate, evenly spaced. No randomness and no ramps.
//!
//! The rate `r` per unit `u` is taken as the simplest fraction `p / q` that reads as the same float: what people write
//! (`0.1`, `2 / 3`, `333.25`) becomes exactly what they meant, and no arrival slips in at the end because a binary
//! fraction was a hair too large. Arrival `k` is due at `k · u · q / p`, computed from `k` alone in integer nanoseconds
//! rounded down, so nothing adds up over a day. It is in the half-open `[0, d)` when `k · u · q < d · p`, hence there are
//! `⌈d · p / (u · q)⌉`; rounding down keeps the order with the whole number `d`.
//!
//! With `d`, `u` and `p` below 2⁶⁴ both products stay below 2¹²⁸ for every arrival that is in the interval.

use std::time::Duration;

use super::{Arrival, Stripe};

/// The largest `q`: finer fractions are rounded to it, an error below 10⁻¹⁸.
const MAX_DENOMINATOR: u64 = 1_000_000_000;
/// The highest rate per unit.
const MAX_RATE: f64 = 1e18;

/// An evenly spaced schedule; see [`constant`].
#[derive(Debug, Clone)]
pub struct ConstantArrivals {
    /// `u · q`.
    spacing: u128,
    /// `p`.
    rate: u64,
    /// Arrivals of all stripes.
    whole: u64,
    stripe: Stripe,
    next: u64,
}

/// `rate` arrivals for each `time_unit` during `duration`: arrival `k` is at `k · time_unit / rate`, in the half-open
/// interval `[0, duration)`.
///
/// `rate` may be fractional. No positive rate, no arrivals; a positive rate below a billionth per unit counts as that,
/// one above 10¹⁸ per unit is held there, and spans end at 584 years.
#[must_use]
pub fn constant(rate: f64, time_unit: Duration, duration: Duration) -> ConstantArrivals {
    let (rate, per) = fraction(rate);
    let spacing = u128::from(nanos(time_unit).max(1)) * u128::from(per);
    let whole = (u128::from(nanos(duration)) * u128::from(rate)).div_ceil(spacing);
    ConstantArrivals {
        spacing,
        rate,
        whole: u64::try_from(whole).unwrap_or(u64::MAX),
        stripe: Stripe::WHOLE,
        next: 0,
    }
}

impl ConstantArrivals {
    /// Only the arrivals that `stripe` owns, from the first; their numbers and times stay those of the whole.
    #[must_use]
    pub fn striped(self, stripe: Stripe) -> Self {
        Self {
            stripe,
            next: u64::from(stripe.index),
            ..self
        }
    }

    /// How many arrivals there are from the first to the last, in this stripe.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.stripe.share(self.whole)
    }
}

impl Iterator for ConstantArrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let number = self.next;
        if number >= self.whole {
            return None;
        }
        self.next = number.saturating_add(u64::from(self.stripe.of));
        let at = u128::from(number) * self.spacing / u128::from(self.rate);
        let at = u64::try_from(at).expect("below the duration, which fits");
        Some(Arrival {
            number,
            at: Duration::from_nanos(at),
        })
    }
}

/// `(p, q)`: the first convergent of the rate's continued fraction that is the same float; (0, 1) for a rate that is not
/// positive (or not a number).
fn fraction(rate: f64) -> (u64, u64) {
    if rate.is_nan() || rate <= 0.0 {
        return (0, 1);
    }
    let rate = rate.clamp(1.0 / MAX_DENOMINATOR as f64, MAX_RATE);
    let (mut dividend, mut divisor) = exact(rate);
    let (mut before, mut best) = ((0_u128, 1_u128), (1_u128, 0_u128));
    while divisor != 0 {
        let term = dividend / divisor;
        let p = term.saturating_mul(best.0).saturating_add(before.0);
        let q = term.saturating_mul(best.1).saturating_add(before.1);
        if p > u128::from(u64::MAX) || q > u128::from(MAX_DENOMINATOR) {
            break;
        }
        (before, best) = (best, (p, q));
        if p as f64 / q as f64 == rate {
            break;
        }
        (dividend, divisor) = (divisor, dividend % divisor);
    }
    match best {
        (0, _) | (_, 0) => (1, MAX_DENOMINATOR),
        (p, q) => (p as u64, q as u64),
    }
}

/// The float between 10⁻⁹ and 10¹⁸ as the fraction of two integers that it is (IEEE 754: 53 bits of mantissa).
fn exact(value: f64) -> (u128, u128) {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.to_bits();
    let mantissa = u128::from(bits & ((1 << MANTISSA_BITS) - 1) | 1 << MANTISSA_BITS);
    let exponent = (bits >> MANTISSA_BITS) as i64 - 1_075;
    if exponent >= 0 {
        (mantissa << exponent, 1)
    } else {
        (mantissa, 1 << -exponent)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DAY: Duration = Duration::from_secs(86_400);

    fn micros(arrivals: ConstantArrivals) -> Vec<u128> {
        arrivals.map(|a| a.at.as_micros()).collect()
    }

    #[test]
    fn times_match_tables_derived_by_hand() {
        // 4/s for 1 s: every 250 ms; the one at 1 s is out.
        assert_eq!(micros(constant(4.0, SECOND, SECOND)), [0, 250_000, 500_000, 750_000]);
        // 3/s for 1 s: thirds, rounded down.
        assert_eq!(micros(constant(3.0, SECOND, SECOND)), [0, 333_333, 666_666]);
        // 2.5/s for 1 s: every 400 ms.
        assert_eq!(micros(constant(2.5, SECOND, SECOND)), [0, 400_000, 800_000]);
        // 30/min for 5 s: every 2 s.
        assert_eq!(
            micros(constant(30.0, Duration::from_secs(60), 5 * SECOND)),
            [0, 2_000_000, 4_000_000]
        );
        // 0.5/s for 2 s: the second one would be at the very end.
        assert_eq!(micros(constant(0.5, SECOND, 2 * SECOND)), [0]);
        // One nanosecond more and it is in.
        assert_eq!(
            micros(constant(0.5, SECOND, 2 * SECOND + Duration::from_nanos(1))),
            [0, 2_000_000]
        );
    }

    #[test]
    fn counts_are_half_open() {
        // (rate, unit, duration, count)
        let table = [
            (50.0, SECOND, 60 * SECOND, 3_000),
            (1_000.0, SECOND, 10 * SECOND, 10_000),
            (0.1, SECOND, 60 * SECOND, 6),
            (1.0, 3 * SECOND, 10 * SECOND, 4),
            (1.0 / 3.0, SECOND, 9 * SECOND, 3),
            // Rounding 2/3 up to any decimal would let a seventh one in.
            (2.0 / 3.0, SECOND, 9 * SECOND, 6),
            (10.0 / 3.0, SECOND, 3 * SECOND, 10),
            (0.7, SECOND, 10 * SECOND, 7),
            (333.333, SECOND, 1_000 * SECOND, 333_333),
            (10.0, SECOND, Duration::from_millis(101), 2),
            (10.0, SECOND, Duration::from_nanos(1), 1),
            (10.0, SECOND, Duration::ZERO, 0),
            (0.0, SECOND, SECOND, 0),
            (-1.0, SECOND, SECOND, 0),
            (f64::NAN, SECOND, SECOND, 0),
        ];
        for (rate, unit, duration, count) in table {
            let arrivals = constant(rate, unit, duration);
            assert_eq!(arrivals.total(), count, "{rate} per {unit:?} for {duration:?}");
            assert_eq!(arrivals.count() as u64, count, "{rate} per {unit:?} for {duration:?}");
        }
    }

    #[test]
    fn rates_are_the_fractions_that_people_meant() {
        // (rate, p, q)
        let table = [
            (50.0, 50, 1),
            (0.1, 1, 10),
            (2.0 / 3.0, 2, 3),
            (333.25, 1_333, 4),
            (1.000_001, 1_000_001, 1_000_000),
            (1e-9, 1, 1_000_000_000),
            (f64::MIN_POSITIVE, 1, 1_000_000_000),
            (9_007_199_254_740_993.0, 9_007_199_254_740_992, 1),
            (f64::INFINITY, 1_000_000_000_000_000_000, 1),
            (0.0, 0, 1),
        ];
        for (rate, p, q) in table {
            assert_eq!(fraction(rate), (p, q), "{rate}");
        }
    }

    #[test]
    fn a_day_does_not_drift() {
        // 7/s: the spacing is no whole number of nanoseconds, yet each full second falls on the nanosecond.
        let mut arrivals = constant(7.0, SECOND, DAY);
        assert_eq!(arrivals.total(), 7 * 86_400);
        for second in 0..86_400_u64 {
            let first = arrivals.next().unwrap();
            assert_eq!((first.number, first.at), (second * 7, Duration::from_secs(second)));
            arrivals.by_ref().take(6).for_each(drop);
        }
        assert_eq!(arrivals.next(), None);
    }

    #[test]
    fn striping_keeps_numbers_and_times() {
        let odd = constant(4.0, SECOND, SECOND).striped(Stripe { index: 1, of: 2 });
        assert_eq!(odd.total(), 2);
        let odd: Vec<_> = odd.map(|a| (a.number, a.at.as_millis())).collect();
        assert_eq!(odd, [(1, 250), (3, 750)]);
    }

    #[test]
    fn extremes_neither_overflow_nor_divide_by_zero() {
        for rate in [f64::MIN_POSITIVE, 1e-12, 1.0, 1e9, 1e18, f64::MAX, f64::INFINITY] {
            for unit in [Duration::ZERO, Duration::from_nanos(1), SECOND, Duration::MAX] {
                for duration in [Duration::from_nanos(1), DAY, Duration::MAX] {
                    let arrivals = constant(rate, unit, duration);
                    let total = arrivals.total();
                    assert!(total >= 1, "the one at 0 is always in");
                    let mut last = ConstantArrivals {
                        next: total - 1,
                        ..arrivals
                    };
                    let at = last.next().unwrap().at;
                    assert!(at < duration, "{rate} per {unit:?} for {duration:?}: {at:?}");
                    assert_eq!(last.next(), None);
                }
            }
        }
    }

    fn plans() -> impl Strategy<Value = (f64, Duration, Duration)> {
        let rate = prop_oneof![(1_u32..2_000).prop_map(f64::from), 0.01..2_000.0_f64];
        let unit = (1_u64..120_000).prop_map(Duration::from_millis);
        (rate, unit, 0_u64..5_000).prop_map(|(rate, unit, arrivals)| (rate, unit, unit.mul_f64(arrivals as f64 / rate)))
    }

    proptest! {
        #[test]
        fn fractions_are_as_close_as_floats_get(rate in 1e-6..1e7_f64) {
            let (p, q) = fraction(rate);
            let error = (p as f64 / q as f64 - rate).abs();
            prop_assert!(error <= f64::max(rate * f64::EPSILON, 1e-17), "{p}/{q} for {rate}");
        }

        #[test]
        fn the_union_of_all_stripes_is_the_whole((rate, unit, duration) in plans(), of in 1_u32..9) {
            let whole: Vec<_> = constant(rate, unit, duration).collect();
            let mut union = Vec::new();
            for index in 0..of {
                let stripe = Stripe { index, of };
                let part: Vec<_> = constant(rate, unit, duration).striped(stripe).collect();
                prop_assert!(part.iter().all(|a| stripe.owns(a.number)));
                prop_assert_eq!(constant(rate, unit, duration).striped(stripe).total(), part.len() as u64);
                union.extend(part);
            }
            union.sort_by_key(|a| a.number);
            prop_assert_eq!(union, whole);
        }

        #[test]
        fn arrivals_are_monotone_complete_and_inside((rate, unit, duration) in plans()) {
            let arrivals: Vec<_> = constant(rate, unit, duration).collect();
            prop_assert_eq!(constant(rate, unit, duration).total(), arrivals.len() as u64);
            prop_assert!(arrivals.iter().enumerate().all(|(k, a)| a.number == k as u64));
            prop_assert!(arrivals.windows(2).all(|w| w[0].at <= w[1].at));
            prop_assert!(arrivals.first().is_none_or(|a| a.at == Duration::ZERO));
            prop_assert!(arrivals.last().is_none_or(|a| a.at < duration));
        }

        #[test]
        fn counts_match_the_area_under_the_rate((rate, unit, duration) in plans()) {
            let area = rate * duration.as_secs_f64() / unit.as_secs_f64();
            let total = constant(rate, unit, duration).total() as f64;
            // The float is the coarse oracle here; the exact bound is in the tables.
            prop_assert!((total - area).abs() <= 1.0 + area * 1e-7, "{total} for {area}");
        }
    }
}
