//! What virtual users share and what they do not, what scripts cannot reach, and where they can wait.

use super::*;

#[tokio::test]
async fn globals_locals_and_modules_belong_to_one_virtual_user() {
    let main = r#"
        local kt = require "kt"
        local own, again = require "own", require "own"
        loads = (loads or 0) + 1
        local iterations = 0
        function exec()
          iterations = iterations + 1
          own.count = own.count + 1
          kt.fail(table.concat({ loads, _G.loads, iterations, own.count, again.count }, " "))
        end
        return exec"#;
    let files = [("main.lua", main), ("own.lua", "seen = true return { count = 0 }")];
    let bed = Bed::with(&files, Limits::default()).await;
    let (mut one, mut two) = (bed.vu(1).await, bed.vu(2).await);
    assert_eq!(iterate(&mut one, 0).await, Outcome::Failed);
    assert_eq!(iterate(&mut one, 1).await, Outcome::Failed);
    assert_eq!(iterate(&mut two, 2).await, Outcome::Failed);
    let (all, _) = bed.session.failures.all();
    let seen: Vec<_> = all
        .iter()
        .map(|(error, count)| (error.message.as_str(), *count))
        .collect();
    assert_eq!(seen, [("1 1 1 1 1", 2), ("1 1 2 2 2", 1)], "both users begin at 1");
}

#[tokio::test]
async fn what_is_shared_is_frozen() {
    let main = r#"
        local kt = require "kt"
        local function frozen(f)
          local ok, message = pcall(f)
          assert(not ok and string.find(message, "readonly", 1, true), message)
        end
        return {
          exec = function(state)
            frozen(function() kt.new = 1 end)
            frozen(function() kt.http.get = nil end)
            frozen(function() string.format = nil end)
            frozen(function() state.list[1] = 5 end)
            frozen(function() rawset(kt, "new", 1) end)
            frozen(function() getmetatable("").__index = nil end)
            assert(getmetatable(kt) == "locked" and getmetatable(_G) == "locked")
            print2 = print
            assert(_G.print2 == print and state.list[1] == 1)
          end,
        }"#;
    let bed = Bed::new(main).await;
    bed.session.setup.set(serde_json::json!({ "list": [1] })).unwrap();
    assert_eq!(bed.once().await, Outcome::Completed, "{:?}", bed.errors());
}

#[tokio::test]
async fn scripts_reach_nothing_outside() {
    let main = r#"
        return function()
          local absent = {
            "io", "load", "loadstring", "loadfile", "dofile", "package", "getfenv", "setfenv", "newproxy",
            "collectgarbage", "gcinfo",
          }
          for _, name in ipairs(absent) do
            assert(_G[name] == nil, name)
          end
          for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "tmpname" } do
            assert(os[name] == nil, "os." .. name)
          end
          for _, name in ipairs { "getinfo", "sethook", "getlocal", "getregistry", "setmetatable" } do
            assert(debug[name] == nil, "debug." .. name)
          end
        end"#;
    Bed::new(main).await.call().await.unwrap();
}

#[tokio::test]
async fn modules_come_from_beside_the_script_and_from_the_library() {
    let main = r#"
        local a, b, retry = require "a", require "parts.b", require "retry"
        assert(require "a" == a and require "kt.http" == (require "kt").http)
        assert(require "quiet" == true)
        return function() return a.name, b, type(retry.call) end"#;
    let files = [
        ("main.lua", main),
        ("a.lua", "\u{feff}return { name = 'a' }"),
        ("parts/b.lua", "#!/usr/bin/env lua\nreturn 'b'"),
        ("quiet.lua", "local x = 1"),
    ];
    let bed = Bed::with(&files, Limits::default()).await;
    let results = bed.call().await.unwrap();
    let texts: Vec<String> = results.iter().map(|value| value.to_string().unwrap()).collect();
    assert_eq!(texts, ["a", "b", "function"]);
}

#[tokio::test]
async fn modules_that_cannot_be_found_are_refused_at_the_line() {
    // what is required, part of the message
    let table = [
        ("'../secret'", "`../secret` is not a module name"),
        ("'/etc/passwd'", "is not a module name"),
        ("'nothing'", "there is no module `nothing`: looked for"),
        ("'retri'", "did you mean `retry`?"),
        (
            "'kt.htpp'",
            "there is no built-in module `kt.htpp`; did you mean `kt.http`?",
        ),
        ("nil", "a module name is a string, got nil"),
        ("'circle'", "requires itself, directly or in a circle"),
    ];
    for (name, part) in table {
        let main = format!("return function()\n  require({name})\nend");
        let files = [("main.lua", main.as_str()), ("circle.lua", "return require 'circle'")];
        let error = Bed::with(&files, Limits::default()).await.error().await;
        assert!(error.message.contains(part), "{name}: {error}");
        let at = if name == "'circle'" {
            "circle.lua:1"
        } else {
            "main.lua:2"
        };
        assert_eq!(place(&error), at, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_works_in_every_kind_of_lua_function() {
    let main = r#"
        local kt = require "kt"
        local function wait() kt.sleep(1) return "waited" end
        local callable = setmetatable({}, { __call = wait })
        return function()
          assert(select(2, pcall(wait)) == "waited")
          assert(select(2, pcall(pcall, wait)) == true)
          local _, handled = xpcall(function() wait() error("x", 0) end, function(e) return "handled " .. e end)
          assert(handled == "handled x")
          assert(callable() == "waited")
          for word in wait do assert(word == "waited") break end
          local co = coroutine.create(function(a) return a, coroutine.yield(wait()), wait() end)
          local ok, value = coroutine.resume(co, 1)
          assert(ok and value == "waited")
          local _, a, b, c = coroutine.resume(co, 2)
          assert(a == 1 and b == 2 and c == "waited")
          local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, wait()) end end)
          local sum = 0
          for i, word in gen do sum = sum + i assert(word == "waited") end
          assert(sum == 6)
          local inner = coroutine.wrap(function() return coroutine.wrap(function() return wait() end)() end)
          assert(inner() == "waited")
        end"#;
    let started = clock::now();
    Bed::new(main).await.call().await.unwrap();
    assert_eq!((clock::now() - started).as_secs(), 11);
}

#[tokio::test]
async fn where_nothing_can_wait_the_message_says_so() {
    let cases = [
        "table.sort({ 2, 1 }, function() kt.sleep(0) end)",
        "string.gsub('a', 'a', function() kt.sleep(0) end)",
        "local t = setmetatable({}, { __index = function() kt.sleep(0) end })\n return t.x",
        "local t = setmetatable({}, { __tostring = function() kt.sleep(0) end })\n return tostring(t)",
    ];
    for case in cases {
        let main = format!("local kt = require 'kt'\nreturn function()\n  {case}\nend");
        let error = Bed::new(&main).await.error().await;
        let wanted = "sleep cannot be called here: sort comparators, gsub callbacks and metamethods cannot wait";
        assert_eq!(error.message, wanted, "{case}");
        assert_eq!(place(&error), "main.lua:3", "{case}");
    }
}

#[tokio::test]
async fn a_coroutine_that_cannot_wait_leaves_nothing_behind() {
    let main = r#"
        local kt = require "kt"
        local function wait() kt.sleep(1000) end
        return function()
          local list = { 2, 1 }
          local _, problem = pcall(table.sort, list, function() coroutine.wrap(wait)() end)
          assert(string.find(problem, "a coroutine cannot wait here: sort comparators", 1, true), problem)
          table.sort(list, function(a, b)
            local ok, problem = coroutine.resume(coroutine.create(wait))
            assert(not ok and string.find(problem, "cannot wait here", 1, true), problem)
            return a < b
          end)
          coroutine.yield()
        end"#;
    let error = Bed::new(main).await.error().await;
    assert_eq!(error.message, "the script yielded outside of a coroutine of its own");
}

#[tokio::test]
async fn what_is_no_coroutine_is_told_at_its_line() {
    // statement, the message
    let table = [
        (
            "coroutine.wrap(nil)",
            "invalid argument #1 to 'wrap' (function expected, got nil)",
        ),
        (
            "coroutine.resume({})",
            "invalid argument #1 to 'resume' (thread expected, got table)",
        ),
    ];
    for (statement, message) in table {
        let error = Bed::new(&format!("return function()\n  {statement}\nend"))
            .await
            .error()
            .await;
        assert_eq!(
            (error.message.as_str(), place(&error).as_str()),
            (message, "main.lua:2")
        );
    }
}

#[tokio::test]
async fn nothing_waits_while_the_file_loads() {
    // statement, part of the message
    let table = [
        (
            "kt.http.get 'http://127.0.0.1:1/'",
            "http.get cannot be used while the file loads",
        ),
        (
            "kt.sleep(1)",
            "sleep cannot be used while the file loads; call it in setup, vu_init or the journey",
        ),
        (
            "kt.check(1, { a = true })",
            "check: nothing is measured while the file loads",
        ),
        (
            "kt.group('a', function() end)",
            "group: nothing is measured while the file loads",
        ),
    ];
    for (statement, part) in table {
        let main = format!("local kt = require 'kt'\n{statement}\nreturn function() end");
        let loaded = Bed::load(&[("main.lua", &main)], Limits::default(), 1).await;
        let error = loaded.err().unwrap_or_else(|| panic!("{statement} is refused"));
        assert!(error.message.contains(part), "{statement}: {error}");
        assert_eq!(place(&error), "main.lua:2", "{statement}");
    }
}

#[tokio::test]
async fn a_yield_outside_of_coroutines_is_an_error() {
    let error = Bed::new("return function() coroutine.yield(1) end").await.error().await;
    assert_eq!(error.message, "the script yielded outside of a coroutine of its own");
    assert!(error.hint.is_some());
}
