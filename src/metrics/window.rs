//! The worst slice of a run, for thresholds with a `window`: slides over per-second history of the few series that they
//! name. Thresholds over the whole run are answered by `totals`.
//!
//! Slices begin at whole seconds of the load and are `window` long; the last one lasts until the load has ended, so that
//! no sample is in none. A load shorter than the window is one slice. A slice is judged as soon as every core has
//! reported its last second, and only as much history is kept as the longest window needs.

use std::collections::VecDeque;
use std::time::Duration;

use super::catalog::SeriesId;
use super::delta::Delta;
use super::series::{Series, SeriesData};
use super::threshold::Threshold;

/// The worst slice so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worst {
    /// The number that is compared with the limit.
    pub(super) observed: f64,
    /// Start of the slice, from the start of the load.
    pub(super) at: Duration,
}

/// What a threshold is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    /// The series.
    pub(super) id: SeriesId,
    /// It is a counter as a whole, which has data even when nothing was counted.
    pub(super) is_never_empty: bool,
    /// The second from which on it is measured; before it there is no slice.
    pub(super) from: u64,
}

/// History of the series that windowed thresholds name, and the worst slice of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    rings: Vec<Ring>,
    watches: Vec<Watch>,
    /// Every core has reported the seconds below this one.
    closed: u64,
    is_finished: bool,
}

/// The latest seconds of one series.
#[derive(Debug, Clone)]
struct Ring {
    id: SeriesId,
    /// How many closed seconds are kept.
    keep: u64,
    /// The second of the first entry.
    first: u64,
    seconds: VecDeque<Option<Series>>,
}

/// One threshold.
#[derive(Debug, Clone)]
struct Watch {
    ring: usize,
    watched: Watched,
    seconds: u64,
    threshold: Threshold,
    worst: Option<Worst>,
}

impl Windows {
    /// Watches a threshold with a window.
    pub(super) fn add(&mut self, threshold: &Threshold, window: Duration, watched: Watched) {
        let seconds = window.as_secs().max(1);
        let known = self.rings.iter().position(|ring| ring.id == watched.id);
        let ring = known.unwrap_or_else(|| {
            self.rings.push(Ring {
                id: watched.id,
                keep: 0,
                first: 0,
                seconds: VecDeque::new(),
            });
            self.rings.len() - 1
        });
        self.rings[ring].keep = self.rings[ring].keep.max(seconds);
        self.watches.push(Watch {
            ring,
            watched,
            seconds,
            threshold: threshold.clone(),
            worst: None,
        });
    }

    /// Adds what was gathered in a second of the load. What comes too late for its slices counts in the next ones.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta) {
        if self.is_finished {
            return;
        }
        let second = second.max(self.closed);
        for ring in &mut self.rings {
            if let Some(series) = delta.series.get(&ring.id) {
                ring.add(second, series);
            }
        }
    }

    /// Every core has reported the seconds below `end`: judges the slices that end with them.
    pub(super) fn close(&mut self, end: u64) {
        while self.closed < end && !self.is_finished {
            self.closed += 1;
            for watch in &mut self.watches {
                if self.closed >= watch.watched.from + watch.seconds {
                    let length = Duration::from_secs(watch.seconds);
                    watch.judge(
                        &self.rings[watch.ring],
                        self.closed - watch.seconds,
                        self.closed,
                        length,
                    );
                }
            }
            for ring in &mut self.rings {
                ring.forget(self.closed);
            }
        }
    }

    /// The load has ended: judges what is left, the slice that lasts until now included.
    pub(super) fn finish(&mut self, elapsed: Duration) {
        let whole = elapsed.as_secs();
        self.close(whole);
        self.is_finished = true;
        for watch in &mut self.watches {
            let from = whole.saturating_sub(watch.seconds).max(watch.watched.from);
            let length = elapsed.saturating_sub(Duration::from_secs(from));
            if length.is_zero() {
                continue;
            }
            watch.judge(&self.rings[watch.ring], from, u64::MAX, length);
        }
    }

    /// The worst slice of a threshold; `None` before the first slice is over, or when all were empty.
    pub(super) fn worst(&self, threshold: &Threshold) -> Option<Worst> {
        self.watches.iter().find(|watch| watch.threshold == *threshold)?.worst
    }

    /// How many seconds are kept, of all series together.
    #[cfg(test)]
    pub(super) fn seconds_kept(&self) -> usize {
        self.rings.iter().map(|ring| ring.seconds.len()).sum()
    }
}

impl Ring {
    fn add(&mut self, second: u64, series: &Series) {
        let index = usize::try_from(second.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, None);
        }
        match &mut self.seconds[index] {
            Some(mine) => mine.merge(series),
            empty => *empty = Some(series.clone()),
        }
    }

    /// Drops what no slice that ends after `closed` needs.
    fn forget(&mut self, closed: u64) {
        // The slice that lasts until the end of the load begins `keep` seconds before the last whole second.
        let first = closed.saturating_sub(self.keep);
        while self.first < first {
            self.first += 1;
            self.seconds.pop_front();
        }
    }

    /// Everything of the seconds from `from` up to `end`.
    fn slice(&self, from: u64, end: u64) -> Option<Series> {
        let seconds = (self.first..).zip(&self.seconds);
        let inside = seconds.filter(|(second, _)| (from..end).contains(second));
        inside
            .filter_map(|(_, series)| series.as_ref())
            .fold(None, |sum, series| {
                let Some(mut sum): Option<Series> = sum else {
                    return Some(series.clone());
                };
                sum.merge(series);
                Some(sum)
            })
    }
}

impl Watch {
    fn judge(&mut self, ring: &Ring, from: u64, end: u64, length: Duration) {
        let aggregation = self.threshold.aggregation;
        let observed = match ring.slice(from, end) {
            Some(series) => series.data.answer(aggregation, length),
            None if self.watched.is_never_empty => SeriesData::Counter(0.0).answer(aggregation, length),
            None => None,
        };
        let Some(observed) = observed else { return };
        let (op, limit) = (self.threshold.op, self.threshold.limit);
        if self
            .worst
            .is_none_or(|worst| op.is_worse(observed, worst.observed, limit))
        {
            self.worst = Some(Worst {
                observed,
                at: Duration::from_secs(from),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Catalog, MetricId, Recorder, Registry, Selector, Timeline, Totals, builtin};
    use proptest::prelude::*;

    /// (second, core, value); what is recorded depends on the threshold's metric.
    type Sample = (u64, usize, u32);

    const CORES: usize = 3;

    fn threshold(registry: &Registry, (key, expression): (&str, &str), window: u64) -> Threshold {
        let mut threshold = Threshold::parse(key, expression, registry).unwrap();
        threshold.window = Some(Duration::from_secs(window));
        threshold
    }

    /// A share of the samples, a distribution, a sum and a part of a sum, with all ways to compare.
    const THRESHOLDS: [(&str, &str); 8] = [
        ("http_req_duration{name:a}", "p(95)<50"),
        ("http_req_duration{name:a}", "min>=3"),
        ("http_req_duration", "max<=80"),
        ("http_req_failed", "rate<0.5"),
        ("http_req_failed", "count!=3"),
        ("http_reqs", "rate>2"),
        ("http_reqs{name:a}", "count==4"),
        ("http_reqs{name:never}", "count>0"),
    ];

    struct World {
        registry: Registry,
        catalog: Catalog,
        thresholds: Vec<Threshold>,
        /// Nothing is measured before this second.
        from: u64,
    }

    impl World {
        fn new(window: u64) -> Self {
            let registry = Registry::new();
            let thresholds: Vec<_> = THRESHOLDS.map(|row| threshold(&registry, row, window)).into();
            let selectors: Vec<Selector> = thresholds.iter().map(|t| t.selector.clone()).collect();
            let catalog = Catalog::new(&registry, &selectors).unwrap();
            Self {
                registry,
                catalog,
                thresholds,
                from: 0,
            }
        }

        fn totals(&self) -> Totals {
            let mut totals = Totals::new(&self.registry, &self.catalog, 1);
            let timeline = Timeline {
                measured_from: Duration::from_secs(self.from),
                ..Timeline::default()
            };
            totals.watch(timeline, &self.thresholds);
            totals
        }

        fn delta<'a>(&self, samples: impl Iterator<Item = &'a Sample>) -> Delta {
            let recorder = Recorder::new(&self.registry, &self.catalog);
            for (.., value) in samples {
                let name = if value % 2 == 0 { "a" } else { "b" };
                let tags = recorder.tags(&recorder.no_tags(), &[("name", name)]);
                let record = |metric: MetricId, value: f64| recorder.record(metric, value, &tags);
                record(builtin::HTTP_REQS, 1.0);
                record(builtin::HTTP_REQ_DURATION, f64::from(*value));
                record(builtin::HTTP_REQ_FAILED, f64::from(value % 3));
            }
            recorder.take()
        }

        /// The worst by looking at every slice of the samples themselves.
        fn brute_force(
            &self,
            threshold: &Threshold,
            window: u64,
            elapsed: Duration,
            samples: &[Sample],
        ) -> Option<f64> {
            let whole = elapsed.as_secs();
            let mut slices: Vec<_> = (self.from..whole)
                .filter(|from| from + window <= whole)
                .map(|from| (from, from + window, Duration::from_secs(window)))
                .collect();
            let from = whole.saturating_sub(window).max(self.from);
            let length = elapsed.saturating_sub(Duration::from_secs(from));
            if !length.is_zero() {
                slices.push((from, u64::MAX, length));
            }
            let values = slices.into_iter().filter_map(|(from, end, length)| {
                let mut totals = Totals::new(&self.registry, &self.catalog, 1);
                totals.merge(&self.delta(samples.iter().filter(|(second, ..)| (from..end).contains(second))));
                totals.set_elapsed(length);
                totals.value(&threshold.selector, threshold.aggregation)
            });
            values.reduce(|worst, value| {
                let is_worse = threshold.op.is_worse(value, worst, threshold.limit);
                if is_worse { value } else { worst }
            })
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_worst_window_is_that_of_brute_force(
            samples in prop::collection::vec((0..14_u64, 0..CORES, 0..100_u32), 0..60),
            window in 1..9_u64,
            from in prop_oneof![3 => Just(0_u64), 1 => 0..6_u64],
            seconds in 0..14_u64,
            fraction in 1..1_000_u64,
            order in prop::collection::vec(0..CORES, 0..60),
        ) {
            let mut world = World::new(window);
            world.from = from;
            let elapsed = Duration::from_secs(seconds) + Duration::from_millis(fraction);
            let samples: Vec<Sample> = samples.into_iter().filter(|(second, ..)| *second <= seconds).collect();
            let mut totals = world.totals();
            // Cores hand over their seconds in order, and none waits for another.
            let mut next = [0_u64; CORES];
            for core in order.into_iter().chain((0..CORES).flat_map(|core| vec![core; 15])) {
                let second = next[core];
                if second > seconds {
                    continue;
                }
                let delta = world.delta(samples.iter().filter(|(s, c, _)| (*s, *c) == (second, core)));
                totals.merge_second(second, &delta);
                next[core] += 1;
                totals.close(next.into_iter().min().unwrap().min(seconds));
            }
            totals.finish(elapsed);
            for threshold in &world.thresholds {
                let expected = world.brute_force(threshold, window, elapsed, &samples);
                prop_assert_eq!(threshold.evaluate(&totals).observed, expected, "{} {}", threshold.selector, threshold);
            }
        }
    }

    #[test]
    fn history_is_as_long_as_the_window_and_no_longer() {
        let world = World::new(5);
        let mut totals = world.totals();
        for second in 0..10_000 {
            totals.merge_second(second, &world.delta([(second, 0, 2), (second, 0, 4)].iter()));
            totals.close(second + 1);
            assert!(totals.seconds_kept() <= 7 * 5, "second {second}");
        }
        // `http_reqs` and the part named `a` of each, and no more series than the thresholds name.
        assert_eq!(totals.seconds_kept(), 5 * 5);
    }

    #[test]
    fn a_slice_counts_when_it_is_complete_and_the_worst_is_remembered() {
        let world = World::new(2);
        let slow = &world.thresholds[2];
        let mut totals = world.totals();
        // (largest value in this second, worst so far in ms, beginning at s); the window is 2 s.
        let table = [
            (Some(10), None, None),
            (Some(20), Some(20.0), Some(0)),
            (None, Some(20.0), Some(0)),
            (Some(90), Some(90.0), Some(2)),
            (Some(5), Some(90.0), Some(2)),
            (None, Some(90.0), Some(2)),
            (None, Some(90.0), Some(2)),
        ];
        for (second, (value, worst, at)) in (0..).zip(table) {
            let samples: Vec<Sample> = value.into_iter().map(|value| (second, 0, value)).collect();
            totals.merge_second(second, &world.delta(samples.iter()));
            totals.close(second + 1);
            let verdict = slow.evaluate(&totals);
            assert_eq!(verdict.observed, worst, "second {second}");
            assert_eq!(verdict.window_at, at.map(Duration::from_secs), "second {second}");
        }
        totals.finish(Duration::from_millis(7_500));
        assert_eq!(slow.evaluate(&totals).ok, Some(false));
        let never = world.thresholds.last().unwrap();
        assert_eq!(never.evaluate(&totals).ok, None, "all its slices are empty");
        assert!(!never.passes(&never.evaluate(&totals)));
    }

    #[test]
    fn a_load_shorter_than_the_window_is_one_slice() {
        let world = World::new(60);
        let mut totals = world.totals();
        let rate = &world.thresholds[5];
        totals.merge_second(0, &world.delta([(0, 0, 1), (0, 0, 1), (0, 0, 1)].iter()));
        totals.close(1);
        assert_eq!(rate.evaluate(&totals).observed, None);
        totals.finish(Duration::from_millis(1_500));
        assert_eq!(rate.evaluate(&totals).observed, Some(2.0));
        assert_eq!(rate.evaluate(&totals).window_at, Some(Duration::ZERO));
    }
}
