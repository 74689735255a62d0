//! What this module promises, one by one, on a VM without anything else in it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use mlua::{Lua, Value};

use super::*;
use crate::script::ApiError;

fn call(lua: &Lua, code: &str) -> Coroutine {
    let coroutine = Coroutine::new(lua).unwrap();
    let function = lua.load(code).set_name("@t.lua").into_function().unwrap();
    assert_eq!(coroutine.load(lua, &function, ()).unwrap(), 0);
    coroutine
}

fn message((value, trace): (mlua::Result<Value>, String)) -> (String, String) {
    (value.unwrap().to_string().unwrap(), trace)
}

#[test]
fn values_survive_the_way_through_the_stack_and_the_binding() {
    let lua = Lua::new();
    let echo = function(
        &lua,
        |stack| {
            let values: mlua::MultiValue = stack.take(0)?;
            assert_eq!(stack.top(), 0);
            Ok(Flow::Return(stack.push_values(values)?))
        },
        None,
    )
    .unwrap();
    lua.globals().set("echo", echo).unwrap();
    // On the main stack, where the binding's own values are, and on another.
    let code = "local t = {}
        local function same(...) return select('#', ...) == 6 and select(6, ...) == t end
        assert(same(echo(nil, true, 1.5, 'x', print, t)))
        assert(coroutine.wrap(function() return same(echo(nil, true, 1.5, 'x', print, t)) end)())";
    lua.load(code).exec().unwrap();
}

#[test]
fn texts_are_texts_whether_the_vm_remembers_it_or_not() {
    let lua = Lua::new();
    let strings: [&[u8]; 5] = [b"", b"plain", "grüße".as_bytes(), b"\xff", b"cut \xc3"];
    for _ in 0..2 {
        for bytes in strings {
            let string = lua.create_string(bytes).unwrap();
            // Looked at for the first time, and again.
            for _ in 0..2 {
                with_stack(&lua, &string, |stack| {
                    assert_eq!(stack.bytes(1), Some(bytes));
                    assert_eq!(stack.text(1), std::str::from_utf8(bytes).ok());
                    assert_eq!(stack.lossy(1).unwrap(), String::from_utf8_lossy(bytes));
                })
                .unwrap();
            }
        }
        with_stack(&lua, 5, |stack| {
            assert_eq!((stack.text(1), stack.lossy(1)), (None, None))
        })
        .unwrap();
        // Of the strings that are there, too.
        remember_texts(&lua).unwrap();
    }
}

/// The collector must not be entered again from what it drops: it would drop the neighbours twice.
#[test]
fn objects_that_hold_pins_may_be_collected_like_others() {
    struct Counts {
        dropped: Rc<Cell<u32>>,
        _pin: Option<Pinned>,
    }
    impl Drop for Counts {
        fn drop(&mut self) {
            self.dropped.set(self.dropped.get() + 1);
        }
    }
    let lua = Lua::new();
    let dropped = Rc::new(Cell::new(0));
    for round in 1..=20 {
        for n in 0..500 {
            let object = Box::new(Counts {
                dropped: Rc::clone(&dropped),
                _pin: (n % 3 == 0).then(|| Pinned::new(&lua, lua.create_table().unwrap()).unwrap()),
            });
            with_stack(&lua, (), move |stack| stack.push_object(object)).unwrap();
        }
        lua.gc_collect().unwrap();
        assert_eq!(dropped.get(), round * 500);
    }
}

#[test]
fn an_object_is_dropped_once_and_only_found_as_what_it_is() {
    let lua = Lua::new();
    let dropped = Rc::new(Cell::new(0));
    struct Counts(Rc<Cell<u32>>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let own = Rc::clone(&dropped);
    with_stack(&lua, (), move |stack| {
        stack.push_object(Box::new(Counts(own)));
        assert_eq!(stack.object::<Counts>(1).map(|counts| counts.0.get()), Some(0));
        assert!(stack.object::<u32>(1).is_none(), "another type");
        stack.push_number(1.0);
        assert!(stack.object::<Counts>(2).is_none() && stack.object::<Counts>(9).is_none());
    })
    .unwrap();
    for _ in 0..3 {
        lua.gc_collect().unwrap();
    }
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_walk_gives_every_entry_and_lists_are_read_by_position() {
    let lua = Lua::new();
    let table: Value = lua.load("return { 'a', 'b', x = 1 }").eval().unwrap();
    let mut seen = with_stack(&lua, table, |stack| {
        assert_eq!((stack.list_len(1), stack.kind(1)), (2, Kind::Table));
        let (mut at, mut seen) = (0, Vec::new());
        while let Some(next) = stack.next(1, at) {
            seen.push((stack.number(2), stack.lossy(2).map(|key| key.into_owned())));
            stack.truncate(1);
            at = next;
        }
        stack.push_item(1, 2);
        assert_eq!(stack.text(2), Some("b"));
        stack.push_item(1, 3);
        assert_eq!(stack.kind(3), Kind::Nil);
        seen
    })
    .unwrap();
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(
        seen,
        [(None, Some("x".to_owned())), (Some(1.0), None), (Some(2.0), None)]
    );
}

#[test]
fn arguments_that_were_not_given_read_as_nil() {
    let lua = Lua::new();
    with_stack(&lua, "given", |stack| {
        assert_eq!(stack.text(1), Some("given"));
        for index in 2..=20 {
            assert_eq!((stack.kind(index), stack.bytes(index)), (Kind::Nil, None));
            assert!(stack.object::<u32>(index).is_none() && !stack.is_true(index));
        }
        stack.push_copy(20);
        assert_eq!((stack.top(), stack.kind(2)), (2, Kind::Nil));
    })
    .unwrap();
}

#[test]
fn texts_are_raised_with_the_line_that_called_and_values_as_they_are() {
    let lua = Lua::new();
    let fail = function(&lua, |_| Err(ApiError::Text("no".into())), None).unwrap();
    lua.globals().set("fail", fail).unwrap();
    let coroutine = call(&lua, "local function inner()\n  fail()\nend\ninner()");
    assert_eq!(coroutine.resume(0), Turn::Raised);
    let (text, trace) = message(coroutine.raised(&lua));
    assert_eq!(text, "t.lua:2: no");
    assert!(trace.contains("t.lua:2 function inner\nt.lua:4\n"), "{trace}");

    let value = lua.create_table().unwrap();
    let own = value.clone();
    let raise = function(&lua, move |_| Err(ApiError::Value(Value::Table(own.clone()))), None).unwrap();
    lua.globals().set("raise", raise).unwrap();
    let coroutine = call(&lua, "raise()");
    assert_eq!(coroutine.resume(0), Turn::Raised);
    assert_eq!(coroutine.raised(&lua).0.unwrap(), Value::Table(value));
}

#[test]
fn a_coroutine_waits_goes_on_and_serves_again_however_the_last_call_ended() {
    let lua = Lua::new();
    let answer = Rc::new(RefCell::new(0.0));
    let own = Rc::clone(&answer);
    let wait = function(
        &lua,
        |stack| match stack.can_wait() {
            true => Ok(Flow::Wait),
            false => Err(ApiError::Text("cannot wait here".into())),
        },
        Some(Box::new(move |stack| {
            // Its arguments are still there.
            let asked = stack.number(1).unwrap_or_default();
            stack.push_number(asked + *own.borrow());
            Ok(Flow::Return(1))
        })),
    )
    .unwrap();
    lua.globals().set("wait", wait).unwrap();
    let coroutine = call(&lua, "local ok, sum = pcall(wait, 1) return ok, sum + wait(10)");
    for round in 0..3 {
        if round > 0 {
            let again = lua.load("local ok, sum = pcall(wait, 1) return ok, sum + wait(10)");
            let again = again.into_function().unwrap();
            let _ = coroutine.load(&lua, &again, ()).unwrap();
        }
        assert_eq!(coroutine.resume(0), Turn::Waits);
        *answer.borrow_mut() = 0.5;
        assert_eq!(coroutine.resume(0), Turn::Waits);
        if round == 1 {
            // Left in the middle.
            continue;
        }
        *answer.borrow_mut() = 100.0;
        assert_eq!(coroutine.resume(0), Turn::Returned);
        let results: (bool, f64) = mlua::FromLuaMulti::from_lua_multi(coroutine.results(&lua).unwrap(), &lua).unwrap();
        assert_eq!(results, (true, 111.5), "round {round}");
    }
    let sorting = call(&lua, "table.sort({ 2, 1 }, function() wait(1) end)");
    assert_eq!(sorting.resume(0), Turn::Raised);
    assert!(message(sorting.raised(&lua)).0.contains("cannot wait here"));
}

#[test]
fn what_is_called_may_wait_too() {
    let lua = Lua::new();
    let through = function(&lua, |stack| Ok(Flow::Call(stack.top() - 1)), None).unwrap();
    lua.globals().set("through", through).unwrap();
    let code = "local function f(a, b) coroutine.yield() return a + b end return 1 + through(f, 2, 3)";
    let coroutine = call(&lua, code);
    assert_eq!(coroutine.resume(0), Turn::Waits);
    assert_eq!(coroutine.resume(0), Turn::Returned);
    let sum: f64 = mlua::FromLuaMulti::from_lua_multi(coroutine.results(&lua).unwrap(), &lua).unwrap();
    assert_eq!(sum, 6.0);
}

#[test]
fn pins_keep_and_let_go() {
    let lua = Lua::new();
    let weak: mlua::Table = lua.load("return setmetatable({}, { __mode = 'k' })").eval().unwrap();
    let count = |weak: &mlua::Table| {
        lua.gc_collect().unwrap();
        lua.gc_collect().unwrap();
        weak.pairs::<Value, Value>().count()
    };
    let pinned = {
        let table = lua.create_table().unwrap();
        weak.set(&table, true).unwrap();
        Pinned::new(&lua, table).unwrap()
    };
    assert_eq!(count(&weak), 1);
    drop(pinned);
    // The next one gives it back.
    let next = Pinned::new(&lua, 1).unwrap();
    assert_eq!(count(&weak), 0);
    drop(next);
}

#[test]
fn a_script_is_stopped_by_who_watches_and_by_nobody_else() {
    struct Stop(Cell<u32>);
    impl Interrupt for Stop {
        fn must_stop(&self, place: &dyn Fn() -> String) -> bool {
            assert_eq!(place(), "t.lua:1: ");
            self.0.set(self.0.get() + 1);
            self.0.get() > 3
        }
    }
    let lua = Lua::new();
    set_interrupt(&lua).unwrap();
    let counted = call(&lua, "for i = 1, 10000 do end");
    assert_eq!(counted.resume(0), Turn::Returned, "nobody watches");
    let stop = Rc::new(Stop(Cell::new(0)));
    assert!(watch(Some(Rc::clone(&stop) as Rc<dyn Interrupt>)).is_none());
    let endless = call(&lua, "while true do pcall(function() while true do end end) end");
    assert_eq!(endless.resume(0), Turn::Raised);
    assert!(message(endless.raised(&lua)).0.contains("interrupted"));
    assert!(watch(None).is_some());
}

#[test]
fn steps_of_the_collector_are_timed() {
    let lua = Lua::new();
    set_interrupt(&lua).unwrap();
    let garbage = call(&lua, "local t for i = 1, 100000 do t = { i } end");
    assert_eq!(garbage.resume(0), Turn::Returned);
    let mut steps = Vec::new();
    each_collection(|took| steps.push(took));
    assert!(!steps.is_empty() && steps.iter().all(|took| *took < Duration::from_secs(10)));
    each_collection(|_| panic!("they are told once"));
}

#[test]
fn coroutines_in_any_state_show_their_places() {
    let lua = Lua::new();
    let wait = function(&lua, |_| Ok(Flow::Wait), Some(Box::new(|_| Ok(Flow::Return(0))))).unwrap();
    lua.globals().set("wait", wait).unwrap();
    let all = |coroutine: &Coroutine| {
        coroutine.places(bring);
    };
    all(&Coroutine::new(&lua).unwrap());
    let coroutine = call(
        &lua,
        "local function deep(n) if n > 0 then deep(n - 1) end wait() end deep(50)",
    );
    all(&coroutine);
    assert_eq!(coroutine.resume(0), Turn::Waits);
    all(&coroutine);
    lua.gc_collect().unwrap();
    all(&coroutine);
    coroutine.clear(&lua);
    all(&coroutine);
}

#[test]
fn any_address_can_be_asked_for() {
    for (address, bytes) in [
        (0, 0),
        (0, 1),
        (usize::MAX, 200),
        (usize::MAX - 64, 64),
        (1 << 63, 4_096),
    ] {
        bring(address, bytes);
    }
}
