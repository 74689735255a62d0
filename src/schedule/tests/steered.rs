//! Schedules that are paused and whose rate is changed, by tables and by laws.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Course, Edition, Next, Setting, Steered};
use super::*;

pub(super) fn setting(since: u64, paused: bool, rate: Option<f64>) -> Setting {
    Setting {
        since: ms(since),
        paused,
        rate,
        edition: 0,
    }
}

/// All that is left of a schedule that does not end paused.
pub(super) fn rest(mut steered: Steered) -> Vec<Arrival> {
    std::iter::from_fn(|| steered.take(DAY)).collect()
}

fn walk(shape: &Shape, settings: &[Setting], stripe: Stripe) -> Vec<Arrival> {
    let mut steered = Steered::new(shape.clone(), 7, stripe);
    steered.set(settings.iter().copied(), &only(shape));
    rest(steered)
}

/// The editions of a schedule that nobody edits.
fn only(shape: &Shape) -> Vec<Arc<Edition>> {
    vec![Arc::new(Edition::plain(shape.clone()))]
}

#[test]
fn own_time_stands_still_in_a_pause() {
    let course = Course::new([
        setting(0, false, None),
        setting(100, true, None),
        setting(350, false, None),
    ]);
    // (since the start, own time)
    for (real, own) in [(0, 0), (99, 99), (100, 100), (349, 100), (350, 100), (360, 110)] {
        assert_eq!(course.own(ms(real)), ms(own), "{real}");
    }
    // What is due as the pause begins comes after it.
    for (own, real) in [(0, 0), (99, 99), (100, 350), (110, 360)] {
        assert_eq!(course.real(ms(own)), Some(ms(real)), "{own}");
    }
    let still = Course::new([setting(0, true, None)]);
    assert_eq!((still.own(DAY), still.real(Duration::ZERO)), (Duration::ZERO, None));
    assert_eq!(Course::default().real(ms(7)), Some(ms(7)));
}

#[test]
fn a_pause_shifts_what_comes_after_it() {
    let shape = constant(10.0, SECOND, ms(500));
    let settings = [
        setting(0, false, None),
        setting(200, true, None),
        setting(1_250, false, None),
    ];
    let times: Vec<_> = walk(&shape, &settings, Stripe::WHOLE).iter().map(|a| a.at).collect();
    assert_eq!(times, [0, 100, 1_250, 1_350, 1_450].map(ms));
}

#[test]
fn another_rate_carries_the_fraction_of_an_arrival() {
    // At 2/s for 750 ms: arrivals at 0 and 500, and half of the next one. The other half takes 125 ms at 4/s.
    let shape = constant(2.0, SECOND, ms(2_000));
    let settings = [setting(0, false, None), setting(750, false, Some(4.0))];
    let arrivals = walk(&shape, &settings, Stripe::WHOLE);
    let times: Vec<_> = arrivals.iter().map(|a| a.at).collect();
    assert_eq!(times, [0, 500, 875, 1_125, 1_375, 1_625, 1_875].map(ms));
    assert!(
        (0..)
            .zip(&arrivals)
            .all(|(number, a)| (a.number, a.segment) == (number, 0))
    );
}

#[test]
fn a_schedule_without_arrivals_left_gets_new_ones_by_a_higher_rate() {
    let shape = constant(1.0, SECOND, ms(1_000));
    let mut steered = Steered::new(shape.clone(), 7, Stripe::WHOLE);
    assert_eq!(steered.take(ms(0)).map(|a| a.number), Some(0));
    assert_eq!(steered.peek(), Next::End(ms(1_000)));
    steered.set(
        [setting(0, false, None), setting(500, false, Some(10.0))],
        &only(&shape),
    );
    let left: Vec<_> = rest(steered).iter().map(|a| (a.number, a.at)).collect();
    assert_eq!(
        left,
        [(1, ms(550)), (2, ms(650)), (3, ms(750)), (4, ms(850)), (5, ms(950))]
    );
}

#[test]
fn nothing_comes_while_it_stands_still() {
    let shape = constant(10.0, SECOND, SECOND);
    let mut steered = Steered::new(shape.clone(), 7, Stripe::WHOLE);
    steered.set([setting(0, true, None)], &only(&shape));
    assert_eq!(
        (steered.peek(), steered.end(), steered.take(DAY)),
        (Next::Paused, None, None)
    );
    steered.set([setting(0, true, None), setting(400, false, None)], &only(&shape));
    assert_eq!(steered.end(), Some(ms(1_400)));
    assert_eq!(rest(steered).len(), 10);
}

fn settings() -> impl Strategy<Value = Vec<Setting>> {
    let one = (0_u64..400, any::<bool>(), proptest::option::of(1_u32..900));
    proptest::collection::vec(one, 0..7).prop_map(|all| {
        let mut since = 0;
        let mut settings = vec![setting(0, false, None)];
        let mut rate = None;
        for (gap, paused, to) in all {
            since += gap;
            rate = to.map(f64::from).or(rate);
            settings.push(setting(since, paused, rate));
        }
        settings.push(setting(since + 50, false, rate));
        settings
    })
}

fn spacing() -> impl Strategy<Value = Spacing> {
    prop_oneof![Just(Spacing::Constant), Just(Spacing::Poisson)]
}

fn shape(rate: u32, duration: u64, arrival: Spacing) -> Shape {
    Shape::ConstantArrivalRate {
        rate: f64::from(rate),
        time_unit: SECOND,
        duration: ms(duration),
        arrival,
    }
}

proptest! {
    #[test]
    fn stripes_together_are_the_whole(
        rate in 1_u32..500, duration in 1_u64..2_000, arrival in spacing(), settings in settings(), of in 1_u32..5
    ) {
        let shape = shape(rate, duration, arrival);
        let whole = walk(&shape, &settings, Stripe::WHOLE);
        let mut parts: Vec<_> = (0..of).flat_map(|index| walk(&shape, &settings, Stripe { index, of })).collect();
        parts.sort_by_key(|a| a.number);
        prop_assert_eq!(&parts, &whole);
        prop_assert!(whole.is_sorted_by_key(|a| a.at));
        prop_assert!((0..).zip(&whole).all(|(number, a)| a.number == number));
        let course = Course::new(settings);
        prop_assert!(whole.iter().all(|a| !course.is_paused(a.at)));
    }

    #[test]
    fn there_are_as_many_as_the_area_under_the_rate_while_it_runs(
        rate in 1_u32..500, duration in 1_u64..2_000, settings in settings()
    ) {
        // By milliseconds, all settings being whole ones: an independent sum in thousandths of an arrival.
        let (mut area, mut own) = (0_u64, 0);
        for real in 0.. {
            if own == duration {
                break;
            }
            let now = settings.iter().rfind(|s| s.since <= ms(real)).unwrap();
            if !now.paused {
                own += 1;
                area += now.rate.unwrap_or(f64::from(rate)) as u64;
            }
        }
        let arrivals = walk(&shape(rate, duration, Spacing::Constant), &settings, Stripe::WHOLE);
        prop_assert_eq!(arrivals.len() as u64, area.div_ceil(1_000));
    }

    #[test]
    fn it_does_not_matter_when_a_setting_is_heard_of(
        rate in 1_u32..500, duration in 1_u64..2_000, arrival in spacing(), settings in settings()
    ) {
        let shape = shape(rate, duration, arrival);
        let mut steered = Steered::new(shape.clone(), 7, Stripe::WHOLE);
        let mut taken = Vec::new();
        for known in 1..=settings.len() {
            steered.set(settings[..known].iter().copied(), &only(&shape));
            let until = settings.get(known).map_or(DAY, |next| next.since.saturating_sub(Duration::from_nanos(1)));
            // What is due before the next setting begins; at 0 that is nothing.
            let first = settings.get(known).is_some_and(|next| next.since.is_zero());
            while !first && let Some(arrival) = steered.take(until) {
                taken.push(arrival);
            }
        }
        prop_assert_eq!(taken, walk(&shape, &settings, Stripe::WHOLE));
    }
}
