//! Starts as they once happened: the time stamps of a trace. Reading traces is `script`'s.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::numbered::Numbered;
use super::{nanos, rational};

/// Time stamps from a file, in their order. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trace {
    /// The file.
    pub file: String,
    /// Offsets from the first, never going back.
    #[serde(skip)]
    pub times: Arc<[Duration]>,
    /// For each the row of the file, 0-based, that it stands in.
    #[serde(skip)]
    pub rows: Arc<[u32]>,
}

impl Trace {
    /// Takes the time stamps of the rows in the order of the file; rows of one time keep it.
    #[must_use]
    pub fn new(file: String, stamps: &[Duration]) -> Self {
        let mut rows: Vec<u32> = (0..).take(stamps.len()).collect();
        rows.sort_by_key(|row| stamps[*row as usize]);
        let first = rows.first().map_or(Duration::ZERO, |row| stamps[*row as usize]);
        Self {
            file,
            times: rows.iter().map(|row| stamps[*row as usize] - first).collect(),
            rows: rows.into(),
        }
    }

    /// The same with its first time stamp only.
    #[must_use]
    pub fn first(&self) -> Self {
        Self {
            file: self.file.clone(),
            times: self.times.iter().take(1).copied().collect(),
            rows: self.rows.iter().take(1).copied().collect(),
        }
    }
}

/// A trace, `speed` times as fast.
#[derive(Debug)]
pub(super) struct Replay {
    times: Arc<[Duration]>,
    speed: (u64, u64),
}

impl Replay {
    pub(super) fn new(trace: &Trace, speed: f64) -> Self {
        Self {
            times: Arc::clone(&trace.times),
            speed: rational::fraction(speed),
        }
    }

    /// When the last one starts.
    pub(super) fn last(&self) -> Duration {
        faster(self.times.last().copied().unwrap_or_default(), self.speed)
    }
}

impl Numbered for Replay {
    fn total(&self) -> u64 {
        self.times.len() as u64
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        let at = usize::try_from(number).map_or(Duration::ZERO, |index| self.times[index]);
        (faster(at, self.speed), 0)
    }
}

/// `at` at a `(p, q)`-fold speed, rounded down.
fn faster(at: Duration, (p, q): (u64, u64)) -> Duration {
    let at = u128::from(nanos(at)) * u128::from(q) / u128::from(p.max(1));
    Duration::from_nanos(u64::try_from(at).unwrap_or(u64::MAX))
}
