//! What a series has gathered from a later second of the load on, for thresholds that an edited script brought: they count
//! from the edit. Everything else is in `totals`.

use super::catalog::SeriesId;
use super::delta::Delta;
use super::series::Series;

/// A series from a second on.
#[derive(Debug, Clone)]
pub(super) struct Later {
    from: u64,
    id: SeriesId,
    series: Option<Series>,
}

impl Later {
    /// Nothing yet, from second `from` of the load on.
    pub(super) fn new(from: u64, id: SeriesId) -> Self {
        Self { from, id, series: None }
    }

    /// Whether it is that series from that second on.
    pub(super) fn is(&self, from: u64, id: Option<SeriesId>) -> bool {
        self.from == from && id == Some(self.id)
    }

    /// Adds what was gathered in a second of the load.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta) {
        if second < self.from {
            return;
        }
        match (delta.series.get(&self.id), &mut self.series) {
            (None, _) => {}
            (Some(new), Some(sum)) => sum.merge(new),
            (Some(new), empty) => *empty = Some(new.clone()),
        }
    }

    /// What there is; `None` without samples.
    pub(super) fn series(&self) -> Option<&Series> {
        self.series.as_ref()
    }
}
