//! The worst slice of a run, for thresholds with a `window`: slides over per-second history of the few series that they
//! name. Thresholds over the whole run are answered by `totals`.
//!
//! Slices begin at whole seconds of the load and are `window` long; the last one lasts until the load has ended, so that
//! no sample is in none. A load shorter than the window is one slice. A slice is judged as soon as every core has
//! reported its last second, and only as much history is kept as the longest window needs.
//!
//! The rate of a counter needs a slice in which all of it belongs to the part that is counted, and is load: it is too low
//! in any other, which only a limit from above may be judged by. A part without such a slice is one of its own length.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use super::aggregation::Aggregation;
use super::catalog::SeriesId;
use super::delta::Delta;
use super::series::{Series, SeriesData};
use super::threshold::{Op, Threshold};
use super::timeline::{self, Timeline};

/// The worst slice so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worst {
    /// The number that is compared with the limit.
    pub(super) observed: f64,
    /// Start of the slice, from the start of the load.
    pub(super) at: Duration,
    /// How long it is.
    pub(super) length: Duration,
}

/// What a threshold is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    /// The series.
    pub(super) id: SeriesId,
    /// It is a counter.
    pub(super) is_counter: bool,
    /// The second from which on it is measured; before it there is no slice.
    pub(super) from: u64,
    /// What was before this does not count.
    pub(super) since: Duration,
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
    /// It is for each second: a slice has to be as long as what is counted in it.
    is_rate: bool,
    threshold: Threshold,
    worst: Option<Worst>,
    /// Of a rate of which no slice is in its part so far: all that was counted.
    part: Option<Part>,
}

/// A part that may be shorter than the window.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    sum: f64,
    is_known: bool,
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
        let is_rate = watched.is_counter && threshold.aggregation == Aggregation::Rate;
        self.watches.push(Watch {
            ring,
            watched,
            seconds,
            is_rate,
            threshold: threshold.clone(),
            worst: None,
            part: is_rate.then(Part::default),
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
        for watch in &mut self.watches {
            watch.add(second, delta);
        }
    }

    /// Every core has reported the seconds below `end`: judges the slices that end with them.
    pub(super) fn close(&mut self, end: u64, timeline: &Timeline) {
        while self.closed < end && !self.is_finished {
            self.closed += 1;
            for watch in &mut self.watches {
                if self.closed >= watch.watched.from + watch.seconds {
                    watch.slice(&self.rings[watch.ring], self.closed, timeline);
                }
            }
            for ring in &mut self.rings {
                ring.forget(self.closed);
            }
        }
    }

    /// The load has ended: judges what is left, the slice that lasts until now included.
    pub(super) fn finish(&mut self, elapsed: Duration, timeline: &Timeline) {
        let whole = elapsed.as_secs();
        self.close(whole, timeline);
        self.is_finished = true;
        for watch in &mut self.watches {
            let from = whole.saturating_sub(watch.seconds).max(watch.watched.from);
            let length = elapsed.saturating_sub(Duration::from_secs(from));
            if !length.is_zero() && watch.takes_any() {
                watch.judge(&self.rings[watch.ring], from..u64::MAX, length);
            }
            watch.judge_part(elapsed, timeline);
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

    /// Everything of these seconds.
    fn slice(&self, slice: &Range<u64>) -> Option<Series> {
        let seconds = (self.first..).zip(&self.seconds);
        let inside = seconds.filter(|(second, _)| slice.contains(second));
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
    /// Adds what was gathered in a second to what may be all that there is of the part.
    fn add(&mut self, second: u64, delta: &Delta) {
        let Some(part) = self.part.as_mut().filter(|_| second >= self.watched.since.as_secs()) else {
            return;
        };
        if let Some(SeriesData::Counter(sum)) = delta.series.get(&self.watched.id).map(|series| &series.data) {
            part.sum += sum;
            part.is_known = true;
        }
    }

    /// Whether it is judged by a slice that is not all in its part, too: a rate that is too high in one is so all the more.
    fn takes_any(&self) -> bool {
        !self.is_rate || matches!(self.threshold.op, Op::Lt | Op::Le)
    }

    /// Judges the slice that ends with the seconds below `end`.
    fn slice(&mut self, ring: &Ring, end: u64, timeline: &Timeline) {
        let slice = end - self.seconds..end;
        let (begins, ends) = (Duration::from_secs(slice.start), Duration::from_secs(end));
        let spans = if self.is_rate {
            timeline.spans(&self.threshold.selector.tags, ends)
        } else {
            Vec::new()
        };
        let is_in_part = spans.iter().any(|span| span.start <= begins && ends <= span.end);
        if is_in_part {
            self.part = None;
        }
        if is_in_part || self.takes_any() {
            self.judge(ring, slice, Duration::from_secs(self.seconds));
        }
    }

    /// Judges the part as a whole, when no slice was in it.
    fn judge_part(&mut self, elapsed: Duration, timeline: &Timeline) {
        let Some(part) = self.part.filter(|part| part.is_known || self.is_never_empty()) else {
            return;
        };
        let spans = |until| timeline.spans(&self.threshold.selector.tags, until);
        let (all, since) = (spans(elapsed), self.watched.since);
        let length = timeline::length(&all).saturating_sub(timeline::length(&spans(since)));
        let begins = all.first().map_or(since, |span| span.start.max(since));
        let observed = SeriesData::Counter(part.sum).answer(self.threshold.aggregation, length);
        self.weigh(observed, begins, length);
    }

    fn judge(&mut self, ring: &Ring, slice: Range<u64>, length: Duration) {
        let aggregation = self.threshold.aggregation;
        let observed = match ring.slice(&slice) {
            Some(series) => series.data.answer(aggregation, length),
            None if self.is_never_empty() => SeriesData::Counter(0.0).answer(aggregation, length),
            None => None,
        };
        self.weigh(observed, Duration::from_secs(slice.start), length);
    }

    /// A counter as a whole has data even when nothing was counted.
    fn is_never_empty(&self) -> bool {
        self.watched.is_counter && self.threshold.selector.tags.is_empty()
    }

    /// Remembers a slice when it is the worst so far.
    fn weigh(&mut self, observed: Option<f64>, at: Duration, length: Duration) {
        let Some(observed) = observed else { return };
        let (op, limit) = (self.threshold.op, self.threshold.limit);
        if self
            .worst
            .is_none_or(|worst| op.is_worse(observed, worst.observed, limit))
        {
            self.worst = Some(Worst { observed, at, length });
        }
    }
}
