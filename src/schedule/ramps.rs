//! Ramps that follow one another: each holds from a time of the schedule's own on, as if it had been there from the start,
//! until the next one does. Who says so is `course`'s.

use std::ops::Range;
use std::time::Duration;

use super::course::reached;
use super::ramp::{Ramp, push};

/// Planned numbers of VUs over time, as editions of a script have them.
#[derive(Debug, Clone)]
pub struct Ramps {
    /// Each with its first moment, and with what its segments are numbered.
    ramps: Vec<(Duration, Ramp, Vec<u32>)>,
    end: Duration,
}

impl Ramps {
    /// In the order of their times, the first of which is 0. What would follow the end is of no meaning.
    #[must_use]
    pub fn new(ramps: Vec<(Duration, Ramp, Vec<u32>)>) -> Self {
        let aims: Vec<_> = ramps.iter().map(|(since, ramp, _)| (*since, ramp.duration())).collect();
        Self {
            end: reached(&aims).unwrap_or_default(),
            ramps,
        }
    }

    /// When the last of them that is come to is over.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.end
    }

    /// The most VUs that are wanted at once, by any of them.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.ramps.iter().map(|(_, ramp, _)| ramp.peak()).max().unwrap_or(0)
    }

    /// The number of the stage that the time `at` belongs to.
    #[must_use]
    pub fn segment_at(&self, at: Duration) -> u32 {
        let index = self.ramps.partition_point(|(since, ..)| *since <= at);
        let Some((_, ramp, segments)) = self.ramps.get(index.saturating_sub(1)) else {
            return 0;
        };
        let segment = ramp.segment_at(at);
        let known = usize::try_from(segment).ok().and_then(|index| segments.get(index));
        known.copied().unwrap_or(segment)
    }

    /// When VU `index` is wanted: spans in order that do not touch, none of them empty, none beyond the end.
    #[must_use]
    pub fn spans(&self, index: u64) -> Vec<Range<Duration>> {
        let mut spans = Vec::new();
        let ends = self.ramps.iter().skip(1).map(|(since, ..)| *since).chain([self.end]);
        for ((since, ramp, _), until) in self.ramps.iter().zip(ends) {
            let until = until.min(self.end);
            for span in ramp.spans(index) {
                push(&mut spans, span.start.max(*since)..span.end.min(until));
            }
        }
        spans
    }
}
