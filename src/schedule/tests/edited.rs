//! Schedules whose shape is edited while they run, by tables and by laws.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Course, Edition, Ramp, Ramps, Setting, Steered, reached};
use super::laws::{integral, shapes};
use super::steered::{rest, setting};
use super::*;

/// From `since` ms on edition `edition`.
fn edit(since: u64, edition: u32) -> Setting {
    Setting {
        edition,
        ..setting(since, false, None)
    }
}

/// The first shape until each of the others holds from its time (ms) on.
fn edited(shapes: &[(u64, Shape)], stripe: Stripe) -> Vec<Arrival> {
    let settings: Vec<_> = (0..).zip(shapes).map(|(n, (since, _))| edit(*since, n)).collect();
    let shapes: Vec<_> = shapes.iter().map(|(_, shape)| shape.clone()).collect();
    under(&shapes, &settings, stripe)
}

fn under(shapes: &[Shape], settings: &[Setting], stripe: Stripe) -> Vec<Arrival> {
    let mut steered = Steered::new(shapes[0].clone(), 7, stripe);
    steered.set(settings.iter().copied(), &editions(shapes));
    rest(steered)
}

fn editions(shapes: &[Shape]) -> Vec<Arc<Edition>> {
    shapes.iter().cloned().map(Edition::plain).map(Arc::new).collect()
}

fn waves(waves: &[(u64, u64)]) -> Shape {
    let wave = |&(at, count): &(u64, u64)| Wave {
        at: ms(at),
        count,
        name: None,
    };
    Shape::Waves {
        waves: waves.iter().map(wave).collect(),
    }
}

/// (name, first, since when in ms the second, times in ms)
type Row = (&'static str, Shape, u64, Shape, Vec<u128>);

fn check(table: impl IntoIterator<Item = Row>) {
    for (name, first, since, second, times) in table {
        let arrivals = edited(&[(0, first), (since, second)], Stripe::WHOLE);
        let found: Vec<_> = arrivals.iter().map(|arrival| arrival.at.as_millis()).collect();
        assert_eq!(found, times, "{name}");
        assert!((0..).zip(&arrivals).all(|(n, arrival)| arrival.number == n), "{name}");
    }
}

#[test]
fn another_rate_holds_as_if_it_had_been_there_from_the_start() {
    let table = [
        (
            "rate: three quarters of the third are waited for at 8/s",
            constant(2.0, SECOND, ms(2_000)),
            625,
            constant(8.0, SECOND, ms(1_100)),
            vec![0, 500, 718, 843, 968, 1_093],
        ),
        (
            "unit: 5/s is 300 a minute",
            constant(5.0, SECOND, ms(600)),
            300,
            constant(300.0, 60 * SECOND, ms(600)),
            vec![0, 200, 400],
        ),
        (
            "longer",
            constant(4.0, SECOND, ms(500)),
            400,
            constant(4.0, SECOND, ms(1_000)),
            vec![0, 250, 500, 750],
        ),
        (
            "shorter than what has passed",
            constant(4.0, SECOND, SECOND),
            500,
            constant(4.0, SECOND, ms(100)),
            vec![0, 250],
        ),
        (
            "a step in the running one: two of four are through",
            steps(&[(4.0, SECOND), (2.0, SECOND)]),
            500,
            steps(&[(8.0, SECOND), (1.0, SECOND)]),
            vec![0, 250, 500, 625, 750, 875, 1_000],
        ),
    ];
    check(table);
}

#[test]
fn what_starts_at_one_instant_comes_if_that_is_still_to_come() {
    let bunched = |rate, duration| spaced(constant(rate, SECOND, ms(duration)), Spacing::Burst);
    let table = [
        (
            "waves: those that are over do not come back, new ones in the past do not come",
            waves(&[(0, 2), (500, 1), (900, 3)]),
            600,
            waves(&[(0, 7), (550, 2), (700, 1), (1_200, 2)]),
            vec![0, 0, 500, 700, 1_200, 1_200],
        ),
        (
            "waves: at the very instant the new one",
            waves(&[(500, 2)]),
            500,
            waves(&[(500, 3)]),
            vec![500, 500, 500],
        ),
        (
            "bunches: what is left of a unit has had its bunch",
            bunched(3.0, 2_000),
            500,
            bunched(2.0, 2_000),
            vec![0, 0, 0, 1_000, 1_000],
        ),
        (
            "from bunches to even ones: the next of the new schedule",
            bunched(4.0, 1_000),
            600,
            constant(4.0, SECOND, SECOND),
            vec![0, 0, 0, 0, 750],
        ),
    ];
    check(table);
}

#[test]
fn traces_go_on_from_where_they_are() {
    let stamps: Vec<_> = [0, 100, 200, 300, 400].map(ms).to_vec();
    let replay = |speed| Shape::Replay {
        trace: Trace::new(String::new(), &stamps),
        speed,
    };
    // At half the speed the stamps 100 and 200 come at 200 and 400 ms: 200 is over at 250, so that 400 is next.
    let arrivals = edited(&[(0, replay(1.0)), (250, replay(0.5))], Stripe::WHOLE);
    let times: Vec<_> = arrivals.iter().map(|arrival| arrival.at.as_millis()).collect();
    assert_eq!(times, [0, 100, 200, 400, 600, 800]);
}

#[test]
fn what_is_set_after_the_end_is_of_no_meaning() {
    let short = constant(4.0, SECOND, ms(500));
    let arrivals = edited(&[(0, short), (501, constant(100.0, SECOND, DAY))], Stripe::WHOLE);
    assert_eq!(arrivals.len(), 2);
}

#[test]
fn live_control_and_edits_take_turns() {
    // 10/s; by live control 20/s from 500 on; by an edit 5/s from 1,000 on; by live control 40/s from 2,000 on, of which
    // the last is for each unit of the edited shape.
    let shapes = [constant(10.0, SECOND, ms(3_000)), constant(10.0, 2 * SECOND, ms(3_000))];
    let settings = [
        edit(0, 0),
        setting(500, false, Some(20.0)),
        edit(1_000, 1),
        Setting {
            rate: Some(80.0),
            ..edit(2_000, 1)
        },
    ];
    let arrivals = under(&shapes, &settings, Stripe::WHOLE);
    let within = |from, to| arrivals.iter().filter(|a| (ms(from)..ms(to)).contains(&a.at)).count();
    let counts = [(0, 500), (500, 1_000), (1_000, 2_000), (2_000, 3_000)].map(|(from, to)| within(from, to));
    assert_eq!(counts, [5, 10, 5, 40]);
}

#[test]
fn segments_are_numbered_as_the_edition_says() {
    let before = Edition::plain(steps(&[(2.0, SECOND), (2.0, SECOND)]));
    let after = Edition {
        shape: steps(&[(2.0, SECOND), (2.0, SECOND), (2.0, SECOND)]),
        segments: vec![0, 7],
    };
    let mut steered = Steered::new(before.shape.clone(), 7, Stripe::WHOLE);
    steered.set([edit(0, 0), edit(500, 1)], &[Arc::new(before), Arc::new(after)]);
    let segments: Vec<_> = rest(steered).iter().map(|arrival| arrival.segment).collect();
    assert_eq!(segments, [0, 0, 7, 7, 2, 2]);
}

#[test]
fn an_edit_late_in_a_long_schedule_walks_nothing() {
    // 8.6 · 10¹⁰ arrivals of the edited shape are before it: walking them would take minutes.
    let late = 86_000_000;
    for spacing in [Spacing::Constant, Spacing::Burst] {
        let slow = spaced(constant(0.001, SECOND, DAY), spacing);
        let fast = spaced(constant(1e6, SECOND, DAY), spacing);
        let mut steered = Steered::new(slow.clone(), 7, Stripe::WHOLE);
        steered.set([edit(0, 0), edit(late, 1)], &editions(&[slow, fast]));
        let first = std::iter::from_fn(|| steered.take(DAY)).find(|arrival| arrival.at >= ms(late));
        assert_eq!(first.map(|arrival| (arrival.number, arrival.at)), Some((86, ms(late))));
    }
}

#[test]
fn the_first_aim_that_is_reached_counts() {
    // (aims as (since, aim), reached)
    let table = [
        (vec![], None),
        (vec![(0, 30)], Some(30)),
        (vec![(0, 30), (20, 50)], Some(50)),
        (vec![(0, 30), (20, 10)], Some(20)),
        (vec![(0, 30), (31, 50)], Some(30)),
        (vec![(0, 30), (30, 50)], Some(50)),
        (vec![(0, 30), (20, 10), (25, 90)], Some(20)),
    ];
    for (aims, at) in table {
        assert_eq!(reached(&aims), at, "{aims:?}");
    }
}

#[test]
fn ramps_follow_one_another() {
    let ramp = |start, stages: &[(u64, u64)]| {
        let stages: Vec<_> = stages.iter().map(|&(time, target)| stage(ms(time), target)).collect();
        Ramp::new(start, &stages)
    };
    let first = ramp(0, &[(4_000, 4), (4_000, 4)]);
    let alone = Ramps::new(vec![(ms(0), first.clone(), vec![])]);
    assert_eq!((alone.peak(), alone.end()), (4, ms(8_000)));
    assert_eq!(alone.spans(1), first.spans(1));
    // At 3,000 there are 3; by the edit there are 2 then, and 6 at 9,000.
    let second = ramp(0, &[(3_000, 2), (6_000, 6)]);
    let both = Ramps::new(vec![(ms(0), first, vec![]), (ms(3_000), second, vec![0, 5])]);
    assert_eq!((both.peak(), both.end()), (6, ms(9_000)));
    assert_eq!(both.spans(0), [ms(1_000)..ms(9_000)], "one span, though of two ramps");
    assert_eq!(both.spans(2), [ms(4_500)..ms(9_000)], "it would have joined just then");
    assert_eq!(both.spans(4), [ms(7_500)..ms(9_000)]);
    let segments = [0, 2_999, 3_000, 8_999].map(|at| both.segment_at(ms(at)));
    assert_eq!(segments, [0, 0, 5, 5]);
    // Shorter than what has passed: over at once.
    let short = Ramps::new(vec![
        (ms(0), ramp(3, &[(8_000, 3)]), vec![]),
        (ms(3_000), ramp(9, &[(1_000, 9)]), vec![]),
    ]);
    assert_eq!((short.end(), short.spans(0)), (ms(3_000), vec![ms(0)..ms(3_000)]));
    assert!(short.spans(8).is_empty());
}

/// Settings of `editions` editions, with pauses and live rates among them, and running at last.
fn settings(editions: usize) -> impl Strategy<Value = Vec<Setting>> {
    let one = (0_u64..900, any::<bool>(), proptest::option::of(1_u32..900));
    proptest::collection::vec(one, editions..=editions).prop_map(|all| {
        let mut since = 0;
        let mut settings = vec![edit(0, 0)];
        for (edition, (gap, paused, rate)) in (0..).zip(all) {
            since += gap;
            settings.push(Setting {
                paused,
                rate: rate.map(f64::from),
                ..edit(since, edition)
            });
        }
        let last = settings[settings.len() - 1];
        settings.push(Setting {
            since: last.since + ms(50),
            paused: false,
            ..last
        });
        settings
    })
}

/// Some shapes, and settings that go through all of them.
fn plans() -> impl Strategy<Value = (Vec<Shape>, Vec<Setting>)> {
    proptest::collection::vec(shapes(), 1..5).prop_flat_map(|shapes| {
        let settings = settings(shapes.len());
        (Just(shapes), settings)
    })
}

proptest! {
    #[test]
    fn stripes_together_are_the_whole_under_any_edits((shapes, settings) in plans(), of in 1_u32..5) {
        let whole = under(&shapes, &settings, Stripe::WHOLE);
        let mut parts: Vec<_> = (0..of).flat_map(|index| under(&shapes, &settings, Stripe { index, of })).collect();
        parts.sort_by_key(|a| a.number);
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole.is_sorted_by_key(|a| a.at));
        prop_assert!((0..).zip(&whole).all(|(number, a)| a.number == number));
        let course = Course::new(settings);
        prop_assert!(whole.iter().all(|a| !course.is_paused(a.at)));
    }

    #[test]
    fn it_does_not_matter_when_an_edit_is_heard_of((shapes, settings) in plans(), of in 1_u32..4) {
        for index in 0..of {
            let stripe = Stripe { index, of };
            let mut steered = Steered::new(shapes[0].clone(), 7, stripe);
            let editions = editions(&shapes);
            let mut taken = Vec::new();
            for known in 1..=settings.len() {
                let so_far = settings[..known].iter().map(|s| s.edition as usize).max().unwrap_or(0);
                steered.set(settings[..known].iter().copied(), &editions[..=so_far]);
                let until = settings.get(known).map_or(DAY, |next| next.since.saturating_sub(Duration::from_nanos(1)));
                let first = settings.get(known).is_some_and(|next| next.since.is_zero());
                while !first && let Some(arrival) = steered.take(until) {
                    taken.push(arrival);
                }
            }
            prop_assert_eq!(taken, under(&shapes, &settings, stripe));
        }
    }

    #[test]
    fn an_edit_leaves_alone_what_was_before_and_then_holds(first in shapes(), second in shapes(), since in 1_u64..4_000) {
        let since = ms(since).min(first.duration());
        let millis = since.as_millis() as u64;
        let since = ms(millis);
        let before: Vec<_> = first.arrivals(7, Stripe::WHOLE).take_while(|a| a.at < since).collect();
        let all = edited(&[(0, first.clone()), (millis, second.clone())], Stripe::WHOLE);
        prop_assert_eq!(&all[..before.len()], &before[..]);
        let after = &all[before.len()..];
        prop_assert!(after.iter().all(|a| a.at >= since));
        if is_even(&second) && (is_even(&first) || !has_gaps(&first)) {
            // The area up to each is a whole number beyond what was carried, as far as floats tell.
            let begun = integral(&second, since.as_secs_f64());
            let part = if is_even(&first) { integral(&first, since.as_secs_f64()) } else { begun };
            let carried = part.ceil() - part;
            for (k, arrival) in (0..).zip(after).step_by(1 + after.len() / 40) {
                let area = integral(&second, arrival.at.as_secs_f64()) - begun - f64::from(k);
                let off = (area - carried).rem_euclid(1.0);
                prop_assert!(off.min(1.0 - off) < 1e-3, "{arrival:?}: {area} for {carried}");
                prop_assert!((-1e-3..=1.0 + 1e-3).contains(&area), "no burst, no gap: {area}");
            }
        } else if !has_gaps(&second) {
            let expected: Vec<_> = second.arrivals(7, Stripe::WHOLE).map(|a| a.at).filter(|at| *at >= since).collect();
            prop_assert_eq!(after.iter().map(|a| a.at).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn an_edit_that_changes_nothing_changes_nothing(shape in shapes(), since in 0_u64..3_000, rate in 1_u32..500) {
        let whole: Vec<_> = shape.arrivals(7, Stripe::WHOLE).collect();
        prop_assert_eq!(&edited(&[(0, shape.clone()), (since, shape.clone())], Stripe::WHOLE), &whole);
        // Nor does one that was taken back in the same pause.
        let other = constant(f64::from(rate), SECOND, DAY);
        let pause = Setting { paused: true, ..edit(since, 0) };
        let again = |paused, since, edition| Setting { paused, ..edit(since, edition) };
        let settings = [edit(0, 0), pause, again(true, since + 5, 1), again(true, since + 9, 0), again(false, since + 20, 0)];
        let back = under(&[shape, other], &settings, Stripe::WHOLE);
        prop_assert_eq!(back.len(), whole.len());
        let shift = |at: Duration| if at < ms(since) { at } else { at + ms(20) };
        prop_assert!(back.iter().zip(&whole).all(|(back, plain)| back.at == shift(plain.at)));
    }
}

/// Whether its arrivals are where the area is whole.
fn is_even(shape: &Shape) -> bool {
    spacing_of(shape) == Some(Spacing::Constant)
}

/// Whether a part of a gap can be carried into it or out of it.
fn has_gaps(shape: &Shape) -> bool {
    matches!(spacing_of(shape), Some(Spacing::Constant | Spacing::Poisson))
}

fn spacing_of(shape: &Shape) -> Option<Spacing> {
    match shape {
        Shape::ConstantArrivalRate { arrival, .. }
        | Shape::RampingArrivalRate { arrival, .. }
        | Shape::Steps { arrival, .. } => Some(*arrival),
        Shape::Waves { .. } | Shape::Burst { .. } | Shape::Replay { .. } => None,
    }
}
