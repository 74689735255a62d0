//! Distributions: an HDR histogram while a core records, a sorted list of its buckets everywhere else. No raw samples.
//!
//! A core's histogram is dense and quick to record into, but tens of kilobytes large and mostly empty. What leaves the
//! core each second, is kept for windows and adds up to the totals is the list of buckets that are not empty.

use hdrhistogram::Histogram;

use super::registry::Unit;

/// 3 significant digits: a bucket is at most 1/1024 of its value wide, its middle at most 0.05 % away.
const DIGITS: u8 = 3;

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

    fn per_value(self) -> f64 {
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
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1e18, checked above"
        )]
        Some((value * self.per_value()).round() as u64)
    }
}

/// A distribution that can be merged: exact count, sum, smallest and largest; quantiles within 0.1 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend {
    scale: Scale,
    count: u64,
    /// In units, so that adding up is exact in every order.
    sum: u128,
    min: f64,
    max: f64,
    /// Middle of the bucket in units, and how many samples fell into it; sorted.
    buckets: Vec<(u64, u64)>,
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
        }
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
        let (mine, theirs) = (std::mem::take(&mut self.buckets), &other.buckets);
        self.buckets = Vec::with_capacity(mine.len() + theirs.len());
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
}

/// A distribution being recorded on one core.
pub(super) struct TrendRecorder {
    trend: Trend,
    /// Made by the first sample and given back after an idle second: a thousand quiet series cost next to nothing.
    histogram: Option<Histogram<u32>>,
}

impl TrendRecorder {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            trend: Trend::new(scale),
            histogram: None,
        }
    }

    /// Records a value and its units (from [`Scale::units`]); `false` when the histogram cannot hold it.
    pub(super) fn record(&mut self, value: f64, units: u64) -> bool {
        let histogram = self.histogram.get_or_insert_with(histogram);
        if histogram.record(units).is_err() {
            return false;
        }
        self.trend.count += 1;
        self.trend.sum += u128::from(units);
        self.trend.min = self.trend.min.min(value);
        self.trend.max = self.trend.max.max(value);
        true
    }

    /// Everything since the last take, and starts afresh.
    pub(super) fn take(&mut self) -> Trend {
        if self.trend.count == 0 {
            self.histogram = None;
            return self.trend.clone();
        }
        let fresh = Trend::new(self.trend.scale);
        let mut trend = std::mem::replace(&mut self.trend, fresh);
        if let Some(histogram) = &mut self.histogram {
            trend.buckets = histogram
                .iter_recorded()
                .map(|step| {
                    (
                        histogram.median_equivalent(step.value_iterated_to()),
                        u64::from(step.count_at_value()),
                    )
                })
                .collect();
            histogram.reset();
        }
        trend
    }
}

fn histogram() -> Histogram<u32> {
    let mut histogram = Histogram::new(DIGITS).expect("3 digits are within what the crate allows");
    histogram.auto(true);
    histogram
}
