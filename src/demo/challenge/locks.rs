//! One lock for each user: what two calls of one user do is done one after the other, in the order in which they came.
//! Users who wait for nothing cost nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks = HashMap<u32, Arc<AsyncMutex<()>>>;

/// The locks that somebody holds or waits for.
#[derive(Debug, Default)]
pub(super) struct UserLocks {
    held: Mutex<Locks>,
}

/// A user's lock; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct UserGuard<'a> {
    locks: &'a UserLocks,
    user: u32,
    guard: Option<OwnedMutexGuard<()>>,
}

impl UserLocks {
    /// Waits its turn.
    pub(super) async fn lock(&self, user: u32) -> UserGuard<'_> {
        let lock = Arc::clone(self.map().entry(user).or_default());
        let mut taken = UserGuard {
            locks: self,
            user,
            guard: None,
        };
        taken.guard = Some(lock.lock_owned().await);
        taken
    }

    fn map(&self) -> MutexGuard<'_, Locks> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UserGuard<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut map = self.locks.map();
        // Nobody else has it, and nobody can get it meanwhile.
        if map.get(&self.user).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            map.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn one_user_waits_for_himself_and_nobody_else() {
        let locks = UserLocks::default();
        let began = clock::now();
        let call = async |user| {
            let _guard = locks.lock(user).await;
            clock::sleep(Duration::from_millis(100)).await;
            (clock::now() - began).as_millis()
        };
        let times = tokio::join!(call(1), call(1), call(2), call(1));
        assert_eq!(times, (100, 200, 100, 300));
        assert_eq!(locks.map().len(), 0, "nothing stays");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_lock_to_others() {
        let locks = UserLocks::default();
        let first = locks.lock(7).await;
        let waited = clock::timeout(Duration::from_millis(10), locks.lock(7)).await;
        assert!(waited.is_err());
        drop(first);
        drop(locks.lock(7).await);
        assert_eq!(locks.map().len(), 0);
    }
}
