//! Virtual users that are woken come in one after the other, and what each of them will use is brought near while those
//! before it run: of thousands, each has left the caches long before its time comes, and would wait for its memory line by
//! line. What that is, is `near`'s.
//!
//! Each user waits with a waker of its own. Where its core has an usher, being woken puts it into a queue; with each turn
//! of the usher, a task like any other, the first in the queue is passed on to its task, and the next ones are brought near.
//! For each user that had a turn meanwhile and did not come this way, as those do who begin an iteration, one more is
//! passed on, so that nobody waits here longer than among the tasks. Few users fit into the caches together, and are passed
//! on at once; so is whoever is woken from another core.
//!
//! | state | event | next |
//! |---|---|---|
//! | waiting | woken | queued; waiting, if it is passed on at once |
//! | queued | woken | queued |
//! | queued | its turn, or the end of the usher | passed on: its task is woken |
//! | passed on | woken | passed on: its task is woken |
//! | any | polled by its task | waiting |

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ptr::from_ref;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

use super::context::VuContext;
use super::near::Trail;
use crate::net::outbox;

/// From so many users on, a core's caches do not hold them all: some hundred lines each, in a megabyte.
const CROWD: usize = 128;
/// How many of the queue are near, or on the way.
const AHEAD: usize = 4;

thread_local! {
    static DOOR: Door = const { Door::new() };
}

/// Where those of one thread wait who were woken.
struct Door {
    queue: RefCell<VecDeque<Called>>,
    /// How many there are, waiting or not.
    guests: Cell<usize>,
    /// Whether there is an usher.
    attended: Cell<bool>,
    /// The usher, while it has nothing to do.
    usher: Cell<Option<Waker>>,
    /// How many others had a turn since the usher's last.
    others: Cell<usize>,
}

/// Somebody who was woken.
struct Called {
    bell: Arc<Bell>,
    /// What it will use is near, or on the way.
    is_near: bool,
}

const WAITING: u8 = 0;
const QUEUED: u8 = 1;
const PASSED: u8 = 2;

/// What wakes a user.
struct Bell {
    /// The task that it runs in.
    task: AtomicWaker,
    /// [`WAITING`], [`QUEUED`] or [`PASSED`].
    state: AtomicU8,
    /// The address of its door.
    door: usize,
    /// What it will use.
    trail: Trail,
}

/// A user, as far as it can be woken.
pub(super) struct Guest {
    bell: Arc<Bell>,
    waker: Waker,
    /// It is being polled: what it waits for may run the script, which waits for something else.
    polled: Cell<bool>,
    /// It was passed on, and has not waited since: in between it may give way to others.
    came: Cell<bool>,
}

impl Guest {
    /// A user on this thread.
    pub(super) fn new() -> Self {
        let bell = DOOR.with(|door| {
            door.guests.set(door.guests.get() + 1);
            Arc::new(Bell {
                task: AtomicWaker::new(),
                state: AtomicU8::new(WAITING),
                door: from_ref(door).addr(),
                trail: Trail::new(),
            })
        });
        let waker = Waker::from(Arc::clone(&bell));
        Self {
            bell,
            waker,
            polled: Cell::new(false),
            came: Cell::new(false),
        }
    }

    /// Polls what the user of `context` waits for, in its task `cx`. What is waited for in between is woken as part of it.
    pub(super) fn poll<T>(
        &self,
        context: &Rc<VuContext>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if self.polled.replace(true) {
            return poll(cx);
        }
        let bell = &self.bell;
        bell.task.register(cx.waker());
        if bell.state.swap(WAITING, Ordering::Relaxed) == PASSED {
            self.came.set(true);
        }
        let polled = poll(&mut Context::from_waker(&self.waker));
        self.polled.set(false);
        if polled.is_pending() {
            DOOR.with(|door| {
                if !self.came.replace(false) {
                    door.others.set(door.others.get() + 1);
                }
                if door.is_crowded() {
                    bell.trail.note(context, cx.waker().data().addr());
                }
            });
        }
        polled
    }
}

#[cfg(test)]
impl Guest {
    /// Whether what is at `address` will be brought near.
    pub(super) fn leads_to_for_test(&self, address: usize) -> bool {
        self.bell.trail.leads_to_for_test(address)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // At the end of a thread there is nothing left to leave.
        let _ = DOOR.try_with(|door| door.guests.set(door.guests.get() - 1));
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !DOOR.try_with(|door| door.queue(self)).unwrap_or(false) {
            self.task.wake();
        }
    }
}

impl Door {
    const fn new() -> Self {
        Self {
            queue: RefCell::new(VecDeque::new()),
            guests: Cell::new(0),
            attended: Cell::new(false),
            usher: Cell::new(None),
            others: Cell::new(0),
        }
    }

    /// Whether it is of use to wait in the queue.
    const fn is_crowded(&self) -> bool {
        self.attended.get() && self.guests.get() >= CROWD
    }

    /// Takes `bell` into the queue, if that is of use; says so.
    fn queue(&self, bell: &Arc<Bell>) -> bool {
        if bell.door != from_ref(self).addr() || !self.is_crowded() {
            return false;
        }
        match bell.state.load(Ordering::Relaxed) {
            WAITING => {
                bell.state.store(QUEUED, Ordering::Relaxed);
                bell.trail.bring();
                let bell = Arc::clone(bell);
                self.queue.borrow_mut().push_back(Called { bell, is_near: false });
                if let Some(usher) = self.usher.take() {
                    self.others.set(0);
                    usher.wake();
                }
                true
            }
            state => state == QUEUED,
        }
    }

    /// Takes out the first, and has those in front brought near.
    fn next(&self) -> Option<Arc<Bell>> {
        let mut queue = self.queue.borrow_mut();
        for called in queue.iter_mut().take(AHEAD) {
            if !std::mem::replace(&mut called.is_near, true) {
                called.bell.trail.follow();
            }
        }
        Some(queue.pop_front()?.bell)
    }
}

impl Bell {
    /// Wakes the task.
    fn pass(&self) {
        self.state.store(PASSED, Ordering::Relaxed);
        self.task.wake();
    }
}

/// The usher of this thread, as long as it is polled. Belongs into the same `LocalSet` as the users, whose turns and its own
/// alternate there.
pub async fn attend() {
    let _attendance = Attendance::begin();
    poll_fn(|cx| {
        DOOR.with(|door| {
            for _ in 0..=door.others.take() {
                let Some(bell) = door.next() else { break };
                bell.pass();
            }
            let others_wait = !door.queue.borrow().is_empty();
            outbox::hold(others_wait);
            if others_wait {
                cx.waker().wake_by_ref();
            } else {
                door.usher.set(Some(cx.waker().clone()));
            }
        });
        Poll::Pending
    })
    .await
}

/// There is an usher.
struct Attendance;

impl Attendance {
    fn begin() -> Self {
        DOOR.with(|door| door.attended.set(true));
        Self
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        outbox::hold(false);
        // Who waits is passed on: nobody else would.
        let left = DOOR.try_with(|door| {
            door.attended.set(false);
            drop(door.usher.take());
            door.queue.take()
        });
        left.into_iter().flatten().for_each(|called| called.bell.pass());
    }
}
