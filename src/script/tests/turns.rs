//! Whose turn it is when several users have what they waited for.

use std::cell::RefCell;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::super::raw::Coroutine;
use super::super::turnstile;
use super::*;

const USERS: usize = 5;

/// What happened, in order.
type Log = Rc<RefCell<Vec<&'static str>>>;

/// Runs users who wait for the same, which comes at once for all, and then call `script`.
async fn all_go_on(log: &Log, script: impl Fn() + 'static) {
    let bed = Bed::new("return function() end").await;
    bed.ready().unwrap_or_else(|error| panic!("{error}"));
    let (arrived, asked) = (Rc::new(Notify::new()), Rc::new(RefCell::new(0)));
    let receive = {
        let (arrived, log, asked) = (Rc::clone(&arrived), Rc::clone(log), Rc::clone(&asked));
        bed.host.operation("receive", move |_, _| {
            let (arrived, log) = (Rc::clone(&arrived), Rc::clone(&log));
            *asked.borrow_mut() += 1;
            Ok(async move {
                arrived.notified().await;
                log.borrow_mut().push("received");
                Ok(())
            })
        })
    };
    let go_on = {
        let log = Rc::clone(log);
        let go_on = move |_: &mlua::Lua, ()| {
            log.borrow_mut().push("went on");
            script();
            Ok(())
        };
        bed.host.lua.create_function(go_on)
    };
    let journey = bed.host.lua.load("local receive, go_on = ... receive() go_on()");
    let (receive, go_on, journey) = (receive.unwrap(), go_on.unwrap(), journey.into_function().unwrap());
    let users: Vec<_> = (1..=USERS as u64)
        .map(|id| {
            let context = VuContext::new(&bed.host, id, None);
            context.enter(Lifecycle::Setup);
            let coroutine = Coroutine::new(&bed.host.lua).unwrap();
            let (journey, given) = (journey.clone(), (receive.clone(), go_on.clone()));
            spawn_local(async move { bridge::call(&context, &coroutine, &journey, given).await.map(drop) })
        })
        .collect();
    while *asked.borrow() < USERS {
        yield_now().await;
    }
    yield_now().await;
    // Somebody looks at the clock, as those do who receive answers.
    let _ = clock::now();
    arrived.notify_waiters();
    for ended in join_all(users).await {
        ended.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Runs `test` beside an attendant.
async fn attended(test: impl Future<Output = ()>) {
    let users = LocalSet::new();
    let attended = users.run_until(async {
        let attendant = spawn_local(turnstile::attend());
        yield_now().await;
        test.await;
        attendant.abort();
    });
    let bounded = clock::timeout(Duration::from_secs(30), attended);
    bounded.await.expect("the test hangs");
}

/// Otherwise the time of an answer would contain what the scripts of those before it compute.
#[tokio::test(start_paused = true)]
async fn answers_that_are_there_are_received_before_the_first_script_goes_on() {
    let log = Log::default();
    attended(all_go_on(&log, || ())).await;
    assert_eq!(*log.borrow(), [["received"; USERS], ["went on"; USERS]].concat());
}

/// Otherwise the time of an answer would contain what all scripts of the round compute.
#[tokio::test(start_paused = true)]
async fn what_arrives_while_a_script_computes_for_long_is_received_before_the_next_one() {
    let log = Log::default();
    let test = async {
        let (mut server, client) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        let reader = {
            let (mut client, log) = (tokio::net::UnixStream::from_std(client).unwrap(), Rc::clone(&log));
            spawn_local(async move {
                while client.read_u8().await.is_ok() {
                    log.borrow_mut().push("received another");
                }
            })
        };
        let script = move || {
            // It computes for 2 ms, and looks at the clock when it ends.
            let _ = tokio::time::advance(Duration::from_millis(2)).now_or_never();
            let _ = clock::now();
            server.write_all(b"x").unwrap();
        };
        let script = RefCell::new(script);
        all_go_on(&log, move || script.borrow_mut()()).await;
        reader.abort();
    };
    attended(test).await;
    let mut expected = vec!["received"; USERS];
    (1..USERS).for_each(|_| expected.extend(["went on", "received another"]));
    expected.push("went on");
    assert_eq!(log.borrow()[..expected.len()], expected);
}

/// Neither may those who ask again, and are answered at once, come before those who wait.
#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait_while_the_runtime_looks() {
    const USERS: usize = 20;
    const ROUNDS: usize = 50;
    let order = Rc::new(RefCell::new(Vec::new()));
    let test = async {
        let bed = Bed::new("return function() end").await;
        bed.ready().unwrap_or_else(|error| panic!("{error}"));
        let receive = bed.host.operation("receive", |_, _| {
            Ok(async {
                yield_now().await;
                let _ = clock::now();
                Ok(())
            })
        });
        let compute = {
            let order = Rc::clone(&order);
            bed.host.lua.create_function(move |_, user: usize| {
                order.borrow_mut().push(user);
                let _ = tokio::time::advance(Duration::from_micros(100)).now_or_never();
                let _ = clock::now();
                Ok(())
            })
        };
        let code = "local receive, compute, user, rounds = ... for _ = 1, rounds do receive() compute(user) end";
        let journey = bed.host.lua.load(code).into_function().unwrap();
        let (receive, compute) = (receive.unwrap(), compute.unwrap());
        let users = (0..USERS).map(|user| {
            let context = VuContext::new(&bed.host, user as u64 + 1, None);
            context.enter(Lifecycle::Setup);
            let coroutine = Coroutine::new(&bed.host.lua).unwrap();
            let (journey, given) = (journey.clone(), (receive.clone(), compute.clone(), user, ROUNDS));
            spawn_local(async move { bridge::call(&context, &coroutine, &journey, given).await.map(drop) })
        });
        for ended in join_all(users.collect::<Vec<_>>()).await {
            ended.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
        }
    };
    attended(test).await;
    let order = order.borrow();
    for user in 0..USERS {
        let turns: Vec<usize> = (0..order.len()).filter(|at| order[*at] == user).collect();
        let longest = turns.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(
            longest <= Some(2 * USERS),
            "user {user} waited for {longest:?} turns: {order:?}"
        );
    }
}
