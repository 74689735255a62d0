//! What one core, one second or one whole run has gathered: series, checks and iteration counts, all of which add up.
//! Ids are those of the run's catalog; names are in the catalog.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::catalog::SeriesId;
use super::series::Series;

/// One of the six things that can be counted of iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// The schedule wanted it.
    Offered,
    /// A VU took it.
    Started,
    /// The journey returned.
    Completed,
    /// It never started.
    Dropped,
    /// It was cut off.
    Interrupted,
    /// The journey raised or called `kt.fail`.
    Failed,
}

/// The six counts of a scenario's iterations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// What the schedule wanted.
    pub offered: u64,
    /// What a VU took.
    pub started: u64,
    /// Of these, what ran to its end.
    pub completed: u64,
    /// What never started.
    pub dropped: u64,
    /// Of the started, what was cut off.
    pub interrupted: u64,
    /// Of the started, what raised or called `kt.fail`.
    pub failed: u64,
}

impl Counts {
    /// Whether offered = started + dropped and started = completed + interrupted + failed. True at the end of a run;
    /// in its middle iterations in flight are missing on the right.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.offered == self.started + self.dropped && self.started == self.completed + self.interrupted + self.failed
    }

    /// Counts `n` more.
    pub fn add(&mut self, what: Count, n: u64) {
        *match what {
            Count::Offered => &mut self.offered,
            Count::Started => &mut self.started,
            Count::Completed => &mut self.completed,
            Count::Dropped => &mut self.dropped,
            Count::Interrupted => &mut self.interrupted,
            Count::Failed => &mut self.failed,
        } += n;
    }

    /// Adds another part's counts.
    pub fn merge(&mut self, other: &Self) {
        self.offered += other.offered;
        self.started += other.started;
        self.completed += other.completed;
        self.dropped += other.dropped;
        self.interrupted += other.interrupted;
        self.failed += other.failed;
    }
}

/// Which check: its name, and the group that it stands in (empty outside groups).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey {
    /// The group.
    pub group: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckTally {
    /// How often it held.
    pub passes: u64,
    /// How often it did not.
    pub fails: u64,
}

impl CheckTally {
    pub(super) fn merge(&mut self, other: &Self) {
        self.passes += other.passes;
        self.fails += other.fails;
    }
}

/// Everything that was gathered in some time by some cores. Merging is commutative and associative, up to the rounding
/// of fractional counters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    pub(super) series: BTreeMap<SeriesId, Series>,
    pub(super) checks: BTreeMap<CheckKey, CheckTally>,
    /// By scenario; without iterations of warm-ups.
    pub(super) counts: Vec<Counts>,
    /// Those of warm-ups.
    pub(super) warmup: Vec<Counts>,
}

impl Delta {
    /// Adds what was gathered elsewhere or at another time in the same run.
    pub fn merge(&mut self, other: &Self) {
        for (id, series) in &other.series {
            match self.series.get_mut(id) {
                Some(mine) => mine.merge(series),
                None => {
                    self.series.insert(*id, series.clone());
                }
            }
        }
        for (key, tally) in &other.checks {
            self.checks.entry(key.clone()).or_default().merge(tally);
        }
        self.merge_counts(other);
    }

    /// Adds the iteration counts only.
    pub(super) fn merge_counts(&mut self, other: &Self) {
        merge_counts(&mut self.counts, &other.counts);
        merge_counts(&mut self.warmup, &other.warmup);
    }

    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut counts = self.counts.iter().chain(&self.warmup);
        self.series.is_empty() && self.checks.is_empty() && counts.all(|c| *c == Counts::default())
    }
}

fn merge_counts(mine: &mut Vec<Counts>, theirs: &[Counts]) {
    if mine.len() < theirs.len() {
        mine.resize(theirs.len(), Counts::default());
    }
    for (mine, theirs) in mine.iter_mut().zip(theirs) {
        mine.merge(theirs);
    }
}
