//! What was started in one place and is finished in another, by whatever virtual user, scenario and core: the state behind
//! `kt.flow`. Entered twice for each flow. What is recorded of it is in `tally`.

mod tally;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hasher as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustc_hash::FxHasher;

use crate::clock::Instant;

pub use tally::{COMPLETED, Finish, Line, Tally, keep_sweeping, sweep};

/// Cores seldom want the same one of so many at once.
const SHARDS: usize = 16;

/// How many flows may be in flight; one takes about 300 bytes.
pub const MOST_IN_FLIGHT: usize = 1_000_000;

/// How many keys of flows that have ended are remembered, to tell a second finish from one that comes before its start.
pub const ENDED_KEPT: usize = 160_000;

/// Tags in a form that goes from core to core.
pub type Tags = Arc<[(Box<str>, Box<str>)]>;

/// The flows of a run, by name and key.
#[derive(Debug, Default)]
pub struct Flows {
    shards: [Mutex<Shard>; SHARDS],
    lines: Mutex<HashMap<String, Arc<Line>>>,
    last_stamp: AtomicU64,
    in_flight: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    /// By name and key together.
    flows: HashMap<Arc<[u8]>, State>,
    /// Those in flight by the end of their time.
    due: BTreeMap<(Instant, u64), Arc<[u8]>>,
    /// Those that have ended, oldest first; some may be in flight again.
    ended: VecDeque<(Arc<[u8]>, u64)>,
}

/// Each flow has a stamp of its own, so that a key that is used again is not mistaken.
#[derive(Debug)]
enum State {
    InFlight { stamp: u64, flow: Awaited },
    Ended { stamp: u64, finished: bool },
}

/// A flow in flight, or one that just was.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// The flows of its name.
    pub line: Arc<Line>,
    /// The tags of whoever started it.
    pub tags: Tags,
    /// When it was started.
    pub started: Instant,
    due: Instant,
}

/// What a start has brought about.
#[derive(Debug)]
pub struct Begun {
    /// False for a second start of a flow in flight, which changes nothing.
    pub is_new: bool,
    /// An earlier flow of this key, whose time was over and which nobody had counted yet.
    pub overdue: Option<Awaited>,
}

/// What a finish has met.
#[derive(Debug)]
pub enum Met {
    /// A flow within its time.
    InTime(Awaited),
    /// A flow whose time was over, not counted before.
    Overdue(Awaited),
    /// The first finish of a flow that has been counted as timed out.
    TimedOut,
    /// A flow that was finished before.
    Finished,
    /// Nothing that was started.
    Nothing,
}

/// There is no room for another flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MOST_IN_FLIGHT} flows are in flight, and no more fit; shorten their timeouts")]
pub struct Full;

impl Flows {
    /// Starts a flow of `line` under `key` at `now`.
    ///
    /// # Errors
    /// [`Full`] beyond [`MOST_IN_FLIGHT`].
    pub fn start(
        &self,
        line: &Arc<Line>,
        key: &[u8],
        tags: Tags,
        timeout: Duration,
        now: Instant,
    ) -> Result<Begun, Full> {
        let key = full_key(line, key);
        let mut shard = self.shard(&key);
        let overdue = match shard.flows.get(&*key) {
            Some(State::InFlight { flow, .. }) if now <= flow.due => {
                return Ok(Begun {
                    is_new: false,
                    overdue: None,
                });
            }
            Some(State::InFlight { .. }) => self.end(&mut shard, &key, false),
            _ => None,
        };
        if self.in_flight.fetch_add(1, Ordering::Relaxed) >= MOST_IN_FLIGHT {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        let stamp = self.last_stamp.fetch_add(1, Ordering::Relaxed);
        let flow = Awaited {
            line: Arc::clone(line),
            tags,
            started: now,
            due: now + timeout,
        };
        let key: Arc<[u8]> = key.into();
        shard.due.insert((flow.due, stamp), Arc::clone(&key));
        shard.flows.insert(key, State::InFlight { stamp, flow });
        Ok(Begun { is_new: true, overdue })
    }

    /// Finishes the flow of `line` under `key` at `now`.
    pub fn finish(&self, line: &Line, key: &[u8], now: Instant) -> Met {
        let key = full_key(line, key);
        let mut shard = self.shard(&key);
        match shard.flows.get_mut(&*key) {
            None => Met::Nothing,
            Some(State::Ended { finished, .. }) => {
                if std::mem::replace(finished, true) {
                    Met::Finished
                } else {
                    Met::TimedOut
                }
            }
            Some(State::InFlight { .. }) => match self.end(&mut shard, &key, true) {
                Some(flow) if now <= flow.due => Met::InTime(flow),
                Some(flow) => Met::Overdue(flow),
                None => Met::Nothing,
            },
        }
    }

    /// Ends the flows whose time is over at `now`, at most `most` of them, and gives them: each to one caller only.
    pub fn overdue(&self, now: Instant, most: usize) -> Vec<Awaited> {
        let mut overdue = Vec::new();
        if self.in_flight.load(Ordering::Relaxed) == 0 {
            return overdue;
        }
        for shard in &self.shards {
            let mut shard = lock(shard);
            while overdue.len() < most
                && let Some((&(due, _), key)) = shard.due.first_key_value()
                && due < now
            {
                let key = Arc::clone(key);
                overdue.extend(self.end(&mut shard, &key, false));
            }
        }
        overdue
    }

    /// How many flows are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        let mut hasher = FxHasher::default();
        hasher.write(key);
        // The high bits are the well mixed ones.
        let index = usize::try_from(hasher.finish() >> 60).unwrap_or(0);
        lock(&self.shards[index % SHARDS])
    }

    /// Takes a flow out of flight and remembers its key.
    fn end(&self, shard: &mut Shard, key: &[u8], finished: bool) -> Option<Awaited> {
        let (key, state) = shard.flows.remove_entry(key)?;
        let State::InFlight { stamp, flow } = state else {
            shard.flows.insert(key, state);
            return None;
        };
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        shard.due.remove(&(flow.due, stamp));
        shard.ended.push_back((Arc::clone(&key), stamp));
        shard.flows.insert(key, State::Ended { stamp, finished });
        if shard.ended.len() > ENDED_KEPT / SHARDS {
            shard.forget_oldest();
        }
        Some(flow)
    }
}

impl Shard {
    fn forget_oldest(&mut self) {
        let Some((key, of)) = self.ended.pop_front() else {
            return;
        };
        let state = self.flows.get(&key);
        if matches!(state, Some(State::Ended { stamp, .. }) if *stamp == of) {
            self.flows.remove(&key);
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keys of different flows may be the same text.
fn full_key(line: &Line, key: &[u8]) -> Vec<u8> {
    [line.id().to_le_bytes().as_slice(), key].concat()
}

#[cfg(test)]
mod tests;
