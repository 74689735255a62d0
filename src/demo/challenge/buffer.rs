//! Events that were answered with success and are not in the database yet. When they get there is the engine's business.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::event::Update;
use super::options::Overflow;

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Update>,
    /// Taken for the database, and not known to be there.
    leaving: usize,
    deepest: usize,
}

impl State {
    fn len(&self) -> usize {
        self.waiting.len() + self.leaving
    }
}

/// A bounded queue of events.
#[derive(Debug)]
pub(super) struct Buffer {
    limit: usize,
    overflow: Overflow,
    state: Mutex<State>,
    room: Notify,
}

impl Buffer {
    pub(super) fn new(limit: usize, overflow: Overflow) -> Self {
        Self {
            limit,
            overflow,
            state: Mutex::default(),
            room: Notify::new(),
        }
    }

    /// Puts an event in; returns the one that had to go for it.
    ///
    /// # Errors
    /// With [`Overflow::Block`] there was no room: when to try again.
    pub(super) fn push(&self, update: Update) -> Result<Option<Update>, Notified<'_>> {
        // Before the look, so that no room made after it is missed.
        let room = self.room.notified();
        let mut state = self.state();
        if state.len() < self.limit {
            state.waiting.push_back(update);
            state.deepest = state.deepest.max(state.len());
            return Ok(None);
        }
        match self.overflow {
            Overflow::DropOldest => {
                state.waiting.push_back(update);
                // When all others are leaving already, it is the oldest itself.
                Ok(state.waiting.pop_front())
            }
            Overflow::Block => Err(room),
        }
    }

    /// Takes the oldest events, at most so many, until [`Self::settle`].
    pub(super) fn take(&self, most: usize) -> Vec<Update> {
        let mut state = self.state();
        let count = most.min(state.waiting.len());
        let taken: Vec<Update> = state.waiting.drain(..count).collect();
        state.leaving += taken.len();
        taken
    }

    /// What was taken is in the database.
    pub(super) fn settle(&self, taken: usize) {
        self.state().leaving -= taken;
        self.room.notify_waiters();
    }

    /// What was taken comes back, where it was.
    pub(super) fn put_back(&self, taken: &[Update]) {
        let mut state = self.state();
        state.leaving -= taken.len();
        for update in taken.iter().rev() {
            state.waiting.push_front(*update);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.state().len()
    }

    /// The most that it ever held.
    pub(super) fn deepest(&self) -> usize {
        self.state().deepest
    }

    /// Starts the most anew, with what it holds.
    pub(super) fn reset(&self) {
        let mut state = self.state();
        state.deepest = state.len();
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::challenge::event::{Change, Kind};

    fn update(user: u32) -> Update {
        Update {
            user,
            stat: 0,
            change: Change::Add(1),
            kind: Kind::LoggedIn,
        }
    }

    /// Who had to go for an event of this user, for which there must be a way in.
    fn push(buffer: &Buffer, user: u32) -> Option<u32> {
        buffer.push(update(user)).expect("no way in").map(|gone| gone.user)
    }

    fn users(updates: &[Update]) -> Vec<u32> {
        updates.iter().map(|update| update.user).collect()
    }

    #[test]
    fn the_oldest_goes_when_it_is_full() {
        let buffer = Buffer::new(3, Overflow::DropOldest);
        for user in 1..=3 {
            assert_eq!(push(&buffer, user), None);
        }
        assert_eq!(push(&buffer, 4), Some(1));
        let taken = buffer.take(2);
        assert_eq!((users(&taken), buffer.len()), (vec![2, 3], 3), "they are not gone yet");
        assert_eq!(push(&buffer, 5), Some(4));
        buffer.put_back(&taken);
        assert_eq!(users(&buffer.take(9)), [2, 3, 5]);
        assert_eq!(push(&buffer, 6), Some(6));
        buffer.settle(3);
        assert_eq!((buffer.len(), buffer.deepest()), (0, 3));
    }

    #[tokio::test]
    async fn or_the_newest_waits() {
        let buffer = Buffer::new(2, Overflow::Block);
        push(&buffer, 1);
        push(&buffer, 2);
        let room = buffer.push(update(3)).expect_err("it is full");
        let taken = buffer.take(9);
        assert_eq!(users(&taken), [1, 2], "who was not let in left nothing");
        assert!(buffer.push(update(3)).is_err(), "they are not gone yet");
        buffer.settle(taken.len());
        room.await;
        assert_eq!((push(&buffer, 3), buffer.len()), (None, 1));
    }
}
