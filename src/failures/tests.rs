//! What is kept and counted of failures on several cores, and the bounds of it.

use super::*;
use crate::metrics::{Catalog, Recorder, Registry};

/// A recorder, for tags.
fn recorder() -> Recorder {
    let registry = Registry::new();
    let catalog = Catalog::new(&registry, &[]).unwrap();
    Recorder::new(&registry, &catalog)
}

fn tags(recorder: &Recorder, name: &str) -> TagSet {
    recorder.tags(&recorder.no_tags(), &[("scenario", "s"), ("name", name)])
}

#[test]
fn the_first_of_a_kind_are_kept_and_all_are_counted() {
    let (failures, recorder) = (Arc::new(Failures::default()), recorder());
    let tags = tags(&recorder, "a");
    let warm = recorder.tags(&tags, &[("warmup", "true")]);
    let mut made = 0;
    // Two cores.
    for watch in [Watch::new(&failures), Watch::new(&failures)] {
        for _ in 0..5 {
            watch.failed(&tags, &Method::GET, How::Status(500), || {
                made += 1;
                FailedRequest::default()
            });
        }
        watch.failed(&warm, &Method::GET, How::Status(500), || {
            unreachable!("there are enough")
        });
    }
    assert_eq!(made, 2);
    let news = failures.take();
    let what: Vec<_> = news.requests.iter().map(|request| request.what.as_str()).collect();
    assert_eq!(what, ["status 500", "status 500"]);
    assert_eq!(news.requests[0].scenario.as_deref(), Some("s"));
    assert_eq!((news.requests[0].error_code, news.left_out), (Some(1_500), 0));
    assert_eq!(news.counts, [FailedCount { kind: 0, count: 10 }]);
    assert_eq!(failures.take(), News::default());
    let (kinds, left_out) = failures.summaries();
    assert_eq!((kinds.len(), kinds[0].count, left_out), (1, 10, 0));
}

#[test]
fn kinds_differ_by_scenario_name_method_and_how() {
    let (failures, recorder) = (Arc::new(Failures::default()), recorder());
    let watch = Watch::new(&failures);
    let (a, b) = (tags(&recorder, "a"), tags(&recorder, "b"));
    let other = recorder.tags(&a, &[("scenario", "t")]);
    // Not a kind of its own: the same request in another stage.
    let later = recorder.tags(&a, &[("stage", "2")]);
    let all = [
        (&a, Method::GET, How::Status(500)),
        (&b, Method::GET, How::Status(500)),
        (&other, Method::GET, How::Status(500)),
        (&a, Method::POST, How::Status(500)),
        (&a, Method::GET, How::Status(502)),
        (&a, Method::GET, How::Error(1_212)),
        (&a, Method::GET, How::Grpc(5, None)),
        (&a, Method::GET, How::Check("x".into())),
        (&later, Method::GET, How::Status(500)),
    ];
    for (tags, method, how) in all {
        watch.failed(tags, &method, how, FailedRequest::default);
    }
    let news = failures.take();
    let kinds: Vec<_> = news.requests.iter().map(|request| request.kind).collect();
    assert_eq!(kinds, [0, 1, 2, 3, 4, 5, 6, 7, 0]);
    assert_eq!(news.counts[0], FailedCount { kind: 0, count: 2 });
    assert_eq!(news.requests[5].what, "error 1212: connection refused");
    assert_eq!(news.requests[7].check.as_deref(), Some("x"));
}

#[test]
fn kinds_are_bounded_and_those_left_out_are_counted_once() {
    let (failures, recorder) = (Arc::new(Failures::default()), recorder());
    let watch = Watch::new(&failures);
    for _ in 0..2 {
        for n in 0..KINDS + KNOWN + 10 {
            let tags = tags(&recorder, &n.to_string());
            watch.failed(&tags, &Method::GET, How::Status(500), FailedRequest::default);
        }
    }
    assert!(watch.known.borrow().len() <= KNOWN);
    let news = failures.take();
    assert_eq!((news.requests.len(), news.counts.len()), (2 * KINDS, KINDS));
    assert_eq!(news.left_out, KNOWN as u64 + 10);
    assert_eq!(failures.take().left_out, 0);
}

#[test]
fn a_check_without_its_request_asks_for_the_next_one() {
    let (failures, recorder) = (Arc::new(Failures::default()), recorder());
    let (watch, other) = (Watch::new(&failures), Watch::new(&failures));
    let tags = tags(&recorder, "a");
    let failed = |watch: &Watch, has_request| {
        watch.check_failed(&tags, &Method::GET, ("has items", has_request), || FailedRequest {
            request: has_request.then(crate::results::FailedMessage::default),
            ..FailedRequest::default()
        });
    };
    assert!(!watch.wants_requests());
    failed(&watch, false);
    failed(&watch, false);
    // Another core has none either, which takes no place.
    failed(&other, false);
    assert!(watch.wants_requests() && other.wants_requests());
    failed(&watch, true);
    assert!(!watch.wants_requests());
    failed(&other, false);
    assert!(!other.wants_requests(), "there are enough");
    let news = failures.take();
    let with: Vec<_> = news.requests.iter().map(|request| request.request.is_some()).collect();
    assert_eq!((with, news.counts[0].count), (vec![false, true], 5));
}
