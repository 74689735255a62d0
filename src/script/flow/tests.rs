//! Flows by a model, by hand in virtual time, and by several threads at once.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::clock;
use crate::metrics::{Aggregation, Catalog, Recorder, Registry, Selector, TagSet, Totals};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A core with its own recorder, and what all have recorded.
struct Bench {
    registry: Registry,
    catalog: Catalog,
    totals: Totals,
    flows: Flows,
    line: Arc<Line>,
}

impl Bench {
    fn new() -> Self {
        let registry = Registry::new();
        let flows = Flows::default();
        let line = flows.line("saga", &registry).unwrap();
        let wanted = [
            "saga_completed{core:a}",
            "saga_not_completed{outcome:failed}",
            "saga_timed_out{core:a}",
        ];
        let selectors: Vec<_> = wanted.iter().map(|text| Selector::parse(text).unwrap()).collect();
        let catalog = Catalog::new(&registry, &selectors).unwrap();
        Self {
            totals: Totals::new(&registry, &catalog, 0),
            registry,
            catalog,
            flows,
            line,
        }
    }

    fn recorder(&self) -> Recorder {
        Recorder::new(&self.registry, &self.catalog)
    }

    fn start(&self, core: &Core, key: &str) -> bool {
        let (tags, recorder) = (&core.tags, &core.recorder);
        core.tally
            .start(&self.flows, recorder, &self.line, key.as_bytes(), TIMEOUT, tags)
            .unwrap()
    }

    fn finish(&self, core: &Core, key: &str, outcome: &str) -> Finish {
        let (tags, recorder) = (&core.tags, &core.recorder);
        core.tally
            .finish(&self.flows, recorder, &self.line, key.as_bytes(), outcome, tags)
    }

    /// The values of metrics of `saga`, 0 for those without samples.
    fn values(&mut self, cores: &[&Core], wanted: &[(&str, Aggregation)]) -> Vec<f64> {
        for core in cores {
            self.totals.merge(&core.recorder.take());
        }
        wanted
            .iter()
            .map(|(name, aggregation)| {
                let selector = Selector::parse(&format!("saga_{name}")).unwrap();
                self.totals.value(&selector, *aggregation).unwrap_or(0.0)
            })
            .collect()
    }
}

struct Core {
    recorder: Recorder,
    tally: Tally,
    tags: TagSet,
}

impl Core {
    fn new(bench: &Bench, tags: &[(&str, &str)]) -> Self {
        let recorder = bench.recorder();
        let tags = recorder.tags(&recorder.no_tags(), tags);
        Self {
            recorder,
            tally: Tally::default(),
            tags,
        }
    }
}

const COUNTS: [(&str, Aggregation); 7] = [
    ("started", Aggregation::Count),
    ("completed", Aggregation::Count),
    ("not_completed", Aggregation::Count),
    ("timed_out", Aggregation::Count),
    ("duplicate", Aggregation::Count),
    ("out_of_order", Aggregation::Count),
    ("in_flight", Aggregation::Value),
];

#[tokio::test(start_paused = true)]
async fn a_flow_ends_once_and_with_the_tags_of_its_start() {
    let mut bench = Bench::new();
    let a = Core::new(&bench, &[("core", "a")]);
    let b = Core::new(&bench, &[("core", "b")]);
    for key in ["done", "failed", "late", "swept", "open"] {
        assert!(bench.start(&a, key));
    }
    clock::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        bench.finish(&b, "done", COMPLETED),
        Finish::InTime(Duration::from_secs(2))
    );
    assert!(matches!(bench.finish(&b, "failed", "failed"), Finish::InTime(_)));
    assert_eq!(bench.finish(&b, "done", COMPLETED), Finish::Duplicate);
    assert!(!bench.start(&b, "open"), "it is in flight");
    assert_eq!(bench.finish(&b, "never started", COMPLETED), Finish::OutOfOrder);
    // At the very end of its time a flow is in time, and a moment later it is not.
    clock::sleep(Duration::from_secs(8)).await;
    sweep(&bench.flows, &b.recorder);
    assert_eq!(bench.finish(&b, "open", COMPLETED), Finish::InTime(TIMEOUT));
    clock::sleep(Duration::from_millis(1)).await;
    assert!(matches!(bench.finish(&b, "late", COMPLETED), Finish::TimedOut(_)));
    sweep(&bench.flows, &b.recorder);
    sweep(&bench.flows, &a.recorder);
    assert_eq!(bench.finish(&b, "swept", COMPLETED), Finish::TimedOutBefore);
    assert_eq!(bench.finish(&b, "swept", COMPLETED), Finish::Duplicate);
    assert_eq!(bench.finish(&b, "late", COMPLETED), Finish::Duplicate);

    assert!(bench.start(&a, "done"), "a key may be used again");
    assert_eq!(
        bench.values(&[&a, &b], &COUNTS),
        [6.0, 2.0, 1.0, 2.0, 4.0, 1.0, 1.0],
        "{COUNTS:?}"
    );
    let more = [
        ("duration", Aggregation::Count),
        ("duration", Aggregation::Max),
        ("completed{core:a}", Aggregation::Count),
        ("not_completed{outcome:failed}", Aggregation::Count),
        ("timed_out{core:a}", Aggregation::Count),
    ];
    assert_eq!(bench.values(&[], &more), [2.0, 10_000.0, 2.0, 1.0, 2.0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_after_the_time_counts_the_old_flow_and_begins_a_new_one() {
    let mut bench = Bench::new();
    let core = Core::new(&bench, &[]);
    assert!(bench.start(&core, "a"));
    clock::sleep(TIMEOUT * 2).await;
    assert!(bench.start(&core, "a"));
    assert_eq!(bench.finish(&core, "a", COMPLETED), Finish::InTime(Duration::ZERO));
    assert_eq!(bench.values(&[&core], &COUNTS)[..4], [2.0, 1.0, 0.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_is_in_no_number() {
    let mut bench = Bench::new();
    let core = Core::new(&bench, &[(crate::metrics::WARMUP, "true")]);
    for key in ["a", "b", "c"] {
        assert!(bench.start(&core, key));
    }
    bench.finish(&core, "a", COMPLETED);
    clock::sleep(TIMEOUT * 2).await;
    sweep(&bench.flows, &core.recorder);
    assert_eq!(bench.values(&[&core], &COUNTS), [0.0; 7]);
    assert_eq!(bench.flows.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_swept_soon_after_they_are_due() {
    let mut bench = Bench::new();
    let core = Core::new(&bench, &[]);
    for number in 0..2_500 {
        assert!(bench.start(&core, &number.to_string()));
    }
    let swept = clock::timeout(
        TIMEOUT + Duration::from_millis(150),
        keep_sweeping(&bench.flows, &core.recorder),
    );
    assert!(swept.await.is_err(), "it goes on for ever");
    assert_eq!(bench.values(&[&core], &COUNTS)[3], 2_500.0);
}

#[test]
fn what_has_ended_is_forgotten_in_the_end_and_nothing_else_is_kept() {
    let bench = Bench::new();
    let (now, tags): (_, Tags) = (clock::now(), Arc::from([]));
    let start = |key: &[u8]| {
        bench
            .flows
            .start(&bench.line, key, Arc::clone(&tags), TIMEOUT, now)
            .unwrap()
            .is_new
    };
    for number in 0..2 * ENDED_KEPT {
        let key = number.to_le_bytes();
        assert!(start(&key));
        assert!(matches!(bench.flows.finish(&bench.line, &key, now), Met::InTime(_)));
        // One that is used again and again is remembered all the time.
        assert!(start(b"again"));
        assert!(matches!(bench.flows.finish(&bench.line, b"again", now), Met::InTime(_)));
        assert!(matches!(bench.flows.finish(&bench.line, b"again", now), Met::Finished));
    }
    let shards: Vec<_> = bench.flows.shards.iter().map(lock).collect();
    assert!(shards.iter().all(|shard| shard.due.is_empty()));
    let kept: usize = shards.iter().map(|shard| shard.flows.len()).sum();
    assert!(kept <= ENDED_KEPT && kept > ENDED_KEPT / 2, "{kept}");
    assert!(shards.iter().all(|shard| shard.ended.len() <= ENDED_KEPT / SHARDS));
    drop(shards);
    assert!(matches!(
        bench.flows.finish(&bench.line, &0_usize.to_le_bytes(), now),
        Met::Nothing
    ));
    assert_eq!(bench.flows.in_flight(), 0);
}

#[test]
fn threads_that_meet_at_the_same_keys_lose_nothing() {
    const KEYS: u32 = 500;
    let bench = Bench::new();
    let deltas: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let core = Core::new(&bench, &[]);
                    for key in 0..KEYS {
                        bench.start(&core, &key.to_string());
                        bench.finish(&core, &key.to_string(), COMPLETED);
                    }
                    core.recorder.take()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut bench = bench;
    for delta in &deltas {
        bench.totals.merge(delta);
    }
    let values = bench.values(&[], &COUNTS);
    let [
        started,
        completed,
        not_completed,
        timed_out,
        duplicate,
        out_of_order,
        in_flight,
    ] = values[..]
    else {
        panic!("seven values")
    };
    assert_eq!(started, completed + not_completed + timed_out + in_flight, "{values:?}");
    assert_eq!(in_flight, bench.flows.in_flight() as f64, "{values:?}");
    let calls = f64::from(4 * 2 * KEYS);
    assert_eq!(
        started + completed + timed_out + duplicate + out_of_order,
        calls,
        "{values:?}"
    );
}

/// What a test does next.
#[derive(Debug, Clone)]
enum Step {
    Start(u8),
    Finish(u8),
    Wait(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u8..4).prop_map(Step::Start),
        3 => (0_u8..4).prop_map(Step::Finish),
        2 => (0_u64..8).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
    ]
}

proptest! {
    /// started = in time + timed out + in flight, and each flow is what a plain map says that it is.
    #[test]
    fn every_flow_is_counted_once(steps in prop::collection::vec(step(), 0..120)) {
        let bench = Bench::new();
        let tags: Tags = Arc::from([]);
        let (mut now, mut model) = (clock::now(), HashMap::<u8, Instant>::new());
        let (mut started, mut in_time, mut timed_out) = (0, 0, 0);
        for step in steps {
            match step {
                Step::Start(key) => {
                    let begun = bench.flows.start(&bench.line, &[key], Arc::clone(&tags), TIMEOUT, now).unwrap();
                    let flies = model.get(&key).is_some_and(|at| now <= *at + TIMEOUT);
                    prop_assert_eq!(begun.is_new, !flies);
                    timed_out += usize::from(begun.overdue.is_some());
                    if begun.is_new {
                        started += 1;
                        model.insert(key, now);
                    }
                }
                Step::Finish(key) => {
                    let flies = model.get(&key).is_some_and(|at| now <= *at + TIMEOUT);
                    let met = bench.flows.finish(&bench.line, &[key], now);
                    prop_assert_eq!(matches!(met, Met::InTime(_)), flies, "{:?}", met);
                    in_time += usize::from(flies);
                    timed_out += usize::from(matches!(met, Met::Overdue(_)));
                    model.remove(&key);
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Sweep => timed_out += bench.flows.overdue(now, 1).len(),
            }
            prop_assert_eq!(started, in_time + timed_out + bench.flows.in_flight());
        }
        timed_out += bench.flows.overdue(now + TIMEOUT * 2, usize::MAX).len();
        prop_assert_eq!(started, in_time + timed_out);
        prop_assert_eq!(bench.flows.in_flight(), 0);
    }
}
