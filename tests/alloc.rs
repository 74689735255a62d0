//! Samples allocate nothing once their tags and series are known: exact counts of the allocator's, not times.

use allocation_counter::measure;
use kingtide::metrics::{Catalog, MetricId, Recorder, Registry, TagSet, builtin};

/// Samples until everything has grown to its size, and then again as many.
const SAMPLES: u32 = 20_000;

fn recorder() -> (Recorder, TagSet) {
    let registry = Registry::new();
    let catalog = Catalog::new(&registry, &[]).expect("no selector, no mistake");
    let recorder = Recorder::new(&registry, &catalog);
    let tags = [
        ("scenario", "s"),
        ("revision", "1"),
        ("name", "POST /orders"),
        ("method", "POST"),
        ("status", "200"),
    ];
    let tags = recorder.tags(&recorder.no_tags(), &tags);
    (recorder, tags)
}

/// How often `once` allocates in all of its calls but the first [`SAMPLES`].
fn allocations(mut once: impl FnMut(u32)) -> u64 {
    (0..SAMPLES).for_each(&mut once);
    measure(|| (0..SAMPLES).for_each(&mut once)).count_total
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|n| drop(Box::new(n))), u64::from(SAMPLES));
}

#[test]
fn samples_with_five_tags_allocate_nothing() {
    let metrics: [MetricId; 5] = [
        builtin::HTTP_REQS,
        builtin::HTTP_REQ_FAILED,
        builtin::HTTP_REQ_DURATION,
        builtin::HTTP_REQ_BLOCKED,
        builtin::VUS,
    ];
    for metric in metrics {
        let (recorder, tags) = recorder();
        let record = |n: u32| recorder.record(metric, f64::from(n % 1_000) / 10.0, &tags);
        assert_eq!(allocations(record), 0, "{metric:?}");
        // Nor in the seconds after.
        let _ = recorder.take();
        assert_eq!(measure(|| (0..SAMPLES).for_each(record)).count_total, 0, "{metric:?}");
    }
}

#[test]
fn tags_and_checks_that_are_known_allocate_nothing() {
    let (recorder, tags) = recorder();
    let more = [("group", "::checkout"), ("kind", "express")];
    assert_eq!(allocations(|_| drop(recorder.tags(&tags, &more))), 0);
    assert_eq!(allocations(|n| recorder.check("status is 200", n % 2 == 0, &tags)), 0);
}
