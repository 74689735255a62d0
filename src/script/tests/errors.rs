//! Errors in scripts, as their authors see them: the message, the file and line, the line itself, and what led there.

use super::*;
use crate::script::Kind;

#[tokio::test]
async fn an_error_in_a_required_file_names_that_file_and_the_way_to_it() {
    let files = [
        (
            "main.lua",
            "local other = require 'other'\nreturn function()\n  other.outer()\nend",
        ),
        (
            "other.lua",
            "local function inner()\n  error 'boom'\nend\nreturn { outer = function()\n  inner()\nend }",
        ),
    ];
    let bed = Bed::with(&files, Limits::default()).await;
    let error = bed.error().await;
    assert_eq!(
        (error.message.as_str(), place(&error).as_str()),
        ("boom", "other.lua:2")
    );
    let lines: Vec<u32> = error.trace.iter().map(|frame| frame.line).collect();
    assert_eq!(lines, [2, 5, 3], "{:?}", error.trace);
    assert_eq!(error.trace[0].function.as_deref(), Some("inner"));
    let folder = bed.folder.path().display().to_string();
    let rendered = error
        .render(&bed.loaded.revision.sources)
        .replace(&format!("{folder}/"), "");
    let wanted = "error: boom\n  --> other.lua:2\n   2 |   error 'boom'\n     |   ^^^^^^^^^^^^\n     called from other.lua:5 in `outer`\n     called from main.lua:3";
    assert_eq!(rendered, wanted);
}

#[tokio::test]
async fn a_data_set_that_is_taken_for_a_table_says_what_it_is() {
    let main = "local kt = require 'kt'\nlocal ids = kt.data.array('ids', function() return { 1 } end)\nreturn function()\n  for _ in ipairs(ids) do end\nend";
    let error = Bed::new(main).await.error().await;
    assert!(error.message.contains("got data set"), "{error}");
    assert_eq!(place(&error), "main.lua:4");
    assert!(error.hint.is_some_and(|hint| hint.contains("in rows:each() do")));
}

#[tokio::test]
async fn what_was_raised_is_read_without_code_of_the_script() {
    let forever = "function() while true do end end";
    let main = format!(
        "return function()\n  error(setmetatable({{ a = 1 }}, {{ __index = {forever}, __tostring = {forever} }}))\nend"
    );
    let error = Bed::new(&main).await.error().await;
    assert_eq!(error.message, "the script raised {\"a\":1}");
}

#[tokio::test]
async fn errors_of_the_vm_have_their_line_and_a_hint() {
    // body, part of the message, whether a hint helps
    let table = [
        ("local t = {}\n t.a.b = 1", "attempt to index nil with 'b'", true),
        ("local t = {}\n t.go()", "attempt to call a nil value", true),
        ("local x = {}\n x()", "attempt to call a table value", true),
        ("local x\n = 1 + {}", "attempt to perform arithmetic", false),
        ("local x\n = 'a' .. {}", "attempt to concatenate", false),
        ("local x\n = #5", "attempt to get length", false),
        ("local t = (require 'kt')\n t.x = 1", "readonly", true),
        (
            "local t = (require 'kt')\n t.http.gett()",
            "kt.http has no `gett`; did you mean `get`?",
            false,
        ),
    ];
    for (body, part, hint) in table {
        let error = Bed::new(&format!("return function()\n{body}\nend")).await.error().await;
        assert!(error.message.contains(part), "{body}: {error}");
        assert_eq!(error.hint.is_some(), hint, "{body}: {:?}", error.hint);
        assert_eq!(place(&error), "main.lua:3", "{body}");
    }
}

#[tokio::test]
async fn whatever_is_raised_is_told() {
    // expression, message
    let table = [
        ("error({ code = 7 })", "the script raised {\"code\":7}"),
        ("error({ message = 'no stock', code = 7 })", "no stock"),
        ("error('plain', 0)", "plain"),
        ("error()", "the script raised nil"),
        ("error(5)", "5"),
        ("error(true)", "the script raised true"),
        ("error(print)", "the script raised a function"),
        ("assert(false)", "assertion failed!"),
        ("assert(nil, 'no order')", "no order"),
        ("error(setmetatable({}, { __index = error }))", "the script raised {}"),
    ];
    for (raise, message) in table {
        let bed = Bed::new(&format!("return function()\n  {raise}\nend")).await;
        let error = bed.error().await;
        assert_eq!(
            (error.kind.clone(), error.message.as_str()),
            (Kind::Raised, message),
            "{raise}"
        );
        assert_eq!(place(&error), "main.lua:2", "{raise}");
    }
}

#[tokio::test]
async fn a_caught_table_is_the_same_table() {
    let main = r#"
        local kt = require "kt"
        return function()
          local mine = { code = 7 }
          local ok, err = pcall(function() kt.sleep(0) error(mine) end)
          assert(not ok and err == mine)
          ok, err = pcall(coroutine.wrap(function() kt.sleep(0) error(mine) end))
          assert(not ok and err == mine)
          ok, err = pcall(kt.group, "x", function() error(mine) end)
          assert(not ok and err == mine)
        end"#;
    Bed::new(main).await.call().await.unwrap();
}

#[tokio::test]
async fn syntax_errors_have_their_place() {
    let load = async |files: &[(&str, &str)]| Bed::load(files, Limits::default(), 1).await.err().unwrap();
    let error = load(&[("main.lua", "local a = 1\nlocal b = = 2\n")]).await;
    assert_eq!(
        (error.kind.clone(), place(&error).as_str()),
        (Kind::Syntax, "main.lua:2")
    );
    let error = load(&[("main.lua", "\nrequire 'bad'\n"), ("bad.lua", "x = (")]).await;
    assert_eq!(place(&error), "bad.lua:1", "{error}");
    let error = load(&[("main.lua", "return function()\n")]).await;
    assert_eq!(place(&error), "main.lua:2", "{error}");
}

#[tokio::test]
async fn errors_while_the_file_loads_have_their_place() {
    let files = [
        ("main.lua", "local x = require 'x'"),
        ("x.lua", "\nlocal t = nil\nreturn t.field"),
    ];
    let error = Bed::load(&files, Limits::default(), 1).await.err().unwrap();
    assert_eq!(place(&error), "x.lua:3");
    let lines: Vec<u32> = error.trace.iter().map(|frame| frame.line).collect();
    assert!(lines.contains(&1), "the line that required it: {:?}", error.trace);
}

#[tokio::test]
async fn misuse_is_told_at_the_callers_line() {
    // call, part of the message; the line is the call's
    let table = [
        ("kt.http.get(nil)", "http.get: `url` must be a string, got nil"),
        ("kt.sleep 'soon'", "sleep: `duration` is wrong"),
        ("kt.check(1, 2)", "check: the second argument"),
        ("kt.group('x')", "group: the second argument must be a function"),
        ("kt.poll {}", "poll: `name` is missing"),
        ("kt.random.int('a')", "random.int: `min` must be a whole number"),
        ("kt.json.encode(print)", "json.encode: a function cannot be JSON"),
        (
            "coroutine.wrap(function() kt.sleep {} end)()",
            "sleep: `duration` is wrong",
        ),
        ("pcall(error, kt.http.gett)", "kt.http has no `gett`"),
    ];
    for (call, part) in table {
        let main = format!("local kt = require 'kt'\nreturn function()\n\n  {call}\nend");
        let error = Bed::new(&main).await.error().await;
        assert!(error.message.contains(part), "{call}: {error}");
        assert_eq!(place(&error), "main.lua:4", "{call}");
    }
}

#[tokio::test]
async fn repeats_are_counted() {
    let bed = Bed::new("local kt = require 'kt'\nreturn function() error('boom ' .. kt.vu.id) end").await;
    for id in [1, 1, 2] {
        assert_eq!(iterate(&mut bed.vu(id).await, 0).await, Outcome::Failed);
    }
    let counts: Vec<_> = bed
        .errors()
        .into_iter()
        .map(|(error, count)| (error.message, count))
        .collect();
    assert_eq!(counts, [("boom 1".to_owned(), 2), ("boom 2".to_owned(), 1)]);
}
