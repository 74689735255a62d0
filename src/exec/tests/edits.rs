//! Executors whose plan is edited while they run, with exact counts. An edit takes effect 20 ms after it was made.

use super::*;
use crate::schedule::{Stage as Line, Wave};

use Command::{Pause, Resume};
use OnSaturation::{Drop as DropIt, Queue};

/// The edit that gives the first scenario another executor.
fn to(executor: Executor) -> impl Fn(&mut [Scenario]) + Send + 'static {
    move |scenarios| scenarios[0].executor = executor.clone()
}

fn ramp<T: Copy>(stages: &[(u64, T)]) -> Vec<Line<T>> {
    let line = |&(duration, target): &(u64, T)| Line {
        duration: ms(duration),
        target,
        name: None,
    };
    stages.iter().map(line).collect()
}

fn ramping_vus(start_vus: u64, stages: &[(u64, u64)], graceful: u64) -> Executor {
    Executor::RampingVus {
        start_vus,
        stages: ramp(stages),
        graceful_ramp_down: ms(graceful),
    }
}

fn ramping_rate(start_rate: f64, stages: &[(u64, f64)]) -> Executor {
    let shape = Shape::RampingArrivalRate {
        start_rate,
        time_unit: ms(1_000),
        stages: ramp(stages),
        arrival: Spacing::Constant,
    };
    open(shape, (10, 50), Queue)
}

fn external(vus: u64, max_vus: u64, duration: u64) -> Executor {
    Executor::ExternallyControlled {
        vus,
        max_vus,
        duration: ms(duration),
    }
}

/// How many began within each of the seconds.
fn by_second(report: &Report) -> Vec<usize> {
    let mut counts = Vec::new();
    for seen in &report.seen {
        let second = usize::try_from(seen.started / 1_000).unwrap();
        counts.resize(counts.len().max(second + 1), 0);
        counts[second] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn another_rate_holds_on_all_stripes_at_one_instant() {
    for stripes in [1, 3] {
        let report = Stage::one(arrivals(10.0, 4_000, (5, 50), Queue), 10)
            .stripes(stripes)
            .edit_at(1_980, to(arrivals(50.0, 4_000, (5, 50), Queue)))
            .play()
            .await;
        assert_eq!(by_second(&report), [10, 10, 50, 50], "{stripes} stripes");
        assert_eq!((report.only(), report.elapsed), ((120, 120, 120, 0, 0, 0), 4_000));
        assert_eq!(report.range(builtin::ITERATION_START_LAG), (0.0, 0.0));
        assert!((0..).zip(report.starts()).all(|(n, (number, _))| number == n));
        assert_eq!(report.changes[0].what, "`only`: rate 10/s → 50/s");
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_an_edit_and_live_control_wins() {
    let rate = |rate| Command::Rate {
        scenario: "only".to_owned(),
        rate,
    };
    let plan = |rate, duration| arrivals(rate, duration, (5, 50), Queue);
    let report = Stage::one(plan(10.0, 4_000), 10)
        .stripes(3)
        .tell_at(980, rate(20.0))
        // Says nothing about the rate.
        .edit_at(1_980, to(plan(10.0, 5_000)))
        .edit_at(2_980, to(plan(30.0, 5_000)))
        .tell_at(3_980, rate(40.0))
        .play()
        .await;
    assert_eq!(by_second(&report), [10, 20, 20, 30, 40]);
    report.applied();
}

#[tokio::test(start_paused = true)]
async fn stages_that_run_and_that_are_to_come_can_be_edited() {
    // 0 → 20/s in 2 s, then 20/s for 2 s: 5, 15, 20, 20. Edited in the first stage at 1 s, to 0 → 40 in 2 s; in the second
    // at 3 s, to 10/s from 2 s on, and one more stage of 5/s.
    let jump = [(2_000, 40.0), (0, 10.0), (2_000, 10.0), (0, 5.0), (1_000, 5.0)];
    for stripes in [1, 3] {
        let report = Stage::one(ramping_rate(0.0, &[(2_000, 20.0), (2_000, 20.0)]), 10)
            .stripes(stripes)
            .edit_at(980, to(ramping_rate(0.0, &[(2_000, 40.0), (2_000, 40.0)])))
            .edit_at(2_980, to(ramping_rate(0.0, &jump)))
            .play()
            .await;
        assert_eq!(by_second(&report), [5, 30, 40, 10, 5], "{stripes} stripes");
        assert_eq!((report.only().0, report.elapsed), (90, 5_000));
        // The stages of the second edit are 0, 1 (a jump), 2, 3 (a jump) and 4, by the names that follow from that.
        assert_eq!(report.by_segment(), [35, 40, 10, 0, 5], "{stripes} stripes");
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn samples_are_tagged_with_the_names_of_edited_stages() {
    let named = |names: &'static [&'static str]| {
        move |scenarios: &mut [Scenario]| {
            if let Executor::Open { shape, .. } = &mut scenarios[0].executor {
                let Shape::RampingArrivalRate { stages, .. } = shape else {
                    unreachable!()
                };
                *stages = ramp(&vec![(1_000, 10.0); names.len()]);
                stages
                    .iter_mut()
                    .zip(names)
                    .for_each(|(stage, name)| stage.name = Some((*name).to_owned()));
            }
        }
    };
    let mut scenarios = vec![scenario("only", ramping_rate(10.0, &[(1_000, 10.0)]))];
    named(&["first", "last"])(&mut scenarios);
    let selectors = ["first", "second", "last"].map(|name| format!("iteration_duration{{stage:{name}}}"));
    let report = Stage::new(scenarios, 10)
        .keep(&selectors.each_ref().map(String::as_str))
        .edit_at(480, named(&["first", "second", "last"]))
        .play()
        .await;
    assert_eq!(
        selectors.each_ref().map(|selector| report.samples(selector)),
        [10, 10, 10]
    );
    assert_eq!(report.by_segment(), [10, 10, 10], "numbers are kept: `second` is 2");
    assert!(
        report
            .seen
            .iter()
            .all(|s| s.segment == [0, 2, 1][usize::try_from(s.started / 1_000).unwrap()])
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_moves_both_ways_also_in_a_pause() {
    // (edits, elapsed, offered of 10/s)
    type Edits = &'static [(u64, u64)];
    let table: [(Edits, u64, u64); 4] = [
        (&[(480, 1_000)], 1_000, 10),
        (&[(480, 3_000)], 3_000, 30),
        // Shorter than what has passed: it ends then.
        (&[(1_480, 1_000)], 1_500, 15),
        (&[(480, 1_000), (780, 1_500)], 1_500, 15),
    ];
    for stripes in [1, 3] {
        for (edits, elapsed, offered) in table {
            let open = |duration| arrivals(10.0, duration, (2, 2), Queue);
            let closed = |duration| looping(1, duration);
            let ramp = |duration| ramping_vus(1, &[(duration, 1)], 0);
            let kinds: [&dyn Fn(u64) -> Executor; 4] = [&open, &closed, &ramp, &|duration| external(1, 1, duration)];
            for kind in kinds {
                let mut stage = Stage::one(kind(2_000), 100).stripes(stripes);
                for (at, duration) in edits {
                    stage = stage.edit_at(*at, to(kind(*duration)));
                }
                let report = stage.play().await;
                let name = kind(0).name().to_owned();
                assert_eq!(
                    (report.elapsed, report.only().0),
                    (elapsed, offered),
                    "{name} {edits:?} {stripes}"
                );
                report.applied();
            }
        }
        let report = Stage::one(arrivals(10.0, 2_000, (2, 2), Queue), 10)
            .stripes(stripes)
            .tell_at(980, Pause)
            .edit_at(1_500, to(arrivals(10.0, 3_000, (2, 2), Queue)))
            .tell_at(1_980, Resume)
            .play()
            .await;
        assert_eq!((report.elapsed, report.only().0), (4_000, 30));
        // It stands still, its end included.
        let open = |duration| arrivals(20.0, duration, (2, 20), Queue);
        let ramp = |duration| ramping_vus(2, &[(duration, 2)], 0);
        let kinds: [&dyn Fn(u64) -> Executor; 3] = [&open, &|duration| looping(2, duration), &ramp];
        for kind in kinds {
            let report = Stage::one(kind(2_000), 100)
                .stripes(stripes)
                .tell_at(980, Pause)
                .edit_at(1_500, to(kind(500)))
                .tell_at(2_980, Resume)
                .play()
                .await;
            assert_eq!((report.elapsed, report.only().0), (3_000, 20), "{}", kind(0).name());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn constant_vus_become_more_and_fewer() {
    for stripes in [1, 2, 3] {
        let report = Stage::one(looping(5, 3_000), 100)
            .stripes(stripes)
            .edit_at(980, to(looping(12, 3_000)))
            .edit_at(1_980, to(looping(3, 3_000)))
            .play()
            .await;
        assert_eq!(by_second(&report), [50, 120, 30], "{stripes} stripes");
        assert_eq!(report.only(), (200, 200, 200, 0, 0, 0));
        assert_eq!((report.created.len(), report.elapsed), (12, 3_000));
        let numbers: BTreeSet<_> = report.seen.iter().map(|s| s.number).collect();
        assert_eq!(numbers.len(), 200, "numbers are unique");
        let mut firsts: Vec<_> = report
            .seen
            .iter()
            .filter(|s| s.started == 0)
            .map(|s| s.number)
            .collect();
        firsts.sort_unstable();
        assert_eq!(firsts, [0, 1, 2, 3, 4]);
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn a_stripe_without_vus_gets_some_and_waits_for_no_one_who_has_retired() {
    let report = Stage::one(looping(1, 2_000), 100)
        .stripes(3)
        .edit_at(980, to(looping(6, 2_000)))
        .play()
        .await;
    assert_eq!(by_second(&report), [10, 60]);
    let report = Stage::one(looping(2, 60_000), 100)
        .stripes(3)
        .script(|it| {
            (
                ms(100),
                if it.number < 10 {
                    Outcome::Completed
                } else {
                    Outcome::Retired
                },
            )
        })
        .play()
        .await;
    assert_eq!((report.only(), report.elapsed), ((12, 12, 10, 0, 2, 0), 600));
}

#[tokio::test(start_paused = true)]
async fn externally_controlled_gets_room_and_users() {
    let vus = |vus| Command::Vus {
        scenario: "only".to_owned(),
        vus,
    };
    for stripes in [1, 3] {
        let report = Stage::one(external(2, 4, 4_000), 100)
            .stripes(stripes)
            .tell_at(980, vus(4))
            .edit_at(1_480, to(external(2, 20, 4_000)))
            .tell_at(1_980, vus(20))
            .edit_at(2_980, to(external(1, 20, 4_000)))
            .play()
            .await;
        assert_eq!(by_second(&report), [20, 40, 200, 10], "{stripes} stripes");
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ramp_of_users_goes_on_by_its_edit() {
    for stripes in [1, 3] {
        // 4 for 4 s; edited to 10 from 2 s on, and to 2 from 3 s on.
        let report = Stage::one(ramping_vus(4, &[(4_000, 4)], 0), 100)
            .stripes(stripes)
            .edit_at(980, to(ramping_vus(4, &[(2_000, 4), (0, 10), (2_000, 10)], 0)))
            .edit_at(2_980, to(ramping_vus(4, &[(3_000, 4), (0, 2), (2_000, 2)], 0)))
            .play()
            .await;
        assert_eq!(by_second(&report), [40, 40, 100, 20, 20], "{stripes} stripes");
        assert_eq!((report.created.len(), report.elapsed), (10, 5_000));
        assert_eq!(report.only(), (220, 220, 220, 0, 0, 0));
        let numbers: BTreeSet<_> = report.seen.iter().map(|s| s.number).collect();
        assert_eq!(numbers.len(), 220, "numbers are unique");
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn a_graceful_ramp_down_can_be_cut_short_and_prolonged() {
    let plan = |graceful| ramping_vus(3, &[(1_000, 3), (0, 0), (9_000, 0)], graceful);
    // Iterations of 5 s from 0 on, wanted until 1 s: (graceful, edited at 1,980 to, interrupted at, completed)
    for (graceful, edited, completed) in [(8_000, 500, 0), (2_000, 8_000, 3), (2_000, 3_000, 0)] {
        let report = Stage::one(plan(graceful), 5_000)
            .stripes(3)
            .edit_at(1_980, to(plan(edited)))
            .play()
            .await;
        assert_eq!(
            report.only(),
            (3, 3, completed, 0, 3 - completed, 0),
            "{graceful} → {edited}"
        );
        assert_eq!(report.elapsed, 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_graceful_stop_can_be_cut_short_and_prolonged() {
    // Iterations of 5 s in a second of load. (edited at, from, to, elapsed, completed)
    let table = [
        (480, 10_000, 500, 1_500, 0),
        (2_980, 10_000, 500, 3_000, 0),
        (2_980, 2_500, 10_000, 5_900, 5),
        (2_980, 10_000, 3_000, 4_000, 0),
    ];
    for (at, graceful, edited, elapsed, completed) in table {
        for executor in [arrivals(10.0, 1_000, (10, 10), Queue), looping(10, 1_000)] {
            let name = executor.name();
            let completed = if name == "constant-vus" && completed > 0 {
                10
            } else {
                completed * 2
            };
            let elapsed = if name == "constant-vus" {
                elapsed.min(5_000)
            } else {
                elapsed
            };
            let report = Stage::one(executor, 5_000)
                .graceful(graceful)
                .edit_at(at, move |scenarios| scenarios[0].graceful_stop = ms(edited))
                .play()
                .await;
            let counts = report.only();
            assert_eq!(
                (counts.2, counts.4),
                (completed, 10 - completed),
                "{name} {at} {graceful} → {edited}"
            );
            assert_eq!(report.elapsed, elapsed, "{name} {at} {graceful} → {edited}");
            report.applied();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_cap_serves_those_that_wait_first() {
    // 10 a second for 1 s each: of 2 users, 20 are needed. At 2 s, 4 have started and 16 wait.
    for stripes in [1, 3] {
        let report = Stage::one(arrivals(10.0, 3_000, (2, 2), Queue), 1_000)
            .stripes(stripes)
            .edit_at(1_980, to(arrivals(10.0, 3_000, (2, 30), Queue)))
            .play()
            .await;
        let at = |time| {
            report
                .seen
                .iter()
                .filter(|s| s.started == time)
                .map(|s| s.due)
                .collect::<Vec<_>>()
        };
        let mut begun = at(2_000);
        begun.sort_unstable();
        let expected: Vec<_> = (4..21).map(|n| n * 100).collect();
        assert_eq!(begun, expected, "{stripes} stripes: all that wait, and who is due");
        assert_eq!(report.only(), (30, 30, 30, 0, 0, 0));
        assert!(report.seen.iter().all(|s| s.due <= 2_000 || s.started == s.due));
        report.applied();
    }
}

#[tokio::test(start_paused = true)]
async fn another_policy_holds_for_who_is_due_from_then_on() {
    // One user for iterations of 400 ms, one due every 100 ms.
    let report = Stage::one(arrivals(10.0, 2_000, (1, 1), Queue), 400)
        .graceful(10_000)
        .edit_at(980, to(arrivals(10.0, 2_000, (1, 1), DropIt)))
        .play()
        .await;
    // Those of the first second wait and are served; of the others all are dropped, as the user is busy until 4 s.
    assert_eq!(report.only(), (20, 10, 10, 10, 0, 0));
    let report = Stage::one(arrivals(10.0, 2_000, (1, 1), Queue), 400)
        .edit_at(980, to(arrivals(10.0, 2_000, (1, 1), OnSaturation::Abort)))
        .play()
        .await;
    assert_eq!(report.saturated.len(), 1);
    assert_eq!(report.saturated[0].at, ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn waves_are_moved_as_long_as_they_are_to_come() {
    let waves = |waves: &[(u64, u64)]| {
        let wave = |&(at, count): &(u64, u64)| Wave {
            at: ms(at),
            count,
            name: None,
        };
        let waves = waves.iter().map(wave).collect();
        open(Shape::Waves { waves }, (10, 50), Queue)
    };
    for stripes in [1, 3] {
        let report = Stage::one(waves(&[(0, 5), (1_000, 5), (2_000, 5)]), 10)
            .stripes(stripes)
            .edit_at(480, to(waves(&[(0, 50), (1_500, 7), (2_500, 2)])))
            .play()
            .await;
        assert_eq!(by_second(&report), [5, 7, 2], "{stripes} stripes");
        assert_eq!(report.elapsed, 2_510);
    }
}

#[tokio::test(start_paused = true)]
async fn max_duration_applies_to_work_that_was_handed_out() {
    let shared = |max| Executor::SharedIterations {
        vus: 2,
        iterations: 100,
        max_duration: ms(max),
    };
    let per_vu = |max| Executor::PerVuIterations {
        vus: 2,
        iterations: 50,
        max_duration: ms(max),
    };
    for (from, to_) in [(shared(2_000), shared(1_000)), (per_vu(2_000), per_vu(1_000))] {
        let report = Stage::one(from, 100).stripes(2).edit_at(480, to(to_)).play().await;
        assert_eq!((report.only(), report.elapsed), ((100, 20, 20, 80, 0, 0), 1_000));
        report.applied();
    }
}
