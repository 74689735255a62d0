//! `ramping-vus`: how many loop when, and what becomes of those that are no longer wanted.

use super::*;
use crate::schedule::Stage as Line;

/// From `start` VUs through (ms, target), with half a minute to ramp down.
pub(super) fn ramp(start: u64, stages: &[(u64, u64)]) -> Executor {
    graceful(start, stages, 30_000)
}

fn graceful(start_vus: u64, stages: &[(u64, u64)], graceful_ramp_down: u64) -> Executor {
    Executor::RampingVus {
        start_vus,
        stages: stages
            .iter()
            .map(|&(duration, target)| Line {
                duration: ms(duration),
                target,
                name: None,
            })
            .collect(),
        graceful_ramp_down: ms(graceful_ramp_down),
    }
}

/// How many VUs were in an iteration of `service` ms at `at`.
fn looping_at(report: &Report, at: u64, service: u64) -> usize {
    let running = |seen: &&Seen| seen.started <= at && at < seen.started + service;
    report.seen.iter().filter(running).count()
}

#[tokio::test(start_paused = true)]
async fn targets_are_hit_at_the_ends_of_stages() {
    // 0 → 10 in 30 s, → 50 in 1 min, → 100 in 2 min, a minute there, → 0 in 1 min: one VU joins each 3 s, 1.5 s and 2.4 s,
    // one leaves each 0.6 s, all at whole multiples of the 300 ms that an iteration takes.
    let stages = [(30_000, 10), (60_000, 50), (120_000, 100), (60_000, 100), (60_000, 0)];
    for stripes in [1, 3] {
        let report = Stage::one(ramp(0, &stages), 300).stripes(stripes).play().await;
        for (at, vus) in [
            (0, 0),
            (30_000, 10),
            (90_000, 50),
            (210_000, 100),
            (270_000, 100),
            (270_600, 99),
            (329_900, 1),
        ] {
            assert_eq!(looping_at(&report, at, 300), vus, "at {at}, {stripes} stripes");
        }
        // VU seconds: 300 − 3·55; 600 + 2,400 − 1.5·820; 6,000 + 6,000 − 2.4·1,275; 6,000; 0.6·5,050 = 19,875 = 66,250 · 0.3.
        assert_eq!(report.only(), (66_250, 66_250, 66_250, 0, 0, 0));
        assert_eq!(report.by_segment(), [450, 5_900, 29_800, 20_000, 10_100]);
        assert_eq!((report.peak, report.created.len(), report.elapsed), (100, 100, 330_000));
    }
}

#[tokio::test(start_paused = true)]
async fn jumps_take_no_time() {
    let report = Stage::one(ramp(1, &[(1_000, 1), (0, 5), (1_000, 5), (0, 2), (1_000, 2)]), 100)
        .play()
        .await;
    assert_eq!(report.only().2, 10 + 50 + 20);
    assert_eq!(report.by_segment(), [10, 0, 50, 0, 20]);
    assert_eq!((report.elapsed, report.peak), (3_000, 5));
}

#[tokio::test(start_paused = true)]
async fn who_is_no_longer_wanted_may_finish_for_a_while() {
    // Two VUs for 1 s, then one for 2 s; iterations take 900 ms. The second VU's second one runs from 900 to 1,800.
    // (graceful_ramp_down, completed, interrupted)
    for (time, completed, interrupted) in [(1_000, 6, 0), (800, 6, 0), (500, 5, 1), (0, 5, 1)] {
        let report = Stage::one(graceful(2, &[(1_000, 2), (0, 1), (2_000, 1)], time), 900)
            .play()
            .await;
        assert_eq!(report.only(), (6, 6, completed, 0, interrupted, 0), "{time} ms");
        assert_eq!(report.elapsed, 3_600, "the first one's fourth has a graceful stop");
        let second: Vec<_> = report.seen.iter().filter(|s| s.vu == 2).map(|s| s.started).collect();
        assert_eq!(second, [0, 900], "the highest index went");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_scenario_gives_a_graceful_stop() {
    // Ramped down to 0 at the very end: what runs then is the graceful stop's.
    let report = Stage::one(graceful(1, &[(1_000, 0)], 0), 900).play().await;
    assert_eq!(report.only(), (2, 2, 2, 0, 0, 0));
    assert_eq!(report.elapsed, 1_800);
    // Ramped down before: the ramp's own time, but never longer than the graceful stop after the end.
    let report = Stage::one(graceful(1, &[(500, 1), (0, 0), (500, 0)], 30_000), 5_000)
        .graceful(200)
        .play()
        .await;
    assert_eq!(report.only(), (1, 1, 0, 0, 1, 0));
    assert_eq!(report.elapsed, 1_200);
}

#[tokio::test(start_paused = true)]
async fn a_vu_that_comes_back_is_the_same() {
    let report = Stage::one(ramp(2, &[(1_000, 2), (0, 1), (1_000, 1), (0, 2), (1_000, 2)]), 100)
        .play()
        .await;
    assert_eq!(report.only().2, 30 + 20);
    assert_eq!(report.created, [1, 2]);
    let second: Vec<_> = report.seen.iter().filter(|s| s.vu == 2).map(|s| s.started).collect();
    assert_eq!(second, (0..10).chain(20..30).map(|n| n * 100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_is_wanted_again_in_time_is_not_interrupted() {
    // Iterations of 2,500 ms; the second VU is not wanted from 1,000 to 2,000.
    let stages = [(1_000, 2), (0, 1), (1_000, 1), (0, 2), (1_000, 2)];
    let report = Stage::one(graceful(2, &stages, 1_000), 2_500).play().await;
    assert_eq!(report.only(), (4, 4, 4, 0, 0, 0));
    assert_eq!(report.created, [1, 2]);
    // A little less patience: interrupted at 1,900, replaced, and there again at 2,000.
    let report = Stage::one(graceful(2, &stages, 900), 2_500).play().await;
    assert_eq!(report.only(), (4, 4, 3, 0, 1, 0));
    assert_eq!(report.created, [1, 2, 3]);
    let starts: Vec<_> = report.seen.iter().map(|s| (s.vu, s.number, s.started)).collect();
    assert_eq!(starts, [(1, 0, 0), (2, 1, 0), (3, 3, 2_000), (1, 2, 2_500)]);
}

#[tokio::test(start_paused = true)]
async fn a_scenario_lasts_its_stages_even_when_nobody_is_wanted() {
    let report = Stage::one(ramp(1, &[(100, 1), (0, 0), (900, 0)]), 10).play().await;
    assert_eq!((report.only().2, report.elapsed), (10, 1_000));
}

#[tokio::test(start_paused = true)]
async fn stop_ends_those_that_wait_to_be_wanted() {
    let report = Stage::one(ramp(1, &[(10_000, 1), (10_000, 9)]), 300)
        .stop_at(450)
        .play()
        .await;
    assert_eq!(report.only(), (2, 2, 2, 0, 0, 0));
    assert_eq!(report.elapsed, 600);
    let report = Stage::one(ramp(0, &[(10_000, 0), (10_000, 9)]), 300)
        .stop_at(450)
        .play()
        .await;
    assert_eq!((report.only().0, report.elapsed), (0, 450));
}

#[tokio::test(start_paused = true)]
async fn a_retired_vu_does_not_come_back() {
    let report = Stage::one(ramp(2, &[(1_000, 2), (0, 1), (1_000, 1), (0, 2), (1_000, 2)]), 0)
        .script(|it| {
            let outcome = if it.number == 3 {
                Outcome::Retired
            } else {
                Outcome::Completed
            };
            (ms(100), outcome)
        })
        .play()
        .await;
    assert_eq!(report.only(), (32, 32, 31, 0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn five_thousand_vus() {
    let report = Stage::one(ramp(0, &[(10_000, 5_000), (1_000, 5_000)]), 1_000)
        .play()
        .await;
    assert_eq!(looping_at(&report, 10_500, 1_000), 5_000);
    assert_eq!(report.peak, 5_000);
}
