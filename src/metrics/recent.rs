//! What some series have gathered in the last seconds, for people who watch a run: whether it has just become better or
//! worse, which the sum of all of it hides. The sum is in `totals`.

use std::collections::VecDeque;

use super::catalog::Catalog;
use super::delta::Delta;
use super::registry::MetricId;
use super::series::Series;

/// How many seconds are kept.
const KEPT: u64 = 10;

/// A series that is watched: which, and what it has gathered in each of the last seconds.
#[derive(Debug, Clone)]
struct Watched {
    metric: MetricId,
    tags: Vec<(String, String)>,
    seconds: VecDeque<(u64, Series)>,
}

/// The last seconds of some series.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(Vec<Watched>);

impl Recent {
    /// Watches one more series, from now on.
    pub(super) fn add(&mut self, metric: MetricId, tags: &[(String, String)]) {
        self.0.push(Watched {
            metric,
            tags: tags.to_vec(),
            seconds: VecDeque::new(),
        });
    }

    /// Adds what a core has gathered in a second of the load.
    pub(super) fn merge(&mut self, second: u64, delta: &Delta, catalog: &Catalog) {
        for watched in &mut self.0 {
            watched.seconds.retain(|(known, _)| known + KEPT > second);
            let id = catalog.find(watched.metric, &watched.tags);
            let Some(new) = id.and_then(|id| delta.series.get(&id)) else {
                continue;
            };
            match watched.seconds.iter_mut().find(|(known, _)| *known == second) {
                Some((_, sum)) => sum.merge(new),
                None => watched.seconds.push_back((second, new.clone())),
            }
        }
    }

    /// What a series has gathered in the last seconds; `None` without samples, and when it is not watched.
    pub(super) fn get(&self, metric: MetricId, tags: &[(String, String)]) -> Option<Series> {
        let is_it = |watched: &&Watched| watched.metric == metric && watched.tags == tags;
        let mut seconds = self.0.iter().find(is_it)?.seconds.iter();
        let mut sum = seconds.next()?.1.clone();
        seconds.for_each(|(_, series)| sum.merge(series));
        Some(sum)
    }
}
