//! How users are woken: each once, in their order, whoever wakes them, with and without an usher. That what they use is
//! near by then, nothing shows but that all of it works.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::super::usher::{Guest, attend};
use super::*;

/// More than fit into the caches, as the usher sees it.
const CROWD: usize = 200;

/// Users that wait until they are woken, each in a task of its own, and what is seen of them.
struct Waiting {
    wakers: Rc<RefCell<Vec<Waker>>>,
    /// Who went on, in that order.
    woken: Rc<RefCell<Vec<usize>>>,
    /// How often any of them was polled.
    polls: Rc<Cell<usize>>,
    contexts: Vec<Rc<VuContext>>,
}

impl Waiting {
    /// So many, which have come to wait when this returns.
    async fn start(bed: &Bed, users: usize) -> Self {
        let mut all = Self {
            wakers: Rc::default(),
            woken: Rc::default(),
            polls: Rc::default(),
            contexts: Vec::new(),
        };
        for user in 0..users {
            let context = VuContext::new(&bed.host, user as u64 + 1, None);
            assert!(context.guest.set(Guest::new()).is_ok());
            all.contexts.push(Rc::clone(&context));
            let (wakers, woken, polls) = (Rc::clone(&all.wakers), Rc::clone(&all.woken), Rc::clone(&all.polls));
            spawn_local(async move {
                let mut waits = false;
                poll_fn(|cx| {
                    context.poll(cx, |cx| {
                        polls.set(polls.get() + 1);
                        if std::mem::replace(&mut waits, true) {
                            return Poll::Ready(());
                        }
                        wakers.borrow_mut().push(cx.waker().clone());
                        Poll::Pending
                    })
                })
                .await;
                woken.borrow_mut().push(user);
            });
        }
        while all.wakers.borrow().len() < users {
            yield_now().await;
        }
        all
    }

    async fn all_woken(&self) {
        let everybody = async {
            while self.woken.borrow().len() < self.contexts.len() {
                yield_now().await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(20), everybody).await;
        assert!(within.is_ok(), "{} were woken", self.woken.borrow().len());
    }
}

/// Runs `test` with an empty script, where tasks can be spawned.
async fn with_bed<F: Future>(test: impl FnOnce(Bed) -> F) {
    LocalSet::new()
        .run_until(async { test(Bed::new("return function() end").await).await })
        .await;
}

/// An usher at work, and so many users that wait.
async fn attended(bed: &Bed, users: usize) -> (JoinHandle<()>, Waiting) {
    let usher = spawn_local(attend());
    yield_now().await;
    (usher, Waiting::start(bed, users).await)
}

#[tokio::test]
async fn each_is_woken_once_and_in_order() {
    with_bed(async |bed| {
        for users in [3, CROWD] {
            let (usher, all) = attended(&bed, users).await;
            // Twice, which is once as long as it has not gone on.
            for waker in all.wakers.borrow().iter().rev().chain(all.wakers.borrow().iter()) {
                waker.wake_by_ref();
            }
            all.all_woken().await;
            assert_eq!(*all.woken.borrow(), (0..users).rev().collect::<Vec<_>>());
            assert_eq!(all.polls.get(), 2 * users);
            usher.abort();
            assert!(usher.await.expect_err("it ends with its task only").is_cancelled());
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_longer_than_among_the_tasks() {
    const BUSY: usize = 50;
    with_bed(async |bed| {
        let (usher, all) = attended(&bed, CROWD).await;
        // Users that come to their turns by themselves, again and again.
        let rounds = Rc::new(Cell::new(0));
        let mut busy = Vec::new();
        for user in 0..BUSY {
            let context = VuContext::new(&bed.host, (CROWD + user) as u64 + 1, None);
            assert!(context.guest.set(Guest::new()).is_ok());
            let rounds = Rc::clone(&rounds);
            busy.push(spawn_local(poll_fn(move |cx| {
                let poll = context.poll(cx, |_| Poll::<()>::Pending);
                rounds.set(rounds.get() + usize::from(user == 0));
                cx.waker().wake_by_ref();
                poll
            })));
        }
        while rounds.get() == 0 {
            yield_now().await;
        }
        rounds.set(0);
        all.wakers.borrow().iter().for_each(Waker::wake_by_ref);
        all.all_woken().await;
        let (took, fair) = (rounds.get(), CROWD / BUSY + 2);
        assert!(took <= fair, "{took} rounds of {BUSY} turns for {CROWD} who were woken");
        busy.iter().chain([&usher]).for_each(JoinHandle::abort);
    })
    .await;
}

#[tokio::test]
async fn who_is_in_the_queue_goes_on_when_the_usher_ends() {
    with_bed(async |bed| {
        let (usher, all) = attended(&bed, CROWD).await;
        all.wakers.borrow().iter().for_each(Waker::wake_by_ref);
        usher.abort();
        all.all_woken().await;
    })
    .await;
}

#[tokio::test]
async fn another_thread_wakes_without_the_usher() {
    with_bed(async |bed| {
        let (usher, all) = attended(&bed, CROWD).await;
        let wakers = all.wakers.take();
        let other = std::thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
        all.all_woken().await;
        other.join().expect("waking does not panic");
        usher.abort();
    })
    .await;
}

/// As a request does whose token is fetched by the script, or several at once.
#[tokio::test]
async fn who_waits_within_what_it_waits_for_is_woken() {
    with_bed(async |bed| {
        for users in [3, CROWD] {
            let (usher, all) = attended(&bed, users).await;
            let contexts = all.contexts.iter().cloned();
            let waiting = contexts.map(async |context: Rc<VuContext>| {
                let inner = async || {
                    let mut sleep = std::pin::pin!(clock::sleep(Duration::from_millis(2)));
                    poll_fn(|cx| context.poll(cx, |cx| sleep.as_mut().poll(cx))).await;
                };
                let mut both = std::pin::pin!(join_all([inner(), inner(), inner()]));
                poll_fn(|cx| context.poll(cx, |cx| both.as_mut().poll(cx))).await;
            });
            all.wakers.borrow().iter().for_each(Waker::wake_by_ref);
            all.all_woken().await;
            let tasks: Vec<_> = waiting.map(spawn_local).collect();
            let within = tokio::time::timeout(Duration::from_secs(20), join_all(tasks)).await;
            assert!(within.is_ok_and(|ended| ended.iter().all(Result::is_ok)));
            usher.abort();
        }
    })
    .await;
}

#[tokio::test]
async fn who_leaves_the_queue_is_not_kept() {
    with_bed(async |bed| {
        let (usher, all) = attended(&bed, CROWD).await;
        let first = Rc::downgrade(&all.contexts[0]);
        all.wakers.borrow().iter().for_each(Waker::wake_by_ref);
        all.all_woken().await;
        drop(all);
        assert!(first.upgrade().is_none(), "nobody holds a user that is gone");
        usher.abort();
    })
    .await;
}

#[tokio::test]
async fn what_a_user_of_a_crowd_will_use_is_noted() {
    with_bed(async |bed| {
        for users in [3, CROWD] {
            let (usher, all) = attended(&bed, users).await;
            let last = &all.contexts[users - 1];
            let guest = last.guest.get().expect("it was set");
            assert_eq!(
                guest.leads_to_for_test(Rc::as_ptr(last).addr()),
                users == CROWD,
                "{users}"
            );
            assert!(!guest.leads_to_for_test(Rc::as_ptr(&all.contexts[0]).addr()));
            usher.abort();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn users_that_sleep_together_go_on_in_time() {
    LocalSet::new()
        .run_until(async {
            let code = "local kt = require 'kt'\nreturn function() for n = 1, 3 do kt.sleep(0.5) kt.pace(2) end end";
            let bed = Bed::new(code).await;
            let mut users = Vec::new();
            for id in 1..=CROWD as u64 {
                users.push(bed.vu(id).await);
            }
            let usher = spawn_local(attend());
            yield_now().await;
            let start = clock::now();
            let ended = join_all(users.iter_mut().map(|vu| iterate(vu, 0))).await;
            assert!(
                ended.iter().all(|outcome| *outcome == Outcome::Completed),
                "{:?}",
                bed.errors()
            );
            let took = clock::now() - start;
            let (planned, late) = (Duration::from_secs(6), Duration::from_millis(20));
            assert!(took >= planned && took <= planned + late, "{took:?}");
            usher.abort();
        })
        .await;
}
