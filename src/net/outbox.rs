//! Requests of one core that are ready wait until those who run next have had their turn, and go out one after the other.
//! What the scripts run, and what the kernel runs to send, then stays in the processor's caches from one user to the next,
//! instead of each driving out the other: a scripted request costs a twelfth less (`docs/ARCHITECTURE.md`, "Decisions").
//!
//! Nobody waits long. A batch goes when the core's tasks have come round once; where the usher knows of more users, when they
//! have run, when it is full, or after so many of them. A request that is alone goes at once. Where scripts compute for so
//! long that batches are late again and again, requests go as soon as they are ready, for a while. The clock of a request
//! starts when its bytes are handed to the kernel, here as elsewhere.
//!
//! | state of a posted request | event | next |
//! |---|---|---|
//! | waiting | its batch goes, and the socket takes all | sent |
//! | waiting | its batch goes, and the socket takes a part or nothing | left: its exchange is woken and writes the rest |
//! | waiting | its batch goes, and the socket fails | failed: its exchange is woken |
//! | waiting | its exchange is dropped, and its connection with it | nothing is sent |

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::wire::Wire;
use crate::clock::{self, Instant};

/// So many go together at most: the first waits for the scripts of all. With 8 a request costs 3 % more, with 128 the same.
const BATCH: usize = 32;

/// The first of a batch should not wait longer.
const PATIENCE: Duration = Duration::from_millis(1);

/// So many late batches in a row are no accident. One may be late because the system took the core away meanwhile.
const LATE: u32 = 4;

/// How many requests go as soon as they are ready, after so many late batches.
const HASTY: u32 = 1_000;

thread_local! {
    static OUTBOX: Outbox = const { Outbox::new() };
}

/// What waits on one core.
struct Outbox {
    /// The requests as they go out, one after the other.
    text: RefCell<Vec<u8>>,
    letters: RefCell<Vec<Letter>>,
    /// Whether there is somebody who sends them.
    attended: Cell<bool>,
    /// Who sends them, while there is nothing to do.
    sender: Cell<Option<Waker>>,
    /// Whether others are about to run of whom the runtime does not know yet.
    held: Cell<bool>,
    /// How often that was said since the first of the batch was posted.
    turns: Cell<usize>,
    /// When the first of the batch was posted.
    since: Cell<Option<Instant>>,
    /// How many batches in a row were late.
    late: Cell<u32>,
    /// How many requests still go as soon as they are ready.
    hasty: Cell<u32>,
}

/// A request that waits.
struct Letter {
    /// Goes with its connection.
    wire: Weak<Wire>,
    /// Where its text ends; it begins where the one before ends.
    end: usize,
    /// Wakes its exchange.
    waker: Waker,
}

impl Outbox {
    const fn new() -> Self {
        Self {
            text: RefCell::new(Vec::new()),
            letters: RefCell::new(Vec::new()),
            attended: Cell::new(false),
            sender: Cell::new(None),
            held: Cell::new(false),
            turns: Cell::new(0),
            since: Cell::new(None),
            late: Cell::new(0),
            hasty: Cell::new(0),
        }
    }

    fn takes_letters(&self) -> bool {
        let hasty = self.hasty.get();
        self.hasty.set(hasty.saturating_sub(1));
        hasty == 0 && self.attended.get()
    }

    fn add(&self, wire: &Rc<Wire>, end: usize, cx: &Context<'_>) {
        wire.post();
        let waiting = {
            let mut letters = self.letters.borrow_mut();
            letters.push(Letter {
                wire: Rc::downgrade(wire),
                end,
                waker: cx.waker().clone(),
            });
            letters.len()
        };
        match waiting {
            1 => {
                self.since.set(Some(clock::now()));
                self.call();
            }
            BATCH.. => self.send(),
            _ => {}
        }
    }

    /// Calls the sender if there is something to send and nobody to wait for.
    fn call(&self) {
        if !self.held.get()
            && !self.letters.borrow().is_empty()
            && let Some(sender) = self.sender.take()
        {
            sender.wake();
        }
    }

    /// Has requests wait for those who are about to run, or no longer.
    fn hold(&self, held: bool) {
        self.held.set(held);
        if !held {
            self.call();
        } else if self.since.get().is_some() {
            self.turns.set(self.turns.get() + 1);
            if self.turns.get() >= BATCH {
                // Those who run may send nothing.
                self.send();
            }
        }
    }

    /// Sends all that waits.
    fn send(&self) {
        let Some(since) = self.since.take() else { return };
        self.turns.set(0);
        self.judge(clock::now().saturating_duration_since(since));
        let (mut text, mut letters) = (self.text.borrow_mut(), self.letters.borrow_mut());
        let mut start = 0;
        for Letter { wire, end, waker } in letters.drain(..) {
            if let Some(wire) = wire.upgrade()
                && !wire.send(&text[start..end])
            {
                waker.wake();
            }
            start = end;
        }
        text.clear();
    }

    /// Takes note of how long the first of a batch has waited.
    fn judge(&self, waited: Duration) {
        let late = if waited > PATIENCE { self.late.get() + 1 } else { 0 };
        self.late.set(late % LATE);
        if late == LATE {
            self.hasty.set(HASTY);
        }
    }
}

/// Writes a request with `render`, which appends to what it is given, and posts it for `wire`. Gives it back where that is not
/// possible, or if `render` gives something that is to be written after the text.
pub(super) fn post(
    wire: Option<&Rc<Wire>>,
    cx: &Context<'_>,
    render: impl FnOnce(&mut Vec<u8>) -> Bytes,
) -> Result<(), Unposted> {
    OUTBOX.with(|outbox| {
        let (start, end, rest) = {
            let mut text = outbox.text.borrow_mut();
            let start = text.len();
            let rest = render(&mut text);
            (start, text.len(), rest)
        };
        match wire {
            Some(wire) if rest.is_empty() && outbox.takes_letters() => {
                outbox.add(wire, end, cx);
                Ok(())
            }
            _ => Err(Unposted { start, rest }),
        }
    })
}

/// A request that does not wait. Its text is still among that of others.
#[must_use]
pub(super) struct Unposted {
    start: usize,
    rest: Bytes,
}

impl Unposted {
    /// Takes it out; `write` is given its text, and what comes after that.
    pub fn write<T>(self, write: impl FnOnce(&[u8], Bytes) -> T) -> T {
        OUTBOX.with(|outbox| {
            let mut text = outbox.text.borrow_mut();
            let written = write(&text[self.start..], self.rest);
            text.truncate(self.start);
            written
        })
    }
}

/// Says, at every turn of the usher, whether virtual users are about to run on this thread of whom its runtime does not know
/// yet: requests then wait for theirs, as many turns as a batch has requests.
pub fn hold(held: bool) {
    // At the end of a thread nothing waits.
    let _ = OUTBOX.try_with(|outbox| outbox.hold(held));
}

/// Sends what waits on this thread, as long as it is polled; without it, requests go as soon as they are ready. Belongs into
/// the same `LocalSet` as the virtual users, so that its turn comes after theirs.
pub async fn attend() {
    let _attendance = Attendance::begin();
    poll_fn(|cx| {
        OUTBOX.with(|outbox| {
            outbox.sender.set(Some(cx.waker().clone()));
            if !outbox.held.get() {
                outbox.send();
            }
        });
        Poll::Pending
    })
    .await
}

/// There is somebody who sends.
struct Attendance;

impl Attendance {
    fn begin() -> Self {
        OUTBOX.with(|outbox| outbox.attended.set(true));
        Self
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        // At the end of a thread nobody is left who waits for an answer.
        let _ = OUTBOX.try_with(|outbox| {
            outbox.attended.set(false);
            drop(outbox.sender.take());
            outbox.send();
        });
    }
}

#[cfg(test)]
mod tests;
