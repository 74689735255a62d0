//! Where a scenario stands when its plan is edited: what is possible then, and when it is over by plan.

use super::*;

use Command::{Pause, Resume};
use OnSaturation::Queue;

#[tokio::test(start_paused = true)]
async fn a_scenario_that_has_not_begun_is_edited_as_a_whole() {
    for stripes in [1, 3] {
        let mut later = scenario("later", looping(1, 1_000));
        later.start_time = ms(2_000);
        let report = Stage::new(vec![later, scenario("first", looping(1, 5_000))], 100)
            .stripes(stripes)
            .edit_at(980, |scenarios| {
                scenarios[0].start_time = ms(3_000);
                scenarios[0].executor = looping(4, 500);
            })
            .play()
            .await;
        let begun: Vec<_> = report
            .seen
            .iter()
            .filter(|s| s.scenario == 0)
            .map(|s| s.started)
            .collect();
        assert_eq!((begun.len(), begun[0]), (20, 3_000), "{stripes} stripes");
        report.applied();
        // Earlier than now: it begins at once.
        let mut later = scenario("only", arrivals(10.0, 1_000, (2, 2), Queue));
        later.start_time = ms(2_000);
        let report = Stage::new(vec![later], 100)
            .stripes(stripes)
            .edit_at(980, |scenarios| scenarios[0].start_time = ms(500))
            .play()
            .await;
        assert_eq!((report.seen[0].started, report.elapsed), (1_000, 2_000));
    }
}

#[tokio::test(start_paused = true)]
async fn where_a_scenario_stands_decides_what_can_be_edited() {
    // `first` offers until 1,000, drains until 1,900 and is followed by `next` from 2,400 on.
    let first = || scenario("first", looping(1, 1_000));
    let mut next = scenario("next", looping(1, 1_000));
    next.start_after = Some("first".to_owned());
    next.start_time = ms(500);
    // (at, of `first`, of `next`): the reason, if the end and the start are refused.
    let table = [
        (480, None, None),
        // It would be over before the edit holds.
        (985, Some("its load is over, and what is in flight finishes"), None),
        (1_500, Some("its load is over, and what is in flight finishes"), None),
        (2_000, Some("it has ended"), None),
        (2_385, Some("it has ended"), Some("it has begun")),
        (2_500, Some("it has ended"), Some("it has begun")),
    ];
    for (at, of_first, of_next) in table {
        let report = Stage::new(vec![first(), next.clone()], 950)
            .stripes(2)
            .edit_at(at, |scenarios| {
                scenarios[0].executor = looping(1, 1_001);
                scenarios[1].start_time = ms(501);
            })
            .play()
            .await;
        let reasons: Vec<_> = report.changes.iter().map(|change| change.refused.as_deref()).collect();
        assert_eq!(reasons, [of_first, of_next], "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_ending_is_not_edited_and_nobody_joins_or_leaves() {
    let report = Stage::one(arrivals(10.0, 2_000, (2, 2), Queue), 500)
        .edit_at(480, |scenarios| scenarios[0].name = "other".to_owned())
        .play()
        .await;
    let told: Vec<_> = report.changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(told, ["`only`: removed", "`other`: added"]);
    assert!(report.changes.iter().all(|change| change.refused.is_some()));
    assert_eq!(report.only().0, 20);

    let (control, shared) = (
        Control::new(),
        Shared::new(&plan(vec![scenario("only", looping(1, 1_000))]), SEED),
    );
    let edited = [scenario("only", looping(2, 1_000))];
    let reason = |control: &Control| replan(control, &shared, &edited).changes[0].refused.clone().unwrap();
    assert_eq!(reason(&control), "the load has not begun yet");
    control.steer(
        clock::now(),
        steerables(&plan(vec![scenario("only", looping(1, 1_000))])),
    );
    control.stop(crate::control::Reason::Signal);
    assert_eq!(reason(&control), "the run is ending");
}

#[tokio::test(start_paused = true)]
async fn the_planned_end_moves_with_pauses_and_edits() {
    let mut later = scenario("later", looping(1, 1_000));
    later.start_after = Some("only".to_owned());
    later.start_time = ms(100);
    let scenarios = vec![scenario("only", looping(1, 2_000)), later];
    let (control, shared) = (Control::new(), Shared::new(&plan(scenarios.clone()), SEED));
    let start = clock::now();
    let ends = || [0, 1].map(|index| millis(shared.planned_end(index, &control) - start));
    control.steer(start, steerables(&plan(scenarios.clone())));
    assert_eq!(ends(), [2_000, 3_100]);
    let _stripe = shared.joint(0).join();
    shared.joint(0).begin(start);
    clock::sleep(ms(480)).await;
    control.obey(&Pause).unwrap();
    clock::sleep(ms(1_000)).await;
    assert_eq!(ends(), [2_980, 4_080], "as if it went on now");
    control.obey(&Resume).unwrap();
    clock::sleep(ms(100)).await;
    assert_eq!(ends(), [3_000, 4_100]);
    let mut edited = scenarios;
    edited[0].executor = looping(1, 5_000);
    edited[1].executor = looping(1, 3_000);
    assert_eq!(replan(&control, &shared, &edited).changes.len(), 2);
    assert_eq!(ends(), [6_000, 9_100]);
}

/// Who has no more to do is over before the plan says so.
#[tokio::test(start_paused = true)]
async fn a_span_ends_with_the_work() {
    let scenarios = vec![
        scenario("only", looping(1, 2_000)),
        scenario("other", looping(1, 2_000)),
    ];
    let (control, shared) = (Control::new(), Shared::new(&plan(scenarios.clone()), SEED));
    let start = clock::now();
    control.steer(start, steerables(&plan(scenarios)));
    let spans = || {
        [0, 1].map(|index| {
            let (begun, end) = shared.span(index, &control);
            (begun.map(|begun| millis(begun - start)), millis(end - start))
        })
    };
    assert_eq!(spans(), [(None, 2_000), (None, 2_000)]);
    let _stripes = [0, 1].map(|index| shared.joint(index).join());
    for index in [0, 1] {
        shared.joint(index).begin(start);
    }
    clock::sleep(ms(700)).await;
    shared.joint(0).end();
    assert_eq!(spans(), [(Some(0), 700), (Some(0), 2_000)]);
    clock::sleep(ms(2_300)).await;
    shared.joint(1).end();
    assert_eq!(
        spans(),
        [(Some(0), 700), (Some(0), 2_000)],
        "the last iterations are not of the load"
    );
}
