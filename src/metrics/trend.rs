//! Distributions that can be merged: sorted lists of histogram buckets. How a core fills them is in `trend_recorder`.
//!
//! A core's histogram is dense and quick to record into, but kilobytes large and mostly empty. What leaves the
//! core each second, is kept for windows and adds up to the totals is the list of buckets that are not empty.

use super::exemplar::Exemplar;
use super::registry::Unit;

/// How values become whole histogram units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Milliseconds in units of 0.1 µs, up to 24 h.
    Time,
    /// Any other unit in millionths, up to 1e12.
    Custom,
}

impl Scale {
    pub(super) fn of(unit: &Unit) -> Self {
        match unit {
            Unit::Ms => Self::Time,
            Unit::None | Unit::Bytes | Unit::Custom(_) => Self::Custom,
        }
    }

    pub(super) fn per_value(self) -> f64 {
        match self {
            Self::Time => 1e4,
            Self::Custom => 1e6,
        }
    }

    fn bound(self) -> f64 {
        match self {
            Self::Time => 24.0 * 3_600_000.0,
            Self::Custom => 1e12,
        }
    }

    /// The value in units; `None` when it is negative, beyond the bound or not a number.
    pub(super) fn units(self, value: f64) -> Option<u64> {
        if !(0.0..=self.bound()).contains(&value) {
            return None;
        }
        let exact = value * self.per_value();
        // Rounded by hand: `f64::round` is a call into the C library.
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1e18, checked above")]
        let whole = exact as i64;
        #[expect(clippy::cast_precision_loss, reason = "the whole part of a float is one")]
        let rest = exact - whole as f64;
        Some(whole.unsigned_abs() + u64::from(rest >= 0.5))
    }
}

/// A distribution that can be merged: exact count, sum, smallest and largest; quantiles within 0.1 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    pub(super) scale: Scale,
    pub(super) count: u64,
    /// In units, so that adding up is exact in every order.
    pub(super) sum: u128,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Middle of the bucket in units, and how many samples fell into it; sorted.
    pub(super) buckets: Vec<(u64, u64)>,
    /// The slowest of the samples whose trace is kept.
    pub(super) exemplar: Option<Exemplar>,
}

impl Trend {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            count: 0,
            sum: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            buckets: Vec::new(),
            exemplar: None,
        }
    }

    /// The same with the slowest sample whose trace is kept.
    #[must_use]
    pub fn with_exemplar(mut self, exemplar: Option<Exemplar>) -> Self {
        self.exemplar = exemplar;
        self
    }

    /// The slowest of the samples whose trace is kept.
    #[must_use]
    pub fn exemplar(&self) -> Option<Exemplar> {
        self.exemplar
    }

    /// A distribution by its parts: samples, their sum in the values of the metric's unit, smallest, largest, and the
    /// numbers of the buckets (see [`buckets`](super::buckets)) with how many samples fell into each, in ascending order.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum is never negative, and what is beyond 2^128 is no sum of ours"
    )]
    pub fn from_parts(unit: &Unit, count: u64, sum: f64, range: (f64, f64), buckets: &[(u32, u64)]) -> Self {
        let scale = Scale::of(unit);
        let (min, max) = range;
        if count == 0 {
            return Self::new(scale);
        }
        let middles = buckets
            .iter()
            .map(|&(index, count)| (super::buckets::middle(index), count));
        Self {
            count,
            sum: (sum * scale.per_value()).round() as u128,
            min,
            max,
            buckets: middles.collect(),
            ..Self::new(scale)
        }
    }

    /// The numbers of the buckets that are not empty, in ascending order, and how many samples fell into each.
    pub fn buckets(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let all = self.buckets.iter();
        all.map(|&(middle, count)| (super::buckets::index(middle), count))
    }

    /// All samples together.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "52 bits are more than the samples' own precision"
    )]
    pub fn sum(&self) -> f64 {
        self.sum as f64 / self.scale.per_value()
    }

    /// How many samples there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest sample.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest sample.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then_some(self.max)
    }

    /// The mean.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "52 bits are more than the samples' own precision"
    )]
    pub fn mean(&self) -> Option<f64> {
        // Rounding to units may carry the mean of equal samples past them.
        (self.count > 0)
            .then(|| (self.sum as f64 / self.count as f64 / self.scale.per_value()).clamp(self.min, self.max))
    }

    /// The smallest value that at least `percent` (0 to 100) of the samples do not exceed (nearest rank).
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts stay below 2^52, and the rank between 1 and the count"
    )]
    pub fn percentile(&self, percent: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        // 99.9 % of 1,000 is 999.0000000000001 in floating point, and rank 999 all the same.
        let exact = percent / 100.0 * self.count as f64 * (1.0 - 1e-12);
        let rank = (exact.ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        let middle = self.buckets.iter().find_map(|&(middle, count)| {
            seen += count;
            (seen >= rank).then_some(middle)
        });
        let value = middle.map_or(self.max, |units| units as f64 / self.scale.per_value());
        Some(if rank == self.count {
            self.max
        } else {
            value.clamp(self.min, self.max)
        })
    }

    /// Adds another distribution of the same metric.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.exemplar = Exemplar::of_both(self.exemplar, other.exemplar);
        let needed = union(&self.buckets, &other.buckets);
        if needed == self.buckets.len() {
            self.add_in_place(&other.buckets);
            return;
        }
        let (mine, theirs) = (std::mem::take(&mut self.buckets), &other.buckets);
        self.buckets = Vec::with_capacity(needed);
        let (mut left, mut right) = (mine.into_iter().peekable(), theirs.iter().copied().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) if l.0 == r.0 => {
                    let both = (l.0, l.1 + r.1);
                    left.next();
                    right.next();
                    Some(both)
                }
                (Some(l), Some(r)) if l.0 < r.0 => left.next(),
                (_, Some(_)) => right.next(),
                (_, None) => left.next(),
            };
            let Some(bucket) = next else { break };
            self.buckets.push(bucket);
        }
    }

    /// Adds buckets all of which are there already: after the first seconds of a run hardly any other come.
    fn add_in_place(&mut self, buckets: &[(u64, u64)]) {
        let mut mine = self.buckets.iter_mut();
        for (middle, count) in buckets {
            if let Some((_, sum)) = mine.find(|(known, _)| known == middle) {
                *sum += count;
            }
        }
    }
}

/// How many buckets two sorted lists have together.
fn union(left: &[(u64, u64)], right: &[(u64, u64)]) -> usize {
    let mut left = left.iter().peekable();
    let mut all = 0;
    for (middle, _) in right {
        while left.next_if(|(known, _)| known < middle).is_some() {
            all += 1;
        }
        left.next_if(|(known, _)| known == middle);
        all += 1;
    }
    all + left.count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::trend_recorder::{NOTED, recorded};
    use proptest::prelude::*;

    #[test]
    fn what_a_scale_takes() {
        let day = 86_400_000.0;
        let table = [
            (Scale::Time, 0.0, Some(0)),
            (Scale::Time, 1.5, Some(15_000)),
            (Scale::Time, 0.000_04, Some(0)), // less than half of 0.1 µs
            (Scale::Time, day, Some(864_000_000_000)),
            (Scale::Time, day + 0.001, None),
            (Scale::Time, -0.001, None),
            (Scale::Time, f64::NAN, None),
            (Scale::Time, f64::INFINITY, None),
            (Scale::Custom, 9.99, Some(9_990_000)),
            (Scale::Custom, 1e12, Some(1_000_000_000_000_000_000)),
            (Scale::Custom, 1.1e12, None),
            (Scale::Custom, f64::NEG_INFINITY, None),
        ];
        for (scale, value, units) in table {
            assert_eq!(scale.units(value), units, "{scale:?} {value}");
        }
    }

    #[test]
    fn nothing_recorded_answers_nothing() {
        let trend = recorded(Scale::Time, &[]);
        assert_eq!(
            (trend.count(), trend.min(), trend.max(), trend.mean()),
            (0, None, None, None)
        );
        assert_eq!(trend.percentile(99.0), None);
    }

    #[test]
    fn ranks_do_not_slip_by_one() {
        // 1..=1000 ms: every value has a bucket of its own, so the nearest rank is the value, within the bucket.
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let trend = recorded(Scale::Time, &values);
        let table = [
            (0.0, 1.0),
            (0.1, 1.0),
            (50.0, 500.0),
            (90.0, 900.0),
            (95.0, 950.0),
            (99.0, 990.0),
            (99.9, 999.0),
            (99.91, 1000.0),
            (100.0, 1000.0),
        ];
        for (percent, expected) in table {
            let got = trend.percentile(percent).unwrap();
            assert!(
                (got - expected).abs() <= 0.001 * expected,
                "p{percent}: {got}, not {expected}"
            );
        }
    }

    /// Values over all magnitudes that a time trend can hold.
    fn times() -> impl Strategy<Value = Vec<f64>> {
        let value = || (-3.0..7.9_f64).prop_map(|exponent| 10_f64.powf(exponent));
        // Some that are only noted, some that need a histogram.
        prop_oneof![
            prop::collection::vec(value(), 1..200),
            prop::collection::vec(value(), NOTED - 1..NOTED + 200),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_thousandth_of_the_sorted_samples(mut values in times(), percent in 0.0..=100.0_f64) {
            let trend = recorded(Scale::Time, &values);
            values.sort_by(f64::total_cmp);
            let rank = ((percent / 100.0 * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            let got = trend.percentile(percent).unwrap();
            // One unit (0.1 µs) on top for values that are only a few units large.
            prop_assert!((got - exact).abs() <= 0.001 * exact + 1e-4, "{} instead of {}", got, exact);
            prop_assert_eq!(trend.min(), values.first().copied());
            prop_assert_eq!(trend.max(), values.last().copied());
            prop_assert_eq!(trend.percentile(100.0), trend.max());
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            prop_assert!((trend.mean().unwrap() - mean).abs() <= 1e-9 * mean + 1e-4);
        }

        #[test]
        fn merged_equals_recorded_whole(left in times(), right in times()) {
            let whole = recorded(Scale::Time, &[left.clone(), right.clone()].concat());
            let (left, right) = (recorded(Scale::Time, &left), recorded(Scale::Time, &right));
            let mut merged = left.clone();
            merged.merge(&right);
            prop_assert_eq!(&merged, &whole);
            let mut other_way = right;
            other_way.merge(&left);
            prop_assert_eq!(&other_way, &whole);
            merged.merge(&Trend::new(Scale::Time));
            prop_assert_eq!(&merged, &whole);
        }

        #[test]
        fn buckets_hold_all_samples_in_order(values in times()) {
            let trend = recorded(Scale::Time, &values);
            prop_assert_eq!(trend.buckets.iter().map(|b| b.1).sum::<u64>(), values.len() as u64);
            prop_assert!(trend.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
