//! Several stripes of one run: together they do exactly what one would.

use super::*;

use OnSaturation::{Abort, Drop, Queue};

#[tokio::test(start_paused = true)]
async fn stripes_add_up_to_the_whole() {
    let plan = || {
        vec![
            scenario("a", looping(5, 1_000)),
            scenario(
                "b",
                Executor::PerVuIterations {
                    vus: 5,
                    iterations: 7,
                    max_duration: ms(500),
                },
            ),
            scenario(
                "c",
                Executor::SharedIterations {
                    vus: 5,
                    iterations: 43,
                    max_duration: ms(60_000),
                },
            ),
            scenario("d", arrivals(37.0, 1_000, (3, 1_000), Queue)),
        ]
    };
    let whole = Stage::new(plan(), 110).play().await;
    assert_eq!(whole.of(0), (50, 50, 50, 0, 0, 0));
    assert_eq!(whole.of(1), (35, 25, 25, 10, 0, 0));
    assert_eq!(whole.of(2), (43, 43, 43, 0, 0, 0));
    assert_eq!(whole.of(3), (37, 37, 37, 0, 0, 0));
    for stripes in [2, 3, 7] {
        let parts = Stage::new(plan(), 110).stripes(stripes).play().await;
        assert_eq!(parts.counts, whole.counts, "{stripes} stripes");
        let numbers = |report: &Report| -> BTreeSet<_> { report.seen.iter().map(|s| (s.scenario, s.number)).collect() };
        assert_eq!(numbers(&parts), numbers(&whole), "{stripes} stripes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cap_is_one_number_for_the_process() {
    // Each iteration takes 250 ms at one every 100 ms: 3 VUs are wanted, 2 allowed.
    let whole = Stage::one(arrivals(10.0, 1_000, (0, 2), Queue), 250).play().await;
    let parts = Stage::one(arrivals(10.0, 1_000, (0, 2), Queue), 250)
        .stripes(2)
        .play()
        .await;
    assert_eq!(parts.only(), (10, 10, 10, 0, 0, 0));
    assert_eq!(parts.peak, 2);
    assert_eq!(parts.starts(), whole.starts(), "first in, first out over both stripes");
}

#[tokio::test(start_paused = true)]
async fn an_arrival_finds_the_idle_vu_of_another_stripe() {
    // The only VU lives on stripe 0; odd arrivals belong to stripe 1.
    for policy in [Queue, Drop, Abort] {
        let report = Stage::one(arrivals(10.0, 1_000, (1, 1), policy), 30)
            .stripes(2)
            .play()
            .await;
        assert_eq!(report.only(), (10, 10, 10, 0, 0, 0), "{policy:?}");
        assert_eq!(report.range(builtin::ITERATION_START_LAG), (0.0, 0.0), "{policy:?}");
        assert_eq!(report.elapsed, 1_000, "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stripe_without_vus_is_served_by_the_others() {
    // As with one stripe: due at 100k, started at 250k.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .stripes(3)
        .play()
        .await;
    assert_eq!(report.only(), (10, 10, 10, 0, 0, 0));
    assert!(report.starts().iter().all(|&(number, at)| at == number * 250));
    assert_eq!(report.range(builtin::DISPATCH_LAG), (0.0, 0.0));
    assert_eq!(report.elapsed, 2_500, "and the stripes that wait for it end with it");
}

#[tokio::test(start_paused = true)]
async fn a_late_stripe_still_finds_the_vu_of_another() {
    // Stripe 1 runs 80 ms late: its last arrival is due at 150 + 80, when stripe 0, which has the VU, is over at 200.
    let report = Stage::one(arrivals(20.0, 200, (1, 1), Queue), 5)
        .stripes(2)
        .skew(80)
        .play()
        .await;
    assert_eq!(report.starts(), [(0, 0), (2, 100), (1, 130), (3, 230)]);
    assert_eq!(report.elapsed, 280);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_backlog_is_dropped_once() {
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .graceful(900)
        .stripes(3)
        .play()
        .await;
    assert_eq!(report.only(), (10, 8, 7, 2, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn exhausted_data_ends_all_stripes() {
    let report = Stage::one(arrivals(10.0, 1_000, (4, 10), Queue), 0)
        .script(|it| {
            let outcome = if it.number < 3 {
                Outcome::Completed
            } else {
                Outcome::Retired
            };
            (ms(5), outcome)
        })
        .stripes(3)
        .play()
        .await;
    assert_eq!(report.only(), (4, 4, 3, 0, 1, 0));
    assert_eq!(report.elapsed, 305);
}

#[tokio::test(start_paused = true)]
async fn saturation_aborts_once_for_all_stripes() {
    let report = Stage::one(arrivals(20.0, 1_000, (0, 2), Abort), 250)
        .stripes(3)
        .play()
        .await;
    // 0 and 1 run, 2 is one too many.
    assert_eq!(report.only(), (3, 2, 2, 1, 0, 0));
    assert_eq!(report.saturated.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_stripes_than_vus() {
    let pooled = Executor::SharedIterations {
        vus: 2,
        iterations: 9,
        max_duration: ms(35),
    };
    let report = Stage::new(vec![scenario("a", looping(1, 100)), scenario("b", pooled)], 10)
        .stripes(4)
        .play()
        .await;
    assert_eq!(report.of(0), (10, 10, 10, 0, 0, 0));
    assert_eq!(report.of(1), (9, 8, 8, 1, 0, 0));
}
