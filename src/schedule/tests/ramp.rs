//! Planned numbers of VUs.

use proptest::prelude::*;

use super::super::Ramp;
use super::*;

/// From `start` VUs through (ms, target).
fn ramp(start: u64, stages: &[(u64, u64)]) -> Ramp {
    let stages: Vec<_> = stages.iter().map(|&(time, target)| stage(ms(time), target)).collect();
    Ramp::new(start, &stages)
}

/// What is planned at the beginning and after each change, in ms.
fn changes(ramp: &Ramp) -> Vec<(u64, u64)> {
    let end = u64::try_from(ramp.duration().as_millis()).unwrap();
    let mut changes: Vec<(u64, u64)> = vec![(0, ramp.planned(Duration::ZERO))];
    for at in 1..=end {
        let planned = ramp.planned(ms(at));
        if planned != changes[changes.len() - 1].1 {
            changes.push((at, planned));
        }
    }
    changes
}

#[test]
fn lines_are_walked_in_whole_vus() {
    // 0 → 4 in 1 s: one more each 250 ms, the fourth at the end.
    assert_eq!(
        changes(&ramp(0, &[(1_000, 4)])),
        [(0, 0), (250, 1), (500, 2), (750, 3), (1_000, 4)]
    );
    // Down again: one less each 250 ms, none at the end.
    assert_eq!(
        changes(&ramp(4, &[(1_000, 0)])),
        [(0, 4), (250, 3), (500, 2), (750, 1), (1_000, 0)]
    );
    // Up to 6 in 2 s, down to 1 in 5 s, up to 5 in 4 s, hold, jump to 3, down to 0 in 3 s.
    let shape = ramp(4, &[(2_000, 6), (5_000, 1), (4_000, 5), (1_000, 5), (0, 3), (3_000, 0)]);
    let expected = [
        (0, 4),
        (1_000, 5),
        (2_000, 6),
        (3_000, 5),
        (4_000, 4),
        (5_000, 3),
        (6_000, 2),
        (7_000, 1),
        (8_000, 2),
        (9_000, 3),
        (10_000, 4),
        (11_000, 5),
        (12_000, 3),
        (13_000, 2),
        (14_000, 1),
        (15_000, 0),
    ];
    assert_eq!(changes(&shape), expected);
    assert_eq!((shape.peak(), shape.duration()), (6, ms(15_000)));
}

#[test]
fn jumps_take_no_time() {
    let shape = ramp(1, &[(0, 5), (100, 5), (0, 0), (0, 2), (100, 2)]);
    assert_eq!(changes(&shape), [(0, 5), (100, 2)]);
    assert_eq!(
        shape.spans(1),
        vec![ms(0)..ms(200)],
        "what is left and joined at one instant goes on"
    );
    assert_eq!(shape.spans(2), vec![ms(0)..ms(100)]);
    assert_eq!(shape.spans(5), vec![]);
    assert_eq!(
        [0, 99, 100, 199, 200].map(|at| shape.segment_at(ms(at))),
        [1, 1, 4, 4, 4],
        "nothing is in a jump"
    );
}

#[test]
fn the_highest_index_leaves_first_and_joins_last() {
    // 0 → 2 in 2 s, hold 1 s, → 0 in 2 s, → 2 in 2 s.
    let shape = ramp(0, &[(2_000, 2), (1_000, 2), (2_000, 0), (2_000, 2), (1_000, 2)]);
    assert_eq!(shape.spans(0), vec![ms(1_000)..ms(5_000), ms(6_000)..ms(8_000)]);
    assert_eq!(shape.spans(1), vec![ms(2_000)..ms(4_000), ms(7_000)..ms(8_000)]);
    assert_eq!(shape.spans(2), vec![]);
}

#[test]
fn a_vu_that_would_join_at_the_very_end_never_does() {
    let shape = ramp(0, &[(1_000, 2)]);
    assert_eq!(shape.spans(0), vec![ms(500)..ms(1_000)]);
    assert_eq!(shape.spans(1), vec![]);
    assert_eq!(shape.planned(ms(1_000)), 2, "the target all the same");
}

fn ramps() -> impl Strategy<Value = (u64, Vec<(u64, u64)>)> {
    let time = prop_oneof![1 => Just(0_u64), 4 => 1_u64..5_000];
    (0_u64..40, proptest::collection::vec((time, 0_u64..40), 1..7))
}

proptest! {
    #[test]
    fn targets_are_hit_at_the_ends_of_stages((start, stages) in ramps()) {
        let shape = ramp(start, &stages);
        let mut at = 0;
        for (index, (time, target)) in stages.iter().enumerate() {
            at += time;
            // Where jumps follow, the last of them counts.
            if stages.get(index + 1).is_none_or(|next| next.0 > 0) {
                prop_assert_eq!(shape.planned(ms(at)), *target);
            }
        }
    }

    #[test]
    fn as_many_vus_are_in_a_span_as_are_planned((start, stages) in ramps(), at in proptest::collection::vec(0.0..1.0_f64, 20)) {
        let shape = ramp(start, &stages);
        let spans: Vec<_> = (0..=shape.peak()).map(|vu| shape.spans(vu)).collect();
        prop_assert!(spans[spans.len() - 1].is_empty(), "nobody is above the peak");
        for share in at {
            let at = shape.duration().mul_f64(share);
            let wanted = spans.iter().filter(|spans| spans.iter().any(|span| span.contains(&at))).count();
            prop_assert!(at >= shape.duration() || shape.planned(at) == wanted as u64, "at {at:?}");
        }
        for spans in spans {
            prop_assert!(spans.iter().all(|span| span.start < span.end && span.end <= shape.duration()));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
