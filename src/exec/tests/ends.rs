//! Ends of all kinds: graceful stop, stop and kill signals, start times.

use super::*;

use OnSaturation::Queue;

#[tokio::test(start_paused = true)]
async fn scenarios_start_at_their_times() {
    let mut late = scenario("late", looping(1, 200));
    late.start_time = ms(500);
    let mut open = scenario("open", arrivals(10.0, 300, (1, 1), Queue));
    open.start_time = ms(250);
    let report = Stage::new(vec![late, open, scenario("now", looping(2, 100))], 50)
        .play()
        .await;
    let starts = |i| -> Vec<_> {
        let seen = report.seen.iter().filter(|s| s.scenario == i);
        seen.map(|s| (s.due, s.started)).collect()
    };
    assert_eq!(starts(0), [(500, 500), (550, 550), (600, 600), (650, 650)]);
    assert_eq!(starts(1), [(250, 250), (350, 350), (450, 450)]);
    assert_eq!(starts(2), [(0, 0), (0, 0), (50, 50), (50, 50)]);
    assert_eq!(report.elapsed, 700);
    assert_eq!(report.created, [1, 2, 3, 4], "ids run through the scenarios");
}

#[tokio::test(start_paused = true)]
async fn graceful_stop_finishes_or_interrupts() {
    // The second iteration runs from 900 to 1,800; the scenario ends at 1,000.
    // (graceful stop, completed, interrupted, elapsed)
    for (graceful, completed, interrupted, elapsed) in [(1_000, 2, 0, 1_800), (500, 1, 1, 1_500), (0, 1, 1, 1_000)] {
        let report = Stage::one(looping(1, 1_000), 900).graceful(graceful).play().await;
        assert_eq!(report.only(), (2, 2, completed, 0, interrupted, 0), "{graceful} ms");
        assert_eq!(report.elapsed, elapsed, "{graceful} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_at_the_very_end_starts_however_short_the_graceful_stop() {
    let waves = [(0, 3), (500, 5)].map(|(at, count)| crate::schedule::Wave {
        at: ms(at),
        count,
        name: None,
    });
    let trace = crate::schedule::Trace::new("t.csv".to_owned(), &[ms(0), ms(200), ms(300)]);
    // (shape, how many start, when the last does)
    let table = [
        (Shape::Burst { count: 5 }, 5, 0),
        (Shape::Waves { waves: waves.to_vec() }, 8, 500),
        (Shape::Replay { trace, speed: 1.0 }, 3, 300),
    ];
    for (shape, all, last) in table {
        for stripes in [1, 3] {
            let case = format!("{} on {stripes} stripes", shape.name());
            let playing = Stage::one(open(shape.clone(), (10, 10), Queue), 0).stripes(stripes);
            let report = playing.graceful(0).play().await;
            assert_eq!(report.only(), (all, all, all, 0, 0, 0), "{case}");
            assert_eq!(report.elapsed, last, "{case}");
        }
        // Whoever takes time is cut off at once.
        let report = Stage::one(open(shape, (10, 10), Queue), 900).graceful(0).play().await;
        assert_eq!((report.only().1, report.only().3, report.elapsed), (all, 0, last));
        assert!(report.only().4 > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn stop_gives_closed_iterations_their_graceful_stop() {
    // In flight at 450: 300–600.
    for (graceful, completed, interrupted, elapsed) in [(200, 2, 0, 600), (100, 1, 1, 550)] {
        let report = Stage::one(looping(1, 10_000), 300)
            .graceful(graceful)
            .stop_at(450)
            .play()
            .await;
        assert_eq!(report.only(), (2, 2, completed, 0, interrupted, 0), "{graceful} ms");
        assert_eq!(report.elapsed, elapsed, "{graceful} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn stop_drops_what_was_planned_and_not_started() {
    let per_vu = Executor::PerVuIterations {
        vus: 2,
        iterations: 10,
        max_duration: ms(60_000),
    };
    let pooled = Executor::SharedIterations {
        vus: 2,
        iterations: 20,
        max_duration: ms(60_000),
    };
    for executor in [per_vu, pooled] {
        // Two each at 0 and at 300.
        let report = Stage::one(executor, 300).stop_at(450).play().await;
        assert_eq!(report.only(), (20, 4, 4, 16, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn stop_drops_the_backlog() {
    // Due by 450: five. Started: 0–250 and 250–500.
    let open = || Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250).stop_at(450);
    let report = open().play().await;
    assert_eq!(report.only(), (5, 2, 2, 3, 0, 0));
    assert_eq!(report.elapsed, 500);
    let report = open().graceful(20).play().await;
    assert_eq!(report.only(), (5, 2, 1, 3, 1, 0));
    assert_eq!(report.elapsed, 470);
}

#[tokio::test(start_paused = true)]
async fn stop_after_the_end_drops_the_backlog_and_keeps_the_deadline() {
    // At 1,100 number 4 runs (1,000–1,250), five wait.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .stop_at(1_100)
        .play()
        .await;
    assert_eq!(report.only(), (10, 5, 5, 5, 0, 0));
    assert_eq!(report.elapsed, 1_250);
    // The graceful stop counts from the end of the scenario, at 1,000.
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .graceful(200)
        .stop_at(1_100)
        .play()
        .await;
    assert_eq!(report.only(), (10, 5, 4, 5, 1, 0));
    assert_eq!(report.elapsed, 1_200);
}

#[tokio::test(start_paused = true)]
async fn kill_interrupts_at_once() {
    let report = Stage::one(looping(3, 10_000), 300).kill_at(450).play().await;
    assert_eq!(report.only(), (6, 6, 3, 0, 3, 0));
    assert_eq!(report.elapsed, 450);
    let report = Stage::one(arrivals(10.0, 1_000, (1, 1), Queue), 250)
        .kill_at(450)
        .play()
        .await;
    assert_eq!(report.only(), (5, 2, 1, 3, 1, 0));
    assert_eq!(report.elapsed, 450);
}

#[tokio::test(start_paused = true)]
async fn kill_cuts_a_graceful_stop_short() {
    for executor in [looping(1, 10_000), arrivals(1.0, 10_000, (1, 1), Queue)] {
        let report = Stage::one(executor, 900).stop_at(100).kill_at(200).play().await;
        assert_eq!(report.only(), (1, 1, 0, 0, 1, 0));
        assert_eq!(report.elapsed, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn an_arrival_whose_vu_is_being_made_is_dropped_at_the_end() {
    let open = || Stage::one(arrivals(10.0, 1_000, (0, 9), Queue), 10).creation(300);
    let report = open().kill_at(150).play().await;
    assert_eq!(report.only(), (2, 0, 0, 2, 0, 0));
    assert_eq!(report.elapsed, 150);
    // A graceful stop lets the VUs become ready, but they begin nothing.
    let report = open().stop_at(150).play().await;
    assert_eq!(report.only(), (2, 0, 0, 2, 0, 0));
    assert_eq!(report.elapsed, 400);
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_was_to_start_later_never_does() {
    let pooled = Executor::SharedIterations {
        vus: 2,
        iterations: 20,
        max_duration: ms(60_000),
    };
    let mut late: Vec<_> = [looping(1, 100), arrivals(10.0, 100, (1, 1), Queue), pooled]
        .into_iter()
        .map(|executor| scenario("late", executor))
        .collect();
    for scenario in &mut late {
        scenario.start_time = ms(500);
    }
    let report = Stage::new(late, 10).stop_at(450).play().await;
    assert!(report.counts.iter().all(|c| *c == Counts::default()));
    assert_eq!(report.elapsed, 450);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in the VU")]
async fn a_panic_of_a_closed_vu_is_passed_on() {
    Stage::one(looping(2, 1_000), 10)
        .script(|it| match it.number {
            3 => panic!("a bug in the VU"),
            _ => (ms(10), Outcome::Completed),
        })
        .play()
        .await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a bug in the VU")]
async fn a_panic_of_an_open_vu_is_passed_on() {
    Stage::one(arrivals(10.0, 1_000, (1, 5), Queue), 10)
        .script(|it| match it.number {
            3 => panic!("a bug in the VU"),
            _ => (ms(10), Outcome::Completed),
        })
        .play()
        .await;
}
