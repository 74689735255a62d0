//! What a scenario goes by: its plan, the edits that followed, and what live control sets, as a pure function of their
//! list. Who waits for the times that follow is `helm`'s; which edits are possible is `replan`'s.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Instant;
use crate::control::Setpoint;
use crate::plan::{Executor, Scenario};
use crate::schedule::{Course, Edition, Ramp, Ramps, Setting, reached};

use crate::clock::later;

/// One version of a scenario: the plan's, or an edited one.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) scenario: Scenario,
    /// The schedule of an open scenario.
    edition: Option<Arc<Edition>>,
    /// The numbers of its stages, as iterations carry them.
    segments: Vec<u32>,
}

impl Terms {
    /// A version whose stages have the numbers `segments`.
    pub(super) fn new(scenario: Scenario, segments: Vec<u32>) -> Self {
        let edition = match &scenario.executor {
            Executor::Open { shape, .. } => Some(Edition {
                shape: shape.clone(),
                segments: segments.clone(),
            }),
            _ => None,
        };
        Self {
            scenario,
            edition: edition.map(Arc::new),
            segments,
        }
    }

    /// The next version, which shares the schedule where that is the same.
    pub(super) fn followed_by(&self, scenario: Scenario, segments: &[u32]) -> Self {
        let same = scenario.executor == self.scenario.executor;
        // Stages that were refused lend nobody their numbers.
        let segments = if same { &self.segments } else { segments };
        let mut next = Self::new(scenario, segments.to_vec());
        if next.edition == self.edition {
            next.edition.clone_from(&self.edition);
        }
        next
    }

    /// VUs wanted as planned, where their number can change.
    fn vus(&self) -> u64 {
        match &self.scenario.executor {
            Executor::ConstantVus { vus, .. } | Executor::ExternallyControlled { vus, .. } => *vus,
            _ => u64::MAX,
        }
    }

    /// How long the iteration of a VU that is no longer wanted may go on.
    pub(super) fn graceful_ramp_down(&self) -> Duration {
        match &self.scenario.executor {
            Executor::RampingVus { graceful_ramp_down, .. } => *graceful_ramp_down,
            _ => Duration::ZERO,
        }
    }
}

/// All that is known of a scenario's times.
#[derive(Debug)]
pub(super) struct Agenda {
    /// None where nobody steers: then the plan holds.
    setpoints: Vec<Setpoint>,
    /// At least the plan's.
    terms: Vec<Arc<Terms>>,
    /// What the schedule's own time counts from.
    begin: Instant,
    course: Course,
    /// When the load of the scenario is over, in its own time.
    end: Duration,
}

impl Agenda {
    pub(super) fn new(setpoints: Vec<Setpoint>, terms: Vec<Arc<Terms>>, begin: Instant) -> Self {
        let mut agenda = Self {
            course: Course::new(settings(&setpoints, begin)),
            setpoints,
            terms,
            begin,
            end: Duration::ZERO,
        };
        agenda.end = agenda.aim(|terms| terms.scenario.executor.duration());
        agenda
    }

    fn terms_of(&self, version: u32) -> &Terms {
        let known = usize::try_from(version).ok().and_then(|index| self.terms.get(index));
        known
            .or(self.terms.last())
            .expect("there is the plan's version at least")
    }

    /// When the load is over, in the schedule's own time.
    pub(super) fn end(&self) -> Duration {
        self.end
    }

    /// Whether it is over at `now`. Not while it stands still, which its end does too.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.real(self.end).is_some_and(|end| end <= now)
    }

    /// The schedule's own time at `at`.
    pub(super) fn own(&self, at: Instant) -> Duration {
        self.course.own(at.saturating_duration_since(self.begin))
    }

    /// When the schedule comes to its own time `own`; `None` while it stands still.
    pub(super) fn real(&self, own: Duration) -> Option<Instant> {
        self.course.real(own).map(|at| later(self.begin, at))
    }

    /// When it comes to its own time `own`, if nothing more is set than that it runs again at `now` at the latest.
    pub(super) fn foreseen(&self, own: Duration, now: Instant) -> Instant {
        let from_now = || later(now.max(self.begin), own.saturating_sub(self.own(now)));
        self.real(own).unwrap_or_else(from_now)
    }

    /// The own time that each version puts somewhere else, where they aim at it in turn.
    pub(super) fn aim(&self, at: impl Fn(&Terms) -> Duration) -> Duration {
        let aims: Vec<_> = self.versions().map(|(since, terms)| (since, at(terms))).collect();
        reached(&aims).unwrap_or_default()
    }

    /// The end of a graceful stop that began at `from`; on the wall, as pauses do not prolong it.
    pub(super) fn grace(&self, from: Instant) -> Instant {
        let end = |terms: &Terms| later(from, terms.scenario.graceful_stop);
        let aims = self.setpoints.iter();
        let aims: Vec<_> = aims.map(|s| (s.since, end(self.terms_of(s.terms)))).collect();
        reached(&aims).unwrap_or_else(|| end(self.terms_of(0)))
    }

    /// The versions with the own times from which they hold, the first of which is 0.
    fn versions(&self) -> impl Iterator<Item = (Duration, &Terms)> {
        let plan = self.setpoints.is_empty().then(|| (Duration::ZERO, self.terms_of(0)));
        let set = self.setpoints.iter();
        plan.into_iter()
            .chain(set.map(|s| (self.own(s.since), self.terms_of(s.terms))))
    }

    /// The ramps of `ramping-vus`.
    pub(super) fn ramps(&self) -> Ramps {
        let mut ramps: Vec<(Duration, &Terms)> = Vec::new();
        for (since, terms) in self.versions() {
            ramps.pop_if(|(last, _)| *last == since);
            ramps.push((since, terms));
        }
        let ramp = |(since, terms): (Duration, &Terms)| match &terms.scenario.executor {
            Executor::RampingVus { start_vus, stages, .. } => {
                Some((since, Ramp::new(*start_vus, stages), terms.segments.clone()))
            }
            _ => None,
        };
        Ramps::new(ramps.into_iter().filter_map(ramp).collect())
    }

    /// The schedule as `schedule` takes it.
    pub(super) fn settings(&self) -> (Vec<Setting>, Vec<Arc<Edition>>) {
        let editions = self.terms.iter().filter_map(|terms| terms.edition.clone());
        (settings(&self.setpoints, self.begin), editions.collect())
    }

    /// What holds at `now`, and when something else will.
    pub(super) fn in_force(&self, now: Instant) -> (Option<Setpoint>, Option<Instant>) {
        let next = self.setpoints.partition_point(|setpoint| setpoint.since <= now);
        let current = next.checked_sub(1).and_then(|current| self.setpoints.get(current));
        (current.copied(), self.setpoints.get(next).map(|next| next.since))
    }

    /// Version `version` of the plan.
    pub(super) fn version(&self, version: u32) -> Option<Arc<Terms>> {
        self.terms.get(usize::try_from(version).ok()?).map(Arc::clone)
    }

    /// Whether VU `index` may begin at `now`, and when something else holds.
    pub(super) fn may_begin(&self, now: Instant, index: u64) -> (bool, Option<Instant>) {
        let (current, change) = self.in_force(now);
        let go = match current {
            Some(setpoint) => !setpoint.paused && index < self.vus_at(&setpoint),
            None => index < self.terms_of(0).vus(),
        };
        (go, change)
    }

    /// The most VUs that are wanted at `now` or by what is set.
    pub(super) fn vus_ahead(&self, now: Instant) -> u64 {
        let past = self.setpoints.partition_point(|setpoint| setpoint.since <= now);
        let ahead = self.setpoints.iter().skip(past.saturating_sub(1));
        let most = ahead.map(|setpoint| self.vus_at(setpoint)).max();
        most.unwrap_or_else(|| self.terms_of(0).vus())
    }

    fn vus_at(&self, setpoint: &Setpoint) -> u64 {
        setpoint.vus.unwrap_or_else(|| self.terms_of(setpoint.terms).vus())
    }

    /// How the iterations of VU `index` are numbered.
    pub(super) fn turns(&self, index: u64) -> Turns {
        let caps = self.terms.iter().map(|terms| terms.scenario.executor.vus().1);
        Turns::of(index, caps)
    }
}

/// The numbers of a looping VU's iterations: as if all VUs took turns, which makes them unique without asking anybody.
///
/// VUs that only an edit made room for take turns among themselves, at numbers that those before them never come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turns {
    first: u64,
    stride: u64,
}

impl Turns {
    /// More turns than a run has: a million a second for twelve days. Numbers stay whole in a double for 8,000 edits.
    const APART: u64 = 1 << 40;

    /// Of VU `index`, when the number of VUs was limited by `caps` one after the other.
    fn of(index: u64, caps: impl IntoIterator<Item = u64>) -> Self {
        let (mut before, mut first) = (0, 0);
        let mut stride = 1;
        for cap in caps {
            if cap <= before {
                continue;
            }
            stride = cap - before;
            if index < cap {
                break;
            }
            before = cap;
            first += Self::APART;
        }
        Self {
            first: first + index.saturating_sub(before),
            stride,
        }
    }

    /// The number of the iteration after `done` ones.
    pub(super) fn number(self, done: u64) -> u64 {
        self.first.saturating_add(done.saturating_mul(self.stride))
    }
}

fn settings(setpoints: &[Setpoint], begin: Instant) -> Vec<Setting> {
    let setting = |setpoint: &Setpoint| Setting {
        since: setpoint.since.saturating_duration_since(begin),
        paused: setpoint.paused,
        rate: setpoint.rate,
        edition: setpoint.terms,
    };
    setpoints.iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_those_of_turns_and_never_meet() {
        let numbers = |index, caps: &[u64]| [0, 1, 2].map(|done| Turns::of(index, caps.iter().copied()).number(done));
        assert_eq!(numbers(3, &[5]), [3, 8, 13]);
        assert_eq!(
            numbers(3, &[5, 12]),
            [3, 8, 13],
            "an edit leaves those alone that were there"
        );
        let apart = Turns::APART;
        assert_eq!(numbers(5, &[5, 3, 12]), [apart, apart + 7, apart + 14]);
        assert_eq!(numbers(12, &[5, 12, 9, 13]), [2 * apart, 2 * apart + 1, 2 * apart + 2]);
        let caps = [2, 7, 7, 4, 9];
        let all = (0..9).flat_map(|index| (0..50).map(move |done| Turns::of(index, caps).number(done)));
        assert_eq!(all.collect::<BTreeSet<_>>().len(), 9 * 50);
    }
}
