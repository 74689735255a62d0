//! Virtual users that take up an edited script before their next iteration.

use super::*;

use OnSaturation::Queue;

#[tokio::test(start_paused = true)]
async fn taking_it_up_is_a_wait_of_the_arrival_and_no_fault_of_the_dispatcher() {
    // 10/s by one VU, 10 ms each; what is due at 500 ms waits 30 ms for it, and the one after it for nothing.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 10)
        .update_at(450, 30)
        .play()
        .await;
    assert_eq!(report.only(), (10, 10, 10, 0, 0, 0));
    let late: Vec<_> = report.seen.iter().map(|seen| seen.started - seen.due).collect();
    assert_eq!(late, [0, 0, 0, 0, 0, 30, 0, 0, 0, 0]);
    let max = |metric| report.totals.root(metric, Aggregation::Max);
    assert_eq!(max(builtin::ITERATION_START_LAG), Some(30.0));
    assert_eq!(max(builtin::DISPATCH_LAG), Some(0.0));
    assert_eq!(max(builtin::ITERATION_DURATION), Some(10.0));
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_ends_meanwhile_begins_nothing_more() {
    let ramp = Executor::RampingVus {
        start_vus: 2,
        stages: vec![crate::schedule::Stage {
            duration: ms(1_000),
            target: 2,
            name: None,
        }],
        graceful_ramp_down: ms(1_000),
    };
    let table = [looping(2, 1_000), ramp, arrivals(20.0, 1_000, (2, 2), Queue)];
    for executor in table {
        let report = Stage::one(executor.clone(), 100)
            .graceful(200)
            .update_at(900, 500)
            .play()
            .await;
        let last = report.seen.iter().map(|seen| seen.started).max();
        assert!(last.is_some_and(|last| last <= 900), "{executor:?}: {last:?}");
        assert!(report.elapsed <= 1_500, "{executor:?}");
    }
}
