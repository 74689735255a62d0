//! Worst slices against brute force over the samples themselves, and how much history is kept for them.

use super::*;
use crate::metrics::{
    Catalog, Kind, MetricId, Recorder, Registry, ScenarioSpan, Selector, StageSpan, Timeline, Totals, builtin,
};
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
const THRESHOLDS: [(&str, &str); 10] = [
    ("http_req_duration{name:a}", "p(95)<50"),
    ("http_req_duration{name:a}", "min>=3"),
    ("http_req_duration", "max<=80"),
    ("http_req_failed", "rate<0.5"),
    ("http_req_failed", "count!=3"),
    ("http_reqs", "rate>2"),
    ("http_reqs{name:a}", "count==4"),
    ("http_reqs{name:a}", "rate<2"),
    ("http_reqs{name:b}", "rate==1"),
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
        let is_rate = threshold.kind == Kind::Counter && threshold.aggregation == Aggregation::Rate;
        let is_from_above = matches!(threshold.op, Op::Lt | Op::Le);
        let measured = elapsed.saturating_sub(Duration::from_secs(self.from));
        if is_rate && slices.is_empty() && !measured.is_zero() {
            slices.push((0, u64::MAX, measured));
        }
        if !length.is_zero() && (!is_rate || is_from_above) {
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
    let verdict = rate.evaluate(&totals);
    assert_eq!(verdict.observed, Some(2.0));
    assert_eq!(verdict.window_at, Some(Duration::ZERO));
    assert_eq!(verdict.window_length, Some(Duration::from_millis(1_500)));
}

/// The last slice lasts until the end, and says how long that is.
#[test]
fn a_slice_is_as_long_as_it_says() {
    let world = World::new(1);
    let mut totals = world.totals();
    let most = Threshold {
        window: Some(Duration::from_secs(1)),
        ..Threshold::parse("http_reqs", "count<3", &world.registry).unwrap()
    };
    totals.watch_more(std::slice::from_ref(&most));
    for second in 0..2 {
        totals.merge_second(second, &world.delta([(second, 0, 2), (second, 0, 4)].iter()));
    }
    totals.close(1);
    let length = |totals: &Totals| most.evaluate(totals).window_length.map(|length| length.as_millis());
    assert_eq!(length(&totals), Some(1_000));
    totals.finish(Duration::from_millis(1_900));
    assert_eq!(
        (most.evaluate(&totals).observed, length(&totals)),
        (Some(4.0), Some(1_900))
    );
}

/// Scenario `early` begins 20 iterations a second for 4 s, `late` does so from 2 s on; one of them ends 4 s after both. Phase
/// `a` is the first 2 s, stage `peak` of `early` the time from 1 to 3.5 s.
fn parted() -> (Registry, Timeline) {
    let s = Duration::from_secs;
    let span = |scenario: &str, begun, end| ScenarioSpan {
        scenario: scenario.to_owned(),
        begun: Some(s(begun)),
        warmup: Duration::ZERO,
        end: s(end),
    };
    let peak = StageSpan {
        scenario: "early".to_owned(),
        name: "peak".to_owned(),
        span: Some(s(1)..Duration::from_millis(3_500)),
    };
    let timeline = Timeline {
        phases: vec![("a".to_owned(), s(0)..s(2)), ("b".to_owned(), s(2)..s(4))],
        stages: vec![peak],
        scenarios: vec![span("early", 0, 4), span("late", 2, 4)],
        ..Timeline::default()
    };
    (Registry::new(), timeline)
}

/// What thresholds observe of that load.
fn observed(rows: &[(&str, &str, u64)]) -> Vec<(Option<f64>, Option<f64>)> {
    let (registry, mut timeline) = parted();
    let thresholds: Vec<_> = rows
        .iter()
        .map(|(key, expression, window)| threshold(&registry, (key, expression), *window))
        .collect();
    let selectors: Vec<_> = thresholds.iter().map(|threshold| threshold.selector.clone()).collect();
    let catalog = Catalog::new(&registry, &selectors).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let mut totals = Totals::new(&registry, &catalog, 2);
    let late = timeline.scenarios.clone();
    timeline.scenarios[1].begun = None;
    totals.watch(timeline, &thresholds);
    for second in 0..8 {
        let begin = |scenario: &str, count: f64| {
            let phase = if second < 2 { "a" } else { "b" };
            let stage = if (1..4).contains(&second) { "peak" } else { "up" };
            let tags = [("scenario", scenario), ("phase", phase), ("stage", stage)];
            recorder.record(builtin::ITERATIONS, count, &recorder.tags(&recorder.no_tags(), &tags));
        };
        match second {
            0 | 1 => begin("early", 20.0),
            2 => {
                begin("early", 20.0);
                begin("late", 20.0);
            }
            3 => {
                begin("early", 19.0);
                begin("late", 20.0);
            }
            7 => begin("early", 1.0),
            _ => {}
        }
        totals.merge_second(second, &recorder.take());
        if second == 2 {
            totals.place(late.clone());
        }
        totals.close(second + 1);
    }
    totals.finish(Duration::from_millis(8_003));
    let verdicts = thresholds.iter().map(|threshold| threshold.evaluate(&totals));
    verdicts
        .map(|verdict| {
            let length = verdict.window_length.map(|length| length.as_secs_f64());
            (verdict.observed, length)
        })
        .collect()
}

#[test]
fn the_rate_of_a_part_is_that_of_slices_in_it() {
    // (of what, expression, window in s, the worst, how long that is)
    let table = [
        ("iterations{phase:a}", "rate>15", 2, Some(20.0), Some(2.0)),
        ("iterations{phase:a}", "rate>15", 1, Some(20.0), Some(1.0)),
        ("iterations{scenario:late}", "rate>15", 2, Some(20.0), Some(2.0)),
        ("iterations{scenario:early}", "rate>15", 2, Some(19.5), Some(2.0)),
        (
            "iterations{scenario:early,phase:b}",
            "rate>=15",
            1,
            Some(19.0),
            Some(1.0),
        ),
        ("iterations{stage:peak}", "rate>15", 1, Some(20.0), Some(1.0)),
        // The last iteration ends long after the last second of the plan.
        ("iterations", "rate>15", 1, Some(20.0), Some(1.0)),
        ("iterations", "rate==20", 2, Some(39.5), Some(2.0)),
        // Longer than the part: all of it, over its own length.
        ("iterations{phase:a}", "rate>15", 3, Some(20.0), Some(2.0)),
        ("iterations{scenario:late}", "rate>15", 9, Some(20.0), Some(2.0)),
        (
            "iterations{scenario:early,phase:b}",
            "rate>15",
            5,
            Some(20.0),
            Some(2.0),
        ),
        ("iterations", "rate>15", 9, Some(30.0), Some(4.0)),
        // Too much is too much in any slice, and in none is more than in the part.
        ("iterations{phase:a}", "rate<30", 9, Some(20.0), Some(2.0)),
        ("iterations{scenario:late}", "rate<30", 3, Some(20.0), Some(2.0)),
        ("iterations", "rate<30", 1, Some(40.0), Some(1.0)),
        // What nobody knows the part of is counted over the load.
        ("iterations{stage:up}", "rate<30", 1, Some(20.0), Some(1.0)),
        ("iterations{scenario:never}", "rate>15", 1, None, None),
    ];
    let rows = table.map(|(key, expression, window, ..)| (key, expression, window));
    for (row, got) in table.into_iter().zip(observed(&rows)) {
        assert_eq!(got, (row.3, row.4), "{} {} in {} s", row.0, row.1, row.2);
    }
}
