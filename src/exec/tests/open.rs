//! Arrival rates: when arrivals start, on which VUs, and what happens when there is none.

use super::*;

use OnSaturation::{Abort, Drop, Queue};

#[tokio::test(start_paused = true)]
async fn arrivals_start_on_time_and_vus_grow_on_demand() {
    // One every 10 ms, each 45 ms long: five at a time.
    let report = Stage::one(arrivals(100.0, 1_000, (0, 100), Queue), 45).play().await;
    assert_eq!(report.only(), (100, 100, 100, 0, 0, 0));
    assert_eq!(report.peak, 5);
    assert_eq!(report.range(builtin::ITERATION_START_LAG), (0.0, 0.0));
    assert!(report.starts().iter().all(|&(number, at)| at == number * 10));
    assert_eq!(report.elapsed, 990 + 45);
}

#[tokio::test(start_paused = true)]
async fn rates_are_exact() {
    // (rate, duration, offered)
    for (rate, duration, offered) in [
        (50.0, 60_000, 3_000),
        (10_000.0, 1_000, 10_000),
        (2.5, 2_000, 5),
        (0.5, 2_000, 1),
    ] {
        let report = Stage::one(arrivals(rate, duration, (1, 100), Queue), 1).play().await;
        assert_eq!(report.only(), (offered, offered, offered, 0, 0, 0), "{rate}/s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_scenario_lasts_its_duration() {
    let report = Stage::one(arrivals(1.0, 900, (1, 1), Queue), 10).play().await;
    assert_eq!((report.only().0, report.elapsed), (1, 900));
}

#[tokio::test(start_paused = true)]
async fn the_warmest_vu_goes_first() {
    let report = Stage::one(arrivals(100.0, 1_000, (3, 10), Queue), 5).play().await;
    assert!(
        report.seen.iter().all(|s| s.vu == report.seen[0].vu),
        "one VU is enough"
    );
    assert_eq!(report.created.len(), 3, "none was made on demand");
}

#[tokio::test(start_paused = true)]
async fn queued_arrivals_are_measured_from_their_intended_start() {
    // Arrival k is due at 100k, the only VU is free for it at 250k.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250).play().await;
    assert_eq!(report.only(), (10, 10, 10, 0, 0, 0));
    for s in &report.seen {
        assert_eq!((s.due, s.started), (s.number * 100, s.number * 250));
    }
    assert_eq!(report.range(builtin::ITERATION_START_LAG), (0.0, 1_350.0));
    assert_eq!(
        report.range(builtin::DISPATCH_LAG),
        (0.0, 0.0),
        "waiting for a VU is not the generator's"
    );
    assert_eq!(report.range(builtin::ITERATION_DURATION), (250.0, 250.0));
    assert_eq!(report.range(builtin::ITERATION_RESPONSE_TIME), (250.0, 1_600.0));
    assert_eq!(report.elapsed, 2_500);
}

#[tokio::test(start_paused = true)]
async fn the_backlog_starts_until_the_graceful_stop_is_over() {
    // Starts at 0, 250, …, 1,750; at 1,900 the last is in flight and two wait.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .graceful(900)
        .play()
        .await;
    assert_eq!(report.only(), (10, 8, 7, 2, 1, 0));
    assert_eq!(report.elapsed, 1_900);
}

#[tokio::test(start_paused = true)]
async fn dropped_arrivals_are_counted() {
    // The VU is busy 0–250, 300–550, 600–850 and 900–1,150.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Drop), 250).play().await;
    assert_eq!(report.only(), (10, 4, 4, 6, 0, 0));
    assert_eq!(report.starts(), [(0, 0), (3, 300), (6, 600), (9, 900)]);
}

#[tokio::test(start_paused = true)]
async fn saturation_can_abort_the_run() {
    let report = Stage::new(
        vec![
            scenario("full", arrivals(10.0, 1_000, (1, 1), Abort)),
            scenario("other", looping(1, 1_000)),
        ],
        250,
    )
    .play()
    .await;
    assert_eq!(report.of(0), (2, 1, 1, 1, 0, 0));
    assert_eq!(report.of(1), (1, 1, 1, 0, 0, 0), "the whole run is stopped");
    let [reason] = &report.saturated[..] else {
        panic!("told once: {:?}", report.saturated)
    };
    assert_eq!(
        reason.to_string(),
        "scenario `full` is saturated: all of its 1 VUs were busy when iteration 1 was due at 100ms \
         (on_saturation = \"abort\")"
    );
    assert_eq!(report.elapsed, 250);
}

#[tokio::test(start_paused = true)]
async fn growth_stops_at_the_cap() {
    // 250 ms at one every 100 ms needs three VUs; there may be two. Both are busy when the third is due, at 200.
    let report = Stage::one(arrivals(10.0, 300, (0, 2), Queue), 250).play().await;
    assert_eq!(report.starts(), [(0, 0), (1, 100), (2, 250)]);
    assert_eq!(report.peak, 2);
}

#[tokio::test(start_paused = true)]
async fn making_a_vu_delays_only_its_own_arrival() {
    let report = Stage::one(arrivals(10.0, 300, (0, 3), Queue), 250)
        .creation(150)
        .play()
        .await;
    assert_eq!(report.starts(), [(0, 150), (1, 250), (2, 350)]);
    assert_eq!(report.range(builtin::ITERATION_START_LAG), (150.0, 150.0));
    assert_eq!(
        report.range(builtin::DISPATCH_LAG),
        (150.0, 150.0),
        "making VUs is the generator's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_that_logs_in_waits_for_the_system() {
    // Making each takes 20 ms, and its own `vu_init` 50 more.
    let report = Stage::one(arrivals(10.0, 300, (0, 3), Queue), 250)
        .creation(20)
        .init(|_| 50)
        .play()
        .await;
    assert_eq!(report.starts(), [(0, 70), (1, 170), (2, 270)]);
    assert_eq!(report.range(builtin::ITERATION_START_LAG), (70.0, 70.0));
    assert_eq!(report.range(builtin::DISPATCH_LAG), (20.0, 20.0));
    assert_eq!(report.unmade, 0);
}

#[tokio::test(start_paused = true)]
async fn no_arrival_waits_for_a_user_in_the_making_while_another_idles() {
    // 20/s, 80 ms each, so that two are needed; all but the first hang in `vu_init`. The first takes what it can: one
    // every 80 ms, until the graceful stop is over at 3.97 s.
    for stripes in [1, 2] {
        let report = Stage::one(arrivals(20.0, 3_000, (1, 100), Queue), 80)
            .init(|id| if id > 1 { 3_600_000 } else { 0 })
            .graceful(970)
            .stripes(stripes)
            .play()
            .await;
        assert_eq!(report.only(), (60, 50, 49, 10, 1, 0), "{stripes} stripes");
        let starts = report.seen.iter().map(|s| (s.number, s.started));
        assert!(
            starts.clone().all(|(number, at)| at == number * 80),
            "{stripes} stripes"
        );
        assert_eq!(
            report.unmade, 10,
            "{stripes} stripes: they waited for users that were being made"
        );
        assert_eq!(report.range(builtin::DISPATCH_LAG), (0.0, 0.0), "{stripes} stripes");
    }
}

#[tokio::test(start_paused = true)]
async fn lag_has_two_parts() {
    // The first waits 20 ms for its VU to be made, the second 120 ms for it to be free.
    let report = Stage::one(arrivals(10.0, 200, (0, 1), Queue), 200)
        .creation(20)
        .play()
        .await;
    assert_eq!(report.starts(), [(0, 20), (1, 220)]);
    assert_eq!(report.range(builtin::ITERATION_START_LAG), (20.0, 120.0));
    assert_eq!(report.range(builtin::DISPATCH_LAG), (0.0, 20.0));
}

#[tokio::test(start_paused = true)]
async fn exhausted_data_ends_the_offering() {
    // Number 3, due at 300, finds no data and says so at 305.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 10), Queue), 0)
        .script(|it| {
            let outcome = if it.number < 3 {
                Outcome::Completed
            } else {
                Outcome::Retired
            };
            (ms(5), outcome)
        })
        .play()
        .await;
    assert_eq!(report.only(), (4, 4, 3, 0, 1, 0));
    assert_eq!(report.elapsed, 305);
}

#[tokio::test(start_paused = true)]
async fn exhausted_data_drops_the_backlog_and_spares_what_is_in_flight() {
    // Two VUs: number 0 takes 350 ms, number 1 finds no data at 250, when 2 wait.
    let report = Stage::one(arrivals(10.0, 1_000, (2, 2), Queue), 0)
        .script(|it| match it.number {
            0 => (ms(350), Outcome::Completed),
            _ => (ms(150), Outcome::Retired),
        })
        .play()
        .await;
    assert_eq!(report.only(), (3, 2, 1, 1, 1, 0));
    assert_eq!(report.elapsed, 350);
}
