//! What holds for every shape.

use proptest::prelude::*;

use super::super::leg::hand;
use super::*;

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        (1_u32..2_000).prop_map(f64::from),
        (1_u32..200).prop_map(|n| f64::from(n) / 10.0),
        0.01..2_000.0_f64
    ]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        (1_u64..3_000).prop_map(ms),
        (1_u64..2_000_000_000).prop_map(Duration::from_nanos)
    ]
}

fn spacing() -> impl Strategy<Value = Spacing> {
    prop_oneof![Just(Spacing::Constant), Just(Spacing::Poisson), Just(Spacing::Burst)]
}

fn unit() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(SECOND), (200_u64..60_000).prop_map(ms)]
}

fn rates() -> impl Strategy<Value = Shape> {
    let pieces = proptest::collection::vec((rate(), duration()), 1..6);
    (rate(), pieces, unit(), spacing(), 0..3).prop_map(|(start_rate, pieces, time_unit, arrival, kind)| match kind {
        0 => Shape::ConstantArrivalRate {
            rate: start_rate,
            time_unit,
            duration: pieces[0].1,
            arrival,
        },
        1 => Shape::RampingArrivalRate {
            start_rate,
            time_unit,
            stages: pieces
                .into_iter()
                .map(|(rate, duration)| stage(duration, rate))
                .collect(),
            arrival,
        },
        _ => {
            let Shape::Steps { steps, .. } = steps(&pieces) else {
                unreachable!()
            };
            Shape::Steps {
                time_unit,
                steps,
                arrival,
            }
        }
    })
}

pub(super) fn shapes() -> impl Strategy<Value = Shape> {
    let wave = (duration(), 0_u64..50).prop_map(|(at, count)| Wave { at, count, name: None });
    prop_oneof![
        6 => rates(),
        1 => proptest::collection::vec(wave, 1..6).prop_map(|waves| Shape::Waves { waves }),
        1 => (0_u64..100).prop_map(|count| Shape::Burst { count }),
        1 => (proptest::collection::vec(duration(), 0..100), 0.1..10.0_f64).prop_map(|(stamps, speed)| Shape::Replay {
            trace: Trace::new(String::new(), &stamps),
            speed,
        }),
    ]
}

/// (rate before, rate after, seconds) of each piece, per second.
fn pieces(shape: &Shape) -> Vec<(f64, f64, f64)> {
    let (mut from, unit, pieces): (f64, _, Vec<_>) = match shape {
        Shape::ConstantArrivalRate {
            rate,
            time_unit,
            duration,
            ..
        } => (*rate, time_unit, vec![(*rate, *rate, *duration)]),
        Shape::Steps { time_unit, steps, .. } => {
            let pieces = steps.iter().map(|step| (step.rate, step.rate, step.duration));
            (0.0, time_unit, pieces.collect())
        }
        Shape::RampingArrivalRate {
            start_rate,
            time_unit,
            stages,
            ..
        } => {
            let pieces = stages.iter().map(|stage| (f64::NAN, stage.target, stage.duration));
            (*start_rate, time_unit, pieces.collect())
        }
        other => panic!("{other:?} has no rate"),
    };
    let unit = unit.as_secs_f64();
    pieces
        .into_iter()
        .map(|(begin, end, duration)| {
            let begin = if begin.is_nan() { from } else { begin };
            from = end;
            (begin / unit, end / unit, duration.as_secs_f64())
        })
        .collect()
}

/// The area under the rate up to `at` seconds, in small trapezoids: knows nothing of the formula that is tested.
pub(super) fn integral(shape: &Shape, at: f64) -> f64 {
    const SLICES: u32 = 64;
    let (mut sum, mut begin) = (0.0, 0.0);
    for (from, to, length) in pieces(shape) {
        let covered = (at - begin).clamp(0.0, length);
        let value = |t: f64| {
            if length > 0.0 {
                from + (to - from) * t / length
            } else {
                from
            }
        };
        let width = covered / f64::from(SLICES);
        sum += (0..SLICES)
            .map(|slice| {
                let t = f64::from(slice) * width;
                (value(t) + value(t + width)) / 2.0 * width
            })
            .sum::<f64>();
        begin += length;
    }
    sum
}

proptest! {
    #[test]
    fn the_union_of_all_stripes_is_the_whole(shape in shapes(), of in 1_u32..9, seed: u64) {
        let whole: Vec<_> = shape.arrivals(seed, Stripe::WHOLE).collect();
        let mut union = Vec::new();
        for index in 0..of {
            let stripe = Stripe { index, of };
            let part: Vec<_> = shape.arrivals(seed, stripe).collect();
            prop_assert!(part.iter().all(|arrival| stripe.dealt(arrival.number, hand(&shape)) == arrival.number));
            union.extend(part);
        }
        union.sort_by_key(|arrival| arrival.number);
        prop_assert_eq!(union, whole);
    }

    #[test]
    fn arrivals_are_monotone_numbered_and_inside(shape in shapes(), seed: u64) {
        let arrivals: Vec<_> = shape.arrivals(seed, Stripe::WHOLE).collect();
        prop_assert!(shape.is_random() || shape.planned() == arrivals.len() as u64);
        prop_assert!(arrivals.iter().enumerate().all(|(k, arrival)| arrival.number == k as u64));
        prop_assert!(arrivals.windows(2).all(|pair| pair[0].at <= pair[1].at));
        let end = shape.duration();
        let half_open = shape.peak_rate().is_some();
        prop_assert!(arrivals.iter().all(|arrival| arrival.at < end || (arrival.at == end && !half_open)));
    }

    #[test]
    fn segments_are_where_their_time_says(shape in rates(), seed: u64) {
        let pieces = pieces(&shape);
        let ends: Vec<f64> = pieces.iter().scan(0.0, |end, piece| { *end += piece.2; Some(*end) }).collect();
        for arrival in shape.arrivals(seed, Stripe::WHOLE) {
            let segment = arrival.segment as usize;
            let begin = if segment == 0 { 0.0 } else { ends[segment - 1] };
            let at = arrival.at.as_secs_f64();
            prop_assert!(begin - 1e-8 <= at && at < ends[segment] + 1e-8, "{arrival:?} in {ends:?}");
        }
    }

    #[test]
    fn arrivals_are_where_the_integral_says(shape in rates()) {
        let shape = spaced(shape, Spacing::Constant);
        let arrivals: Vec<_> = shape.arrivals(0, Stripe::WHOLE).collect();
        let area = integral(&shape, f64::INFINITY);
        let count = arrivals.len() as f64;
        // The float is the coarse oracle here; the exact bound is in the tables.
        prop_assert!((count - area.ceil()).abs() <= if (area - area.round()).abs() < 1e-6 { 1.0 } else { 0.0 },
            "{count} for {area}");
        for arrival in arrivals.iter().step_by(1 + arrivals.len() / 40) {
            let before = integral(&shape, arrival.at.as_secs_f64());
            prop_assert!((before - arrival.number as f64).abs() < 1e-4, "{arrival:?}: {before}");
        }
    }

    #[test]
    fn a_rate_that_stays_is_the_same_in_every_shape(
        rate in rate(),
        cuts in proptest::collection::vec(duration(), 1..5),
        unit in unit(),
    ) {
        let constant: Vec<_> = whole(&constant(rate, unit, cuts.iter().sum())).iter().map(|a| a.at).collect();
        let ramping = Shape::RampingArrivalRate {
            start_rate: rate,
            time_unit: unit,
            stages: cuts.iter().map(|cut| stage(*cut, rate)).collect(),
            arrival: Spacing::Constant,
        };
        prop_assert_eq!(whole(&ramping).iter().map(|a| a.at).collect::<Vec<_>>(), constant);
    }

    #[test]
    fn bursts_keep_the_count_and_start_early(shape in rates()) {
        let even = whole(&spaced(shape.clone(), Spacing::Constant));
        let bunched = whole(&spaced(shape, Spacing::Burst));
        prop_assert_eq!(even.len(), bunched.len());
        prop_assert!(even.iter().zip(&bunched).all(|(even, bunched)| bunched.at <= even.at));
    }

    #[test]
    fn no_plan_is_absurd_enough_to_panic(
        rates in proptest::collection::vec(prop_oneof![any::<f64>(), 1e-12..1e19_f64], 1..5),
        lengths in proptest::collection::vec(any::<u64>(), 4),
        unit: u64,
        spacing in spacing(),
    ) {
        let stages = rates.iter().zip(&lengths).map(|(rate, ns)| stage(Duration::from_nanos(*ns), *rate)).collect();
        let shape = Shape::RampingArrivalRate {
            start_rate: rates[0],
            time_unit: Duration::from_nanos(unit),
            stages,
            arrival: spacing,
        };
        let end = shape.duration();
        for arrival in shape.arrivals(0, Stripe::WHOLE).take(50) {
            prop_assert!(arrival.at < end);
        }
    }
}
