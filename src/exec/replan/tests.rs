//! What can be edited and what not, with the reasons, as a table.

use std::time::Duration;

use super::diff::{Diff, Standing};
use crate::exec::tests::{arrivals, looping, ms, open, scenario};
use crate::plan::{Executor, OnSaturation, Scenario};
use crate::schedule::{Shape, Spacing, Stage, Step, Trace, Wave};

use OnSaturation::{Drop as DropIt, Queue};
use Standing::{Draining, Ended, Running, Waiting};

type Edit = Box<dyn Fn(&mut Scenario)>;

/// An edit of a scenario, and what is said about it: a part of what differs, and of the reason if it is refused.
type Row = (Executor, Edit, Standing, &'static str, Option<&'static str>);

fn rated() -> Executor {
    arrivals(10.0, 60_000, (10, 100), Queue)
}

fn at(edit: impl Fn(&mut Scenario) + 'static) -> Edit {
    Box::new(edit)
}

/// The edit to another executor.
fn to(executor: Executor) -> Edit {
    Box::new(move |scenario| scenario.executor = executor.clone())
}

fn with(change: impl Fn(&mut Shape)) -> Executor {
    let mut executor = rated();
    if let Executor::Open { shape, .. } = &mut executor {
        change(shape);
    }
    executor
}

fn constant(new_unit: u64, new: Spacing) -> Executor {
    with(|shape| {
        if let Shape::ConstantArrivalRate { time_unit, arrival, .. } = shape {
            (*time_unit, *arrival) = (ms(new_unit), new);
        }
    })
}

fn line<T>(target: T) -> Vec<Stage<T>> {
    vec![Stage {
        duration: ms(60_000),
        target,
        name: None,
    }]
}

fn ramp(start_vus: u64, target: u64, graceful: u64) -> Executor {
    Executor::RampingVus {
        start_vus,
        stages: line(target),
        graceful_ramp_down: ms(graceful),
    }
}

fn ramping(start_rate: f64, target: f64) -> Executor {
    let shape = Shape::RampingArrivalRate {
        start_rate,
        time_unit: ms(1_000),
        stages: line(target),
        arrival: Spacing::Constant,
    };
    open(shape, (10, 100), Queue)
}

fn steps(rate: f64) -> Executor {
    let step = Step {
        rate,
        duration: ms(60_000),
        name: None,
    };
    let shape = Shape::Steps {
        time_unit: ms(1_000),
        steps: vec![step],
        arrival: Spacing::Constant,
    };
    open(shape, (10, 100), Queue)
}

fn waves(count: u64) -> Executor {
    let wave = |index: u64| Wave {
        at: ms(index * 1_000),
        count,
        name: None,
    };
    let waves = (0..7).map(wave).collect();
    open(Shape::Waves { waves }, (10, 100), Queue)
}

fn replay(stamps: u64, speed: f64) -> Executor {
    let stamps: Vec<_> = (0..stamps).map(ms).collect();
    let trace = Trace::new("t.jsonl".to_owned(), &stamps);
    open(Shape::Replay { trace, speed }, (10, 100), Queue)
}

fn external(vus: u64, max_vus: u64) -> Executor {
    Executor::ExternallyControlled {
        vus,
        max_vus,
        duration: ms(60_000),
    }
}

fn shared(vus: u64, iterations: u64, max: u64) -> Executor {
    Executor::SharedIterations {
        vus,
        iterations,
        max_duration: ms(max),
    }
}

fn per_vu(vus: u64, iterations: u64, max: u64) -> Executor {
    Executor::PerVuIterations {
        vus,
        iterations,
        max_duration: ms(max),
    }
}

fn policy(scenario: &mut Scenario, policy: OnSaturation) {
    if let Executor::Open { on_saturation, .. } = &mut scenario.executor {
        *on_saturation = policy;
    }
}

fn schedules() -> Vec<Row> {
    let burst = |count| open(Shape::Burst { count }, (10, 100), Queue);
    vec![
        (
            rated(),
            to(arrivals(50.0, 60_000, (10, 100), Queue)),
            Running,
            "rate 10/s → 50/s",
            None,
        ),
        (
            rated(),
            to(arrivals(10.0, 90_000, (10, 100), Queue)),
            Running,
            "duration 60s → 90s",
            None,
        ),
        (
            rated(),
            to(constant(60_000, Spacing::Constant)),
            Running,
            "time_unit 1s → 60s",
            None,
        ),
        (
            rated(),
            to(constant(1_000, Spacing::Poisson)),
            Running,
            "arrival constant → poisson",
            None,
        ),
        (
            ramping(0.0, 5.0),
            to(ramping(1.0, 5.0)),
            Running,
            "start_rate 0/s → 1/s",
            None,
        ),
        (
            ramping(0.0, 5.0),
            to(ramping(0.0, 9.5)),
            Running,
            "stages [5 in 60s] → [9.5 in 60s]",
            None,
        ),
        (
            steps(5.0),
            to(steps(8.0)),
            Running,
            "steps [5 for 60s] → [8 for 60s]",
            None,
        ),
        (
            waves(2),
            to(waves(3)),
            Running,
            "4s, … (7 in all)] → [3 at 0ns, 3 at 1s",
            None,
        ),
        (
            replay(5, 1.0),
            to(replay(6, 1.0)),
            Waiting,
            "trace `t.jsonl` (5) → `t.jsonl` (6)",
            None,
        ),
        (
            replay(5, 1.0),
            to(replay(6, 1.0)),
            Running,
            "trace",
            Some("the row of an iteration"),
        ),
        (replay(5, 1.0), to(replay(5, 2.0)), Waiting, "speed 1 → 2", None),
        (
            replay(5, 1.0),
            to(replay(5, 2.0)),
            Running,
            "speed",
            Some("the row of an iteration"),
        ),
        (burst(5), to(burst(6)), Running, "count 5 → 6", Some("it has begun")),
        (burst(5), to(burst(6)), Waiting, "count 5 → 6", None),
        (
            rated(),
            to(arrivals(10.0, 60_000, (10, 200), Queue)),
            Running,
            "max_vus 100 → 200",
            None,
        ),
        (
            rated(),
            to(arrivals(10.0, 60_000, (10, 50), Queue)),
            Running,
            "max_vus 100 → 50",
            Some("that exist stay"),
        ),
        (
            rated(),
            to(arrivals(10.0, 60_000, (30, 100), Queue)),
            Running,
            "pre_allocated_vus 10 → 30",
            Some("before the start"),
        ),
        (
            rated(),
            to(arrivals(10.0, 60_000, (30, 100), Queue)),
            Waiting,
            "pre_allocated_vus 10 → 30",
            Some("before the start"),
        ),
        (
            rated(),
            at(|s| policy(s, DropIt)),
            Running,
            "on_saturation queue → drop",
            None,
        ),
        (
            rated(),
            to(ramping(0.0, 5.0)),
            Running,
            "executor constant-arrival-rate → ramping-arrival-rate",
            Some("keeps its executor"),
        ),
        (
            rated(),
            to(looping(5, 60_000)),
            Waiting,
            "executor constant-arrival-rate → constant-vus",
            Some("keeps its executor"),
        ),
    ]
}

fn users() -> Vec<Row> {
    vec![
        (looping(5, 60_000), to(looping(12, 60_000)), Running, "vus 5 → 12", None),
        (looping(5, 60_000), to(looping(3, 60_000)), Running, "vus 5 → 3", None),
        (
            looping(5, 60_000),
            to(looping(5, 30_000)),
            Running,
            "duration 60s → 30s",
            None,
        ),
        (external(2, 5), to(external(3, 5)), Running, "vus 2 → 3", None),
        (external(2, 5), to(external(2, 9)), Running, "max_vus 5 → 9", None),
        (
            external(2, 5),
            to(external(2, 4)),
            Running,
            "max_vus 5 → 4",
            Some("that exist stay"),
        ),
        (ramp(0, 5, 0), to(ramp(2, 5, 0)), Running, "start_vus 0 → 2", None),
        (
            ramp(0, 5, 0),
            to(ramp(0, 7, 0)),
            Running,
            "stages [5 in 60s] → [7 in 60s]",
            None,
        ),
        (
            ramp(0, 5, 0),
            to(ramp(0, 5, 500)),
            Running,
            "graceful_ramp_down 0ns → 500ms",
            None,
        ),
        (
            shared(2, 10, 1_000),
            to(shared(3, 10, 1_000)),
            Running,
            "vus 2 → 3",
            Some("handed out at the start"),
        ),
        (
            shared(2, 10, 1_000),
            to(shared(2, 11, 1_000)),
            Running,
            "iterations 10 → 11",
            Some("handed out at the start"),
        ),
        (
            shared(2, 10, 1_000),
            to(shared(2, 10, 2_000)),
            Running,
            "max_duration 1s → 2s",
            None,
        ),
        (
            per_vu(2, 10, 1_000),
            to(per_vu(3, 10, 1_000)),
            Running,
            "vus 2 → 3",
            Some("handed out at the start"),
        ),
        (
            per_vu(2, 10, 1_000),
            to(per_vu(2, 9, 1_000)),
            Waiting,
            "iterations 10 → 9",
            Some("handed out at the start"),
        ),
        (
            per_vu(2, 10, 1_000),
            to(per_vu(2, 10, 2_000)),
            Running,
            "max_duration 1s → 2s",
            None,
        ),
    ]
}

fn any_executor() -> Vec<Row> {
    let any = || looping(5, 60_000);
    let tagged = |s: &mut Scenario| drop(s.tags.insert("op".to_owned(), "order".to_owned()));
    let after = |s: &mut Scenario| s.start_after = Some("other".to_owned());
    let over = Some("its load is over");
    vec![
        (
            any(),
            at(|s| s.graceful_stop = ms(5_000)),
            Running,
            "graceful_stop 30s → 5s",
            None,
        ),
        (
            any(),
            at(|s| s.graceful_stop = ms(5_000)),
            Draining,
            "graceful_stop 30s → 5s",
            None,
        ),
        (
            any(),
            at(|s| s.graceful_stop = ms(5_000)),
            Ended,
            "graceful_stop 30s → 5s",
            Some("it has ended"),
        ),
        (
            any(),
            at(|s| s.start_time = ms(5_000)),
            Waiting,
            "start_time 0ns → 5s",
            None,
        ),
        (
            any(),
            at(|s| s.start_time = ms(5_000)),
            Running,
            "start_time 0ns → 5s",
            Some("it has begun"),
        ),
        (
            any(),
            at(after),
            Waiting,
            "start_after none → `other`",
            Some("settled at the start"),
        ),
        (
            any(),
            at(after),
            Running,
            "start_after none → `other`",
            Some("it has begun"),
        ),
        (
            any(),
            at(|s| s.warmup = ms(5_000)),
            Running,
            "warmup 0ns → 5s",
            Some("cannot be measured anew"),
        ),
        (
            any(),
            at(tagged),
            Running,
            "tags [] → [op=order]",
            Some("from the start already"),
        ),
        (any(), to(looping(6, 60_000)), Draining, "vus 5 → 6", over),
        (
            rated(),
            to(arrivals(50.0, 60_000, (10, 100), Queue)),
            Draining,
            "rate 10/s → 50/s",
            over,
        ),
        (
            rated(),
            to(arrivals(50.0, 60_000, (10, 100), Queue)),
            Ended,
            "rate",
            Some("it has ended"),
        ),
        (any(), to(rated()), Ended, "executor", Some("it has ended")),
    ]
}

#[test]
fn each_key_is_applied_or_refused_with_its_reason() {
    for (executor, edit, standing, what, refused) in [schedules(), users(), any_executor()].into_iter().flatten() {
        let running = scenario("s", executor);
        let mut edited = running.clone();
        edit(&mut edited);
        let diff = Diff::of(&running, &edited, standing.clone());
        let case = format!("{what} {standing:?}: {:?}", diff.changes);
        assert_eq!(diff.changes.len(), 1, "{case}");
        let change = &diff.changes[0];
        assert!(change.what.starts_with("`s`: ") && change.what.contains(what), "{case}");
        match refused {
            None => {
                assert_eq!(change.refused, None, "{case}");
                assert_eq!(diff.next, edited, "{case}");
            }
            Some(reason) => {
                assert!(
                    change.refused.as_ref().is_some_and(|text| text.contains(reason)),
                    "{case}"
                );
                assert_eq!(diff.next, running, "{case}");
            }
        }
    }
}

#[test]
fn what_live_control_set_is_undone_by_edits_that_speak_of_it() {
    // (running, edited, speaks of the rate, of the VUs)
    let table = [
        (rated(), arrivals(50.0, 60_000, (10, 100), Queue), true, false),
        (rated(), arrivals(10.0, 90_000, (10, 200), DropIt), false, false),
        (rated(), constant(2_000, Spacing::Constant), true, false),
        (rated(), constant(1_000, Spacing::Burst), true, false),
        (looping(5, 1_000), looping(6, 1_000), false, true),
        (looping(5, 1_000), looping(5, 2_000), false, false),
        (external(2, 5), external(3, 5), false, true),
        (external(2, 5), external(2, 6), false, false),
    ];
    for (running, edited, rate, vus) in table {
        let case = format!("{running:?} {edited:?}");
        let diff = Diff::of(&scenario("s", running), &scenario("s", edited), Running);
        assert_eq!((diff.rate, diff.vus), (rate, vus), "{case}");
    }
}

#[test]
fn what_nobody_wrote_is_no_difference() {
    // `pre_allocated_vus` follows from the rate where the plan does not say it.
    let unsaid = |rate: f64, made| scenario("s", arrivals(rate, 60_000, (made, 100), Queue));
    let diff = Diff::of(&unsaid(10.0, 10), &unsaid(50.0, 50), Running);
    assert_eq!(diff.changes.len(), 1, "{:?}", diff.changes);
    assert_eq!(diff.next, unsaid(50.0, 50));
    // Values of `env` are the code's.
    let mut other = unsaid(10.0, 10);
    other.env.insert("A".to_owned(), "1".to_owned());
    let diff = Diff::of(&unsaid(10.0, 10), &other, Running);
    assert!(diff.changes.is_empty() && !diff.is_accepted());
    assert_eq!(diff.next, other);
}

#[test]
fn where_nothing_can_be_edited_each_difference_says_why() {
    let running = scenario("s", rated());
    let mut edited = scenario("s", arrivals(50.0, 90_000, (10, 200), DropIt));
    edited.graceful_stop = Duration::ZERO;
    let diff = Diff::of(&running, &edited, Standing::Nowhere("the run is ending".to_owned()));
    assert_eq!(diff.changes.len(), 5);
    let reasons = diff.changes.iter().map(|change| change.refused.as_deref());
    assert!(reasons.into_iter().all(|reason| reason == Some("the run is ending")));
    assert_eq!(diff.next, running);
}
