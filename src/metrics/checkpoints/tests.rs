//! Tests of checkpoints: which second belongs where, when one is complete, and that their sum is the load.

use proptest::prelude::*;

use super::*;
use crate::metrics::{Aggregation, Count, MetricSummary, Recorder, Registry, Selector, Totals, builtin};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn world() -> (Registry, Catalog) {
    let registry = Registry::new();
    let named = Selector::parse("http_reqs{name:a}").unwrap();
    let catalog = Catalog::new(&registry, &[named]).unwrap();
    (registry, catalog)
}

/// Totals that have seen a request in each of these seconds, each reported as soon as it was over.
fn seen(every: u64, planned: u64, seconds: std::ops::Range<u64>) -> Totals {
    let (registry, catalog) = world();
    let recorder = Recorder::new(&registry, &catalog);
    let mut totals = Totals::new(&registry, &catalog, 1);
    totals.keep_checkpoints(s(every), s(planned));
    for second in seconds {
        recorder.record(builtin::HTTP_REQS, 1.0, &recorder.no_tags());
        recorder.count(0, Count::Started, 1, &recorder.no_tags());
        totals.merge_second(second, &recorder.take());
        totals.close(second + 1);
    }
    totals
}

/// Start and end of each in ms, and its requests.
fn rows(totals: &Totals) -> Vec<(u128, u128, u64)> {
    let all = totals.checkpoints().iter();
    all.map(|c| (c.span.start.as_millis(), c.span.end.as_millis(), c.counts[0].started))
        .collect()
}

#[test]
fn every_second_is_in_one_checkpoint_and_a_short_tail_in_the_last_of_the_plan() {
    // every, planned, seconds seen, elapsed in ms, (start, end, requests)
    type Row = (u64, u64, u64, u64, &'static [(u128, u128, u64)]);
    let table: &[Row] = &[
        // Exactly as planned.
        (2, 4, 4, 4_000, &[(0, 2_000, 2), (2_000, 4_000, 2)]),
        // The last iterations end after the plan.
        (2, 4, 5, 4_700, &[(0, 2_000, 2), (2_000, 4_700, 3)]),
        // A plan that is no multiple: the tail is a part of its last one anyway.
        (2, 5, 6, 5_200, &[(0, 2_000, 2), (2_000, 4_000, 2), (4_000, 5_200, 2)]),
        // Shorter than one, and cut short.
        (60, 5, 5, 5_000, &[(0, 5_000, 5)]),
        (2, 100, 3, 2_500, &[(0, 2_000, 2), (2_000, 2_500, 1)]),
        // The report of a last second that has just begun.
        (2, 100, 5, 4_000, &[(0, 2_000, 2), (2_000, 4_000, 2), (4_000, 4_000, 1)]),
        // A load that was paused goes on beyond its plan.
        (
            2,
            2,
            7,
            6_500,
            &[(0, 2_000, 2), (2_000, 4_000, 2), (4_000, 6_000, 2), (6_000, 6_500, 1)],
        ),
        // Nothing began.
        (2, 4, 0, 0, &[(0, 0, 0)]),
    ];
    for (every, planned, seen_seconds, elapsed, expected) in table {
        let mut totals = seen(*every, *planned, 0..*seen_seconds);
        totals.finish(Duration::from_millis(*elapsed));
        assert_eq!(
            rows(&totals),
            *expected,
            "every {every} of {planned}, ended after {elapsed} ms"
        );
    }
}

#[test]
fn a_checkpoint_is_complete_when_every_core_has_reported_its_last_second() {
    let mut totals = seen(2, 100, 0..1);
    assert_eq!(rows(&totals), []);
    let (registry, catalog) = world();
    let other = Recorder::new(&registry, &catalog);
    let mut request = |second| {
        other.count(0, Count::Started, 10, &other.no_tags());
        totals.merge_second(second, &other.take());
    };
    // One core is ahead of the others; what it reports stays where it belongs.
    request(1);
    request(2);
    totals.close(1);
    assert_eq!(rows(&totals), []);
    totals.close(2);
    assert_eq!(rows(&totals), [(0, 2_000, 11)]);
    // What comes late is not lost.
    other.count(0, Count::Started, 5, &other.no_tags());
    totals.merge_second(0, &other.take());
    totals.finish(s(3));
    assert_eq!(rows(&totals), [(0, 2_000, 11), (2_000, 3_000, 15)]);
}

#[test]
fn the_last_that_is_kept_takes_the_rest() {
    let mut totals = seen(1, 10, 0..1_500);
    assert_eq!(totals.checkpoints().len(), 999);
    totals.finish(s(1_500));
    assert_eq!(totals.checkpoints().len(), 1_000);
    assert_eq!(rows(&totals)[999], (999_000, 1_500_000, 501));
}

#[test]
fn wholes_and_named_series_are_kept_with_rates_of_their_span() {
    let (registry, catalog) = world();
    let recorder = Recorder::new(&registry, &catalog);
    let mut totals = Totals::new(&registry, &catalog, 1);
    let timeline = Timeline {
        measured_from: s(1),
        ..Timeline::default()
    };
    totals.watch(timeline, &[]);
    totals.keep_checkpoints(s(4), s(8));
    // What setup does is in no checkpoint.
    recorder.record(builtin::HTTP_REQS, 5.0, &recorder.no_tags());
    totals.merge(&recorder.take());
    for second in 0..6 {
        for name in ["a", "b"] {
            let tags = recorder.tags(&recorder.no_tags(), &[("name", name), ("scenario", "s")]);
            recorder.record(builtin::HTTP_REQS, 6.0, &tags);
            recorder.record(builtin::HTTP_REQ_DURATION, 1.0, &tags);
        }
        totals.merge_second(second, &recorder.take());
    }
    totals.finish(s(6));
    let [first, second] = totals.checkpoints() else {
        panic!("{:?}", totals.checkpoints())
    };
    let names: Vec<_> = first.metrics.keys().map(String::as_str).collect();
    assert_eq!(names, ["http_req_duration", "http_reqs", "http_reqs{name:a}"]);
    let counted = |checkpoint: &CheckpointTotal, name: &str| match checkpoint.metrics[name] {
        MetricSummary::Counter { count, rate, .. } => (count, rate),
        _ => panic!("{name} is a counter"),
    };
    // Three of its four seconds were measured.
    assert_eq!(counted(first, "http_reqs"), (48.0, 16.0));
    assert_eq!(counted(first, "http_reqs{name:a}"), (24.0, 8.0));
    assert_eq!(counted(second, "http_reqs"), (24.0, 12.0));
    assert_eq!(totals.root(builtin::HTTP_REQS, Aggregation::Count), Some(77.0));
}

/// What adds up of a metric, and the extremes of a trend.
#[derive(Debug, Default, PartialEq)]
struct Sum {
    count: f64,
    of: u64,
    extremes: Option<(f64, f64)>,
}

impl Sum {
    fn add(&mut self, summary: &MetricSummary) {
        match summary {
            MetricSummary::Counter { count, .. } => self.count += count,
            MetricSummary::Rate { passes, total, .. } => {
                self.of += total;
                self.count += *passes as f64;
            }
            MetricSummary::Trend { count, values, .. } => {
                self.of += count;
                if let Some(values) = values {
                    let (min, max) = self.extremes.unwrap_or((values.min, values.max));
                    self.extremes = Some((min.min(values.min), max.max(values.max)));
                }
            }
            MetricSummary::Gauge { .. } => {}
        }
    }
}

/// Something in a second of a core.
type Sample = (u32, usize, u64, bool);

fn play(recorder: &Recorder, samples: &[Sample]) -> Delta {
    for (value, scenario, n, passed) in samples {
        let name = ["a", "b"][*scenario];
        let tags = recorder.tags(&recorder.no_tags(), &[("name", name)]);
        recorder.record(builtin::HTTP_REQS, f64::from(*value), &tags);
        recorder.record(builtin::HTTP_REQ_DURATION, f64::from(*value), &tags);
        recorder.check("fine", *passed, &tags);
        recorder.count(*scenario, Count::Offered, *n, &tags);
        recorder.count(*scenario, Count::Completed, *n, &tags);
    }
    recorder.take()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_sum_of_the_checkpoints_is_the_load(
        cores in prop::collection::vec(
            prop::collection::vec(prop::collection::vec((0..50_000_u32, 0..2_usize, 0..9_u64, any::<bool>()), 0..4), 0..24), 1..4),
        every in 1..7_u64,
        planned in 0..30_u64,
        order in prop::collection::vec(0..3_usize, 0..80),
        tail in 0..1_000_u64,
    ) {
        let (registry, catalog) = world();
        let mut totals = Totals::new(&registry, &catalog, 2);
        totals.keep_checkpoints(s(every), s(planned));
        let recorders: Vec<_> = cores.iter().map(|_| Recorder::new(&registry, &catalog)).collect();
        // Cores report their seconds in any order among each other, each its own in order.
        let mut reported = vec![0_usize; cores.len()];
        let turns = order.into_iter().map(|core| core % cores.len());
        let rest = (0..cores.len()).flat_map(|core| std::iter::repeat_n(core, cores[core].len()));
        for core in turns.chain(rest) {
            let second = reported[core];
            let Some(samples) = cores[core].get(second) else { continue };
            totals.merge_second(second as u64, &play(&recorders[core], samples));
            reported[core] += 1;
            let running = reported.iter().zip(&cores).filter(|(done, core)| **done < core.len());
            if let Some(complete) = running.map(|(done, _)| *done).min() {
                totals.close(complete as u64);
            }
        }
        let longest = cores.iter().map(Vec::len).max().unwrap_or(0) as u64;
        let elapsed = s(longest.saturating_sub(1)) + Duration::from_millis(tail);
        totals.finish(elapsed);

        let checkpoints = totals.checkpoints();
        // They follow each other without gaps, up to the end.
        let mut at = Duration::ZERO;
        for checkpoint in checkpoints {
            prop_assert_eq!(checkpoint.span.start, at);
            at = checkpoint.span.end;
        }
        prop_assert_eq!(at, elapsed);
        for scenario in 0..2 {
            let mut sum = Counts::default();
            checkpoints.iter().for_each(|checkpoint| sum.merge(&checkpoint.counts[scenario]));
            prop_assert_eq!(sum, totals.counts(scenario));
        }
        let whole = totals.summarise();
        for name in ["http_reqs", "http_reqs{name:a}", "http_req_duration", "checks", "iterations"] {
            let (mut sum, mut expected) = (Sum::default(), Sum::default());
            checkpoints.iter().filter_map(|checkpoint| checkpoint.metrics.get(name)).for_each(|metric| sum.add(metric));
            whole.get(name).into_iter().for_each(|metric| expected.add(metric));
            prop_assert_eq!(sum, expected, "{}", name);
        }
    }
}
