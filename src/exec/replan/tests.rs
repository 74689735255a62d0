//! What can be edited and what not, with the reasons, as a table.

use std::time::Duration;

use super::diff::{Diff, Standing};
use crate::exec::tests::{arrivals, looping, ms, open, scenario};
use crate::plan::{Executor, OnSaturation, Scenario};
use crate::schedule::{Shape, Spacing, Stage, Step, Trace, Wave};

use OnSaturation::{Drop as DropIt, Queue};
use Standing::{Draining, Ended, Running, Waiting};

/// An edit of a scenario, and what is said about it: where the scenario stands, a part of what differs, and of the reason
/// if it is refused.
struct Row(Executor, Box<dyn Fn(&mut Scenario)>, &'static str);

/// The edit to another executor.
fn to(executor: Executor, edited: Executor, told: &'static str) -> Row {
    let edit = move |scenario: &mut Scenario| scenario.executor = edited.clone();
    Row(executor, Box::new(edit), told)
}

/// Another edit.
fn at(edit: impl Fn(&mut Scenario) + 'static, told: &'static str) -> Row {
    Row(looping(5, 60_000), Box::new(edit), told)
}

/// (pre_allocated_vus, max_vus)
fn capped(vus: (u64, u64)) -> Executor {
    arrivals(10.0, 60_000, vus, Queue)
}

fn at_rate(rate: f64) -> Executor {
    arrivals(rate, 60_000, (10, 100), Queue)
}

fn saturating(policy: OnSaturation) -> Executor {
    arrivals(10.0, 60_000, (10, 100), policy)
}

fn with(change: impl Fn(&mut Shape)) -> Executor {
    let mut executor = at_rate(10.0);
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
        max_duration: Duration::from_secs(max),
    }
}

fn per_vu(vus: u64, iterations: u64, max: u64) -> Executor {
    Executor::PerVuIterations {
        vus,
        iterations,
        max_duration: Duration::from_secs(max),
    }
}

fn schedules() -> Vec<Row> {
    let rated = || at_rate(10.0);
    let long = || arrivals(10.0, 90_000, (10, 100), Queue);
    let burst = |count| open(Shape::Burst { count }, (10, 100), Queue);
    let minutes = constant(60_000, Spacing::Constant);
    let random = constant(1_000, Spacing::Poisson);
    vec![
        to(rated(), at_rate(50.0), "Running: rate 10/s → 50/s"),
        to(rated(), at_rate(50.0), "Draining: rate / its load is over"),
        to(rated(), at_rate(50.0), "Ended: rate / it has ended"),
        to(rated(), long(), "Running: duration 60s → 90s"),
        to(rated(), minutes, "Running: time_unit 1s → 60s"),
        to(rated(), random, "Running: arrival constant → poisson"),
        to(ramping(0.0, 5.0), ramping(1.0, 5.0), "Running: start_rate 0/s → 1/s"),
        to(
            ramping(0.0, 5.0),
            ramping(0.0, 9.5),
            "Running: stages [5 in 60s] → [9.5 in",
        ),
        to(steps(5.0), steps(8.0), "Running: steps [5 for 60s] → [8 for"),
        to(waves(2), waves(3), "Running: 4s, … (7 in all)] → [3 at 0ns, 3 at 1s"),
        to(burst(5), burst(6), "Waiting: count 5 → 6"),
        to(burst(5), burst(6), "Running: count 5 → 6 / it has begun"),
        to(
            replay(5, 1.0),
            replay(6, 1.0),
            "Waiting: trace `t.jsonl` (5) → `t.jsonl` (6)",
        ),
        to(replay(5, 1.0), replay(6, 1.0), "Running: trace / the row of"),
        to(replay(5, 1.0), replay(5, 2.0), "Waiting: speed 1 → 2"),
        to(replay(5, 1.0), replay(5, 2.0), "Running: speed / the row of"),
        to(rated(), capped((10, 200)), "Running: max_vus 100 → 200"),
        to(rated(), capped((10, 50)), "Running: max_vus 100 → 50 / that exist stay"),
        to(
            rated(),
            capped((30, 100)),
            "Running: pre_allocated_vus 10 → 30 / before",
        ),
        to(
            rated(),
            capped((30, 100)),
            "Waiting: pre_allocated_vus 10 → 30 / before",
        ),
        to(rated(), saturating(DropIt), "Running: on_saturation queue → drop"),
        to(rated(), looping(5, 1_000), "Running: executor / keeps its executor"),
        to(
            rated(),
            ramping(0.0, 5.0),
            "Waiting: → ramping-arrival-rate / keeps its",
        ),
    ]
}

fn users() -> Vec<Row> {
    let (vus, lasting) = (|vus| looping(vus, 60_000), |duration| looping(5, duration));
    vec![
        to(vus(5), vus(12), "Running: vus 5 → 12"),
        to(vus(5), vus(3), "Running: vus 5 → 3"),
        to(vus(5), vus(6), "Draining: vus 5 → 6 / its load is over"),
        to(vus(5), lasting(30_000), "Running: duration 60s → 30s"),
        to(external(2, 5), external(3, 5), "Running: vus 2 → 3"),
        to(external(2, 5), external(2, 9), "Running: max_vus 5 → 9"),
        to(
            external(2, 5),
            external(2, 4),
            "Running: max_vus 5 → 4 / that exist stay",
        ),
        to(ramp(0, 5, 0), ramp(2, 5, 0), "Running: start_vus 0 → 2"),
        to(ramp(0, 5, 0), ramp(0, 7, 0), "Running: stages [5 in 60s] → [7 in 60s]"),
        to(
            ramp(0, 5, 0),
            ramp(0, 5, 500),
            "Running: graceful_ramp_down 0ns → 500ms",
        ),
        to(shared(2, 10, 1), shared(3, 10, 1), "Running: vus 2 → 3 / handed out"),
        to(
            shared(2, 10, 1),
            shared(2, 11, 1),
            "Running: iterations 10 → 11 / handed out",
        ),
        to(shared(2, 10, 1), shared(2, 10, 2), "Running: max_duration 1s → 2s"),
        to(per_vu(2, 10, 1), per_vu(3, 10, 1), "Running: vus 2 → 3 / handed out"),
        to(
            per_vu(2, 10, 1),
            per_vu(2, 9, 1),
            "Waiting: iterations 10 → 9 / handed out",
        ),
        to(per_vu(2, 10, 1), per_vu(2, 10, 2), "Running: max_duration 1s → 2s"),
    ]
}

fn any_executor() -> Vec<Row> {
    let graceful = |s: &mut Scenario| s.graceful_stop = ms(5_000);
    let start = |s: &mut Scenario| s.start_time = ms(5_000);
    let after = |s: &mut Scenario| s.start_after = Some("other".to_owned());
    let warmup = |s: &mut Scenario| s.warmup = ms(5_000);
    let tagged = |s: &mut Scenario| drop(s.tags.insert("op".to_owned(), "order".to_owned()));
    vec![
        at(graceful, "Running: graceful_stop 30s → 5s"),
        at(graceful, "Draining: graceful_stop 30s → 5s"),
        at(graceful, "Ended: graceful_stop 30s → 5s / it has ended"),
        at(start, "Waiting: start_time 0ns → 5s"),
        at(start, "Running: start_time 0ns → 5s / it has begun"),
        at(after, "Waiting: start_after none → `other` / settled"),
        at(after, "Running: start_after none → `other` / it has begun"),
        at(warmup, "Running: warmup 0ns → 5s / cannot be measured anew"),
        at(tagged, "Running: tags [] → [op=order] / from the start already"),
    ]
}

#[test]
fn each_key_is_applied_or_refused_with_its_reason() {
    for Row(executor, edit, told) in [schedules(), users(), any_executor()].into_iter().flatten() {
        let (standing, rest) = told.split_once(": ").unwrap();
        let standing = match standing {
            "Waiting" => Waiting,
            "Running" => Running,
            "Draining" => Draining,
            "Ended" => Ended,
            other => panic!("{other}"),
        };
        let (what, refused) = rest
            .split_once(" / ")
            .map_or((rest, None), |(what, why)| (what, Some(why)));
        let running = scenario("s", executor);
        let mut edited = running.clone();
        edit(&mut edited);
        let diff = Diff::of(&running, &edited, standing);
        let case = format!("{told}: {:?}", diff.changes);
        assert_eq!(diff.changes.len(), 1, "{case}");
        let change = &diff.changes[0];
        assert!(change.what.starts_with("`s`: ") && change.what.contains(what), "{case}");
        let reason = change.refused.as_deref();
        assert_eq!(reason.is_some(), refused.is_some(), "{case}");
        assert!(
            reason.unwrap_or_default().contains(refused.unwrap_or_default()),
            "{case}"
        );
        assert_eq!(diff.next, if refused.is_some() { running } else { edited }, "{case}");
    }
}

#[test]
fn what_live_control_set_is_undone_by_edits_that_speak_of_it() {
    // (running, edited, speaks of the rate, of the VUs)
    let table = [
        (at_rate(10.0), arrivals(50.0, 60_000, (10, 100), Queue), true, false),
        (at_rate(10.0), arrivals(10.0, 90_000, (10, 200), DropIt), false, false),
        (at_rate(10.0), constant(2_000, Spacing::Constant), true, false),
        (at_rate(10.0), constant(1_000, Spacing::Burst), true, false),
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
    let running = scenario("s", at_rate(10.0));
    let mut edited = scenario("s", arrivals(50.0, 90_000, (10, 200), DropIt));
    edited.graceful_stop = Duration::ZERO;
    let diff = Diff::of(&running, &edited, Standing::Nowhere("the run is ending".to_owned()));
    assert_eq!(diff.changes.len(), 5);
    let reasons = diff.changes.iter().map(|change| change.refused.as_deref());
    assert!(reasons.into_iter().all(|reason| reason == Some("the run is ending")));
    assert_eq!(diff.next, running);
}

#[test]
fn names_of_parts_are_told() {
    let named = |name: Option<&str>| crate::schedule::Step {
        rate: 20.0,
        duration: ms(1_000),
        name: name.map(str::to_owned),
    };
    let steps = |name| {
        let shape = Shape::Steps {
            time_unit: ms(1_000),
            steps: vec![named(name), named(None)],
            arrival: Spacing::Constant,
        };
        scenario("s", open(shape, (1, 9), Queue))
    };
    let diff = Diff::of(&steps(Some("one")), &steps(Some("first")), Waiting);
    assert_eq!(
        diff.changes[0].what,
        "`s`: steps [`one`: 20 for 1s, 20 for 1s] → [`first`: 20 for 1s, 20 for 1s]"
    );
}
