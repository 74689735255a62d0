//! What the challenge system counts for those who want to prove something: how many connections and calls at once, what
//! became of each event and claim. `DELETE /__stats` starts it anew with what is there; the metrics for Prometheus go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::catalogue::ClaimKey;
use super::event::Kind;

/// What became of events and calls.
#[derive(Debug, Default)]
pub(super) struct EventCounts {
    /// Connections on which events came.
    pub connections: u64,
    pub in_flight: u64,
    pub max_in_flight: u64,
    received: BTreeMap<Kind, u64>,
    /// Answered with success.
    processed: u64,
    /// Answered without success: there was something wrong with them.
    rejected: u64,
    /// Answered with an error: a fault.
    failed: u64,
    /// Whoever called did not wait for the answer.
    abandoned: u64,
    /// Of those processed, what a full buffer lost, and what is in the database.
    dropped: u64,
    flushed: u64,
    /// Of those received, what is under way: not answered, or in the buffer.
    here: BTreeMap<Kind, u64>,
    /// Of those under way, what is not answered.
    unanswered: u64,
}

/// How an event was answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Processed {
        /// The type of the event that a full buffer lost for it.
        lost: Option<Kind>,
    },
    Rejected,
    Failed,
}

impl EventCounts {
    fn read(&mut self, kind: Kind) {
        *self.received.entry(kind).or_default() += 1;
        *self.here.entry(kind).or_default() += 1;
        self.unanswered += 1;
    }

    fn answered(&mut self, kind: Kind, outcome: Outcome) {
        self.unanswered -= 1;
        let gone = match outcome {
            Outcome::Processed { lost } => {
                self.processed += 1;
                self.dropped += u64::from(lost.is_some());
                lost
            }
            Outcome::Rejected => {
                self.rejected += 1;
                Some(kind)
            }
            Outcome::Failed => {
                self.failed += 1;
                Some(kind)
            }
        };
        self.gone(gone);
    }

    fn abandoned(&mut self, kind: Kind) {
        self.unanswered -= 1;
        self.abandoned += 1;
        self.gone([kind]);
    }

    /// Events of these types are in the database.
    pub(super) fn flushed(&mut self, kinds: impl ExactSizeIterator<Item = Kind>) {
        self.flushed += kinds.len() as u64;
        self.gone(kinds);
    }

    fn gone(&mut self, kinds: impl IntoIterator<Item = Kind>) {
        for kind in kinds {
            *self.here.entry(kind).or_default() -= 1;
        }
    }

    /// As if what is under way were all that ever came, so that the counts go on adding up.
    fn anew(self) -> Self {
        Self {
            in_flight: self.in_flight,
            max_in_flight: self.in_flight,
            received: self.here.clone(),
            processed: self.here.values().sum::<u64>() - self.unanswered,
            here: self.here,
            unanswered: self.unanswered,
            ..Self::default()
        }
    }

    fn report(&self) -> Value {
        let by_type: BTreeMap<&str, u64> = Kind::ALL
            .iter()
            .map(|kind| (kind.name(), self.received.get(kind).copied().unwrap_or(0)))
            .collect();
        json!({
            "received": self.received.values().sum::<u64>(),
            "byType": by_type,
            "processed": self.processed,
            "rejected": self.rejected,
            "failed": self.failed,
            "abandoned": self.abandoned,
            "dropped": self.dropped,
            "flushed": self.flushed,
            "inFlight": self.in_flight,
            "maxInFlight": self.max_in_flight,
        })
    }
}

/// How often the buffer was written, and what that took.
#[derive(Debug, Default)]
pub(super) struct FlushCounts {
    pub count: u64,
    pub rows: u64,
    pub most_rows: u64,
    pub last: Duration,
    pub longest: Duration,
    /// Times at which it was due and the database was down.
    pub stalled: u64,
    pub failed: u64,
}

impl FlushCounts {
    pub(super) fn record(&mut self, rows: usize, took: Duration) {
        self.count += 1;
        self.rows += rows as u64;
        self.most_rows = self.most_rows.max(rows as u64);
        self.last = took;
        self.longest = self.longest.max(took);
    }

    fn report(&self) -> Value {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        json!({
            "count": self.count,
            "rows": self.rows,
            "maxRows": self.most_rows,
            "lastMs": millis(self.last),
            "maxMs": millis(self.longest),
            "stalled": self.stalled,
            "failed": self.failed,
        })
    }
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClaimEnd {
    Won,
    AlreadyClaimed,
    NotCompleted,
    RewardFailed,
    Unavailable,
}

/// Claims by outcome, and of each goal of a user how many were won and how many came too late.
#[derive(Debug, Default)]
pub(super) struct ClaimCounts {
    won: u64,
    already_claimed: u64,
    not_completed: u64,
    reward_failed: u64,
    unavailable: u64,
    each: BTreeMap<ClaimKey, (u64, u64)>,
}

impl ClaimCounts {
    pub(super) fn record(&mut self, key: ClaimKey, end: ClaimEnd) {
        match end {
            ClaimEnd::Won => {
                self.won += 1;
                self.each.entry(key).or_default().0 += 1;
            }
            ClaimEnd::AlreadyClaimed => {
                self.already_claimed += 1;
                self.each.entry(key).or_default().1 += 1;
            }
            ClaimEnd::NotCompleted => self.not_completed += 1,
            ClaimEnd::RewardFailed => self.reward_failed += 1,
            ClaimEnd::Unavailable => self.unavailable += 1,
        }
    }

    fn report(&self) -> Value {
        json!({
            "won": self.won,
            "alreadyClaimed": self.already_claimed,
            "notCompleted": self.not_completed,
            "rewardFailed": self.reward_failed,
            "unavailable": self.unavailable,
            "goals": self.each.len(),
            "wonMoreThanOnce": self.each.values().filter(|(won, _)| *won > 1).count(),
        })
    }

    /// A row for each goal of a user that was won or came too late.
    pub(super) fn list(&self) -> Value {
        let row = |(key, (won, refused)): (&ClaimKey, &(u64, u64))| {
            let mut row = key.json();
            row["won"] = json!(won);
            row["refused"] = json!(refused);
            row
        };
        self.each.iter().map(row).collect()
    }
}

/// Tokens by what became of them.
#[derive(Debug, Default)]
pub(super) struct TokenCounts {
    pub issued: u64,
    pub missing: u64,
    pub invalid: u64,
    pub expired: u64,
}

/// Calls for rewards.
#[derive(Debug, Default)]
pub(super) struct RewardCounts {
    pub calls: u64,
    pub errors: u64,
    pub timeouts: u64,
    pub granted: u64,
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub events: EventCounts,
    pub flushes: FlushCounts,
    pub claims: ClaimCounts,
    pub tokens: TokenCounts,
    pub rewards: RewardCounts,
}

/// The counts behind their lock, which nobody holds while waiting.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: Mutex<Counts>,
}

impl Tally {
    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything but what is there: calls in flight, and events in the buffer.
    pub(super) fn reset(&self) {
        let mut counts = self.counts();
        let before = std::mem::take(&mut *counts);
        counts.events = before.events.anew();
    }

    pub(super) fn report(&self) -> Value {
        let counts = self.counts();
        let (tokens, rewards) = (&counts.tokens, &counts.rewards);
        json!({
            "events": counts.events.report(),
            "flushes": counts.flushes.report(),
            "claims": counts.claims.report(),
            "tokens": {
                "issued": tokens.issued,
                "missing": tokens.missing,
                "invalid": tokens.invalid,
                "expired": tokens.expired,
            },
            "rewards": {
                "calls": rewards.calls,
                "errors": rewards.errors,
                "timeouts": rewards.timeouts,
                "granted": rewards.granted,
            },
        })
    }
}

/// An event's call while it is under way; when it is dropped before it was answered, nobody waited for it.
#[derive(Debug)]
pub(super) struct InFlight {
    tally: Arc<Tally>,
    /// The type of its event, once that was read and until it is answered.
    unanswered: Option<Kind>,
}

impl InFlight {
    pub(super) fn enter(tally: &Arc<Tally>) -> Self {
        let mut counts = tally.counts();
        let events = &mut counts.events;
        events.in_flight += 1;
        events.max_in_flight = events.max_in_flight.max(events.in_flight);
        drop(counts);
        Self {
            tally: Arc::clone(tally),
            unanswered: None,
        }
    }

    /// Its event was read, and now it must be answered.
    pub(super) fn read(&mut self, kind: Kind) {
        self.unanswered = Some(kind);
        self.tally.counts().events.read(kind);
    }

    /// It is answered.
    pub(super) fn answered(&mut self, outcome: Outcome) {
        if let Some(kind) = self.unanswered.take() {
            self.tally.counts().events.answered(kind, outcome);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut counts = self.tally.counts();
        counts.events.in_flight -= 1;
        if let Some(kind) = self.unanswered {
            counts.events.abandoned(kind);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::challenge::catalogue::GoalKey;

    #[test]
    fn calls_are_counted_while_they_are_under_way() {
        let tally = Arc::<Tally>::default();
        let mut first = InFlight::enter(&tally);
        let mut second = InFlight::enter(&tally);
        first.read(Kind::LoggedIn);
        second.read(Kind::LoggedIn);
        first.answered(Outcome::Rejected);
        drop(first);
        tally.reset();
        assert_eq!(tally.counts().events.max_in_flight, 1);
        drop(second);
        let events = &tally.report()["events"];
        let counts = ["inFlight", "maxInFlight", "received", "abandoned", "rejected"].map(|key| &events[key]);
        assert_eq!(counts, [&json!(0), &json!(1), &json!(1), &json!(1), &json!(0)]);
    }

    #[test]
    fn counts_that_start_anew_go_on_adding_up() {
        let tally = Arc::<Tally>::default();
        let called = |kind| {
            let mut call = InFlight::enter(&tally);
            call.read(kind);
            call
        };
        let kept = |lost| called(Kind::LoggedIn).answered(Outcome::Processed { lost });
        // Three in a buffer of two, which loses one; one more is written, and two calls are under way.
        kept(None);
        kept(None);
        kept(Some(Kind::LoggedIn));
        tally.counts().events.flushed([Kind::LoggedIn].into_iter());
        let (mut first, second) = (called(Kind::StatUpdated), called(Kind::StatUpdated));
        tally.reset();
        let sums = || {
            let events = &tally.report()["events"];
            ["received", "processed", "abandoned", "inFlight", "flushed", "dropped"]
                .map(|key| events[key].as_u64().unwrap())
        };
        assert_eq!(sums(), [3, 1, 0, 2, 0, 0]);
        first.answered(Outcome::Processed { lost: None });
        drop((first, second));
        tally
            .counts()
            .events
            .flushed([Kind::LoggedIn, Kind::StatUpdated].into_iter());
        assert_eq!(sums(), [3, 2, 1, 0, 2, 0]);
        tally.reset();
        assert_eq!(sums(), [0; 6]);
    }

    #[test]
    fn a_goal_that_was_won_twice_is_told() {
        let tally = Tally::default();
        let key = ClaimKey {
            user: 5,
            goal: GoalKey { challenge: 1, goal: 2 },
        };
        for end in [
            ClaimEnd::Won,
            ClaimEnd::AlreadyClaimed,
            ClaimEnd::Won,
            ClaimEnd::NotCompleted,
        ] {
            tally.counts().claims.record(key, end);
        }
        let row = json!({ "userId": "user-000005", "challengeId": "challenge-1", "goalId": "goal-2", "won": 2, "refused": 1 });
        assert_eq!(tally.counts().claims.list(), json!([row]));
        assert_eq!(tally.report()["claims"]["wonMoreThanOnce"], json!(1));
    }
}
