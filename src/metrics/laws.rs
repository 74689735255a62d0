//! Tests of recorder, delta and totals together: merged equals recorded whole, counts add up, summaries read back.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Something that happens on a core.
#[derive(Debug, Clone)]
enum Event {
    Record {
        metric: usize,
        value: f64,
        tags: usize,
        /// The trace of its request, if it is kept.
        trace: Option<u8>,
    },
    Check {
        name: usize,
        passed: bool,
        tags: usize,
    },
    Count {
        scenario: usize,
        what: Count,
        n: u64,
        tags: usize,
    },
}

const METRICS: [MetricId; 5] = [
    builtin::HTTP_REQS,
    builtin::HTTP_REQ_DURATION,
    builtin::HTTP_REQ_FAILED,
    builtin::DATA_SENT,
    builtin::ITERATION_DURATION,
];
const TAGS: [&[(&str, &str)]; 7] = [
    &[],
    &[("name", "a"), ("scenario", "s")],
    &[("scenario", "s"), ("group", "g"), ("name", "b")],
    &[("name", "a"), ("poll", "true")],
    SETUP,
    &[("scenario", "s"), ("stage", "steady"), ("phase", "noon")],
    WARM,
];
const SETUP: &[(&str, &str)] = &[("name", "a"), ("lifecycle", "setup")];
const WARM: &[(&str, &str)] = &[("name", "a"), ("scenario", "s"), ("warmup", "true")];
const CHECKS: [&str; 2] = ["ok", "fast"];
const WHATS: [Count; 6] = [
    Count::Offered,
    Count::Started,
    Count::Completed,
    Count::Dropped,
    Count::Interrupted,
    Count::Failed,
];

fn event() -> impl Strategy<Value = Event> {
    // Whole numbers: floating-point sums of others depend on their order. Some are negative, some no numbers.
    let value = prop_oneof![10 => (0..100_000_u32).prop_map(f64::from), 1 => Just(-1.0), 1 => Just(f64::NAN)];
    prop_oneof![
        6 => (0..METRICS.len(), value, 0..TAGS.len(), prop::option::of(1..9_u8))
            .prop_map(|(metric, value, tags, trace)| Event::Record { metric, value, tags, trace }),
        1 => (0..CHECKS.len(), any::<bool>(), 0..TAGS.len()).prop_map(|(name, passed, tags)| Event::Check { name, passed, tags }),
        1 => (0..3_usize, 0..WHATS.len(), 0..9_u64, 0..TAGS.len()).prop_map(|(scenario, what, n, tags)| Event::Count { scenario, what: WHATS[what], n, tags }),
    ]
}

fn play(recorder: &Recorder, event: &Event) {
    let tags = |index: usize| recorder.tags(&recorder.no_tags(), TAGS[index]);
    match *event {
        Event::Record {
            metric,
            value,
            tags: t,
            trace,
        } => {
            let tags = tags(t);
            let mut batch = recorder.batch(&tags);
            batch.record(METRICS[metric], value);
            if let Some(id) = trace {
                let trace_id = TraceId::new(id.into()).unwrap();
                batch.trace(METRICS[metric], value, trace_id, id.into());
            }
        }
        Event::Check { name, passed, tags: t } => recorder.check(CHECKS[name], passed, &tags(t)),
        Event::Count {
            scenario,
            what,
            n,
            tags: t,
        } => recorder.count(scenario, what, n, &tags(t)),
    }
}

fn world() -> (Registry, Catalog) {
    let registry = Registry::new();
    let named = Selector::parse("http_reqs{name:a}").unwrap();
    let catalog = Catalog::new(&registry, &[named]).unwrap();
    (registry, catalog)
}

proptest! {
    // Each case runs four cores for some seconds; more of them find nothing new.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_cores_and_seconds_gather_adds_up_to_the_whole(
        events in prop::collection::vec((event(), 0..3_usize, prop::bool::weighted(0.1)), 0..120),
    ) {
        let (registry, catalog) = world();
        let whole = Recorder::new(&registry, &catalog);
        let cores: Vec<_> = (0..3).map(|_| Recorder::new(&registry, &catalog)).collect();
        let mut deltas = Vec::new();
        for (event, core, second_ends) in &events {
            play(&whole, event);
            play(&cores[*core], event);
            if *second_ends {
                deltas.extend(cores.iter().map(Recorder::take));
            }
        }
        deltas.extend(cores.iter().map(Recorder::take));
        prop_assert!(cores.iter().all(|core| core.take().is_empty()), "a take leaves nothing behind");
        let mut whole = whole.take();

        // Deltas into a delta, in one order; deltas into totals, in the other.
        let mut merged = Delta::default();
        deltas.iter().for_each(|delta| merged.merge(delta));
        let mut totals = Totals::new(&registry, &catalog, 3);
        deltas.iter().rev().for_each(|delta| totals.merge(delta));
        let mut expected = Totals::new(&registry, &catalog, 3);
        expected.merge(&whole);
        merged.counts.resize(3, Counts::default());
        whole.counts.resize(3, Counts::default());
        merged.warmup.resize(3, Counts::default());
        whole.warmup.resize(3, Counts::default());
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(totals.summarise(), expected.summarise());
        prop_assert_eq!(totals.checks(), expected.checks());
        for scenario in 0..3 {
            prop_assert_eq!(totals.counts(scenario), expected.counts(scenario));
            prop_assert_eq!(totals.warmup_counts(scenario), expected.warmup_counts(scenario));
        }

        // And against the events themselves.
        let (mut reqs, mut passes, mut fails, mut setup, mut offered, mut warm) = (0.0, 0, 0, 0, 0, 0);
        let is_warm = |tags: usize| TAGS[tags] == WARM;
        for (event, ..) in &events {
            match *event {
                Event::Record { tags, .. } | Event::Check { tags, .. } if is_warm(tags) => {}
                Event::Record { metric: 0, value, .. } if value >= 0.0 => reqs += value,
                Event::Check { passed, tags, .. } => {
                    passes += u64::from(passed);
                    fails += u64::from(!passed);
                    setup += u64::from(TAGS[tags] == SETUP);
                }
                Event::Count { what: Count::Offered, n, tags, .. } if is_warm(tags) => warm += n,
                Event::Count { what: Count::Offered, n, .. } => offered += n,
                _ => {}
            }
        }
        prop_assert_eq!(totals.root(builtin::HTTP_REQS, Aggregation::Count), Some(reqs));
        prop_assert_eq!(totals.checks().iter().map(|check| check.passes).sum::<u64>(), passes);
        prop_assert_eq!(totals.checks().iter().map(|check| check.fails).sum::<u64>(), fails);
        prop_assert_eq!((0..3).map(|scenario| totals.counts(scenario).offered).sum::<u64>(), offered);
        prop_assert_eq!((0..3).map(|scenario| totals.warmup_counts(scenario).offered).sum::<u64>(), warm);
        prop_assert_eq!(
            totals.root(builtin::CHECKS, Aggregation::Count).unwrap_or(0.0),
            (passes + fails - setup) as f64,
            "the table and the metric tell the same, but for what is no journey"
        );
    }

    #[test]
    fn summaries_read_back_what_they_wrote(events in prop::collection::vec(event(), 0..60)) {
        let (registry, catalog) = world();
        let recorder = Recorder::new(&registry, &catalog);
        events.iter().for_each(|event| play(&recorder, event));
        let mut totals = Totals::new(&registry, &catalog, 3);
        totals.set_elapsed(Duration::from_millis(1_500));
        totals.merge_second(0, &recorder.take());
        totals.set_gauge(builtin::VUS, 7.0);
        let summaries = totals.summarise();
        let text = serde_json::to_string(&summaries).unwrap();
        prop_assert_eq!(serde_json::from_str::<MetricSummaries>(&text).unwrap(), summaries);
    }
}

#[test]
fn the_six_counts_add_up_or_say_that_they_do_not() {
    let counts = |offered, started, completed, dropped, interrupted, failed| Counts {
        offered,
        started,
        completed,
        dropped,
        interrupted,
        failed,
    };
    let table = [
        (counts(0, 0, 0, 0, 0, 0), true),
        (counts(10, 8, 5, 2, 2, 1), true),
        (counts(10, 8, 5, 3, 2, 1), false), // offered ≠ started + dropped
        (counts(10, 8, 6, 2, 2, 1), false), // started ≠ completed + interrupted + failed
    ];
    for (counts, adds_up) in table {
        assert_eq!(counts.adds_up(), adds_up, "{counts:?}");
    }
}

#[test]
fn iterations_are_metrics_too_with_their_tags() {
    let registry = Registry::new();
    let named: Vec<_> = ["iterations{scenario:s}", "dropped_iterations{scenario:s}"]
        .map(|text| Selector::parse(text).unwrap())
        .into();
    let catalog = Catalog::new(&registry, &named).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let none = recorder.no_tags();
    let tags = recorder.tags(&none, &[("scenario", "s")]);
    for what in WHATS {
        recorder.count(0, what, 10, &none);
        recorder.count(1, what, 1, &tags);
    }
    let mut totals = Totals::new(&registry, &catalog, 2);
    totals.merge_second(0, &recorder.take());
    assert_eq!(totals.root(builtin::ITERATIONS, Aggregation::Count), Some(22.0));
    assert_eq!(totals.root(builtin::DROPPED_ITERATIONS, Aggregation::Count), Some(11.0));
    assert_eq!(totals.value(&named[0], Aggregation::Count), Some(2.0));
    assert_eq!(totals.value(&named[1], Aggregation::Count), Some(1.0));
}

#[test]
fn the_summary_has_the_promised_shape() {
    let registry = Registry::new();
    let usd = registry
        .declare("order_value", Kind::Trend, Unit::parse("USD"))
        .unwrap();
    let named = Selector::parse("http_req_duration{name:never}").unwrap();
    let catalog = Catalog::new(&registry, &[named]).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let tags = recorder.tags(&recorder.no_tags(), &[("name", "GET /")]);
    // Below 0.2 ms every 0.1 µs has a bucket of its own.
    for value in [0.05, 0.15, f64::NAN] {
        recorder.record(builtin::HTTP_REQ_DURATION, value, &tags);
    }
    recorder.record(builtin::HTTP_REQS, 2.0, &tags);
    recorder.record(builtin::HTTP_REQ_FAILED, 0.0, &tags);
    recorder.record(usd, -1.0, &tags);
    let mut totals = Totals::new(&registry, &catalog, 1);
    totals.merge_second(0, &recorder.take());
    totals.set_elapsed(Duration::from_secs(4));
    totals.set_gauge(builtin::VUS, 31.0);
    totals.set_gauge(builtin::VUS, 12.0);

    let mut got = serde_json::to_value(totals.summarise()).unwrap();
    let duration = json!({ "type": "trend", "unit": "ms", "count": 2, "min": 0.05, "avg": 0.1, "med": 0.05,
        "p90": 0.15, "p95": 0.15, "p99": 0.15, "p99.9": 0.15, "max": 0.15, "out_of_range": 1 });
    let expected = [
        ("http_req_duration", duration.clone()),
        ("http_req_duration{name:GET /}", duration),
        // Named by a threshold, without samples: count 0 and no other numbers.
        (
            "http_req_duration{name:never}",
            json!({ "type": "trend", "unit": "ms", "count": 0 }),
        ),
        (
            "order_value",
            json!({ "type": "trend", "unit": "USD", "count": 0, "out_of_range": 1 }),
        ),
        ("http_reqs", json!({ "type": "counter", "count": 2, "rate": 0.5 })),
        (
            "http_req_failed",
            json!({ "type": "rate", "rate": 0.0, "passes": 0, "total": 1 }),
        ),
        ("vus", json!({ "type": "gauge", "value": 12, "min": 12, "max": 31 })),
        // Built-in counters are there even at 0.
        (
            "dropped_iterations",
            json!({ "type": "counter", "count": 0, "rate": 0.0 }),
        ),
        (
            "data_sent",
            json!({ "type": "counter", "unit": "bytes", "count": 0, "rate": 0.0 }),
        ),
    ];
    for (name, expected) in expected {
        assert_eq!(got[name].take(), expected, "{name}");
    }
    // Built-in trends that nobody used are not.
    assert_eq!(got.get("http_req_waiting"), None);
}

#[test]
fn thresholds_without_data_fail_unless_they_say_otherwise() {
    let registry = Registry::new();
    let parse = |key: &str, expression: &str| Threshold::parse(key, expression, &registry).unwrap();
    let mut lenient = parse("http_req_failed", "rate<0.5");
    lenient.on_no_data = NoData::Pass;
    // (threshold, ok, passes)
    let table = [
        (parse("http_req_duration", "p(95)<5"), None, false),
        (parse("http_req_duration", "count>=0"), None, false),
        (lenient, None, true),
        (parse("vus", "value<5"), None, false),
        // A counter as a whole has counted nothing, and knows it; a part of it may be misspelt.
        (parse("dropped_iterations", "count==0"), Some(true), true),
        (parse("http_reqs", "count>10"), Some(false), false),
        (parse("http_reqs{name:a}", "count==0"), None, false),
        // No time has passed: no rate.
        (parse("http_reqs", "rate<5"), None, false),
    ];
    let selectors: Vec<_> = table.iter().map(|(threshold, ..)| threshold.selector.clone()).collect();
    let catalog = Catalog::new(&registry, &selectors).unwrap();
    let totals = Totals::new(&registry, &catalog, 1);
    for (threshold, ok, passes) in table {
        let verdict = threshold.evaluate(&totals);
        assert_eq!(verdict.ok, ok, "{} {threshold}", threshold.selector);
        assert_eq!(threshold.passes(&verdict), passes, "{} {threshold}", threshold.selector);
    }
}

#[test]
fn thresholds_judge_what_was_observed() {
    let registry = Registry::new();
    // (key, expression, ok, observed)
    let table = [
        ("http_req_duration{name:a}", "p(95)<8s", true, 100.0),
        ("http_req_duration{name:a}", "avg<50", false, 50.0),
        ("http_req_duration", "count==3", true, 3.0),
        ("http_req_failed", "rate<=0.25", true, 0.25),
        ("http_req_failed", "fails>3", false, 3.0),
        ("http_req_failed", "count>3", true, 4.0),
        ("http_reqs", "rate>1", true, 2.0),
    ];
    let thresholds = table.map(|(key, expression, ..)| Threshold::parse(key, expression, &registry).unwrap());
    let selectors: Vec<_> = thresholds.iter().map(|t| t.selector.clone()).collect();
    let catalog = Catalog::new(&registry, &selectors).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let tags = recorder.tags(&recorder.no_tags(), &[("name", "a")]);
    for value in [0.0, 50.0, 100.0] {
        recorder.record(builtin::HTTP_REQ_DURATION, value, &tags);
    }
    for failed in [0.0, 0.0, 1.0, 0.0] {
        recorder.record(builtin::HTTP_REQ_FAILED, failed, &tags);
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
    }
    let mut totals = Totals::new(&registry, &catalog, 1);
    totals.merge_second(0, &recorder.take());
    totals.set_elapsed(Duration::from_secs(2));
    for (threshold, (key, expression, ok, observed)) in thresholds.iter().zip(table) {
        let verdict = threshold.evaluate(&totals);
        assert_eq!(
            (verdict.ok, verdict.observed),
            (Some(ok), Some(observed)),
            "{key} {expression}"
        );
    }
}

#[test]
fn rates_are_of_the_load_and_of_journeys() {
    let registry = Registry::new();
    let named: Vec<_> = ["http_reqs{name:a}", "checks{lifecycle:setup}"]
        .map(|text| Selector::parse(text).unwrap())
        .into();
    let catalog = Catalog::new(&registry, &named).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let requests = |n: u32, lifecycle: &str| {
        let tags = recorder.tags(&recorder.no_tags(), &[("name", "a"), ("lifecycle", lifecycle)]);
        (0..n).for_each(|_| recorder.record(builtin::HTTP_REQS, 1.0, &tags));
        recorder.check("ok", !lifecycle.is_empty(), &tags);
        recorder.take()
    };
    let mut totals = Totals::new(&registry, &catalog, 1);
    totals.merge(&requests(500, "setup"));
    totals.merge_second(0, &requests(40, ""));
    totals.merge(&requests(7, "teardown"));
    totals.finish(Duration::from_secs(4));
    let summaries = serde_json::to_value(totals.summarise()).unwrap();
    for series in ["http_reqs", "http_reqs{name:a}"] {
        let selector = Selector::parse(series).unwrap();
        assert_eq!(totals.value(&selector, Aggregation::Rate), Some(10.0), "{series}");
        assert_eq!(totals.value(&selector, Aggregation::Count), Some(547.0), "{series}");
        assert_eq!(
            summaries[series],
            json!({ "type": "counter", "count": 547, "rate": 10.0 })
        );
    }
    assert_eq!(totals.root(builtin::CHECKS, Aggregation::Rate), Some(0.0));
    assert_eq!(totals.value(&named[1], Aggregation::Rate), Some(1.0));
    let all = totals.checks();
    assert_eq!((all[0].passes, all[0].fails), (2, 1), "the table has them all");
}
