//! How a schedule goes on when it is paused: its own time, which stands still, against the time since its start, which
//! does not. A pure function of the settings; what arrivals are made of it is `steered`'s.

use std::sync::Arc;
use std::time::Duration;

use super::Edition;
use super::leg::Leg;

/// What holds from an offset from the scenario's start on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// From here on; not before the setting before it.
    pub since: Duration,
    /// The schedule stands still.
    pub paused: bool,
    /// Iterations for each time unit, instead of the edition's.
    pub rate: Option<f64>,
    /// Which edition of the schedule holds; 0 is the one that it began with.
    pub edition: u32,
}

/// Settings, with the schedule's own time at the beginning of each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    settings: Vec<(Setting, Duration)>,
}

impl Course {
    /// The course of a schedule under `settings`, in their order; none means that it runs as planned.
    #[must_use]
    pub fn new(settings: impl IntoIterator<Item = Setting>) -> Self {
        let mut course = Self::default();
        for setting in settings {
            let own = course.own(setting.since);
            course.settings.push((setting, own));
        }
        course
    }

    /// The schedule's own time at `since_start`.
    #[must_use]
    pub fn own(&self, since_start: Duration) -> Duration {
        match self.at(since_start) {
            Some((setting, own)) if setting.paused => *own,
            Some((setting, own)) => own.saturating_add(since_start - setting.since),
            None => since_start,
        }
    }

    /// When the schedule goes beyond its own time `own`, as an offset from the start; `None` while it stands still before
    /// or at it. What is due just as a pause begins comes after it.
    #[must_use]
    pub fn real(&self, own: Duration) -> Option<Duration> {
        if self.settings.first().is_none_or(|(_, begin)| own < *begin) {
            // Before the first setting it runs.
            return Some(own);
        }
        let ends = self.settings.iter().skip(1).map(|(_, end)| Some(*end)).chain([None]);
        self.settings
            .iter()
            .zip(ends)
            .find(|((setting, _), end)| !setting.paused && end.is_none_or(|end| own < end))
            .map(|((setting, begin), _)| setting.since.saturating_add(own.saturating_sub(*begin)))
    }

    /// Whether it stands still at `since_start`.
    #[must_use]
    pub fn is_paused(&self, since_start: Duration) -> bool {
        self.at(since_start).is_some_and(|(setting, _)| setting.paused)
    }

    /// The legs of a schedule whose edition `n` is `editions[n]`: those that it comes to before it ends.
    pub(super) fn legs(&self, editions: &[Arc<Edition>]) -> Vec<Leg> {
        let mut legs: Vec<Leg> = Vec::new();
        let leg = |since, edition: u32, rate| {
            let edition = usize::try_from(edition).ok().and_then(|index| editions.get(index));
            let edition = Arc::clone(edition.or(editions.last())?);
            Some(Leg { since, edition, rate })
        };
        legs.extend(leg(Duration::ZERO, 0, None));
        for (setting, own) in &self.settings {
            let Some(leg) = leg(*own, setting.edition, setting.rate) else {
                break;
            };
            if legs.last().is_some_and(|last| last.end() < leg.since) {
                // It is over, and what is set after that is of no meaning.
                break;
            }
            legs.pop_if(|last| last.since == leg.since);
            if legs.last().is_none_or(|last| !last.is_as(&leg)) {
                legs.push(leg);
            }
        }
        legs
    }

    fn at(&self, since_start: Duration) -> Option<&(Setting, Duration)> {
        let index = self
            .settings
            .partition_point(|(setting, _)| setting.since <= since_start);
        self.settings.get(index.checked_sub(1)?)
    }
}

/// The first of some times that is reached, each of which is aimed at from one time on until another is: `(since, aim)` in
/// the order of `since`. One that lies before its `since` is reached then. `None` without any.
#[must_use]
pub fn reached<T: Copy + Ord>(aims: &[(T, T)]) -> Option<T> {
    let nexts = aims.iter().skip(1).map(|(since, _)| Some(*since)).chain([None]);
    aims.iter()
        .zip(nexts)
        .map(|((since, aim), next)| ((*aim).max(*since), next))
        .find(|(at, next)| next.is_none_or(|next| *at < next))
        .map(|(at, _)| at)
}
