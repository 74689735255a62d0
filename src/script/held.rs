//! What a virtual user holds that others wait for: rows of pools, and turns to make a shared value. It is given back when
//! the iteration ends by an error, and when the user is dropped. Where it is held from is `pool`'s and `commons`'.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use super::commons::{Stored, Turn};
use super::pool::{ClaimId, Pool};

/// What one virtual user holds. Boxed with the first, as most hold nothing ever.
#[derive(Debug, Default)]
pub struct Held(OnceCell<Box<Holdings>>);

#[derive(Debug, Default)]
struct Holdings {
    claims: RefCell<Vec<Claimed>>,
    /// What `vu_init` has claimed, for as long as its result is used.
    of_init: RefCell<Vec<(Arc<Pool>, ClaimId)>>,
    /// At how many claims those that have expired are looked for.
    tidy_at: Cell<usize>,
    turns: RefCell<Vec<Turn>>,
}

#[derive(Debug)]
struct Claimed {
    pool: Arc<Pool>,
    claim: ClaimId,
    /// The row, when it is no table: then only its value can tell which is meant, in later iterations too.
    value: Option<Stored>,
    /// The iteration that claimed it has completed, so that it stays claimed.
    settled: bool,
}

impl Claimed {
    fn is(&self, pool: &Arc<Pool>, claim: ClaimId) -> bool {
        self.claim == claim && Arc::ptr_eq(&self.pool, pool)
    }
}

/// With fewer claims, nobody looks which have expired.
const FEW: usize = 64;

impl Held {
    fn own(&self) -> &Holdings {
        self.0.get_or_init(Box::default)
    }

    /// A row was claimed.
    pub fn claimed(&self, pool: &Arc<Pool>, claim: ClaimId) {
        let own = self.own();
        let mut claims = own.claims.borrow_mut();
        if claims.len() >= own.tidy_at.get().max(FEW) {
            claims.retain(|held| held.pool.is_claimed(held.claim));
            own.tidy_at.set(claims.len() * 2);
        }
        claims.push(Claimed {
            pool: Arc::clone(pool),
            claim,
            value: None,
            settled: false,
        });
    }

    /// The row of a claim is no table but this.
    pub fn name(&self, pool: &Arc<Pool>, claim: ClaimId, value: Stored) {
        let mut claims = self.own().claims.borrow_mut();
        if let Some(held) = claims.iter_mut().find(|held| held.is(pool, claim)) {
            held.value = Some(value);
        }
    }

    /// The newest claim of this user on a row that is no table.
    #[must_use]
    pub fn claim_on(&self, pool: &Arc<Pool>, row: &Stored) -> Option<ClaimId> {
        let claims = self.own().claims.borrow();
        let of_row = |held: &&Claimed| Arc::ptr_eq(&held.pool, pool) && held.value.as_ref() == Some(row);
        claims.iter().rev().find(of_row).map(|held| held.claim)
    }

    /// A claim was released.
    pub fn forget(&self, pool: &Arc<Pool>, claim: ClaimId) {
        self.own().claims.borrow_mut().retain(|held| !held.is(pool, claim));
    }

    /// Keeps the turn to make a shared value.
    pub fn begin(&self, turn: Turn) {
        self.own().turns.borrow_mut().push(turn);
    }

    /// Whether this user is making the shared value of that key.
    #[must_use]
    pub fn is_making(&self, key: &str) -> bool {
        self.own().turns.borrow().iter().any(|turn| turn.key() == key)
    }

    /// The turn to make the shared value of that key, if it is still this user's.
    pub fn finish(&self, key: &str) -> Option<Turn> {
        let mut turns = self.own().turns.borrow_mut();
        let index = turns.iter().position(|turn| turn.key() == key)?;
        Some(turns.remove(index))
    }

    /// `vu_init` has ended, by returning or by an error.
    pub fn initialised(&self, completed: bool) {
        if let (true, Some(own)) = (completed, self.0.get()) {
            let claims = own.claims.borrow();
            let fresh = claims.iter().filter(|held| !held.settled);
            let fresh = fresh.map(|held| (Arc::clone(&held.pool), held.claim));
            own.of_init.borrow_mut().extend(fresh);
        }
        self.end(completed);
    }

    /// `vu_init` is about to run again, and will claim again what it needs.
    pub fn renew(&self) {
        let of_init = self.0.get().map(|own| own.of_init.take());
        for (pool, claim) in of_init.unwrap_or_default() {
            pool.release(claim);
            self.forget(&pool, claim);
        }
    }

    /// An iteration has ended, by returning or by an error.
    pub fn end(&self, completed: bool) {
        let Some(own) = self.0.get() else {
            return;
        };
        // What is still being made now will never be.
        own.turns.borrow_mut().clear();
        let mut claims = own.claims.borrow_mut();
        if completed {
            claims.retain(|held| held.value.is_some());
            claims.iter_mut().for_each(|held| held.settled = true);
        } else {
            for held in claims.extract_if(.., |held| !held.settled) {
                held.pool.release(held.claim);
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end(false);
    }
}
