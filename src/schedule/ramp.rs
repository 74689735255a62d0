//! How many VUs a ramp wants at any time, and when each of them is wanted. VUs themselves are `exec`'s.
//!
//! A stage goes in a straight line from the last target to its own. The number of VUs is whole, so it changes in steps, and
//! a step is taken when the line has fully reached it: from `a` to `b` in `d`, after `t` there are `a + ⌊(b − a)·t/d⌋`
//! VUs on the way up and `a − ⌊(a − b)·t/d⌋` on the way down. So each target is hit exactly at its stage's end, which is
//! the next one's beginning. Solved for the time, VU `i` (from 0) joins when `i + 1` are reached, and leaves when
//! only `i` are: the highest index is the first to go.

use std::ops::Range;
use std::time::Duration;

use super::{Stage, nanos};

/// Planned numbers of VUs over time.
#[derive(Debug, Clone)]
pub struct Ramp {
    start_vus: u64,
    stages: Vec<Line>,
}

/// A stage with both of its ends, in ns and VUs.
#[derive(Debug, Clone)]
struct Line {
    start: u64,
    end: u64,
    from: u64,
    to: u64,
}

impl Ramp {
    /// A ramp that begins with `start_vus`.
    #[must_use]
    pub fn new(start_vus: u64, stages: &[Stage<u64>]) -> Self {
        let (mut start, mut from) = (0_u64, start_vus);
        let stages = stages
            .iter()
            .map(|stage| {
                let end = start.saturating_add(nanos(stage.duration));
                let to = stage.target;
                let line = Line { start, end, from, to };
                (start, from) = (end, to);
                line
            })
            .collect();
        Self { start_vus, stages }
    }

    /// How long it takes.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.stages.last().map_or(0, |line| line.end))
    }

    /// The most VUs that are wanted at once.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.stages.iter().map(|line| line.to).fold(self.start_vus, u64::max)
    }

    /// How many VUs are wanted at `at`; after the end, the last target.
    #[must_use]
    pub fn planned(&self, at: Duration) -> u64 {
        let at = nanos(at);
        match self.stages.iter().find(|line| at < line.end) {
            Some(line) => line.planned(at),
            None => self.stages.last().map_or(self.start_vus, |line| line.to),
        }
    }

    /// The stage that the time `at` belongs to.
    #[must_use]
    pub fn segment_at(&self, at: Duration) -> u32 {
        let at = nanos(at);
        let index = self.stages.partition_point(|line| line.end <= at);
        u32::try_from(index.min(self.stages.len().saturating_sub(1))).unwrap_or(u32::MAX)
    }

    /// When VU `index` is wanted: spans in order that do not touch, none of them empty, none beyond the end.
    #[must_use]
    pub fn spans(&self, index: u64) -> Vec<Range<Duration>> {
        let mut spans = Vec::new();
        let times = |from, to| Duration::from_nanos(from)..Duration::from_nanos(to);
        let mut since = (index < self.start_vus).then_some(0);
        for line in &self.stages {
            match since {
                None if line.to > index => since = Some(line.reaches(index + 1)),
                Some(begun) if line.to <= index => {
                    push(&mut spans, times(begun, line.reaches(index)));
                    since = None;
                }
                _ => {}
            }
        }
        if let Some(begun) = since {
            push(&mut spans, times(begun, nanos(self.duration())));
        }
        spans
    }
}

impl Line {
    fn planned(&self, at: u64) -> u64 {
        let (gone, length) = (u128::from(at - self.start), u128::from(self.end - self.start));
        let steps = |height: u64| {
            let steps = u128::from(height) * gone / length;
            u64::try_from(steps).expect("at most the height, as time is within the line")
        };
        if self.to >= self.from {
            self.from + steps(self.to - self.from)
        } else {
            self.from - steps(self.from - self.to)
        }
    }

    /// The first time at which there are `vus`, a number between both ends.
    fn reaches(&self, vus: u64) -> u64 {
        let (length, height) = (
            u128::from(self.end - self.start),
            u128::from(self.from.abs_diff(self.to)),
        );
        let after = (u128::from(self.from.abs_diff(vus)) * length).div_ceil(height);
        self.start + u64::try_from(after).expect("within the line, whose length fits")
    }
}

/// Appends a span, unless it is empty; one that touches the last prolongs it.
pub(super) fn push(spans: &mut Vec<Range<Duration>>, span: Range<Duration>) {
    match spans.last_mut() {
        _ if span.is_empty() => {}
        Some(last) if last.end == span.start => last.end = span.end,
        _ => spans.push(span),
    }
}
