//! Who goes on with a script when several have what they waited for.
//!
//! The answers of all that have arrived are received, and their time is taken, before the first of their scripts goes on; and
//! neither drives the other out of the caches. Where scripts compute for long, those behind would find out late what has
//! arrived meanwhile, and its time would contain their computing. They queue then, and the runtime looks for what has arrived
//! whenever scripts have computed for a while: between any two, if each takes that long.
//!
//! | state | event | next |
//! |---|---|---|
//! | received | others have had their turn, and neither took long nor queue | goes on |
//! | received | others have had their turn, and took long, or queue | queues |
//! | queues | the attendant comes to it: at once, or after the runtime has looked | goes on |

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{self, Instant};

/// So long may scripts compute before the runtime looks for what has arrived.
const UNSEEN: Duration = Duration::from_micros(500);

/// So many go on at once at most, if all before them were quick.
const MOST: usize = 64;

thread_local! {
    static GATE: Gate = const { Gate::new() };
}

/// What those of one thread pass.
struct Gate {
    /// Those who wait, each with its turn: one more than that of the one before.
    queue: RefCell<VecDeque<Waker>>,
    /// The turn of the first in the queue.
    first: Cell<u64>,
    /// Some were let in who have not gone on yet.
    entering: Cell<bool>,
    /// Whether there is an attendant.
    attended: Cell<bool>,
    /// The attendant, while it has nothing to do.
    attendant: Cell<Option<Waker>>,
    /// When something that had arrived was received last, or the runtime has looked for it.
    looked: Cell<Option<Instant>>,
}

/// Waits for its turn, for a user whose answer was received just now.
pub(super) async fn pass() {
    GATE.with(|gate| gate.looked.set(Some(clock::recent())));
    give_way().await;
    if GATE.with(Gate::is_closed) {
        let mut turn = None;
        poll_fn(|cx| GATE.with(|gate| gate.poll(&mut turn, cx))).await;
    }
}

/// Lets those come first who are ready as well.
async fn give_way() {
    let mut gave = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut gave, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets in those who queue on this thread, as long as it is polled; without it, nobody queues. Belongs into the same
/// `LocalSet` as the virtual users, so that its turn comes after theirs.
pub async fn attend() {
    let _attendance = Attendance::begin();
    let mut most = 1;
    loop {
        poll_fn(|cx| GATE.with(|gate| gate.poll_queue(cx))).await;
        if GATE.with(Gate::is_overdue) {
            most = 1;
            // The runtime looks before it comes back to who yields this way.
            tokio::task::yield_now().await;
            GATE.with(|gate| gate.looked.set(Some(clock::now())));
        }
        GATE.with(|gate| gate.let_in(most));
        give_way().await;
        GATE.with(|gate| gate.entering.set(false));
        most = (most * 2).min(MOST);
    }
}

impl Gate {
    const fn new() -> Self {
        Self {
            queue: RefCell::new(VecDeque::new()),
            first: Cell::new(0),
            entering: Cell::new(false),
            attended: Cell::new(false),
            attendant: Cell::new(None),
            looked: Cell::new(None),
        }
    }

    /// Whether scripts have computed for long since the runtime looked. Each reads the clock when it waits or ends: it need
    /// not be read here.
    fn is_overdue(&self) -> bool {
        let looked = self.looked.get();
        looked.is_none_or(|looked| clock::recent().saturating_duration_since(looked) > UNSEEN)
    }

    /// Whether those who come now have to queue: nobody overtakes those who do.
    fn is_closed(&self) -> bool {
        self.attended.get() && (self.entering.get() || self.is_overdue() || !self.queue.borrow().is_empty())
    }

    /// Queues, at first, and waits for its turn.
    fn poll(&self, turn: &mut Option<u64>, cx: &Context<'_>) -> Poll<()> {
        let (mut queue, first) = (self.queue.borrow_mut(), self.first.get());
        let Some(turn) = turn else {
            *turn = Some(first + queue.len() as u64);
            queue.push_back(cx.waker().clone());
            if let Some(attendant) = self.attendant.take() {
                attendant.wake();
            }
            return Poll::Pending;
        };
        let place = turn.checked_sub(first).and_then(|place| usize::try_from(place).ok());
        match place.and_then(|place| queue.get_mut(place)) {
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    /// Ready when somebody queues.
    fn poll_queue(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.queue.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.attendant.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Lets the first of the queue go on, in their order.
    fn let_in(&self, most: usize) {
        self.entering.set(true);
        for _ in 0..most {
            let Some(waker) = self.queue.borrow_mut().pop_front() else {
                break;
            };
            self.first.set(self.first.get() + 1);
            waker.wake();
        }
    }
}

/// There is an attendant.
struct Attendance;

impl Attendance {
    fn begin() -> Self {
        GATE.with(|gate| gate.attended.set(true));
        Self
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        // Who queues goes on: nobody else would let it in.
        let _ = GATE.try_with(|gate| {
            gate.attended.set(false);
            drop(gate.attendant.take());
            gate.let_in(usize::MAX);
            gate.entering.set(false);
        });
    }
}
