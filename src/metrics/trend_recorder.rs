//! Fills distributions on one core, second by second. Merging and asking them is in `trend`.

use hdrhistogram::Histogram;

use super::trend::{Scale, Trend};

/// 3 significant digits: a bucket is at most 1/1024 of its value wide, its middle at most 0.05 % away.
const DIGITS: u8 = 3;

/// A distribution being recorded on one core.
///
/// The first samples of a second are only noted, and sorted when they are taken: most series have no more, and reading
/// a whole histogram for each of them would hold up the core.
pub(super) struct TrendRecorder {
    trend: Trend,
    /// Samples in units, at most [`NOTED`].
    noted: Vec<u64>,
    /// Has the samples of this second once there are more.
    histogram: Option<Histogram<u32>>,
    is_dense: bool,
}

/// How many samples are noted before they go into a histogram. 4 kB; sorting them takes a few microseconds.
pub(super) const NOTED: usize = 512;

impl TrendRecorder {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            trend: Trend::new(scale),
            noted: Vec::new(),
            histogram: None,
            is_dense: false,
        }
    }

    /// Records a value and its units (from [`Scale::units`]).
    pub(super) fn record(&mut self, value: f64, units: u64) {
        if self.is_dense {
            self.add_to_histogram(units);
        } else {
            self.noted.push(units);
            if self.noted.len() == NOTED {
                self.spill();
            }
        }
        self.trend.count += 1;
        self.trend.sum += u128::from(units);
        self.trend.min = self.trend.min.min(value);
        self.trend.max = self.trend.max.max(value);
    }

    fn spill(&mut self) {
        self.is_dense = true;
        for units in std::mem::take(&mut self.noted) {
            self.add_to_histogram(units);
        }
    }

    fn add_to_histogram(&mut self, units: u64) {
        let histogram = self.histogram.get_or_insert_with(new_histogram);
        histogram
            .record(units)
            .expect("the histogram grows, and a scale's units fit into 60 bits");
    }

    /// Everything since the last take, and starts afresh. What was not used is given back.
    pub(super) fn take(&mut self) -> Trend {
        let fresh = Trend::new(self.trend.scale);
        let mut trend = std::mem::replace(&mut self.trend, fresh);
        if self.is_dense {
            self.is_dense = false;
            if let Some(histogram) = &mut self.histogram {
                let recorded = histogram.iter_recorded();
                let bucket = |units, count| (middle(units), u64::from(count));
                trend.buckets = recorded
                    .map(|step| bucket(step.value_iterated_to(), step.count_at_value()))
                    .collect();
                histogram.reset();
            }
            return trend;
        }
        self.histogram = None;
        if trend.count == 0 {
            self.noted = Vec::new();
        }
        self.noted.sort_unstable();
        for units in self.noted.drain(..) {
            let middle = middle(units);
            match trend.buckets.last_mut() {
                Some((last, count)) if *last == middle => *count += 1,
                _ => trend.buckets.push((middle, 1)),
            }
        }
        trend
    }
}

fn new_histogram() -> Histogram<u32> {
    let mut histogram = Histogram::new(DIGITS).expect("3 digits are within what the crate allows");
    histogram.auto(true);
    histogram
}

/// The middle of the histogram's bucket that a value falls into: as `Histogram::median_equivalent` for 3 digits, whose
/// buckets are one unit wide below 2048 and twice as wide from each power of two on.
fn middle(units: u64) -> u64 {
    let width = 1_u64 << (units.max(1).ilog2().saturating_sub(10));
    (units & !(width - 1)) + width / 2
}

/// What a core records of some values within a second.
#[cfg(test)]
pub(super) fn recorded(scale: Scale, values: &[f64]) -> Trend {
    let mut recorder = TrendRecorder::new(scale);
    for &value in values {
        recorder.record(value, scale.units(value).unwrap());
    }
    recorder.take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_take_starts_afresh_and_gives_back_what_is_not_used() {
        let mut recorder = TrendRecorder::new(Scale::Time);
        // (samples in this second, whether a histogram is kept, whether notes are)
        let table = [
            (5, false, true),
            (NOTED, true, false),
            (NOTED + 5, true, false),
            (5, false, true),
            (0, false, false),
            (NOTED - 1, false, true),
        ];
        for (samples, histogram, notes) in table {
            for _ in 0..samples {
                recorder.record(5.0, 50_000);
            }
            assert_eq!(recorder.take(), recorded(Scale::Time, &vec![5.0; samples]), "{samples}");
            assert_eq!(recorder.histogram.is_some(), histogram, "{samples}");
            assert_eq!(recorder.noted.capacity() > 0, notes, "{samples}");
        }
    }

    proptest! {
        #[test]
        fn middles_are_those_of_the_histogram(units in 0..=1_000_000_000_000_000_000_u64, shift in 0..60) {
            let units = units >> shift;
            let mut histogram = new_histogram();
            histogram.record(units).unwrap();
            prop_assert_eq!(middle(units), histogram.median_equivalent(units));
        }
    }
}
