//! Fills distributions on one core, second by second. Merging and asking them is in `trend`, and what a
//! bucket is in `buckets`.

use super::buckets;
use super::exemplar::Exemplar;
use super::trend::{Scale, Trend};

/// A sample as distributions take it, worked out once for all series that it enters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    value: f64,
    units: u64,
    bucket: u32,
}

impl Entry {
    /// `None` for what [`Scale::units`] refuses.
    pub(super) fn new(scale: Scale, value: f64) -> Option<Self> {
        if value == 0.0 {
            return Some(Self {
                value,
                units: 0,
                bucket: 0,
            });
        }
        let units = scale.units(value)?;
        let bucket = buckets::index(units);
        Some(Self { value, units, bucket })
    }
}

/// A distribution being recorded on one core.
///
/// The first samples of a second are only noted, and sorted when they are taken: most series have no more, and reading
/// a whole histogram for each of them would hold up the core.
pub(super) struct TrendRecorder {
    scale: Scale,
    /// Samples that are exactly zero, as most are of a phase that is rarely gone through.
    zeros: u64,
    /// Samples that are not, and what they make.
    count: u64,
    sum: u128,
    min: f64,
    max: f64,
    /// Their buckets, at most [`NOTED`].
    noted: Vec<u32>,
    /// Has the samples of this second once there are more: how many fell into each bucket.
    counts: Vec<u32>,
    is_dense: bool,
    /// The slowest sample of this second whose trace is kept.
    exemplar: Option<Box<Exemplar>>,
}

/// How many samples are noted before they go into a histogram. 2 kB; sorting them takes a few microseconds.
pub(super) const NOTED: usize = 512;

/// Counters are made by so many.
const DOUBLING: usize = buckets::DOUBLING as usize;

impl TrendRecorder {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            zeros: 0,
            count: 0,
            sum: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            noted: Vec::new(),
            counts: Vec::new(),
            is_dense: false,
            exemplar: None,
        }
    }

    /// Says whose trace a sample of this second has.
    pub(super) fn trace(&mut self, exemplar: Exemplar) {
        match &mut self.exemplar {
            Some(slowest) => **slowest = slowest.slower(exemplar),
            none => *none = Some(Box::new(exemplar)),
        }
    }

    #[inline]
    pub(super) fn record(&mut self, entry: Entry) {
        if entry.value == 0.0 {
            self.zeros += 1;
        } else {
            self.add(entry);
        }
    }

    fn add(&mut self, Entry { value, units, bucket }: Entry) {
        self.count += 1;
        self.sum += u128::from(units);
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        if !self.is_dense {
            self.note(bucket);
        } else if let Some(count) = self.counts.get_mut(bucket as usize) {
            *count += 1;
        } else {
            self.grow(bucket);
        }
    }

    fn note(&mut self, bucket: u32) {
        self.noted.push(bucket);
        if self.noted.len() == NOTED {
            self.is_dense = true;
            for bucket in std::mem::take(&mut self.noted) {
                self.grow(bucket);
            }
        }
    }

    /// Counts a sample in a bucket that may not be there yet.
    #[cold]
    fn grow(&mut self, bucket: u32) {
        let index = bucket as usize;
        if index >= self.counts.len() {
            self.counts.resize((index + 1).next_multiple_of(DOUBLING), 0);
        }
        self.counts[index] += 1;
    }

    /// Everything since the last take, and starts afresh. What was not used is given back; a series that was busy is
    /// taken to be busy in the next second too.
    pub(super) fn take(&mut self) -> Trend {
        let fresh = Self {
            noted: std::mem::take(&mut self.noted),
            counts: std::mem::take(&mut self.counts),
            is_dense: self.is_dense,
            ..Self::new(self.scale)
        };
        let done = std::mem::replace(self, fresh);
        let mut trend = Trend {
            count: done.zeros + done.count,
            sum: done.sum,
            min: done.min,
            max: done.max,
            exemplar: done.exemplar.map(|exemplar| *exemplar),
            ..Trend::new(done.scale)
        };
        if done.zeros > 0 {
            trend.min = 0.0;
            trend.max = trend.max.max(0.0);
            trend.buckets.push((0, done.zeros));
        }
        self.drain_into(&mut trend.buckets);
        if done.count == 0 {
            self.noted = Vec::new();
        }
        if done.count < NOTED as u64 {
            self.is_dense = false;
            self.counts = Vec::new();
        }
        trend
    }

    /// Moves the buckets out, after that of the zeros.
    fn drain_into(&mut self, into: &mut Vec<(u64, u64)>) {
        let mut add = |bucket: u32, count: u64| {
            let middle = buckets::middle(bucket);
            match into.last_mut() {
                Some((last, sum)) if *last == middle => *sum += count,
                _ => into.push((middle, count)),
            }
        };
        for (bucket, count) in (0..).zip(&mut self.counts) {
            if *count > 0 {
                add(bucket, u64::from(std::mem::take(count)));
            }
        }
        self.noted.sort_unstable();
        for bucket in self.noted.drain(..) {
            add(bucket, 1);
        }
    }
}

/// What a core records of some values within a second.
#[cfg(test)]
pub(super) fn recorded(scale: Scale, values: &[f64]) -> Trend {
    let mut recorder = TrendRecorder::new(scale);
    for &value in values {
        recorder.record(Entry::new(scale, value).unwrap());
    }
    recorder.take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_take_starts_afresh_and_gives_back_what_is_not_used() {
        let mut recorder = TrendRecorder::new(Scale::Time);
        // (samples in this second, whether a histogram is kept, whether notes are)
        let table = [
            (5, false, true),
            (NOTED, true, false),
            (NOTED + 5, true, false),
            (5, false, false),
            (5, false, true),
            (0, false, false),
            (NOTED - 1, false, true),
        ];
        for (samples, histogram, notes) in table {
            for _ in 0..samples {
                recorder.record(Entry::new(Scale::Time, 5.0).unwrap());
            }
            assert_eq!(recorder.take(), recorded(Scale::Time, &vec![5.0; samples]), "{samples}");
            assert_eq!(recorder.counts.capacity() > 0, histogram, "{samples}");
            assert_eq!(recorder.noted.capacity() > 0, notes, "{samples}");
        }
    }

    /// Values, smallest and largest, buckets.
    type Case = (&'static [f64], [f64; 2], &'static [(u64, u64)]);

    #[test]
    fn zeros_are_samples_like_others() {
        let table: &[Case] = &[
            (&[0.0], [0.0, 0.0], &[(0, 1)]),
            (&[0.0, 0.5, 0.0], [0.0, 0.5], &[(0, 2), (5_002, 1)]),
            // Less than half a unit is not zero, but falls into the same bucket.
            (&[0.000_04, 0.0], [0.0, 0.000_04], &[(0, 2)]),
        ];
        for (values, [min, max], buckets) in table {
            let trend = recorded(Scale::Time, values);
            assert_eq!((trend.min(), trend.max()), (Some(*min), Some(*max)), "{values:?}");
            assert_eq!(
                (trend.count(), &*trend.buckets),
                (values.len() as u64, *buckets),
                "{values:?}"
            );
        }
    }
}
