//! Where the stripes of an open scenario meet when one of them has no VU to give. Not touched otherwise.
//!
//! VUs are pinned to their core, arrivals are not. A stripe that has no idle VU and may not make one:
//!
//! 1. hands the arrival over to a stripe that has an idle VU, if there is one;
//! 2. otherwise (`on_saturation = "queue"`) puts it into the process-wide backlog, first in, first out. A VU that ends an
//!    iteration, on whatever stripe, takes the oldest of it before it goes idle.
//!
//! So an arrival never waits, and is never dropped, while some VU of the process idles. The race between "the last look
//! for an idle VU" and "the last look into the backlog" is closed as in Dekker's algorithm: each side first writes its
//! own word and then reads the other's, all sequentially consistent, so that at least one of them sees the other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Instant;

use super::shared::lock;

/// An arrival that was offered and has no VU yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    /// Its number in the schedule.
    pub(super) number: u64,
    /// Its offset from the start of the scenario.
    pub(super) at: Duration,
    /// When it ought to start.
    pub(super) due: Instant,
    /// When its driver first saw it.
    pub(super) handled: Instant,
    /// When a VU was found for it, idle or to be made.
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
    pub(super) fn queue(&self, ticket: Ticket, now: Instant) {
        {
            let mut backlog = lock(&self.backlog);
            backlog.push_back(ticket);
            self.waiting.store(backlog.len(), Ordering::SeqCst);
        }
        while self.waiting() > 0 {
            let Some(member) = lock(&self.members).iter().find(|m| m.claim()).map(Arc::clone) else {
                return;
            };
            match self.next(now) {
                Some(ticket) if member.deliver(ticket) => {}
                Some(ticket) => self.put_back(ticket),
                None => member.add_idle(),
            }
        }
    }

    /// The oldest of the backlog, for a VU that is free at `now`.
    pub(super) fn next(&self, now: Instant) -> Option<Ticket> {
        if self.waiting() == 0 {
            return None;
        }
        let mut backlog = lock(&self.backlog);
        let ticket = backlog.pop_front()?;
        self.waiting.store(backlog.len(), Ordering::SeqCst);
        Some(Ticket {
            assigned: now,
            ..ticket
        })
    }

    fn put_back(&self, ticket: Ticket) {
        let mut backlog = lock(&self.backlog);
        backlog.push_front(ticket);
        self.waiting.store(backlog.len(), Ordering::SeqCst);
    }

    /// Empties the backlog; returns how many waited there.
    pub(super) fn discard(&self) -> u64 {
        let mut backlog = lock(&self.backlog);
        self.waiting.store(0, Ordering::SeqCst);
        std::mem::take(&mut *backlog).len() as u64
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
