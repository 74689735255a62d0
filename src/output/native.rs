//! Our histogram buckets as exponential ones, which Prometheus (native histograms) and OpenTelemetry have. No wire format.
//!
//! Bucket `i` of schema `s` holds the values in `(2^((i-1)/2^s), 2^(i/2^s)]`, as Prometheus numbers them; OpenTelemetry calls
//! the same bucket `i - 1` and the schema scale. Ours are at most a thousandth of their value wide, and their middles
//! decide.

use std::cell::RefCell;

use crate::metrics::{Trend, buckets};

/// The finest schema that is used: a bucket is 2.2 % wide.
const FINEST: i32 = 5;
/// Common receivers refuse or coarsen what has more.
const MOST_BUCKETS: usize = 160;

/// A distribution in exponential buckets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exponential {
    /// Buckets for each doubling: two to the power of this.
    pub(super) schema: i32,
    /// Values that are zero.
    pub(super) zeros: u64,
    /// Index and count of each bucket that is not empty, sorted.
    pub(super) buckets: Vec<(i32, u64)>,
}

/// What is limited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Buckets that are not empty.
    Filled,
    /// Those between the first and the last.
    Range,
}

impl Exponential {
    #[cfg(test)]
    /// Sorted values (no negative ones) and how often they are there, in the finest schema that `limit` lets pass. It only becomes coarser as
    /// a distribution grows.
    pub(super) fn of(values: impl Iterator<Item = (f64, u64)>, limit: Limit) -> Self {
        let mut all = Self {
            schema: FINEST,
            ..Self::default()
        };
        for (value, count) in values {
            if value <= 0.0 {
                all.zeros += count;
                continue;
            }
            push(&mut all.buckets, index_of(value), count);
        }
        all.fit(limit);
        all
    }

    /// A distribution of metrics, its values divided by `per`.
    pub(super) fn of_trend(trend: &Trend, unit: &str, per: f64, limit: Limit) -> Self {
        let mut all = Self {
            schema: FINEST,
            ..Self::default()
        };
        let per = buckets::units_per(unit) * per;
        INDICES.with_borrow_mut(|known| {
            let at = known.iter().position(|(of, _)| of.total_cmp(&per).is_eq());
            let at = at.unwrap_or_else(|| {
                known.push((per, Vec::new()));
                known.len() - 1
            });
            let indices = &mut known[at].1;
            for (bucket, count) in trend.buckets() {
                match index_of_bucket(indices, bucket, per) {
                    Some(index) => push(&mut all.buckets, index, count),
                    None => all.zeros += count,
                }
            }
        });
        all.fit(limit);
        all
    }

    fn fit(&mut self, limit: Limit) {
        while self.size(limit) > MOST_BUCKETS {
            self.coarsen();
        }
    }

    fn size(&self, limit: Limit) -> usize {
        match (limit, self.buckets.first(), self.buckets.last()) {
            (Limit::Range, Some((first, _)), Some((last, _))) => last.abs_diff(*first) as usize + 1,
            _ => self.buckets.len(),
        }
    }

    /// Halves the number of buckets in a doubling.
    fn coarsen(&mut self) {
        self.schema -= 1;
        let finer = std::mem::take(&mut self.buckets);
        for (index, count) in finer {
            // Buckets 2i-1 and 2i make up bucket i.
            push(&mut self.buckets, (index + 1).div_euclid(2), count);
        }
    }

    /// Runs of neighbouring buckets: the gap before each (the first one's is its index), and its counts.
    pub(super) fn runs(&self) -> Vec<(i32, Vec<u64>)> {
        let mut runs: Vec<(i32, Vec<u64>)> = Vec::new();
        let mut next = 0;
        for &(index, count) in &self.buckets {
            match runs.last_mut() {
                Some((_, counts)) if index == next => counts.push(count),
                _ => runs.push((index - next, vec![count])),
            }
            next = index + 1;
        }
        runs
    }

    /// The first index and the counts from there on, empty buckets included.
    pub(super) fn dense(&self) -> (i32, Vec<u64>) {
        let Some(&(first, _)) = self.buckets.first() else {
            return (0, Vec::new());
        };
        let mut counts = vec![0; self.size(Limit::Range)];
        for &(index, count) in &self.buckets {
            counts[index.abs_diff(first) as usize] = count;
        }
        (first, counts)
    }
}

/// Which bucket of the finest schema a value above zero is in.
fn index_of(value: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "logarithms of doubles are small")]
    let index = (value.log2() * f64::from(1 << FINEST)).ceil() as i32;
    index
}

thread_local! {
    /// What [`index_of`] gives for the middles of our buckets, by what units are divided by: the same few hundred logarithms
    /// would be taken for each series in each second. 4 bytes for a bucket, of which there are 55,000 at most.
    static INDICES: RefCell<Vec<(f64, Vec<i32>)>> = const { RefCell::new(Vec::new()) };
}

/// No index is so small: that of the smallest double is -34,368.
const UNKNOWN: i32 = i32::MIN;

/// `None` for the bucket of zero.
fn index_of_bucket(known: &mut Vec<i32>, bucket: u32, per: f64) -> Option<i32> {
    if bucket == 0 {
        return None;
    }
    let at = bucket as usize;
    if known.len() <= at {
        known.resize(at + 1, UNKNOWN);
    }
    if known[at] == UNKNOWN {
        #[expect(clippy::cast_precision_loss, reason = "middles have 11 significant bits")]
        let middle = buckets::middle(bucket) as f64;
        known[at] = index_of(middle / per);
    }
    Some(known[at])
}

fn push(buckets: &mut Vec<(i32, u64)>, index: i32, count: u64) {
    match buckets.last_mut() {
        Some((last, sum)) if *last == index => *sum += count,
        _ => buckets.push((index, count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[(f64, u64)]) -> Exponential {
        Exponential::of(values.iter().copied(), Limit::Filled)
    }

    #[test]
    fn bounds_belong_to_the_bucket_below_them() {
        let table = [
            (1.0, 0),
            (1.000_001, 1),
            (2.0, 32),
            (0.5, -32),
            (0.25, -64),
            (0.250_001, -63),
        ];
        for (value, index) in table {
            assert_eq!(of(&[(value, 3)]).buckets, [(index, 3)], "{value}");
        }
        assert_eq!(of(&[(0.0, 2), (1.0, 1)]).zeros, 2);
    }

    #[test]
    fn runs_and_dense_counts_hold_the_same() {
        let buckets = Exponential {
            schema: 3,
            zeros: 0,
            buckets: vec![(-3, 1), (-2, 5), (1, 2)],
        };
        assert_eq!(buckets.runs(), [(-3, vec![1, 5]), (2, vec![2])]);
        assert_eq!(buckets.dense(), (-3, vec![1, 5, 0, 0, 2]));
        assert_eq!(Exponential::default().dense(), (0, vec![]));
    }

    proptest! {
        #[test]
        fn every_value_is_in_its_bucket_and_none_is_lost(
            mut exponents in prop::collection::vec(-12.0..12.0_f64, 1..400),
            by_range in any::<bool>(),
        ) {
            exponents.sort_by(f64::total_cmp);
            let values: Vec<f64> = exponents.iter().map(|e| 10_f64.powf(*e)).collect();
            let limit = if by_range { Limit::Range } else { Limit::Filled };
            let all = Exponential::of(values.iter().map(|v| (*v, 1)), limit);
            prop_assert!(all.size(limit) <= MOST_BUCKETS);
            prop_assert_eq!(all.buckets.iter().map(|b| b.1).sum::<u64>(), values.len() as u64);
            prop_assert!(all.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
            let base = 2_f64.powf(2_f64.powi(-all.schema));
            let mut left = values.iter();
            for (index, count) in &all.buckets {
                for value in left.by_ref().take(*count as usize) {
                    let (low, high) = (base.powi(index - 1), base.powi(*index));
                    prop_assert!(*value > low * (1.0 - 1e-9) && *value <= high * (1.0 + 1e-9), "{} is not in ({}, {}]", value, low, high);
                }
            }
        }
    }
}
