//! Closed executors: how many iterations, when, by whom.

use super::*;

fn per_vu(vus: u64, iterations: u64, max_duration: u64) -> Executor {
    Executor::PerVuIterations {
        vus,
        iterations,
        max_duration: ms(max_duration),
    }
}

fn pooled(vus: u64, iterations: u64, max_duration: u64) -> Executor {
    Executor::SharedIterations {
        vus,
        iterations,
        max_duration: ms(max_duration),
    }
}

#[tokio::test(start_paused = true)]
async fn constant_vus_loop_until_the_end() {
    // Three VUs begin at 0, 300, 600 and 900 ms; what began at 900 ends at 1,200.
    let report = Stage::one(looping(3, 1_000), 300).play().await;
    assert_eq!(report.only(), (12, 12, 12, 0, 0, 0));
    assert_eq!(report.elapsed, 1_200);
    assert!(report.seen.iter().all(|s| s.due == s.started));
    assert_eq!(report.range(builtin::ITERATION_DURATION), (300.0, 300.0));
    // Turn t of VU i has the number 3t + i, and VUs have the ids 1 to 3.
    assert!(report.seen.iter().all(|s| s.number == s.started / 300 * 3 + s.vu - 1));
    assert_eq!(report.created, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_duration_is_not_in_it() {
    let report = Stage::one(looping(1, 1_000), 250).play().await;
    assert_eq!(report.starts(), [(0, 0), (1, 250), (2, 500), (3, 750)]);
    assert_eq!(report.elapsed, 1_000);
}

#[tokio::test(start_paused = true)]
async fn each_vu_runs_its_own_iterations() {
    let report = Stage::one(per_vu(3, 4, 60_000), 10).play().await;
    assert_eq!(report.only(), (12, 12, 12, 0, 0, 0));
    assert_eq!(report.elapsed, 40);
    for vu in 1..=3 {
        assert_eq!(report.seen.iter().filter(|s| s.vu == vu).count(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_max_duration_is_dropped() {
    // Starts at 0, 10, 20 and 30 ms by each of three VUs.
    let report = Stage::one(per_vu(3, 10, 35), 10).play().await;
    assert_eq!(report.only(), (30, 12, 12, 18, 0, 0));
    // Two VUs begin at 0, 50, …, 450.
    let report = Stage::one(pooled(2, 100, 500), 50).play().await;
    assert_eq!(report.only(), (100, 20, 20, 80, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn vus_share_a_number_of_iterations() {
    // Even numbers take 10 ms, odd ones 30 ms: whoever is free takes the next.
    let report = Stage::one(pooled(2, 6, 60_000), 0)
        .script(|it| (ms(10 + it.number % 2 * 20), Outcome::Completed))
        .play()
        .await;
    assert_eq!(report.only(), (6, 6, 6, 0, 0, 0));
    assert_eq!(report.starts(), [(0, 0), (1, 0), (2, 10), (3, 20), (4, 30), (5, 40)]);
    assert_eq!(report.elapsed, 70);
}

#[tokio::test(start_paused = true)]
async fn failed_iterations_count_and_are_measured() {
    let report = Stage::one(per_vu(1, 4, 60_000), 0)
        .script(|it| {
            let outcome = if it.number == 2 {
                Outcome::Failed
            } else {
                Outcome::Completed
            };
            (ms(5), outcome)
        })
        .play()
        .await;
    assert_eq!(report.only(), (4, 4, 3, 0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_retired_vu_ends_and_the_others_go_on() {
    // VU 2 (index 1) retires in its second turn, number 1 · 2 + 1: one of its four is interrupted, two are dropped.
    let retires = |number| {
        move |it: &Iteration| {
            let outcome = if it.number == number {
                Outcome::Retired
            } else {
                Outcome::Completed
            };
            (ms(10), outcome)
        }
    };
    let report = Stage::one(per_vu(2, 4, 60_000), 0).script(retires(3)).play().await;
    assert_eq!(report.only(), (8, 6, 5, 2, 1, 0));
    // 1,000 / 10 turns of the other VU, and two of the retired one.
    let report = Stage::one(looping(2, 1_000), 0).script(retires(3)).play().await;
    assert_eq!(report.only(), (102, 102, 101, 0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn when_all_vus_have_retired_the_rest_is_dropped() {
    let report = Stage::one(pooled(2, 20, 60_000), 0)
        .script(|it| {
            let outcome = if it.number < 5 {
                Outcome::Completed
            } else {
                Outcome::Retired
            };
            (ms(10), outcome)
        })
        .play()
        .await;
    assert_eq!(report.only(), (20, 7, 5, 13, 2, 0));
    assert_eq!(report.elapsed, 40, "0·1, 2·3, 4·5, 6");
}

#[tokio::test(start_paused = true)]
async fn a_journey_that_never_waits_lets_others_run() {
    let report = Stage::one(pooled(2, 100, 60_000), 0).play().await;
    assert_eq!(report.only(), (100, 100, 100, 0, 0, 0));
    for vu in 1..=2 {
        assert_eq!(report.seen.iter().filter(|s| s.vu == vu).count(), 50, "turn by turn");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_vus() {
    let report = Stage::one(per_vu(10_000, 3, 60_000), 1_000).play().await;
    assert_eq!(report.only(), (30_000, 30_000, 30_000, 0, 0, 0));
    assert_eq!((report.peak, report.elapsed), (10_000, 3_000));
}

#[tokio::test(start_paused = true)]
async fn fixed_vus_are_made_before_the_start() {
    let report = Stage::one(per_vu(1_000, 1, 60_000), 10).creation(50).play().await;
    assert!(report.seen.iter().all(|s| s.started == 0));
    let ids: Vec<_> = report.seen.iter().map(|s| s.vu).collect();
    assert_eq!(ids, (1..=1_000).collect::<Vec<_>>());
    assert_eq!(report.preparation, 16 * 50, "64 at a time");
}

#[tokio::test(start_paused = true)]
async fn fixed_vus_begin_in_hands_and_the_last_ones_do_not_wait_long() {
    // None ever waits: between hands, each that has begun goes on once.
    let report = Stage::one(per_vu(1_000, 30, 60_000), 0).play().await;
    assert!(report.seen.iter().all(|s| s.started == 0));
    let before_the_last: Vec<_> = report.seen.iter().map(|s| s.vu).take_while(|vu| *vu != 1_000).collect();
    let begun = (1..1_000).all(|vu| before_the_last.contains(&vu));
    let turns = before_the_last.iter().filter(|vu| **vu == 1).count();
    assert!(begun && (2..=12).contains(&turns), "{turns} turns of the first");
}
