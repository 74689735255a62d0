//! The worst slice of a run, for thresholds with a `window`: slides over per-second history of the few series that they
//! name. Thresholds over the whole run are answered by `totals`.
//!
//! Slices begin at whole seconds of the load and are `window` long; the last one lasts until the load has ended, so that
//! no sample is in none. A load shorter than the window is one slice. A slice is judged as soon as every core has
//! reported its last second, and only as much history is kept as the longest window needs.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use super::catalog::SeriesId;
use super::delta::Delta;
use super::series::{Series, SeriesData};
use super::threshold::Threshold;

/// The worst slice so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worst {
    /// The number that is compared with the limit.
    pub(super) observed: f64,
    /// Start of the slice, from the start of the load.
    pub(super) at: Duration,
}

/// What a threshold is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    /// The series.
    pub(super) id: SeriesId,
    /// It is a counter as a whole, which has data even when nothing was counted.
    pub(super) is_never_empty: bool,
    /// The second from which on it is measured; before it there is no slice.
    pub(super) from: u64,
}

/// History of the series that windowed thresholds name, and the worst slice of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    rings: Vec<Ring>,
    watches: Vec<Watch>,
    /// Every core has reported the seconds below this one.
    closed: u64,
    is_finished: bool,
}

/// The latest seconds of one series.
#[derive(Debug, Clone)]
struct Ring {
    id: SeriesId,
    /// How many closed seconds are kept.
    keep: u64,
    /// The second of the first entry.
    first: u64,
    seconds: VecDeque<Option<Series>>,
}

/// One threshold.
#[derive(Debug, Clone)]
struct Watch {
    ring: usize,
    watched: Watched,
    seconds: u64,
    threshold: Threshold,
    worst: Option<Worst>,
}

impl Windows {
    /// Watches a threshold with a window.
    pub(super) fn add(&mut self, threshold: &Threshold, window: Duration, watched: Watched) {
        let seconds = window.as_secs().max(1);
        let known = self.rings.iter().position(|ring| ring.id == watched.id);
        let ring = known.unwrap_or_else(|| {
            self.rings.push(Ring {
                id: watched.id,
                keep: 0,
                first: 0,
                seconds: VecDeque::new(),
            });
            self.rings.len() - 1
        });
        self.rings[ring].keep = self.rings[ring].keep.max(seconds);
        self.watches.push(Watch {
            ring,
            watched,
            seconds,
            threshold: threshold.clone(),
            worst: None,
        });
    }

    /// Adds what was gathered in a second of the load. What comes too late for its slices counts in the next ones.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta) {
        if self.is_finished {
            return;
        }
        let second = second.max(self.closed);
        for ring in &mut self.rings {
            if let Some(series) = delta.series.get(&ring.id) {
                ring.add(second, series);
            }
        }
    }

    /// Every core has reported the seconds below `end`: judges the slices that end with them.
    pub(super) fn close(&mut self, end: u64) {
        while self.closed < end && !self.is_finished {
            self.closed += 1;
            for watch in &mut self.watches {
                if self.closed >= watch.watched.from + watch.seconds {
                    let length = Duration::from_secs(watch.seconds);
                    watch.judge(
                        &self.rings[watch.ring],
                        self.closed - watch.seconds,
                        self.closed,
                        length,
                    );
                }
            }
            for ring in &mut self.rings {
                ring.forget(self.closed);
            }
        }
    }

    /// The load has ended: judges what is left, the slice that lasts until now included.
    pub(super) fn finish(&mut self, elapsed: Duration) {
        let whole = elapsed.as_secs();
        self.close(whole);
        self.is_finished = true;
        for watch in &mut self.watches {
            let from = whole.saturating_sub(watch.seconds).max(watch.watched.from);
            let length = elapsed.saturating_sub(Duration::from_secs(from));
            if length.is_zero() {
                continue;
            }
            watch.judge(&self.rings[watch.ring], from, u64::MAX, length);
        }
    }

    /// The worst slice of a threshold; `None` before the first slice is over, or when all were empty.
    pub(super) fn worst(&self, threshold: &Threshold) -> Option<Worst> {
        let same = |watch: &&Watch| watch.threshold.judges_like(threshold) && watch.threshold.since == threshold.since;
        self.watches.iter().find(same)?.worst
    }

    /// How many seconds are kept, of all series together.
    #[cfg(test)]
    pub(super) fn seconds_kept(&self) -> usize {
        self.rings.iter().map(|ring| ring.seconds.len()).sum()
    }
}

impl Ring {
    fn add(&mut self, second: u64, series: &Series) {
        let index = usize::try_from(second.saturating_sub(self.first)).unwrap_or(usize::MAX);
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, None);
        }
        match &mut self.seconds[index] {
            Some(mine) => mine.merge(series),
            empty => *empty = Some(series.clone()),
        }
    }

    /// Drops what no slice that ends after `closed` needs.
    fn forget(&mut self, closed: u64) {
        // The slice that lasts until the end of the load begins `keep` seconds before the last whole second.
        let first = closed.saturating_sub(self.keep);
        while self.first < first {
            self.first += 1;
            self.seconds.pop_front();
        }
    }

    /// Everything of the seconds from `from` up to `end`.
    fn slice(&self, from: u64, end: u64) -> Option<Series> {
        let seconds = (self.first..).zip(&self.seconds);
        let inside = seconds.filter(|(second, _)| (from..end).contains(second));
        inside
            .filter_map(|(_, series)| series.as_ref())
            .fold(None, |sum, series| {
                let Some(mut sum): Option<Series> = sum else {
                    return Some(series.clone());
                };
                sum.merge(series);
                Some(sum)
            })
    }
}

impl Watch {
    fn judge(&mut self, ring: &Ring, from: u64, end: u64, length: Duration) {
        let aggregation = self.threshold.aggregation;
        let observed = match ring.slice(from, end) {
            Some(series) => series.data.answer(aggregation, length),
            None if self.watched.is_never_empty => SeriesData::Counter(0.0).answer(aggregation, length),
            None => None,
        };
        let Some(observed) = observed else { return };
        let (op, limit) = (self.threshold.op, self.threshold.limit);
        if self
            .worst
            .is_none_or(|worst| op.is_worse(observed, worst.observed, limit))
        {
            self.worst = Some(Worst {
                observed,
                at: Duration::from_secs(from),
            });
        }
    }
}
