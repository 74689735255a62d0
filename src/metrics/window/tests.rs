//! Worst slices against brute force over the samples themselves, and how much history is kept for them.

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
    fn brute_force(&self, threshold: &Threshold, window: u64, elapsed: Duration, samples: &[Sample]) -> Option<f64> {
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
            let inside = samples.iter().filter(|(second, ..)| (from..end).contains(second));
            totals.merge_second(from, &self.delta(inside));
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
