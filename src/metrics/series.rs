//! What a series has gathered, and how two of them become one. How samples get in on a core is in `recorder`.

use std::time::Duration;

use crate::clock::Instant;

use super::aggregation::Aggregation;
use super::registry::Kind;
use super::trend::Trend;

/// A gauge's newest, smallest and largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gauge {
    /// The newest value.
    pub value: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// When `value` was set.
    pub at: Instant,
}

impl Gauge {
    pub(super) fn new(value: f64, at: Instant) -> Self {
        Self {
            value,
            min: value,
            max: value,
            at,
        }
    }

    /// The newer value stays; of two set at the same instant the larger, so that the order of merging does not matter.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.at > self.at || (other.at == self.at && other.value > self.value) {
            self.value = other.value;
            self.at = other.at;
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// What a series has gathered, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum SeriesData {
    /// The sum.
    Counter(f64),
    /// Newest, smallest, largest; `None` before the first value.
    Gauge(Option<Gauge>),
    /// How many samples were true, of how many.
    Rate {
        /// Samples that were true.
        passes: u64,
        /// All samples.
        total: u64,
    },
    /// The distribution.
    Trend(Trend),
}

/// What a series has gathered, and what it could not take.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Values by kind.
    pub data: SeriesData,
    /// Samples refused: negative or beyond the bound (counters, trends), or not a number.
    pub out_of_range: u64,
}

impl Series {
    /// Adds what another part of the same series has gathered.
    pub fn merge(&mut self, other: &Self) {
        self.out_of_range += other.out_of_range;
        match (&mut self.data, &other.data) {
            (SeriesData::Counter(mine), SeriesData::Counter(theirs)) => *mine += theirs,
            (SeriesData::Gauge(Some(mine)), SeriesData::Gauge(Some(theirs))) => mine.merge(theirs),
            (SeriesData::Gauge(mine @ None), SeriesData::Gauge(theirs)) => *mine = *theirs,
            (SeriesData::Gauge(Some(_)), SeriesData::Gauge(None)) => {}
            (
                SeriesData::Rate { passes, total },
                SeriesData::Rate {
                    passes: more_passes,
                    total: more_total,
                },
            ) => {
                *passes += more_passes;
                *total += more_total;
            }
            (SeriesData::Trend(mine), SeriesData::Trend(theirs)) => mine.merge(theirs),
            (mine, theirs) => debug_assert!(false, "a series has one kind, not {mine:?} and {theirs:?}"),
        }
    }
}

impl SeriesData {
    /// The kind of metric that gathers this.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Rate { .. } => Kind::Rate,
            Self::Trend(_) => Kind::Trend,
        }
    }

    /// One number of it; `None` without data, when the aggregation does not fit, and for rates of counters.
    #[must_use]
    pub fn ask(&self, aggregation: Aggregation) -> Option<f64> {
        self.answer(aggregation, Duration::ZERO)
    }

    /// One number of what was gathered in `over`; `None` without data, or when the aggregation does not fit.
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
    pub(super) fn answer(&self, aggregation: Aggregation, over: Duration) -> Option<f64> {
        use Aggregation as A;
        match (self, aggregation) {
            (Self::Counter(sum), A::Count) => Some(*sum),
            (Self::Counter(sum), A::Rate) => per_second(*sum, over),
            (Self::Gauge(gauge), A::Value) => gauge.map(|g| g.value),
            (Self::Gauge(gauge), A::Min) => gauge.map(|g| g.min),
            (Self::Gauge(gauge), A::Max) => gauge.map(|g| g.max),
            (Self::Rate { total: 0, .. }, _) => None,
            (Self::Rate { passes, total }, A::Rate) => Some(*passes as f64 / *total as f64),
            (Self::Rate { total, .. }, A::Count) => Some(*total as f64),
            (Self::Rate { passes, .. }, A::Passes) => Some(*passes as f64),
            (Self::Rate { passes, total }, A::Fails) => Some((total - passes) as f64),
            (Self::Trend(trend), _) => of_trend(trend, aggregation),
            _ => None,
        }
    }
}

/// A sum spread over a time; `None` when no time has passed.
pub(super) fn per_second(sum: f64, over: Duration) -> Option<f64> {
    (!over.is_zero()).then(|| sum / over.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn of_trend(trend: &Trend, aggregation: Aggregation) -> Option<f64> {
    match aggregation {
        _ if trend.count() == 0 => None,
        Aggregation::Count => Some(trend.count() as f64),
        Aggregation::Avg => trend.mean(),
        Aggregation::Min => trend.min(),
        Aggregation::Max => trend.max(),
        Aggregation::Med => trend.percentile(50.0),
        Aggregation::Percentile(percent) => trend.percentile(percent),
        Aggregation::Rate | Aggregation::Value | Aggregation::Passes | Aggregation::Fails => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn gauges_merge_alike_in_any_order(values in prop::collection::vec((0_u64..4, -5..5_i32), 1..12), split in 0_usize..12) {
            let start = clock::now();
            let gauge = |&(at, value): &(u64, i32)| Gauge::new(f64::from(value), start + Duration::from_secs(at));
            let fold = |values: &[(u64, i32)]| values.iter().map(gauge).reduce(|mut a, b| { a.merge(&b); a });
            let whole = fold(&values);
            let (left, right) = values.split_at(split.min(values.len()));
            let series = |data| Series { data: SeriesData::Gauge(data), out_of_range: 1 };
            let mut merged = series(fold(right));
            merged.merge(&series(fold(left)));
            prop_assert_eq!(merged, Series { data: SeriesData::Gauge(whole), out_of_range: 2 });

            let (newest, _) = values.iter().max().unwrap();
            let of_newest = values.iter().filter(|(at, _)| at == newest).map(|&(_, value)| f64::from(value));
            prop_assert_eq!(whole.unwrap().value, of_newest.fold(f64::MIN, f64::max));
        }
    }
}
