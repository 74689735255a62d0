//! All arrival shapes through the one driver: exact times and counts, segments and their tags.

use super::*;
use crate::schedule::{Stage as Line, Step, Trace, Wave};

use OnSaturation::Queue;

const SECOND: Duration = ms(1_000);

fn named(name: &str) -> Option<String> {
    Some(name.to_owned())
}

fn line(duration: u64, target: f64, name: Option<String>) -> Line<f64> {
    Line {
        duration: ms(duration),
        target,
        name,
    }
}

fn ramping(start_rate: f64, stages: Vec<Line<f64>>, arrival: Spacing) -> Shape {
    Shape::RampingArrivalRate {
        start_rate,
        time_unit: SECOND,
        stages,
        arrival,
    }
}

#[tokio::test(start_paused = true)]
async fn ramps_start_where_the_area_reaches_whole_numbers() {
    // 0 → 10/s in 10 s: number k at √(2k) s. The runtime's paused clock has whole milliseconds, rounded up.
    let shape = ramping(0.0, vec![line(10_000, 10.0, None)], Spacing::Constant);
    for stripes in [1, 2, 3] {
        let report = Stage::one(open(shape.clone(), (2, 100), Queue), 5)
            .stripes(stripes)
            .play()
            .await;
        assert_eq!(report.only(), (50, 50, 50, 0, 0, 0));
        let expected: Vec<_> = (0..50_u64)
            .map(|k| (k, ((2.0 * k as f64).sqrt() * 1e3) as u64))
            .collect();
        assert_eq!(
            report.seen.iter().map(|s| (s.number, s.due)).collect::<Vec<_>>(),
            expected
        );
        assert!(report.seen.iter().all(|s| s.started - s.due <= 1), "on time");
        assert_eq!(report.elapsed, 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_day_of_steps() {
    let day = [
        (50.0, 6_000),
        (1_000.0, 1_500),
        (300.0, 6_000),
        (2_000.0, 3_000),
        (200.0, 1_500),
    ];
    let steps = day.map(|(rate, duration)| Step {
        rate,
        duration: ms(duration),
        name: None,
    });
    let shape = Shape::Steps {
        time_unit: SECOND,
        steps: steps.into(),
        arrival: Spacing::Constant,
    };
    let report = Stage::one(open(shape, (10, 1_000), Queue), 3).stripes(2).play().await;
    assert_eq!(report.by_segment(), [300, 1_500, 1_800, 6_000, 300]);
    assert_eq!((report.only().2, report.elapsed), (9_900, 18_000));
}

#[tokio::test(start_paused = true)]
async fn waves_and_bursts_start_at_their_instants() {
    let wave = |at, count| Wave {
        at: ms(at),
        count,
        name: None,
    };
    let shape = Shape::Waves {
        waves: vec![wave(0, 500), wave(300, 200), wave(600, 50)],
    };
    let report = Stage::one(open(shape, (500, 500), Queue), 50).stripes(2).play().await;
    let at = |at| report.seen.iter().filter(|s| (s.due, s.started) == (at, at)).count();
    assert_eq!([at(0), at(300), at(600)], [500, 200, 50]);
    assert_eq!(report.by_segment(), [500, 200, 50]);
    assert_eq!((report.created.len(), report.elapsed), (500, 650));

    let report = Stage::one(open(Shape::Burst { count: 300 }, (300, 300), Queue), 20)
        .play()
        .await;
    assert!(report.seen.iter().all(|s| (s.due, s.started) == (0, 0)));
    assert_eq!(report.only(), (300, 300, 300, 0, 0, 0));
    assert_eq!(report.elapsed, 20);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_is_larger_than_the_cap_waits_its_turn() {
    let report = Stage::one(open(Shape::Burst { count: 30 }, (10, 10), Queue), 20)
        .stripes(3)
        .play()
        .await;
    let at = |at| report.seen.iter().filter(|s| s.started == at).count();
    assert_eq!([at(0), at(20), at(40)], [10, 10, 10]);
    assert_eq!(report.elapsed, 60);
}

#[tokio::test(start_paused = true)]
async fn what_a_unit_holds_starts_at_its_beginning() {
    let shape = Shape::ConstantArrivalRate {
        rate: 4.0,
        time_unit: SECOND,
        duration: ms(2_500),
        arrival: Spacing::Burst,
    };
    let report = Stage::one(open(shape, (4, 4), Queue), 20).play().await;
    let starts: Vec<_> = report.seen.iter().map(|s| s.started).collect();
    assert_eq!(starts, [0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000]);
    assert_eq!(report.elapsed, 2_500);
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_replayed_with_its_gaps() {
    let trace = Trace::new("t.csv".into(), &[ms(5_000), ms(1_000), ms(1_000), ms(3_000)]);
    let report = Stage::one(open(Shape::Replay { trace, speed: 2.0 }, (2, 9), Queue), 10)
        .stripes(2)
        .play()
        .await;
    assert_eq!(report.starts(), [(0, 0), (1, 0), (2, 1_000), (3, 2_000)]);
    assert_eq!(report.elapsed, 2_010);
}

#[tokio::test(start_paused = true)]
async fn random_arrivals_are_those_of_the_seed_however_many_cores_there_are() {
    let shape = || ramping(50.0, vec![line(10_000, 150.0, None)], Spacing::Poisson);
    let whole = Stage::one(open(shape(), (5, 1_000), Queue), 3).play().await;
    let due = |report: &Report| -> BTreeSet<_> { report.seen.iter().map(|s| (s.number, s.due)).collect() };
    for stripes in [2, 5] {
        let parts = Stage::one(open(shape(), (5, 1_000), Queue), 3)
            .stripes(stripes)
            .play()
            .await;
        assert_eq!(due(&parts), due(&whole), "{stripes} stripes");
    }
    // Another scenario has its own arrivals.
    let other = Stage::new(vec![scenario("other", open(shape(), (5, 1_000), Queue))], 3)
        .play()
        .await;
    assert_ne!(due(&other), due(&whole));
    assert!(
        (900..1_100).contains(&whole.only().0),
        "1,000 and three standard deviations: {:?}",
        whole.only()
    );
}

#[tokio::test(start_paused = true)]
async fn samples_carry_the_stage_of_their_scheduled_time() {
    // 10/s for 1 s, 20/s for 1 s, 10/s for 1 s; one VU that takes 80 ms cannot do 20/s, so that starts are late. What was due
    // in the peak belongs to the peak, whenever it starts.
    let stages = vec![
        line(1_000, 10.0, None),
        line(0, 20.0, None),
        line(1_000, 20.0, named("peak")),
        line(0, 10.0, None),
        line(1_000, 10.0, None),
    ];
    let shape = ramping(10.0, stages, Spacing::Constant);
    let kept = [
        "iterations{stage:0}",
        "iterations{stage:peak}",
        "iterations{stage:2}",
        "iteration_response_time{stage:peak}",
        "iteration_start_lag{stage:4}",
        "dropped_iterations{stage:peak}",
        "dropped_iterations{stage:4}",
    ];
    let samples = |report: &Report| kept.map(|selector| report.samples(selector));
    let queue = Stage::one(open(shape.clone(), (1, 1), Queue), 80)
        .keep(&kept)
        .play()
        .await;
    assert_eq!(queue.only(), (40, 40, 40, 0, 0, 0));
    assert_eq!(samples(&queue), [10, 20, 0, 20, 10, 0, 0]);
    assert!(
        queue.seen.iter().any(|s| s.segment == 2 && s.started >= 2_000),
        "late ones"
    );
    // Dropped, every second one of the peak.
    let drop = Stage::one(open(shape, (1, 1), OnSaturation::Drop), 80)
        .keep(&kept)
        .play()
        .await;
    assert_eq!(drop.only(), (40, 30, 30, 10, 0, 0));
    assert_eq!(samples(&drop), [10, 10, 0, 10, 10, 10, 0]);
}

#[tokio::test(start_paused = true)]
async fn samples_of_a_ramp_of_vus_carry_its_stage() {
    let stages = [(ms(1_000), named("up")), (ms(500), None)].map(|(duration, name)| Line {
        duration,
        target: 2,
        name,
    });
    let executor = Executor::RampingVus {
        start_vus: 1,
        stages: stages.into(),
        graceful_ramp_down: ms(0),
    };
    let kept = ["iterations{stage:up}", "iteration_duration{stage:1}"];
    let report = Stage::one(executor, 100).keep(&kept).play().await;
    assert_eq!(kept.map(|selector| report.samples(selector)), [10, 10]);
}
