//! What the end of an iteration means for it and for the run, and what an iteration can depend on.

use super::*;
use crate::control::Reason;

#[tokio::test]
async fn every_end_has_its_outcome() {
    // body, outcome, uncaught errors, reasons of `kt.fail`
    let table = [
        ("return 5", Outcome::Completed, 0, 0),
        ("kt.fail 'no stock'", Outcome::Failed, 0, 1),
        ("pcall(kt.fail, 'no stock')", Outcome::Completed, 0, 0),
        ("local _, e = pcall(kt.fail, 'x') error(e, 0)", Outcome::Failed, 0, 1),
        (
            "kt.group('g', function() kt.fail 'no stock' end)",
            Outcome::Failed,
            0,
            1,
        ),
        ("error 'boom'", Outcome::Failed, 1, 0),
        ("kt.check(1, { never = false })", Outcome::Completed, 0, 0),
        ("kt.run.fail 'books'", Outcome::Completed, 0, 0),
        ("kt.run.abort 'down'", Outcome::Retired, 0, 0),
        ("rows:unique() rows:unique()", Outcome::Retired, 0, 0),
        (
            "rows:unique { on_exhausted = 'abort' } rows:unique { on_exhausted = 'abort' }",
            Outcome::Retired,
            0,
            0,
        ),
        (
            "rows:unique { on_exhausted = 'recycle' } rows:unique { on_exhausted = 'recycle' }",
            Outcome::Completed,
            0,
            0,
        ),
    ];
    for (body, outcome, errors, reasons) in table {
        let main = format!(
            "local kt = require 'kt'\nlocal rows = kt.data.array('rows', function() return {{ 1 }} end)\nreturn function() {body} end"
        );
        let bed = Bed::new(&main).await;
        assert_eq!(bed.once().await, outcome, "{body}: {:?}", bed.errors());
        assert_eq!((bed.errors().len(), bed.reasons().len()), (errors, reasons), "{body}");
    }
}

#[tokio::test]
async fn some_ends_are_the_runs_too() {
    let rows = "local rows = kt.data.array('rows', function() return { 1 } end, { on_exhausted = 'abort' })";
    // body, whether the run stops, its reason
    let table = [
        ("kt.run.abort 'down'", true, Some(Reason::ScriptAbort("down".into()))),
        ("kt.run.fail 'books'", false, Some(Reason::MarkedFailed("books".into()))),
        ("kt.fail 'x'", false, None),
        ("error 'x'", false, None),
        (
            "rows:unique() rows:unique()",
            true,
            Some(Reason::DataExhausted("every row of `rows` has been given out".into())),
        ),
    ];
    for (body, stops, reason) in table {
        let bed = Bed::new(&format!(
            "local kt = require 'kt'\n{rows}\nreturn function() {body} end"
        ))
        .await;
        bed.once().await;
        let control = &bed.session.control;
        assert_eq!(control.stop_token().is_cancelled(), stops, "{body}");
        assert_eq!(control.reasons(), reason.into_iter().collect::<Vec<_>>(), "{body}");
    }
}

#[tokio::test]
async fn the_plan_says_what_an_uncaught_error_means() {
    for (value, stops) in [("fail", false), ("count", false), ("abort", true)] {
        let main = format!("return {{ on_script_error = '{value}', exec = function() error 'boom' end }}");
        let bed = Bed::new(&main).await;
        assert_eq!(bed.once().await, Outcome::Failed);
        assert_eq!(bed.session.control.stop_token().is_cancelled(), stops, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_vu_init_fails_that_vus_iterations() {
    let main = r#"
        local kt = require "kt"
        local token
        return {
          vu_init = function()
            kt.sleep(1)
            if kt.vu.id == 1 then error "no token" end
            token = "t" .. kt.vu.id
          end,
          exec = function() assert(token == "t2") end,
        }"#;
    let bed = Bed::new(main).await;
    let (mut one, mut two) = (bed.vu(1).await, bed.vu(2).await);
    let started = clock::now();
    for number in 0..3 {
        assert_eq!(iterate(&mut one, number).await, Outcome::Failed);
    }
    assert!(clock::now() > started, "a VU that cannot start does not spin");
    assert_eq!(iterate(&mut two, 3).await, Outcome::Completed);
    assert_eq!((bed.errors()[0].0.message.as_str(), bed.errors()[0].1), ("no token", 3));
}

/// What iterations of VUs draw: (seed, scenario, vu, iteration) → text.
async fn draw(seed: u64, scenario: usize, vu: u64, iteration: u64) -> String {
    let main = r#"
        local kt = require "kt"
        local rows = kt.data.array("rows", function() return { "a", "b", "c", "d", "e", "f", "g", "h" } end)
        local function exec()
          local r = kt.random
          kt.fail(table.concat({ r.int(1, 1e9), r.float(), r.uuid(), r.string(5), rows:random(),
            r.weighted { x = 1, y = 1, z = 1 }, r.pick { 1, 2, 3, 4, 5 }, r.normal(0, 1) }, " "))
        end
        local shape = { executor = "constant-vus", duration = 1, exec = exec }
        return { scenarios = { one = shape, two = shape } }"#;
    let bed = Bed::load(&[("main.lua", main)], Limits::default(), seed).await.unwrap();
    let mut user = bed.vu_of(scenario, vu).await;
    assert_eq!(iterate(&mut user, iteration).await, Outcome::Failed);
    assert!(bed.errors().is_empty(), "{:?}", bed.errors());
    bed.reasons().remove(0)
}

#[tokio::test]
async fn random_values_depend_on_seed_scenario_and_iteration_only() {
    let first = draw(1, 0, 1, 0).await;
    assert_eq!(draw(1, 0, 1, 0).await, first, "the same again");
    assert_eq!(draw(1, 0, 7, 0).await, first, "whichever virtual user runs it");
    for (other, what) in [
        (draw(2, 0, 1, 0).await, "seed"),
        (draw(1, 1, 1, 0).await, "scenario"),
        (draw(1, 0, 1, 1).await, "iteration"),
    ] {
        assert_ne!(other, first, "another {what} draws other values");
    }
}

#[tokio::test]
async fn scenarios_have_their_own_journey_environment_and_name() {
    let main = r#"
        local kt = require "kt"
        function second() kt.fail("second " .. kt.env "WHO" .. " " .. kt.scenario.name .. " " .. kt.scenario.executor) end
        local at_load = kt.env("WHO", "nobody")
        return {
          exec = function() kt.fail("first " .. kt.env("WHO", "nobody") .. " " .. kt.scenario.name .. " " .. at_load) end,
          scenarios = {
            a = { executor = "shared-iterations" },
            b = { executor = "per-vu-iterations", exec = "second", env = { WHO = "me", SECRET = "mine" } },
          },
        }"#;
    let bed = Bed::new(main).await;
    for scenario in 0..2 {
        iterate(&mut bed.vu_of(scenario, 1).await, 0).await;
    }
    assert_eq!(
        bed.reasons(),
        ["first nobody a nobody", "second me b per-vu-iterations"],
        "{:?}",
        bed.errors()
    );
}

#[tokio::test]
async fn the_state_of_setup_is_the_first_argument() {
    let main = "local kt = require 'kt'\nreturn { exec = function(state) kt.fail(state.token .. #state.list .. tostring(state.none)) end }";
    let bed = Bed::new(main).await;
    let state = serde_json::json!({ "token": "t", "list": [1, 2], "none": null });
    bed.session.setup.set(state).unwrap();
    bed.once().await;
    assert_eq!(bed.reasons(), ["t2nil"]);
    let bed = Bed::new("local kt = require 'kt'\nreturn function(state) kt.fail(tostring(state)) end").await;
    bed.once().await;
    assert_eq!(bed.reasons(), ["nil"], "without setup there is no state");
}
