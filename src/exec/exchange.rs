//! Where the stripes of an open scenario meet when one of them has no VU to give. Not touched otherwise.
//!
//! VUs are pinned to their core, arrivals are not. A stripe that has no idle VU makes one and puts the arrival into the
//! process-wide backlog, first in, first out. A VU that ends an iteration or has just been made, on whatever stripe, takes
//! the oldest of it before it goes idle. A stripe that may not make one either:
//!
//! 1. hands the arrival over to a stripe that has an idle VU, if there is one;
//! 2. otherwise (`on_saturation = "queue"`) puts it into the backlog too.
//!
//! So an arrival never waits, and is never dropped, while some VU of the process idles. The race between "the last look
//! for an idle VU" and "the last look into the backlog" is closed as in Dekker's algorithm: each side first writes its
//! own word and then reads the other's, all sequentially consistent, so that at least one of them sees the other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{self, Instant};

use super::shared::lock;

/// An arrival that was offered and has no VU yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// Its number in the schedule.
    pub(super) number: u64,
    /// Its offset from the start of the scenario.
    pub(super) at: Duration,
    /// The stage, step or wave that it belongs to.
    pub(super) segment: u32,
    /// When it ought to start.
    pub(super) due: Instant,
    /// When its driver first saw it.
    pub(super) handled: Instant,
    /// When a VU was there for it.
    pub(super) assigned: Instant,
}

/// The backlog and the members of one open scenario.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    backlog: Mutex<VecDeque<Ticket>>,
    /// The backlog's length, readable without its lock.
    waiting: AtomicUsize,
    members: Mutex<Vec<Arc<Member>>>,
    /// No stripe offers any more: data exhausted, or saturated with `abort`.
    over: AtomicBool,
    /// How many were discarded while as many VUs were being made.
    unmade: AtomicU64,
}

/// One stripe's side, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Member {
    /// Idle VUs that nobody has claimed. The stripe itself claims its own here too.
    idle: AtomicU64,
    /// Arrivals for VUs that others have claimed; `None` once the stripe has left.
    inbox: Mutex<Option<Vec<Ticket>>>,
    /// Wakes the stripe's driver.
    pub(super) wake: Notify,
}

impl Exchange {
    pub(super) fn join(&self) -> Arc<Member> {
        let member = Arc::new(Member {
            inbox: Mutex::new(Some(Vec::new())),
            ..Member::default()
        });
        lock(&self.members).push(Arc::clone(&member));
        member
    }

    /// How many wait for a VU.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Gives `ticket` to a stripe that has an idle VU, if any.
    pub(super) fn hand_over(&self, ticket: Ticket) -> Result<(), Ticket> {
        for member in lock(&self.members).iter() {
            if member.claim() && member.deliver(ticket) {
                return Ok(());
            }
        }
        Err(ticket)
    }

    /// Appends `ticket` to the backlog, unless a VU has become idle meanwhile.
    pub(super) fn queue(&self, ticket: Ticket) {
        {
            let mut backlog = lock(&self.backlog);
            backlog.push_back(ticket);
            self.waiting.store(backlog.len(), Ordering::SeqCst);
        }
        while self.waiting() > 0 {
            let Some(member) = lock(&self.members).iter().find(|m| m.claim()).map(Arc::clone) else {
                return;
            };
            match self.next(clock::now()) {
                Some(ticket) if member.deliver(ticket) => {}
                Some(ticket) => self.put_back(ticket),
                None => member.add_idle(),
            }
        }
    }

    /// One more VU of `member` is idle; returns the work that was queued just before it could be seen, for a VU of
    /// `member` that is then no longer idle.
    pub(super) fn go_idle(&self, member: &Member) -> Option<Ticket> {
        member.add_idle();
        while self.waiting() > 0 && member.claim() {
            if let Some(ticket) = self.next(clock::now()) {
                return Some(ticket);
            }
            member.add_idle();
        }
        None
    }

    /// The oldest of the backlog, for a VU that has been free since `free`.
    pub(super) fn next(&self, free: Instant) -> Option<Ticket> {
        if self.waiting() == 0 {
            return None;
        }
        let mut backlog = lock(&self.backlog);
        let ticket = backlog.pop_front()?;
        self.waiting.store(backlog.len(), Ordering::SeqCst);
        Some(Ticket {
            assigned: free.max(ticket.handled),
            ..ticket
        })
    }

    fn put_back(&self, ticket: Ticket) {
        let mut backlog = lock(&self.backlog);
        backlog.push_front(ticket);
        self.waiting.store(backlog.len(), Ordering::SeqCst);
    }

    /// Empties the backlog while `making` VUs are being made; returns what waited there.
    pub(super) fn discard(&self, making: u64) -> VecDeque<Ticket> {
        let mut backlog = lock(&self.backlog);
        self.waiting.store(0, Ordering::SeqCst);
        self.unmade
            .fetch_add(making.min(backlog.len() as u64), Ordering::Relaxed);
        std::mem::take(&mut *backlog)
    }

    /// How many were discarded that waited for VUs which were still being made.
    pub(super) fn unmade(&self) -> u64 {
        self.unmade.load(Ordering::Relaxed)
    }

    /// Takes those out of the backlog that are due less than `offset` after the scenario's start.
    pub(super) fn discard_before(&self, offset: Duration) -> Vec<Ticket> {
        let mut backlog = lock(&self.backlog);
        let (gone, rest): (Vec<_>, Vec<_>) = backlog.drain(..).partition(|ticket| ticket.at < offset);
        backlog.extend(rest);
        self.waiting.store(backlog.len(), Ordering::SeqCst);
        gone
    }

    /// Ends the offering on all stripes. Returns whether this call did it.
    pub(super) fn end(&self) -> bool {
        let first = !self.over.swap(true, Ordering::SeqCst);
        self.wake_all();
        first
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Lets every driver look again.
    pub(super) fn wake_all(&self) {
        for member in lock(&self.members).iter() {
            member.wake.notify_one();
        }
    }
}

impl Member {
    /// Takes one idle VU of this stripe for an arrival.
    pub(super) fn claim(&self) -> bool {
        self.idle
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |idle| idle.checked_sub(1))
            .is_ok()
    }

    pub(super) fn add_idle(&self) {
        self.idle.fetch_add(1, Ordering::SeqCst);
    }

    /// Puts a ticket for a claimed VU into the inbox; false when the stripe has left.
    fn deliver(&self, ticket: Ticket) -> bool {
        let delivered = lock(&self.inbox).as_mut().map(|inbox| inbox.push(ticket)).is_some();
        if delivered {
            self.wake.notify_one();
        }
        delivered
    }

    /// What others have brought.
    pub(super) fn collect(&self) -> Vec<Ticket> {
        lock(&self.inbox).as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn inbox_is_empty(&self) -> bool {
        lock(&self.inbox).as_ref().is_none_or(Vec::is_empty)
    }

    /// Takes part no more; returns what others had brought.
    pub(super) fn leave(&self) -> Vec<Ticket> {
        self.idle.store(0, Ordering::SeqCst);
        lock(&self.inbox).take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(number: u64) -> Ticket {
        let now = clock::now();
        Ticket {
            number,
            at: Duration::ZERO,
            segment: 0,
            due: now,
            handled: now,
            assigned: now,
        }
    }

    #[test]
    fn what_was_queued_before_a_vu_went_idle_is_its_work() {
        let exchange = Exchange::default();
        let member = exchange.join();
        exchange.queue(ticket(0));
        exchange.queue(ticket(1));
        assert_eq!(exchange.go_idle(&member).map(|t| t.number), Some(0));
        assert!(!member.claim(), "it has work");
        assert_eq!(exchange.waiting(), 1);
    }

    #[test]
    fn a_vu_that_went_idle_before_the_queueing_gets_the_oldest() {
        let exchange = Exchange::default();
        let member = exchange.join();
        exchange.queue(ticket(0));
        // As if it had gone idle between the last look of ticket 1's driver and its queueing.
        member.add_idle();
        exchange.queue(ticket(1));
        assert_eq!(member.collect().iter().map(|t| t.number).collect::<Vec<_>>(), [0]);
        assert_eq!(exchange.waiting(), 1);
    }

    #[test]
    fn who_has_left_is_given_nothing() {
        let exchange = Exchange::default();
        let gone = exchange.join();
        let member = exchange.join();
        gone.add_idle();
        assert_eq!(exchange.hand_over(ticket(0)).map_err(|t| t.number), Ok(()));
        assert_eq!(gone.leave().len(), 1, "what it had been given comes back");
        gone.add_idle();
        member.add_idle();
        assert!(exchange.hand_over(ticket(1)).is_ok());
        assert_eq!(member.collect().len(), 1);
        assert_eq!(exchange.hand_over(ticket(2)).map_err(|t| t.number), Err(2));
    }

    #[test]
    fn an_idle_vu_and_a_waiting_arrival_always_meet() {
        // Each round lets one thread queue an arrival while the other lets a VU go idle.
        const ROUNDS: u64 = 4_000;
        let exchange = Exchange::default();
        let member = exchange.join();
        let round = AtomicU64::new(0);
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=ROUNDS {
                    while round.load(Ordering::Acquire) < number {
                        std::thread::yield_now();
                    }
                    if exchange.hand_over(ticket(number)).is_err() {
                        exchange.queue(ticket(number));
                    }
                    done.store(number, Ordering::Release);
                }
            });
            for number in 1..=ROUNDS {
                round.store(number, Ordering::Release);
                let mut got = exchange.go_idle(&member).into_iter().collect::<Vec<_>>();
                while done.load(Ordering::Acquire) < number {
                    std::thread::yield_now();
                }
                got.extend(member.collect());
                assert_eq!(got.len(), 1, "round {number}: one arrival, one VU");
                assert!(
                    !member.claim() && exchange.waiting() == 0,
                    "round {number}: both are taken"
                );
            }
        });
    }
}
