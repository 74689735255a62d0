//! The arrivals of an open scenario on the clock: the schedule, kept up to date with what is set. Who is given
//! them is `open`'s business.

use std::rc::Rc;
use std::sync::Arc;

use crate::clock::Instant;
use crate::schedule::{Next, Steered};

use super::exchange::Ticket;
use super::helm::{Helm, News};
use super::terms::Terms;
use crate::clock::later;

/// One stripe's arrivals.
pub(super) struct Timetable {
    steered: Steered,
    helm: Rc<Helm>,
    /// How much was heard when the schedule was told last.
    seen: usize,
    /// When another version of the plan may hold.
    change: Option<Instant>,
}

/// When there is something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// An arrival is due then.
    Arrival(Instant),
    /// Nothing more before the planned end, which is then.
    End(Instant),
    /// Nothing until something is set.
    Paused,
}

impl Timetable {
    pub(super) fn new(steered: Steered, helm: Rc<Helm>) -> Self {
        Self {
            steered,
            change: Some(helm.begin()),
            helm,
            seen: 0,
        }
    }

    pub(super) fn helm(&self) -> &Helm {
        &self.helm
    }

    /// Takes note of what was set. To be called after the clock was read for [`Timetable::take`]: what is not heard of
    /// then takes effect later than that.
    pub(super) fn refresh(&mut self) {
        if let Some((settings, editions)) = self.helm.settings(&mut self.seen) {
            self.steered.set(settings, &editions);
            self.change = Some(self.helm.begin());
        }
    }

    /// The version of the plan that holds at `now`, when it may be another one than at the last call.
    pub(super) fn turn(&mut self, now: Instant) -> Option<Arc<Terms>> {
        if self.change.is_none_or(|change| now < change) {
            return None;
        }
        let (terms, change) = self.helm.version(now);
        self.change = change;
        terms
    }

    /// When [`Timetable::turn`] has something to say.
    pub(super) fn change(&self) -> Option<Instant> {
        self.change
    }

    /// To be woken by what is set.
    pub(super) fn listen(&self) -> News {
        self.helm.listen()
    }

    /// The next arrival, if it is due at `now`.
    pub(super) fn take(&mut self, now: Instant) -> Option<Ticket> {
        let begin = self.helm.begin();
        let arrival = self.steered.take(now.checked_duration_since(begin)?)?;
        Some(Ticket {
            number: arrival.number,
            at: arrival.at,
            segment: arrival.segment,
            due: later(begin, arrival.at),
            handled: now,
            assigned: now,
        })
    }

    pub(super) fn due(&self) -> Due {
        let begin = self.helm.begin();
        match self.steered.peek() {
            Next::Arrival(arrival) => Due::Arrival(later(begin, arrival.at)),
            Next::End(at) => Due::End(later(begin, at)),
            Next::Paused => Due::Paused,
        }
    }

    /// The planned end; `None` while the schedule stands still.
    pub(super) fn end(&self) -> Option<Instant> {
        self.steered.end().map(|at| later(self.helm.begin(), at))
    }
}
