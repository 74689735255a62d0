//! Whose turn it is when several users have what they waited for.

use std::cell::RefCell;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::super::raw::Coroutine;
use super::*;

/// Otherwise the time of an answer would contain what the scripts of those before it compute.
#[tokio::test]
async fn answers_that_are_there_are_received_before_the_first_script_goes_on() {
    const USERS: u64 = 5;
    let test = async {
        let bed = Bed::new("return function() end").await;
        bed.ready().unwrap_or_else(|error| panic!("{error}"));
        let (arrived, log) = (Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
        let asked = Rc::new(RefCell::new(0));
        let receive = {
            let (arrived, log, asked) = (Rc::clone(&arrived), Rc::clone(&log), Rc::clone(&asked));
            bed.host.op_fn("receive", move |_, _| {
                let (arrived, log) = (Rc::clone(&arrived), Rc::clone(&log));
                *asked.borrow_mut() += 1;
                async move {
                    arrived.notified().await;
                    log.borrow_mut().push("received");
                    Ok(MultiValue::new())
                }
            })
        };
        let go_on = {
            let log = Rc::clone(&log);
            let go_on = move |_: &mlua::Lua, ()| {
                log.borrow_mut().push("went on");
                Ok(())
            };
            bed.host.lua.create_function(go_on)
        };
        let journey = bed.host.lua.load("local receive, go_on = ... receive() go_on()");
        let (receive, go_on, journey) = (receive.unwrap(), go_on.unwrap(), journey.into_function().unwrap());
        let users: Vec<_> = (1..=USERS)
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
        arrived.notify_waiters();
        for ended in join_all(users).await {
            ended.expect("no panic").unwrap_or_else(|error| panic!("{error}"));
        }
        let n = usize::try_from(USERS).expect("they are few");
        assert_eq!(*log.borrow(), [vec!["received"; n], vec!["went on"; n]].concat());
    };
    let users = LocalSet::new();
    let bounded = clock::timeout(Duration::from_secs(30), users.run_until(test));
    bounded.await.expect("the test hangs");
}
