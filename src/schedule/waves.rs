//! Many starts at the same instant, once or several times.

use std::time::Duration;

use super::Wave;
use super::numbered::Numbered;

/// Waves in the order of their times; those of one time in the order in which they were written.
#[derive(Debug)]
pub(super) struct Waves {
    /// (how many arrivals there are up to its end, when, which one of those written)
    waves: Vec<(u64, Duration, u32)>,
}

impl Waves {
    pub(super) fn new(waves: &[Wave]) -> Self {
        let mut order: Vec<(u32, &Wave)> = (0..).zip(waves).collect();
        order.sort_by_key(|(_, wave)| wave.at);
        let mut before: u64 = 0;
        let waves = order
            .into_iter()
            .map(|(segment, wave)| {
                before = before.saturating_add(wave.count);
                (before, wave.at, segment)
            })
            .collect();
        Self { waves }
    }

    /// The one wave of `count` at the start.
    pub(super) fn one(count: u64) -> Self {
        Self {
            waves: vec![(count, Duration::ZERO, 0)],
        }
    }

    /// The most that start at the same instant.
    pub(super) fn largest(&self) -> u64 {
        let groups = self.waves.chunk_by(|a, b| a.1 == b.1);
        let ends = groups.filter_map(|group| group.last().map(|wave| wave.0));
        let (_, largest) = ends.fold((0, 0), |(before, largest), end| (end, largest.max(end - before)));
        largest
    }

    /// When the last one starts.
    pub(super) fn last(&self) -> Duration {
        self.waves.last().map_or(Duration::ZERO, |wave| wave.1)
    }
}

impl Numbered for Waves {
    fn total(&self) -> u64 {
        self.waves.last().map_or(0, |wave| wave.0)
    }

    fn at(&self, number: u64) -> (Duration, u32) {
        let index = self.waves.partition_point(|wave| wave.0 <= number);
        let (_, at, segment) = self.waves[index];
        (at, segment)
    }
}
