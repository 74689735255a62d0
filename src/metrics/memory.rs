//! Tests of the promise that a long run needs no more memory than a short one, whatever is thrown at the recorder.

use std::ops::Range;
use std::time::Duration;

use super::*;

/// Takes samples of a journey with one request for a number of seconds.
fn seconds(recorder: &Recorder, totals: &mut Totals, span: Range<u64>) {
    const SAMPLES: u64 = 25_000;
    let base = recorder.tags(&recorder.no_tags(), &[("scenario", "s")]);
    let name = ["GET /", "POST /"].map(|name| recorder.tags(&base, &[("name", name)]));
    for second in span {
        for n in 0..SAMPLES {
            // From 0.1 ms to 100 s; every second has the same 25,000 values.
            let value = 10_f64.powf(-1.0 + 6.0 * n as f64 / SAMPLES as f64);
            recorder.record(builtin::HTTP_REQ_DURATION, value, &name[(n % 2) as usize]);
        }
        recorder.check("ok", second % 2 == 0, &name[0]);
        totals.merge_second(second, &recorder.take());
        totals.close(second + 1);
    }
}

#[test]
fn what_is_kept_does_not_grow_with_the_samples() {
    let registry = Registry::new();
    let mut windowed = Threshold::parse("http_req_duration", "p(95)<5", &registry).unwrap();
    windowed.window = Some(Duration::from_secs(3));
    let catalog = Catalog::new(&registry, &[windowed.selector.clone()]).unwrap();
    let mut totals = Totals::new(&registry, &catalog, 1);
    totals.watch(Timeline::default(), &[windowed]);
    let recorder = Recorder::new(&registry, &catalog);
    seconds(&recorder, &mut totals, 0..4);
    let (after_100_000, tag_sets) = (totals.retained(), recorder.tag_sets());
    // As a whole, by two names and by scenario; `checks`.
    assert_eq!(after_100_000[0], 5);
    // No distribution has more than 1,024 buckets for each doubling of the value.
    assert!(after_100_000[1] < 4 * 24 * 1_024, "{after_100_000:?}");
    seconds(&recorder, &mut totals, 4..400);
    assert_eq!(
        totals.root(builtin::HTTP_REQ_DURATION, Aggregation::Count),
        Some(10_000_000.0)
    );
    assert_eq!(totals.retained(), after_100_000);
    assert_eq!(recorder.tag_sets(), tag_sets);
}

#[test]
fn endless_check_names_and_tag_sets_do_not_eat_the_memory() {
    let registry = Registry::new();
    let catalog = Catalog::new(&registry, &[]).unwrap();
    let recorder = Recorder::new(&registry, &catalog);
    let kept = recorder.tags(&recorder.no_tags(), &[("name", "kept")]);
    for id in 0..20_000 {
        let id = id.to_string();
        let tags = recorder.tags(&recorder.no_tags(), &[("id", &id)]);
        recorder.check(&id, true, &tags);
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
    }
    let delta = recorder.take();
    assert_eq!(delta.checks.len(), AUTOMATIC_SERIES_CAP + 1, "the rest is in (other)");
    let passes: u64 = delta.checks.values().map(|tally| tally.passes).sum();
    assert_eq!(passes, 20_000, "nothing is lost");
    assert!(recorder.tag_sets() < 10, "{} sets are left", recorder.tag_sets());
    // And what is held still works.
    recorder.record(builtin::HTTP_REQ_DURATION, 1.0, &kept);
    assert_eq!(recorder.take().series.len(), 2);
}
