//! What journeys and samples know about the stage and the row of their iteration.

use super::*;
use crate::control::{Abilities, Steerable};

/// Runs iterations of (number, segment) on one virtual user; the journey asserts.
async fn run(files: &[(&str, &str)], iterations: &[(u64, u32)]) {
    let bed = Bed::with(files, Limits::default()).await;
    let mut vu = bed.vu(1).await;
    for &(number, segment) in iterations {
        let outcome = vu.run(&iteration(number, segment)).await;
        assert_eq!(outcome, Outcome::Completed, "number {number}: {:?}", bed.errors());
    }
}

#[tokio::test]
async fn a_replayed_iteration_has_its_row_in_the_order_of_time() {
    let script = r#"
        local kt = require "kt"
        local users = { [0] = "early", [1] = "late" }
        return { scenarios = { a = { executor = "replay", trace = "t.csv", exec = function()
            local row = kt.scenario.row
            assert(row.user == users[kt.scenario.iteration], row.user)
            row.user = nil
            assert(kt.scenario.row.user, "a fresh copy each time")
            assert(kt.scenario.stage == nil)
        end } } }"#;
    let trace = "ts,user\n10.5,late\n10,early\n";
    run(&[("main.lua", script), ("t.csv", trace)], &[(0, 0), (1, 0)]).await;
}

#[tokio::test]
async fn stages_have_names_or_numbers() {
    let script = r#"
        local kt = require "kt"
        local stages = { [0] = "0", [1] = "peak", [2] = "2" }
        return { scenarios = { a = { executor = "steps", exec = function()
            local stage = stages[kt.scenario.iteration % 3]
            assert(kt.scenario.stage == stage, kt.scenario.stage)
            assert(kt.scenario.row == nil)
        end, steps = {
            { rate = 1, duration = 1 }, { rate = 9, duration = 1, name = "peak" }, { rate = 1, duration = 1 },
        } } } }"#;
    run(&[("main.lua", script)], &[(0, 0), (1, 1), (2, 2), (4, 1)]).await;
}

#[tokio::test]
async fn samples_carry_the_stage_of_their_iteration() {
    let script = r#"return { exec = function() end, scenarios = { a = { executor = "waves", waves = {
        { at = 0, count = 1, name = "first" }, { at = 1, count = 1 } } } } }"#;
    let bed = Bed::new(script).await;
    bed.ready().unwrap_or_else(|error| panic!("{error}"));
    let context = VuContext::new(&bed.host, 1, Some(0));
    let stage = || context.tags().unwrap().get("stage").map(str::to_owned);
    context.enter(Lifecycle::VuInit);
    assert_eq!(stage(), None);
    for (segment, name) in [(0, "first"), (0, "first"), (1, "1"), (0, "first")] {
        context.begin(&iteration(0, segment));
        assert_eq!(stage().as_deref(), Some(name));
        context.open_group("g", clock::now()).unwrap();
        assert_eq!(stage().as_deref(), Some(name), "in a group too");
        context.end();
    }
}

#[tokio::test]
async fn stages_of_an_edited_plan_are_known_by_their_numbers() {
    let script = r#"return { exec = function() end, scenarios = { a = { executor = "waves", waves = {
        { at = 0, count = 1, name = "first" }, { at = 1, count = 1 } } } } }"#;
    let bed = Bed::new(script).await;
    bed.ready().unwrap_or_else(|error| panic!("{error}"));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let control = &bed.host.session.control;
    let scenario = Steerable {
        name: "a".to_owned(),
        executor: "waves".to_owned(),
        abilities: Abilities::default(),
        stages: names(&["first", "1"]),
    };
    control.steer(clock::now(), vec![scenario]);
    let numbers = control.number_stages(0, &names(&["first", "second", "last"]));
    assert_eq!(numbers, [0, 2, 3]);
    let context = VuContext::new(&bed.host, 1, Some(0));
    for (number, name) in numbers.into_iter().chain([1]).zip(["first", "second", "last", "1"]) {
        context.begin(&iteration(0, number));
        assert_eq!(context.stage().as_deref(), Some(name));
    }
}
