//! Times and counts derived by hand.

use super::super::leg::hand;
use super::*;

#[test]
fn constant_rates() {
    // 4/s for 1 s: every 250 ms; the one at 1 s is out.
    assert_eq!(micros(&constant(4.0, SECOND, SECOND)), [0, 250_000, 500_000, 750_000]);
    // 3/s for 1 s: thirds, rounded down.
    assert_eq!(micros(&constant(3.0, SECOND, SECOND)), [0, 333_333, 666_666]);
    // 2.5/s for 1 s: every 400 ms.
    assert_eq!(micros(&constant(2.5, SECOND, SECOND)), [0, 400_000, 800_000]);
    // 30/min for 5 s: every 2 s.
    assert_eq!(
        micros(&constant(30.0, 60 * SECOND, 5 * SECOND)),
        [0, 2_000_000, 4_000_000]
    );
    // 0.5/s for 2 s: the second one would be at the very end.
    assert_eq!(micros(&constant(0.5, SECOND, 2 * SECOND)), [0]);
    // One nanosecond more and it is in.
    let longer = constant(0.5, SECOND, 2 * SECOND + Duration::from_nanos(1));
    assert_eq!(micros(&longer), [0, 2_000_000]);
}

#[test]
fn counts_are_half_open() {
    // (rate, unit, duration, count)
    let table = [
        (50.0, SECOND, 60 * SECOND, 3_000),
        (1_000.0, SECOND, 10 * SECOND, 10_000),
        (0.1, SECOND, 60 * SECOND, 6),
        (1.0, 3 * SECOND, 10 * SECOND, 4),
        (1.0 / 3.0, SECOND, 9 * SECOND, 3),
        // Rounding 2/3 up to any decimal would let a seventh one in.
        (2.0 / 3.0, SECOND, 9 * SECOND, 6),
        (10.0 / 3.0, SECOND, 3 * SECOND, 10),
        (0.7, SECOND, 10 * SECOND, 7),
        (333.333, SECOND, 1_000 * SECOND, 333_333),
        (10.0, SECOND, ms(101), 2),
        (10.0, SECOND, Duration::from_nanos(1), 1),
        (10.0, SECOND, Duration::ZERO, 0),
        (0.0, SECOND, SECOND, 0),
        (-1.0, SECOND, SECOND, 0),
        (f64::NAN, SECOND, SECOND, 0),
    ];
    for (rate, unit, duration, count) in table {
        let shape = constant(rate, unit, duration);
        assert_eq!(shape.planned(), count, "{rate} per {unit:?} for {duration:?}");
        assert_eq!(
            whole(&shape).len() as u64,
            count,
            "{rate} per {unit:?} for {duration:?}"
        );
    }
}

#[test]
fn ramps_are_where_the_area_reaches_whole_numbers() {
    // 0 → 10/s in 10 s: the area is t²/2, arrival k at √(2k): 0, √2, 2, √6, √8, √10, …
    let times = micros(&ramping(0.0, &[(10, 10.0)]));
    assert_eq!(times.len(), 50);
    assert_eq!(times[..6], [0, 1_414_213, 2_000_000, 2_449_489, 2_828_427, 3_162_277]);
    assert_eq!(times[8], 4_000_000);
    assert_eq!(times[18], 6_000_000);
    assert_eq!(times[32], 8_000_000);
    assert_eq!(times[49], 9_899_494, "√98");
    // 10/s → 0 in 10 s: the area is 10t − t²/2, arrival k at 10 − √(100 − 2k).
    let times = micros(&ramping(10.0, &[(10, 0.0)]));
    assert_eq!(times.len(), 50);
    assert_eq!(times[..3], [0, 100_505, 202_041]);
    assert_eq!((times[18], times[32], times[42]), (2_000_000, 4_000_000, 6_000_000));
    assert_eq!(times[49], 8_585_786, "10 − √2");
    // 2/s → 4/s in 2 s: the area is 2t + t²/2, arrival k at √(4 + 2k) − 2; six of them, the one at 2 s is out.
    assert_eq!(
        micros(&ramping(2.0, &[(2, 4.0)])),
        [0, 449_489, 828_427, 1_162_277, 1_464_101, 1_741_657]
    );
}

#[test]
fn a_fraction_of_an_arrival_is_carried_into_the_next_stage() {
    // 1/s for 1.5 s, a jump, 2/s for 1 s: 1.5 + 2 = 3.5. Arrivals 0 and 1 at 0 and 1 s; number 2 has half of its way
    // behind it at 1.5 s and comes at 1.75 s, number 3 at 2.25 s.
    let shape = Shape::RampingArrivalRate {
        start_rate: 1.0,
        time_unit: SECOND,
        stages: vec![stage(ms(1_500), 1.0), stage(ms(0), 2.0), stage(ms(1_000), 2.0)],
        arrival: Spacing::Constant,
    };
    assert_eq!(micros(&shape), [0, 1_000_000, 1_750_000, 2_250_000]);
    assert_eq!(by_segment(&shape), [2, 0, 2], "nothing is in a jump");
}

#[test]
fn a_pause_has_no_arrivals_and_what_falls_on_its_beginning_comes_after_it() {
    // 2/s for 1 s, nothing for 3 s, 2/s for 1 s. Number 2 is due when the area exceeds 2, and that is after the pause.
    let shape = steps(&[(2.0, SECOND), (0.0, 3 * SECOND), (2.0, SECOND)]);
    assert_eq!(micros(&shape), [0, 500_000, 4_000_000, 4_500_000]);
    assert_eq!(by_segment(&shape), [2, 0, 2]);
    // With the pause first, load begins when it is over.
    assert_eq!(
        micros(&steps(&[(0.0, SECOND), (1.0, 2 * SECOND)])),
        [1_000_000, 2_000_000]
    );
}

#[test]
fn plans_of_the_field_have_the_counts_that_their_authors_expect() {
    // 10/s, in 2 min to 1,000/s, 3 min there, in 2 min to 50/s.
    let ramp = ramping(10.0, &[(120, 1_000.0), (180, 1_000.0), (120, 50.0)]);
    assert_eq!(ramp.planned(), 60_600 + 180_000 + 63_000);
    assert_eq!(by_segment(&ramp), [60_600, 180_000, 63_000]);
    assert_eq!((ramp.duration(), ramp.peak_rate()), (420 * SECOND, Some(1_000.0)));
    // A day of users in half an hour.
    let day = [(50.0, 600), (1_000.0, 150), (300.0, 600), (2_000.0, 300), (200.0, 150)];
    let day = steps(&day.map(|(rate, seconds)| (rate, seconds * SECOND)));
    assert_eq!(by_segment(&day), [30_000, 150_000, 180_000, 600_000, 30_000]);
}

#[test]
fn bursts_start_what_a_unit_holds_at_its_beginning() {
    let seconds = |shape: &Shape| -> Vec<u64> { whole(shape).iter().map(|a| a.at.as_secs()).collect() };
    let three = spaced(constant(3.0, SECOND, ms(2_500)), Spacing::Burst);
    // 7.5 arrivals, so 8: three, three, and the two that began before 2.5 s.
    assert_eq!(
        micros(&three),
        [0, 0, 0, 1_000_000, 1_000_000, 1_000_000, 2_000_000, 2_000_000]
    );
    let two_and_a_half = spaced(constant(2.5, SECOND, 4 * SECOND), Spacing::Burst);
    assert_eq!(seconds(&two_and_a_half), [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]);
    // 0 → 10/s: those at 0, √2 | 2, √6, √8 | √10, √12, √14 …, and 4 itself opens the next second.
    let ramp = spaced(ramping(0.0, &[(10, 10.0)]), Spacing::Burst);
    assert_eq!(seconds(&ramp)[..9], [0, 1, 2, 2, 2, 3, 3, 3, 4]);
    // A stage that begins within a unit: the start counts for the stage that it is in.
    let shape = steps(&[(2.0, ms(1_500)), (10.0, ms(1_500))]);
    let shape = spaced(shape, Spacing::Burst);
    assert_eq!(seconds(&shape), [[0; 2].as_slice(), &[1; 6], &[2; 10]].concat());
    assert_eq!(by_segment(&shape), [8, 10]);
}

#[test]
fn waves_and_bursts_start_at_one_instant() {
    let wave = |seconds: u64, count| Wave {
        at: Duration::from_secs(seconds),
        count,
        name: None,
    };
    // Written in any order; the segment is the place in the list.
    let shape = Shape::Waves {
        waves: vec![wave(300, 2), wave(0, 3), wave(600, 1)],
    };
    let got: Vec<_> = whole(&shape)
        .iter()
        .map(|a| (a.number, a.at.as_secs(), a.segment))
        .collect();
    let expected = [(0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 300, 0), (4, 300, 0), (5, 600, 2)];
    assert_eq!(got, expected);
    assert_eq!((shape.planned(), shape.duration()), (6, 600 * SECOND));
    assert_eq!(shape.at_once(), Some(3));
    let shape = Shape::Waves {
        waves: vec![wave(1, 2), wave(0, 3), wave(1, 2)],
    };
    assert_eq!(shape.at_once(), Some(4), "two of one time are one crowd");
    let shape = Shape::Burst { count: 4 };
    assert_eq!(micros(&shape), [0; 4]);
    assert_eq!(
        (shape.planned(), shape.duration(), shape.peak_rate()),
        (4, Duration::ZERO, None)
    );
}

#[test]
fn traces_keep_their_gaps_and_their_rows() {
    let trace = Trace::new("t.jsonl".into(), &[ms(1_000), ms(500), ms(4_000), ms(1_000)]);
    assert_eq!(trace.rows[..], [1, 0, 3, 2]);
    let at = |speed| {
        micros(&Shape::Replay {
            trace: trace.clone(),
            speed,
        })
    };
    assert_eq!(at(1.0), [0, 500_000, 500_000, 3_500_000]);
    assert_eq!(at(2.0), [0, 250_000, 250_000, 1_750_000]);
    assert_eq!(at(0.1), [0, 5_000_000, 5_000_000, 35_000_000]);
    assert_eq!(
        micros(&Shape::Replay {
            trace: Trace::new(String::new(), &[]),
            speed: 1.0
        }),
        []
    );
}

#[test]
fn a_day_does_not_drift() {
    // 7/s: the spacing is no whole number of nanoseconds, yet each full second falls on the nanosecond.
    let mut arrivals = constant(7.0, SECOND, DAY).arrivals(0, Stripe::WHOLE);
    for second in 0..86_400_u64 {
        let first = arrivals.next().unwrap();
        assert_eq!((first.number, first.at), (second * 7, Duration::from_secs(second)));
        arrivals.by_ref().take(6).for_each(drop);
    }
    assert_eq!(arrivals.next(), None);
}

#[test]
fn a_ramp_over_a_day_does_not_drift() {
    // 0 → 86,400/s in a day: the area after t seconds is t²/2, so that number s²/2 is due at s for each even s. A stripe of
    // a prime number of stripes would need all of them; ask for the numbers themselves.
    let shape = ramping(0.0, &[(86_400, 86_400.0)]);
    assert_eq!(shape.planned(), 86_400 * 86_400 / 2);
    for second in (0..86_400_u64).step_by(2) {
        let number = second * second / 2;
        let arrival = nth(&shape, number);
        assert_eq!(arrival.at, Duration::from_secs(second), "number {number}");
    }
    assert!(nth(&shape, shape.planned() - 1).at < DAY);
}

#[test]
fn neighbours_have_one_owner_but_not_too_many_of_them() {
    // arrivals in a second, how many of them follow each other on one stripe
    for (rate, expected) in [
        (1.0, 1),
        (624.0, 1),
        (1_000.0, 3),
        (5_000.0, 16),
        (10_000.0, 32),
        (150_000.0, 32),
    ] {
        assert_eq!(hand(&constant(rate, SECOND, DAY)), expected, "{rate}/s");
    }
    assert_eq!(hand(&ramping(0.0, &[(10, 4_000.0)])), 12, "by the peak");
}

/// Arrival `number`, without walking there: in the first hand of the stripe that begins with that.
fn nth(shape: &Shape, number: u64) -> Arrival {
    let hand = hand(shape);
    let index = u32::try_from(number / hand).unwrap();
    let stripe = Stripe { index, of: u32::MAX };
    let place = usize::try_from(number % hand).unwrap();
    shape.arrivals(0, stripe).nth(place).unwrap()
}

#[test]
fn scaling_changes_times_and_no_rates() {
    let wave = Wave {
        at: 300 * SECOND,
        count: 7,
        name: None,
    };
    let trace = Trace::new(String::new(), &[ms(0), ms(10_000)]);
    // (shape, arrivals before and after, duration after)
    let table = [
        (constant(50.0, SECOND, 60 * SECOND), 3_000, 300, 6 * SECOND),
        (ramping(0.0, &[(10, 10.0), (10, 10.0)]), 150, 15, 2 * SECOND),
        (steps(&[(2.0, 30 * SECOND), (10.0, 10 * SECOND)]), 160, 16, 4 * SECOND),
        (Shape::Waves { waves: vec![wave] }, 7, 7, 30 * SECOND),
        (Shape::Burst { count: 5 }, 5, 5, Duration::ZERO),
        (Shape::Replay { trace, speed: 2.0 }, 2, 2, ms(500)),
    ];
    for (mut shape, before, after, duration) in table {
        assert_eq!(shape.planned(), before, "{shape:?}");
        let peak = shape.peak_rate();
        shape.scale(0.1);
        assert_eq!((shape.planned(), shape.duration()), (after, duration), "{shape:?}");
        assert_eq!(shape.peak_rate(), peak, "{shape:?}");
    }
}
