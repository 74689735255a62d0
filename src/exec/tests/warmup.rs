//! Warm-ups: iterations that were due in them are counted apart, and what they left waiting does not delay the rest.

use super::*;

use OnSaturation::{Abort, Drop, Queue};

#[tokio::test(start_paused = true)]
async fn iterations_belong_to_the_warm_up_in_which_they_were_due() {
    for stripes in [1, 3] {
        // 10/s for 10 s, of which 3 s warm up; each takes 500 ms, so that some end after the warm-up.
        let report = Stage::one(arrivals(10.0, 10_000, (1, 100), Queue), 500)
            .warmup(3_000)
            .stripes(stripes)
            .play()
            .await;
        assert_eq!(report.warmup(), (30, 30, 30, 0, 0, 0));
        assert_eq!(report.only(), (70, 70, 70, 0, 0, 0));
    }
    // Closed: intended and actual start are the same.
    let report = Stage::one(looping(2, 10_000), 1_000).warmup(3_000).play().await;
    assert_eq!((report.warmup().1, report.only().1), (6, 14));
}

#[tokio::test(start_paused = true)]
async fn what_a_warm_up_left_waiting_is_dropped_before_the_first_result() {
    for stripes in [1, 2] {
        // One VU takes 450 ms each, 10/s come in: 20 are due in the warm-up, of which 5 start.
        let report = Stage::one(arrivals(10.0, 4_000, (1, 1), Queue), 450)
            .warmup(2_000)
            .stripes(stripes)
            .play()
            .await;
        let (offered, started, _, dropped, ..) = report.warmup();
        assert_eq!((offered, started + dropped), (20, 20));
        assert_eq!(
            started, 5,
            "those that were waiting at the end of the warm-up never start"
        );
        // All 20 that are measured wait for results only: the first starts as soon as the VU is free.
        let first = report
            .seen
            .iter()
            .find(|seen| seen.due >= 2_000)
            .expect("some are measured");
        assert_eq!((first.due, first.started), (2_000, 2_250));
        assert_eq!(report.only().0, 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_may_be_more_than_the_system_can_take() {
    // The only VU is busy for the warm-up's first second; after it each arrival finds it free.
    let report = Stage::one(arrivals(2.0, 4_000, (1, 1), Abort), 100)
        .script(|it| (ms(if it.number == 0 { 900 } else { 100 }), Outcome::Completed))
        .warmup(1_000)
        .play()
        .await;
    assert_eq!((report.warmup(), report.only().2), ((2, 1, 1, 1, 0, 0), 6));
    assert_eq!(report.saturated, []);
    let report = Stage::one(arrivals(10.0, 2_000, (1, 1), Drop), 150)
        .warmup(1_000)
        .play()
        .await;
    assert_eq!(
        (report.warmup(), report.only()),
        ((10, 5, 5, 5, 0, 0), (10, 5, 5, 5, 0, 0))
    );
}
