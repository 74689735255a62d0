//! Rows that virtual users of all cores claim, one user a row: the state behind `kt.data.pool`. Where rows come from is
//! `dataset`'s; who holds what is `held`'s.
//!
//! | a row is | event | next |
//! |---|---|---|
//! | free | claimed | claimed |
//! | claimed | released, or its claim expires, and nobody waits | free, behind all other free rows |
//! | claimed | the same, and somebody waits | claimed by who has waited longest |
//!
//! A row is free only when nobody waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{self, Instant};

use super::dataset::Dataset;

#[cfg(test)]
mod tests;

/// A claim, unique in its pool.
pub type ClaimId = u64;

/// All pools of a run, by name; they survive a reload of the script.
#[derive(Debug, Default)]
pub struct Pools(Mutex<HashMap<String, Arc<Pool>>>);

impl Pools {
    /// The pool of that name. It keeps the rows that it was first opened with; the second value is whether `rows` are
    /// others, which is told once.
    pub fn open(&self, name: &str, rows: &Arc<Dataset>) -> (Arc<Pool>, bool) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = all
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Pool::new(Arc::clone(rows))));
        let differ = !Arc::ptr_eq(&pool.rows, rows) && !pool.rows.has_equal_rows(rows);
        let is_news = differ && !pool.told.swap(true, Ordering::Relaxed);
        (Arc::clone(pool), is_news)
    }
}

/// Rows, each of which one user at a time can claim.
#[derive(Debug)]
pub struct Pool {
    rows: Arc<Dataset>,
    state: Mutex<State>,
    /// That other rows than its own were given.
    told: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The one that has been free longest first.
    free: VecDeque<usize>,
    claims: HashMap<ClaimId, Claim>,
    /// Claims that expire, by when.
    expiring: BTreeSet<(Instant, ClaimId)>,
    /// Those who wait, in the order of their coming, and how they are woken.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// What was given to those who waited, until they take it; it does not expire before that.
    granted: HashMap<u64, ClaimId>,
    /// The last claim and the last ticket of one who waits.
    last: u64,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    row: usize,
    until: Option<Instant>,
}

impl Pool {
    fn new(rows: Arc<Dataset>) -> Self {
        let state = State {
            free: (0..rows.len()).collect(),
            ..State::default()
        };
        Self {
            rows,
            state: Mutex::new(state),
            told: AtomicBool::new(false),
        }
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> &Dataset {
        &self.rows
    }

    /// How many rows nobody has.
    #[must_use]
    pub fn free(&self) -> usize {
        let mut state = self.lock();
        state.expire(clock::now());
        state.free.len()
    }

    /// Claims a row, for `expire` or until it is released. Gives the claim and the index of the row; `None` when no row is
    /// free.
    #[must_use]
    pub fn claim(&self, expire: Option<Duration>) -> Option<(ClaimId, usize)> {
        let mut state = self.lock();
        state.expire(clock::now());
        let row = state.free.pop_front()?;
        Some((state.take(row, expire), row))
    }

    /// Claims a row, waiting for one for at most `wait`; who comes first is served first. Dropping the future leaves the
    /// queue, and gives back what was given at that moment.
    pub async fn claim_within(&self, wait: Duration, expire: Option<Duration>) -> Option<(ClaimId, usize)> {
        let deadline = clock::now().checked_add(wait);
        let waiter = match self.arrive(expire) {
            Ok(claimed) => return Some(claimed),
            Err(waiter) => waiter,
        };
        loop {
            let (granted, next_expiry) = waiter.look();
            if granted.is_some() {
                return granted;
            }
            tokio::select! {
                () = waiter.wake.notified() => {}
                () = until(next_expiry) => {}
                () = until(deadline) => return waiter.leave(),
            }
        }
    }

    /// Gives a row back; false when the claim has expired, so that the row may be somebody else's.
    pub fn release(&self, claim: ClaimId) -> bool {
        let mut state = self.lock();
        state.expire(clock::now());
        state.release(claim)
    }

    /// Whether the claim is neither released nor expired.
    #[must_use]
    pub fn is_claimed(&self, claim: ClaimId) -> bool {
        let mut state = self.lock();
        state.expire(clock::now());
        state.claims.contains_key(&claim)
    }

    /// Claims at once, or joins those who wait.
    fn arrive(&self, expire: Option<Duration>) -> Result<(ClaimId, usize), Waiter<'_>> {
        let mut state = self.lock();
        state.expire(clock::now());
        if let Some(row) = state.free.pop_front() {
            return Ok((state.take(row, expire), row));
        }
        let ticket = state.next();
        let wake = Arc::new(Notify::new());
        state.waiting.insert(ticket, Arc::clone(&wake));
        Err(Waiter {
            pool: self,
            ticket,
            expire,
            wake,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment that may never come.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => clock::sleep_until(at).await,
        None => pending().await,
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn take(&mut self, row: usize, expire: Option<Duration>) -> ClaimId {
        let claim = self.next();
        self.claims.insert(claim, Claim { row, until: None });
        self.expire_after(claim, expire);
        claim
    }

    fn expire_after(&mut self, id: ClaimId, expire: Option<Duration>) {
        let until = expire.and_then(|expire| clock::now().checked_add(expire));
        if let (Some(claim), Some(until)) = (self.claims.get_mut(&id), until) {
            claim.until = Some(until);
            self.expiring.insert((until, id));
        }
    }

    fn release(&mut self, id: ClaimId) -> bool {
        let Some(claim) = self.claims.remove(&id) else {
            return false;
        };
        if let Some(until) = claim.until {
            self.expiring.remove(&(until, id));
        }
        match self.waiting.pop_first() {
            Some((ticket, wake)) => {
                let granted = self.take(claim.row, None);
                self.granted.insert(ticket, granted);
                wake.notify_one();
                self.wake_first();
            }
            None => self.free.push_back(claim.row),
        }
        true
    }

    /// Takes back what has expired.
    fn expire(&mut self, now: Instant) {
        while let Some((_, claim)) = self.expiring.first().copied().filter(|(until, _)| *until <= now) {
            self.release(claim);
        }
    }

    /// Who has become the first of the queue watches for claims that expire.
    fn wake_first(&self) {
        if let Some((_, first)) = self.waiting.first_key_value() {
            first.notify_one();
        }
    }
}

/// One who waits; leaves the queue when it is interrupted.
struct Waiter<'a> {
    pool: &'a Pool,
    ticket: u64,
    expire: Option<Duration>,
    wake: Arc<Notify>,
}

impl Waiter<'_> {
    /// What was given to this one; and, if it is the first of the queue, when the next claim expires.
    fn look(&self) -> (Option<(ClaimId, usize)>, Option<Instant>) {
        let mut state = self.pool.lock();
        state.expire(clock::now());
        let granted = self.taken(&mut state);
        let is_first = state
            .waiting
            .first_key_value()
            .is_some_and(|(first, _)| *first == self.ticket);
        let next = state.expiring.first().map(|(until, _)| *until);
        (granted, next.filter(|_| is_first))
    }

    /// Waits no longer; what was given at the last moment is taken.
    fn leave(&self) -> Option<(ClaimId, usize)> {
        let mut state = self.pool.lock();
        state.waiting.remove(&self.ticket);
        state.wake_first();
        self.taken(&mut state)
    }

    fn taken(&self, state: &mut State) -> Option<(ClaimId, usize)> {
        let claim = state.granted.remove(&self.ticket)?;
        state.expire_after(claim, self.expire);
        Some((claim, state.claims.get(&claim)?.row))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some((claim, _)) = self.leave() {
            self.pool.release(claim);
        }
    }
}
