//! Executors under live control, with exact counts. A command takes effect 20 ms after it was given.

use super::*;

use Command::{Pause, Resume};
use OnSaturation::Queue;

fn rate(rate: f64) -> Command {
    Command::Rate {
        scenario: "only".to_owned(),
        rate,
    }
}

fn vus(vus: u64) -> Command {
    Command::Vus {
        scenario: "only".to_owned(),
        vus,
    }
}

fn external(vus: u64, max_vus: u64, duration: u64) -> Executor {
    Executor::ExternallyControlled {
        vus,
        max_vus,
        duration: ms(duration),
    }
}

/// How many began within the times.
fn within(report: &Report, times: std::ops::Range<u64>) -> usize {
    report.seen.iter().filter(|s| times.contains(&s.started)).count()
}

#[tokio::test(start_paused = true)]
async fn a_pause_puts_off_what_is_not_due_yet_and_catches_up_on_nothing() {
    for stripes in [1, 3] {
        let report = Stage::one(arrivals(100.0, 5_000, (10, 10), Queue), 10)
            .stripes(stripes)
            .tell_at(1_980, Pause)
            .tell_at(3_980, Resume)
            .play()
            .await;
        assert_eq!(report.only(), (500, 500, 500, 0, 0, 0), "{stripes} stripes");
        assert_eq!(report.elapsed, 7_000, "the end moves with the schedule");
        assert!(report.seen.iter().all(|s| {
            let paused = if s.number < 200 { 0 } else { 2_000 };
            s.due == s.number * 10 + paused && s.started == s.due
        }));
    }
}

#[tokio::test(start_paused = true)]
async fn another_rate_takes_effect_at_one_instant_on_all_stripes() {
    for stripes in [1, 2, 5] {
        let report = Stage::one(arrivals(100.0, 3_000, (10, 10), Queue), 10)
            .stripes(stripes)
            .tell_at(980, rate(200.0))
            .tell_at(1_980, rate(40.0))
            .play()
            .await;
        assert_eq!(report.only(), (340, 340, 340, 0, 0, 0), "{stripes} stripes");
        let counts = [0..1_000, 1_000..2_000, 2_000..3_000].map(|times| within(&report, times));
        assert_eq!(counts, [100, 200, 40], "{stripes} stripes");
        assert_eq!(report.range(builtin::ITERATION_START_LAG), (0.0, 0.0));
        assert_eq!(report.elapsed, 3_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_goes_on_starting_in_a_pause() {
    // Two VUs for iterations of 100 ms at one every 20 ms: of the 50 that are due in the first second 20 have started.
    let report = Stage::one(arrivals(50.0, 2_000, (2, 2), Queue), 100)
        .tell_at(980, Pause)
        .tell_at(3_980, Resume)
        .play()
        .await;
    assert_eq!(report.only(), (100, 100, 100, 0, 0, 0));
    assert_eq!(
        within(&report, 0..4_000),
        50,
        "what was due is not dropped, and nothing is due"
    );
    let last = report.seen.iter().rfind(|s| s.due < 1_000).unwrap();
    assert_eq!((last.due, last.started), (980, 2_420));
    assert_eq!(report.seen[50].due, 4_000);
}

#[tokio::test(start_paused = true)]
async fn a_rate_set_in_a_pause_holds_after_it() {
    let report = Stage::one(arrivals(10.0, 2_000, (5, 5), Queue), 10)
        .tell_at(980, Pause)
        .tell_at(1_500, rate(50.0))
        .tell_at(2_980, Resume)
        .play()
        .await;
    assert_eq!((report.only().0, report.elapsed), (60, 4_000));
    assert_eq!(within(&report, 0..3_000), 10);
}

#[tokio::test(start_paused = true)]
async fn scenarios_that_have_not_begun_wait_for_the_end_of_a_pause() {
    let mut later = scenario("later", looping(1, 1_000));
    later.start_time = ms(1_000);
    let report = Stage::new(vec![scenario("first", arrivals(10.0, 500, (1, 1), Queue)), later], 100)
        .tell_at(480, Pause)
        .tell_at(2_480, Resume)
        .play()
        .await;
    let first = report.seen.iter().find(|s| s.scenario == 1).unwrap();
    assert_eq!((first.started, report.elapsed), (3_000, 4_000));
    assert_eq!((report.of(0).0, report.of(1).0), (5, 10));
}

#[tokio::test(start_paused = true)]
async fn closed_vus_begin_nothing_in_a_pause_and_their_time_stops() {
    let per_vu = Executor::PerVuIterations {
        vus: 2,
        iterations: 100,
        max_duration: ms(1_000),
    };
    let ramp = Executor::RampingVus {
        start_vus: 2,
        stages: vec![crate::schedule::Stage {
            duration: ms(1_000),
            target: 2,
            name: None,
        }],
        graceful_ramp_down: ms(0),
    };
    for executor in [looping(2, 1_000), external(2, 2, 1_000), per_vu, ramp] {
        let name = executor.name();
        let report = Stage::one(executor, 100)
            .stripes(2)
            .tell_at(480, Pause)
            .tell_at(1_480, Resume)
            .play()
            .await;
        assert_eq!(report.only().1, 20, "{name}");
        assert_eq!(within(&report, 500..1_500), 0, "{name}");
        assert_eq!(report.elapsed, 2_000, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_up_an_edit_as_a_pause_begins_waits_for_its_end() {
    let per_vu = Executor::PerVuIterations {
        vus: 2,
        iterations: 9,
        max_duration: ms(60_000),
    };
    for executor in [looping(2, 1_000), external(2, 2, 1_000), per_vu] {
        let name = executor.name();
        // From 400 to 600, when the run is paused.
        let report = Stage::one(executor, 100)
            .update_at(350, 200)
            .tell_at(480, Pause)
            .tell_at(1_480, Resume)
            .play()
            .await;
        assert_eq!(within(&report, 0..500), 8, "{name}");
        assert_eq!(within(&report, 500..1_500), 0, "{name}");
        assert_eq!(within(&report, 1_500..2_400), 10, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_takes_up_an_edit_and_is_not_wanted_any_more_begins_nothing() {
    let report = Stage::one(external(3, 3, 1_000), 100)
        .update_at(350, 200)
        .tell_at(480, vus(1))
        .play()
        .await;
    assert_eq!((within(&report, 0..500), within(&report, 500..1_000)), (12, 4));
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_told_nothing_more() {
    // In flight until 1,500.
    let shapes = [arrivals(4.0, 500, (2, 2), Queue), looping(2, 500), external(2, 2, 500)];
    for executor in shapes {
        for stripes in [1, 2] {
            let asked = match executor.is_open() {
                true => rate(5.0),
                false => vus(1),
            };
            let playing = Stage::one(executor.clone(), 1_000).stripes(stripes);
            let playing = playing.refused_at(600, asked).refused_at(700, Pause);
            let report = playing.play().await;
            let over = "scenario `only`: its load is over";
            assert!(report.refused[0].contains(over), "{:?}", report.refused);
            assert!(
                report.refused[1].contains("every scenario is over"),
                "{:?}",
                report.refused
            );
        }
    }
    // Others go on, and can be paused.
    let short = scenario("short", arrivals(4.0, 500, (2, 2), Queue));
    let report = Stage::new(vec![short, scenario("only", looping(1, 1_000))], 100)
        .tell_at(680, Pause)
        .tell_at(1_680, Resume)
        .play()
        .await;
    assert_eq!(report.elapsed, 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_ramp_goes_on_where_it_stood() {
    let ramp = || Executor::RampingVus {
        start_vus: 0,
        stages: [10, 0]
            .map(|target| crate::schedule::Stage {
                duration: ms(1_000),
                target,
                name: None,
            })
            .to_vec(),
        graceful_ramp_down: ms(1_000),
    };
    let plain = Stage::one(ramp(), 50).play().await;
    let paused = Stage::one(ramp(), 50)
        .tell_at(980, Pause)
        .tell_at(2_980, Resume)
        .play()
        .await;
    assert_eq!((plain.elapsed, paused.elapsed), (2_000, 4_000));
    assert_eq!(within(&paused, 1_000..3_000), 0);
    assert_eq!(within(&paused, 0..1_000), within(&plain, 0..1_000));
    let segments = paused.by_segment();
    assert_eq!(segments.len(), 2, "{segments:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_stopped_while_it_is_paused() {
    for executor in [
        looping(2, 60_000),
        external(2, 5, 60_000),
        arrivals(10.0, 60_000, (2, 2), Queue),
    ] {
        let report = Stage::one(executor, 100)
            .stripes(2)
            .tell_at(480, Pause)
            .stop_at(5_000)
            .play()
            .await;
        assert_eq!(report.elapsed, 5_000);
        assert_eq!(within(&report, 500..u64::MAX), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn vus_come_and_go_as_they_are_told() {
    for stripes in [1, 2, 3] {
        let report = Stage::one(external(5, 50, 3_000), 100)
            .stripes(stripes)
            .tell_at(980, vus(20))
            .tell_at(1_980, vus(3))
            .play()
            .await;
        let counts = [0..1_000, 1_000..2_000, 2_000..3_000].map(|times| within(&report, times));
        assert_eq!(counts, [50, 200, 30], "{stripes} stripes");
        assert_eq!(report.only(), (280, 280, 280, 0, 0, 0));
        assert_eq!((report.created.len(), report.elapsed), (20, 3_000));
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_wanted_finishes_and_is_the_same_vu_when_it_comes_back() {
    let report = Stage::one(external(4, 4, 3_000), 300)
        .tell_at(380, vus(1))
        .tell_at(1_980, vus(4))
        .play()
        .await;
    // VUs 2 to 4 begin at 0 and 300, the latter being finished, then from 2,000 on: 2,000, 2,300, 2,600 and 2,900.
    let others = report.seen.iter().filter(|s| s.vu != 1);
    assert_eq!(others.clone().count(), 3 * 6);
    assert!(others.clone().all(|s| s.started <= 300 || s.started >= 2_000));
    assert_eq!(report.only().4, 0, "none is interrupted");
    assert_eq!(report.created, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn nobody_at_all_is_wanted_for_a_while() {
    let report = Stage::one(external(0, 2, 2_000), 100)
        .stripes(2)
        .tell_at(480, vus(2))
        .tell_at(980, vus(0))
        .play()
        .await;
    assert_eq!((report.only().1, report.elapsed), (10, 2_000));
    // Constant VUs can be fewer for a while.
    let report = Stage::one(looping(2, 2_000), 100).tell_at(980, vus(1)).play().await;
    assert_eq!(report.only().1, 30);
}
