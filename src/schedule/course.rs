//! How a schedule goes on when it is paused: its own time, which stands still, against the time since its start, which
//! does not. A pure function of the settings; what arrivals are made of it is `steered`'s.

use std::time::Duration;

/// What holds from an offset from the scenario's start on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// From here on; not before the setting before it.
    pub since: Duration,
    /// The schedule stands still.
    pub paused: bool,
    /// Iterations for each time unit, instead of the plan's.
    pub rate: Option<f64>,
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

    /// The rates that were set, each with the schedule's own time from which it holds.
    pub(super) fn rates(&self) -> Vec<(Duration, f64)> {
        let mut rates: Vec<(Duration, f64)> = Vec::new();
        for (setting, own) in &self.settings {
            if let Some(rate) = setting.rate {
                rates.pop_if(|(since, _)| since == own);
                if rates.last().is_none_or(|(_, last)| *last != rate) {
                    rates.push((*own, rate));
                }
            }
        }
        rates
    }

    fn at(&self, since_start: Duration) -> Option<&(Setting, Duration)> {
        let index = self
            .settings
            .partition_point(|(setting, _)| setting.since <= since_start);
        self.settings.get(index.checked_sub(1)?)
    }
}
