//! Scenarios that begin after one another.

use super::*;

use OnSaturation::Queue;

fn after(name: &str, other: &str, executor: Executor) -> Scenario {
    Scenario {
        start_after: Some(other.to_owned()),
        ..scenario(name, executor)
    }
}

fn starts(report: &Report, scenario: usize) -> Vec<u64> {
    let seen = report.seen.iter().filter(|s| s.scenario == scenario);
    seen.map(|s| s.started).collect()
}

#[tokio::test(start_paused = true)]
async fn a_scenario_begins_when_the_other_has_ended() {
    // The other's last iteration runs from 900 to 1,200, in its graceful stop.
    for stripes in [1, 3] {
        let warm = scenario("warm", looping(1, 1_000));
        let measured = after("measured", "warm", arrivals(10.0, 300, (1, 1), Queue));
        let report = Stage::new(vec![measured, warm], 300).stripes(stripes).play().await;
        let due: Vec<_> = report.seen.iter().filter(|s| s.scenario == 0).map(|s| s.due).collect();
        assert_eq!(due, [1_200, 1_300, 1_400], "{stripes} stripes");
    }
}

#[tokio::test(start_paused = true)]
async fn the_graceful_stop_is_waited_for_and_no_longer() {
    let warm = scenario("warm", looping(1, 1_000));
    let next = after("next", "warm", looping(1, 100));
    let report = Stage::new(vec![next, warm], 900).graceful(500).play().await;
    assert_eq!(starts(&report, 0), [1_500], "the other was cut off at 1,500");
}

#[tokio::test(start_paused = true)]
async fn a_start_time_counts_from_the_end_of_the_other() {
    let mut next = after("b", "a", looping(1, 100));
    next.start_time = ms(250);
    let last = after("c", "b", looping(1, 100));
    let report = Stage::new(vec![scenario("a", looping(1, 200)), next, last], 50)
        .stripes(2)
        .play()
        .await;
    assert_eq!(starts(&report, 1), [450, 500]);
    assert_eq!(starts(&report, 2), [550, 600]);
    assert_eq!(report.elapsed, 650);
}

#[tokio::test(start_paused = true)]
async fn all_stripes_of_the_other_have_to_be_through() {
    // Stripe 1 begins 80 ms late and ends at 280.
    let next = after("next", "first", looping(2, 50));
    let report = Stage::new(vec![scenario("first", looping(2, 200)), next], 50)
        .stripes(2)
        .skew(80)
        .play()
        .await;
    assert_eq!(starts(&report, 1), [280, 280]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_reaches_those_that_wait() {
    let pooled = Executor::SharedIterations {
        vus: 2,
        iterations: 20,
        max_duration: ms(60_000),
    };
    let next = after("next", "first", pooled);
    let report = Stage::new(vec![scenario("first", looping(1, 10_000)), next], 300)
        .stop_at(450)
        .play()
        .await;
    assert_eq!(report.of(0).0, 2);
    assert_eq!(report.counts[1], Counts::default(), "it never began");
    assert_eq!(report.elapsed, 600);
}
