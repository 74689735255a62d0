//! Searches of systems whose limit is known.

use proptest::prelude::*;

use super::Strategy;
use super::*;
use crate::results::Axis;

fn axis(name: &str, values: &[f64]) -> Axis {
    Axis {
        name: name.to_owned(),
        values: values.to_vec(),
    }
}

fn range(low: f64, high: f64, tolerance: f64, whole: bool) -> Strategy {
    Strategy::Search(Range {
        name: "rate".to_owned(),
        low,
        high,
        tolerance,
        whole,
    })
}

const HELD: Grade = Grade {
    held: true,
    doubtful: false,
};
const BROKE: Grade = Grade {
    held: false,
    doubtful: false,
};
const MAYBE: Grade = Grade {
    held: true,
    doubtful: true,
};
const UNCLEAR: Grade = Grade {
    held: false,
    doubtful: true,
};

fn values(cell: &Cell) -> Vec<f64> {
    cell.iter().map(|level| level.value).collect()
}

/// Searches to the end. Gives the search, and the load of every probe.
fn search(strategy: Strategy, confirm: u32, mut system: impl FnMut(&[f64], u32) -> Grade) -> (Course, Vec<Vec<f64>>) {
    let mut course = Course::new(strategy, confirm);
    let mut probed = Vec::new();
    while let Some((cell, attempt)) = course.next() {
        let load = values(&cell);
        course.take(system(&load, attempt));
        probed.push(load);
        assert!(probed.len() < 1_000, "it ends");
    }
    (course, probed)
}

/// A system that holds every load up to a limit.
fn up_to(limit: f64) -> impl FnMut(&[f64], u32) -> Grade {
    move |load, _| if load[0] <= limit { HELD } else { BROKE }
}

#[test]
fn levels_end_at_the_first_that_breaks() {
    let axes = vec![axis("api", &[50.0, 100.0, 200.0]), axis("events", &[1.0, 5.0, 9.0])];
    // limit, confirmations, loads of the probes, best, broke
    type Row<'a> = (f64, u32, &'a [f64], Option<f64>, Option<f64>);
    let table: [Row<'_>; 5] = [
        (1e9, 1, &[50.0, 100.0, 200.0], Some(200.0), None),
        (150.0, 0, &[50.0, 100.0, 200.0], Some(100.0), Some(200.0)),
        (150.0, 1, &[50.0, 100.0, 200.0, 200.0], Some(100.0), Some(200.0)),
        (60.0, 1, &[50.0, 100.0, 100.0], Some(50.0), Some(100.0)),
        (1.0, 2, &[50.0, 50.0, 50.0], None, Some(50.0)),
    ];
    for (limit, confirm, expected, best, broke) in table {
        let (course, probed) = search(Strategy::Levels(axes.clone()), confirm, up_to(limit));
        let first: Vec<f64> = probed.iter().map(|load| load[0]).collect();
        assert_eq!(first, expected, "{limit}");
        assert_eq!(course.best().map(|cell| cell[0].value), best, "{limit}");
        assert_eq!(course.broke().map(|cell| cell[0].value), broke, "{limit}");
        assert!(course.frontier().len() <= 1, "levels rise together");
    }
}

/// The team's own matrix: the first-named inside, the last-named outermost, and what breaks ends its row.
#[test]
fn a_grid_is_walked_row_by_row() {
    let axes = vec![
        axis("api", &[50.0, 100.0, 200.0]),
        axis("events", &[1.0, 2.0, 4.0, 8.0]),
    ];
    let weight = |load: &[f64]| load[0] * load[1];
    let system = move |load: &[f64], _: u32| if weight(load) <= 200.0 { HELD } else { BROKE };
    let (course, probed) = search(Strategy::Grid(axes.clone()), 0, system);
    let expected = [
        [50.0, 1.0],
        [100.0, 1.0],
        [200.0, 1.0],
        [50.0, 2.0],
        [100.0, 2.0],
        [200.0, 2.0], // breaks
        [50.0, 4.0],
        [100.0, 4.0], // breaks
        [50.0, 8.0],  // breaks
    ];
    assert_eq!(probed, expected.map(|load| load.to_vec()));
    let frontier: Vec<Vec<f64>> = course.frontier().into_iter().map(values).collect();
    assert_eq!(
        frontier,
        [[200.0, 1.0], [100.0, 2.0], [50.0, 4.0]].map(|load| load.to_vec())
    );
    assert_eq!(course.best().map(values), Some(vec![50.0, 4.0]));

    // A row that breaks at once says the same of all rows above it.
    let (course, probed) = search(
        Strategy::Grid(axes),
        0,
        |load, _| if load[1] < 2.0 { HELD } else { BROKE },
    );
    assert_eq!(probed.len(), 4, "{probed:?}");
    assert_eq!(course.strategy().most(), Some(12));
}

#[test]
fn rows_of_three_names_are_passed_over_where_a_lower_one_broke_at_once() {
    let two = |name| axis(name, &[1.0, 2.0]);
    let grid = Strategy::Grid(vec![two("a"), two("b"), two("c")]);
    // b = 2 breaks whatever the others are; c alone does not.
    let (_, probed) = search(grid, 0, |load, _| if load[1] < 2.0 { HELD } else { BROKE });
    let expected = [
        [1.0, 1.0, 1.0],
        [2.0, 1.0, 1.0],
        [1.0, 2.0, 1.0],
        [1.0, 1.0, 2.0],
        [2.0, 1.0, 2.0],
    ];
    assert_eq!(probed, expected.map(|load| load.to_vec()));
}

#[test]
fn a_search_doubles_and_then_bisects_in_round_numbers() {
    let (course, probed) = search(range(100.0, 20_000.0, 0.05, false), 0, up_to(1_234.0));
    let loads: Vec<f64> = probed.iter().map(|load| load[0]).collect();
    assert_eq!(
        loads,
        [100.0, 200.0, 400.0, 800.0, 1_600.0, 1_200.0, 1_400.0, 1_300.0, 1_250.0]
    );
    let (_, low, high) = course.bracket().unwrap();
    assert_eq!((low, high), (1_200.0, 1_250.0));
}

#[test]
fn the_ends_of_a_range_are_answers_too() {
    // limit, best, broke, probes
    let table = [
        (50.0, None, Some(100.0), 2),
        (1e9, Some(1_000.0), None, 5), // 100, 200, 400, 800, 1000
        (1_000.0, Some(1_000.0), None, 5),
    ];
    for (limit, best, broke, count) in table {
        let (course, probed) = search(range(100.0, 1_000.0, 0.05, false), 1, up_to(limit));
        let got = (course.best().map(|c| c[0].value), course.broke().map(|c| c[0].value));
        assert_eq!((got, probed.len()), ((best, broke), count), "{limit}: {probed:?}");
        assert!(course.bracket().is_none());
    }
}

/// Only the load where the limit seems to be is confirmed; when it holds after all, the search goes on above it.
#[test]
fn what_broke_by_chance_misleads_no_search() {
    let (course, probed) = search(range(100.0, 20_000.0, 0.05, false), 1, up_to(1_234.0));
    assert_eq!(probed.len(), 10, "one confirmation: {probed:?}");
    let (_, low, high) = course.bracket().unwrap();
    assert_eq!((low, high), (1_200.0, 1_250.0));
    // 400 breaks at its first probe, though the system holds 1,234.
    let unlucky = |load: &[f64], attempt: u32| match load[0] {
        400.0 if attempt == 1 => BROKE,
        load if load <= 1_234.0 => HELD,
        _ => BROKE,
    };
    let (course, probed) = search(range(100.0, 20_000.0, 0.05, false), 1, unlucky);
    let (_, low, high) = course.bracket().unwrap();
    assert!(
        low <= 1_234.0 && 1_234.0 < high && high <= 1.05 * low,
        "{low}..{high}: {probed:?}"
    );
}

#[test]
fn a_doubtful_probe_is_repeated_once() {
    // grades, confirmations, ruling
    let table: [(&[Grade], u32, Option<bool>); 13] = [
        (&[HELD], 1, Some(true)),
        (&[MAYBE], 1, None),
        (&[MAYBE, MAYBE], 1, Some(true)),
        (&[MAYBE, HELD], 1, Some(true)),
        (&[MAYBE, BROKE], 0, None),
        (&[MAYBE, BROKE, BROKE], 0, Some(false)),
        (&[MAYBE, BROKE, MAYBE], 0, Some(true)),
        (&[BROKE], 0, Some(false)),
        (&[BROKE], 1, None),
        (&[BROKE, HELD], 1, Some(true)),
        (&[UNCLEAR], 0, None),
        (&[UNCLEAR, UNCLEAR], 0, Some(false)),
        (&[UNCLEAR, BROKE], 1, Some(false)),
    ];
    for (grades, confirm, ruling) in table {
        assert_eq!(rule(grades, confirm), ruling, "{grades:?} with {confirm}");
    }
    let valid = Grade::new(true, GeneratorVerdict::Valid, false);
    let suspect = Grade::new(true, GeneratorVerdict::Suspect, false);
    let allowed = Grade::new(false, GeneratorVerdict::Invalid, true);
    assert_eq!((valid, suspect, allowed), (HELD, MAYBE, BROKE));
}

proptest! {
    /// Whatever the limit: it is in the bracket, which is as narrow as was asked for, after few probes.
    #[test]
    fn the_limit_is_found_within_the_tolerance(
        low in 0.5_f64..500.0, factor in 1.1_f64..1e4, at in -0.2_f64..1.2, tolerance in 0.001_f64..0.5,
        whole in any::<bool>(), confirm in 0_u32..3,
    ) {
        let low = if whole { low.ceil() } else { low };
        let high = if whole { (low * factor).ceil() + 1.0 } else { low * factor };
        let limit = low * (high / low).powf(at);
        let (course, probed) = search(range(low, high, tolerance, whole), confirm, up_to(limit));
        let best = course.best().map(|cell| cell[0].value);
        let broke = course.broke().map(|cell| cell[0].value);
        prop_assert!(probed.iter().all(|load| (low..=high).contains(&load[0])));
        prop_assert!(!whole || probed.iter().all(|load| load[0].fract() == 0.0));
        // 5/8 of the bracket is left by each step, and there are as many doublings as fit.
        let most = (high / low).log2().ceil() + (1.0 / tolerance).ln() / (1.6_f64).ln() + 6.0 + f64::from(confirm);
        prop_assert!((probed.len() as f64) <= most, "{} probes, {most} at most", probed.len());
        match (best, broke) {
            (None, Some(broke)) => prop_assert!(broke == low && limit < low),
            (Some(best), None) => prop_assert!(best == high && limit >= high),
            (Some(best), Some(broke)) => {
                prop_assert!(best <= limit && limit < broke);
                prop_assert!(broke - best <= tolerance * best || (whole && broke - best <= 1.0));
            }
            (None, None) => prop_assert!(false, "something was found"),
        }
    }

    /// A probe that breaks by chance, now and then: every load of the answer was confirmed.
    #[test]
    fn what_is_found_broken_was_broken_each_time(limit in 100.0_f64..5_000.0, chance in any::<u64>()) {
        let mut bits = chance;
        let mut count = std::collections::BTreeMap::<u64, u32>::new();
        let system = |load: &[f64], _: u32| {
            bits = bits.rotate_left(7) ^ 0x9e37;
            let by_chance = bits % 8 == 0;
            if load[0] <= limit && !by_chance { return HELD }
            *count.entry(load[0].to_bits()).or_default() += 1;
            BROKE
        };
        let (course, _) = search(range(50.0, 10_000.0, 0.05, false), 2, system);
        if let Some(broke) = course.broke() {
            prop_assert_eq!(count.get(&broke[0].value.to_bits()), Some(&3));
        }
        if let Some(best) = course.best() {
            prop_assert!(best[0].value <= limit);
        }
    }
}
