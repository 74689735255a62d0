//! Scripts that compute without end or fill the memory: they are cut, told with their place, and nobody else suffers.

use std::time::Duration;

use super::*;
use crate::script::Kind;

/// Small, so that tests are quick; CPU time does not pass while others have the core.
const QUICK: Limits = Limits {
    cpu: Duration::from_millis(50),
    memory: 4 << 30,
};

#[tokio::test]
async fn a_loop_without_end_is_cut_and_told_with_its_line() {
    // body, the line that is told
    let table = [
        ("while true do end", 5),
        ("while true do pcall(function() end) end", 5),
        ("while true do\n pcall(function()\n while true do end\n end)\n end", 7),
        ("repeat xpcall(spin, function() return spin() end) until false", 3),
        ("coroutine.wrap(function() while true do end end)()", 5),
        ("pcall(spin)\n error('never reached')", 3),
        ("kt.group('x', spin)", 3),
        ("table.sort({ 3, 2, 1 }, function() while true do end end)", 5),
        ("string.gsub('a', 'a', function() while true do end end)", 5),
        (
            "string.find(string.rep('a', 40), string.rep('a?', 40) .. string.rep('a', 41))",
            5,
        ),
    ];
    for (body, line) in table {
        let main = format!(
            "local kt = require 'kt'\nlocal function spin()\n  while true do end\nend\nlocal function stuck() {body}\nend\n\
             return function() if kt.vu.iteration == 0 then stuck() end end"
        );
        let bed = Bed::with(&[("main.lua", &main)], QUICK).await;
        let mut vu = bed.vu(1).await;
        assert_eq!(iterate(&mut vu, 0).await, Outcome::Failed, "{body}");
        let errors = bed.errors();
        let (error, count) = &errors[0];
        assert_eq!(
            (error.kind.clone(), *count, errors.len()),
            (Kind::Stuck, 1, 1),
            "{body}: {error}"
        );
        assert_eq!(place(error), format!("main.lua:{line}"), "{body}");
        assert_eq!(
            error.message, "the script computed for more than 50ms without waiting",
            "{body}"
        );
        assert_eq!(
            iterate(&mut vu, 1).await,
            Outcome::Completed,
            "after {body}: {:?}",
            bed.errors()
        );
    }
}

#[tokio::test]
async fn a_stuck_journey_gets_fresh_state() {
    let main = "local kt = require 'kt'\nlocal n = 0\nreturn function()\n  n = n + 1\n  if kt.vu.iteration == 0 then while true do end end\n  kt.fail(n)\nend"
        .replace("kt.fail(n)", "kt.fail(tostring(n))");
    let bed = Bed::with(&[("main.lua", &main)], QUICK).await;
    let mut vu = bed.vu(1).await;
    iterate(&mut vu, 0).await;
    iterate(&mut vu, 1).await;
    assert_eq!(bed.reasons(), ["1"]);
}

#[tokio::test]
async fn the_limit_is_for_computing_between_two_waits() {
    let main = r#"
        local kt = require "kt"
        return function()
          for _ = 1, 8 do
            local from = os.clock()
            while os.clock() - from < 0.02 do end
            kt.sleep(0)
          end
        end"#;
    Bed::with(&[("main.lua", main)], QUICK).await.call().await.unwrap();
}

#[tokio::test]
async fn a_file_that_never_loads_is_cut_too() {
    let files = [
        ("main.lua", "return require 'other'"),
        ("other.lua", "\nwhile true do end"),
    ];
    let error = Bed::load(&files, QUICK, 1).await.err().expect("it never loads");
    assert_eq!(
        (error.kind.clone(), place(&error).as_str()),
        (Kind::Stuck, "other.lua:2")
    );
}

#[tokio::test]
async fn others_go_on_while_one_is_cut() {
    let main = "local kt = require 'kt'\nreturn function()\n  kt.sleep(0)\n  if kt.vu.id == 1 then while true do end end\n  kt.sleep(0)\nend";
    let bed = Bed::with(&[("main.lua", main)], QUICK).await;
    let (mut one, mut two) = (bed.vu(1).await, bed.vu(2).await);
    let outcomes = tokio::join!(iterate(&mut one, 0), iterate(&mut two, 1));
    assert_eq!(outcomes, (Outcome::Failed, Outcome::Completed));
}

#[tokio::test]
async fn a_kill_interrupts_what_computes() {
    let bed = Bed::new("return function() while true do end end").await;
    let mut vu = bed.vu(1).await;
    bed.session.control.kill();
    assert_eq!(iterate(&mut vu, 0).await, Outcome::Retired);
    assert!(bed.errors().is_empty(), "an interruption is no error of the script");
}

#[tokio::test]
async fn the_memory_limit_is_told_clearly_and_the_vm_goes_on() {
    let limits = Limits {
        memory: 32 << 20,
        ..Limits::default()
    };
    let bodies = [
        "local t = {} for i = 1, 1e9 do t[i] = { i } end",
        "local t = {} for i = 1, 1e6 do t[i] = string.rep('x', 1e6) .. i end",
        // A stack that has grown has to be made small again, which takes memory too.
        "local function deep(n, t) if n > 0 then return (deep(n - 1, t)) end for i = 1, 1e9 do t[i] = { i } end end deep(50, {})",
        "local big, text, t = string.rep('x', 28e6), '[' .. string.rep('1,', 1e4) .. '1]', {} while true do t[#t + 1] = kt.json.decode(text) end",
        "local t = {} while true do pcall(function() t[#t + 1] = string.rep('x', 1e6) .. #t end) end",
    ];
    let last = bodies.len() - 1;
    for (n, body) in bodies.into_iter().enumerate() {
        let main = format!(
            "local kt = require 'kt'\nlocal function fill() {body} end\nreturn function()\n  if kt.vu.iteration == 0 then fill() end\n  return string.rep('y', 1e6)\nend"
        );
        let bed = Bed::with(&[("main.lua", &main)], limits).await;
        let mut vu = bed.vu(1).await;
        assert_eq!(iterate(&mut vu, 0).await, Outcome::Failed, "{body}");
        let error = &bed.errors()[0].0;
        // The last catches the error; either it runs out where it cannot, or it is cut.
        assert!(
            error.kind == Kind::Memory || n == last && error.kind == Kind::Stuck,
            "{body}: {error}"
        );
        if n < last {
            assert_eq!(error.message, "the script used more memory than its VM may have");
            assert!(error.hint.is_some_and(|hint| hint.contains("limits")));
        }
        for number in 1..4 {
            assert_eq!(
                iterate(&mut vu, number).await,
                Outcome::Completed,
                "{body}: {:?}",
                bed.errors()
            );
        }
    }
}

#[tokio::test]
async fn a_stack_overflow_is_short() {
    let bed = Bed::new("local function f(n)\n  return 1 + f(n + 1)\nend\nreturn function() f(0) end").await;
    assert_eq!(bed.once().await, Outcome::Failed);
    let error = &bed.errors()[0].0;
    assert!(error.message.contains("stack overflow"), "{error}");
    assert!(error.hint.is_some_and(|hint| hint.contains("calls itself")));
    assert_eq!(place(error), "main.lua:2");
    let rendered = error.render(&bed.loaded.revision.sources);
    assert!(rendered.lines().count() < 25 && rendered.len() < 2_000, "{rendered}");
}
