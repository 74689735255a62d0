//! What virtual users of all cores have in common: the counters, maps and once-values behind `kt.shared`. No Lua values; how
//! scripts see them is `api/shared.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{self, Instant};

#[cfg(test)]
mod tests;

/// How many keys a map may have, and how many values `once` may keep.
pub const MAX_KEYS: usize = 1_000_000;

/// How many counters and how many maps a run may have.
pub const MAX_NAMES: usize = 10_000;

/// A value without a VM, copied to whoever asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// Nothing, which only `once` can keep.
    Nil,
    /// True or false.
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// Any bytes.
    Text(Arc<[u8]>),
    /// The JSON text of a table.
    Json(Arc<str>),
}

/// The key of a map. Numbers and texts are different keys, as in a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(Arc<str>),
}

/// Why something cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommonsError {
    /// More counters, or more maps.
    #[error("there are {MAX_NAMES} of them already; keep many values as keys of one map")]
    Names,
    /// More keys.
    #[error("there are {MAX_KEYS} keys already; delete those that are done with")]
    Keys,
    /// What is added to is no number.
    #[error("holds no number that could be added to")]
    NotANumber,
    /// The sum is no finite number.
    #[error("would no longer be a finite number")]
    Overflow,
}

/// Everything that `kt.shared` keeps for a run; it survives a reload of the script.
#[derive(Debug, Default)]
pub struct Commons {
    counters: Mutex<HashMap<String, Arc<Counter>>>,
    maps: Mutex<HashMap<String, Arc<Map>>>,
    onces: Mutex<HashMap<String, Once>>,
}

impl Commons {
    /// The counter of that name, which begins at 0.
    ///
    /// # Errors
    /// When there are too many.
    pub fn counter(&self, name: &str) -> Result<Arc<Counter>, CommonsError> {
        named(&self.counters, name)
    }

    /// The map of that name, which begins empty.
    ///
    /// # Errors
    /// When there are too many.
    pub fn map(&self, name: &str) -> Result<Arc<Map>, CommonsError> {
        named(&self.maps, name)
    }

    /// The value of `key`, once somebody has made it; or the turn to make it, which one alone has at a time. Those who wait
    /// get the turn in the order of their coming when it was given up without a value.
    ///
    /// # Errors
    /// When too many values are kept.
    pub async fn once(self: &Arc<Self>, key: &str) -> Result<Answer, CommonsError> {
        loop {
            let turn = match self.look(key)? {
                Ok(value) => return Ok(Answer::Value(value)),
                Err(turn) => turn,
            };
            // Closed when the value has come in the meantime.
            if let Ok(permit) = turn.acquire_owned().await {
                return Ok(Answer::Turn(Turn {
                    commons: Arc::clone(self),
                    key: key.to_owned(),
                    _permit: permit,
                }));
            }
        }
    }

    fn look(&self, key: &str) -> Result<Result<Stored, Arc<Semaphore>>, CommonsError> {
        let mut onces = lock(&self.onces);
        let now = clock::now();
        if !onces.contains_key(key) && onces.len() >= MAX_KEYS {
            onces.retain(|_, once| once.fresh(now).is_some() || !once.is_idle());
            if onces.len() >= MAX_KEYS {
                return Err(CommonsError::Keys);
            }
        }
        let once = onces.entry(key.to_owned()).or_default();
        Ok(once.fresh(now).cloned().ok_or_else(|| Arc::clone(&once.turn)))
    }
}

fn named<T: Default>(all: &Mutex<HashMap<String, Arc<T>>>, name: &str) -> Result<Arc<T>, CommonsError> {
    let mut all = lock(all);
    if let Some(known) = all.get(name) {
        return Ok(Arc::clone(known));
    }
    if all.len() >= MAX_NAMES {
        return Err(CommonsError::Names);
    }
    Ok(Arc::clone(all.entry(name.to_owned()).or_default()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that everybody can add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::SeqCst))
    }

    /// Adds `by` and gives the new value, which nobody else gets who adds at the same time.
    ///
    /// # Errors
    /// When the sum is not finite; it stays what it was.
    pub fn add(&self, by: f64) -> Result<f64, CommonsError> {
        let mut sum = 0.0;
        let added = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |bits| {
            sum = f64::from_bits(bits) + by;
            sum.is_finite().then(|| sum.to_bits())
        });
        added.map(|_| sum).map_err(|_| CommonsError::Overflow)
    }
}

/// Small values by key.
#[derive(Debug, Default)]
pub struct Map(Mutex<BTreeMap<Key, Stored>>);

impl Map {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Stored> {
        lock(&self.0).get(key).cloned()
    }

    /// Sets a value.
    ///
    /// # Errors
    /// When it would be one key too many.
    pub fn set(&self, key: Key, value: Stored) -> Result<(), CommonsError> {
        let mut all = lock(&self.0);
        if all.len() >= MAX_KEYS && !all.contains_key(&key) {
            return Err(CommonsError::Keys);
        }
        all.insert(key, value);
        Ok(())
    }

    /// Adds to a number, 0 when there is none, and gives the new value.
    ///
    /// # Errors
    /// When there is something else, when the sum is not finite, or when it would be one key too many.
    pub fn add(&self, key: Key, by: f64) -> Result<f64, CommonsError> {
        let mut all = lock(&self.0);
        let before = match all.get(&key) {
            Some(Stored::Number(number)) => *number,
            Some(_) => return Err(CommonsError::NotANumber),
            None if all.len() >= MAX_KEYS => return Err(CommonsError::Keys),
            None => 0.0,
        };
        let sum = before + by;
        if !sum.is_finite() {
            return Err(CommonsError::Overflow);
        }
        all.insert(key, Stored::Number(sum));
        Ok(sum)
    }

    /// Removes a key and gives what it had.
    pub fn delete(&self, key: &Key) -> Option<Stored> {
        lock(&self.0).remove(key)
    }

    /// All keys, numbers first, each kind in its order.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        lock(&self.0).keys().cloned().collect()
    }

    /// How many keys there are.
    #[must_use]
    pub fn size(&self) -> usize {
        lock(&self.0).len()
    }
}

/// A value that one makes for all.
#[derive(Debug)]
struct Once {
    /// Its one permit is the turn to make the value; closed and replaced when the value is there.
    turn: Arc<Semaphore>,
    value: Option<(Stored, Option<Instant>)>,
}

impl Default for Once {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            value: None,
        }
    }
}

impl Once {
    fn fresh(&self, now: Instant) -> Option<&Stored> {
        let (value, until) = self.value.as_ref()?;
        until.is_none_or(|until| now < until).then_some(value)
    }

    /// Nobody makes it, nor waits for it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.turn) == 1
    }
}

/// What `once` answers.
#[derive(Debug)]
pub enum Answer {
    /// The value is there.
    Value(Stored),
    /// The one who asks is to make it.
    Turn(Turn),
}

/// The right to make a value. Dropping it gives the turn to the next who waits.
#[derive(Debug)]
pub struct Turn {
    commons: Arc<Commons>,
    key: String,
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// The key of the value.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Here is the value, good for `ttl` or to the end of the run; all who wait get it at once.
    pub fn fulfil(self, value: Stored, ttl: Option<Duration>) {
        let until = ttl.and_then(|ttl| clock::now().checked_add(ttl));
        let mut onces = lock(&self.commons.onces);
        let once = onces.entry(self.key.clone()).or_default();
        once.value = Some((value, until));
        std::mem::replace(&mut once.turn, Arc::new(Semaphore::new(1))).close();
    }
}
