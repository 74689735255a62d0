//! What a user may choose about the challenge system, one field per flag of `kingtide demo`. Parsing of flags is in `cli`.

use std::str::FromStr;
use std::time::Duration;

use crate::demo::fault::{FaultError, FaultSpec, Knob, invalid};

/// What becomes of events when the buffer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The oldest one in the buffer goes, though it was answered with success.
    #[default]
    DropOldest,
    /// The call waits for room.
    Block,
}

/// As in flags: `drop-oldest`, `block`.
impl FromStr for Overflow {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        match text {
            "drop-oldest" => Ok(Self::DropOldest),
            "block" => Ok(Self::Block),
            _ => Err(invalid("value", "an overflow is drop-oldest or block".to_owned())),
        }
    }
}

/// What the value of a `statItemUpdated` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatMode {
    /// The statistic's new value.
    #[default]
    Absolute,
    /// What is added to it.
    Increment,
}

/// As in flags: `absolute`, `increment`.
impl FromStr for StatMode {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        match text {
            "absolute" => Ok(Self::Absolute),
            "increment" => Ok(Self::Increment),
            _ => Err(invalid("value", "a statistic is absolute or increment".to_owned())),
        }
    }
}

/// The challenge system's settings; `ChallengeOptions::default()` is a healthy one on its usual ports.
#[derive(Debug, Clone, PartialEq)]
pub struct ChallengeOptions {
    /// `--seed N`: everything random follows from it and from request numbers. Default 1.
    pub seed: u64,
    /// The HTTP port, after the orchestrator's; 0 takes a free one. Default 8086.
    pub port: u16,
    /// The event handler's port, after that; 0 takes a free one. Default 8087.
    pub grpc_port: u16,
    /// `--challenge-users N`: users are `user-000000` and so on. Default 10,000.
    pub users: u32,
    /// `--challenge-count N`: challenges, `challenge-0` and so on. Default 10.
    pub challenges: u16,
    /// `--challenge-goals N`: goals of each challenge, `goal-0` and so on. Default 50.
    pub goals: u16,
    /// `--challenge-progress F`: the share of users who have played before. Default 0.5: those with even numbers.
    pub progress: f64,
    /// `--challenge-token-lifetime D`: how long tokens live at most. Default 24 h.
    pub token_lifetime: Duration,
    /// `--challenge-handler D`: what an event takes under its user's lock. Default 1 ms.
    pub handler: Duration,
    /// `--challenge-jitter D`: up to this long more, uniform. Default none.
    pub jitter: Duration,
    /// `--challenge-streams N`: calls that a connection may have open at once. Default 1,000.
    pub streams: u32,
    /// `--challenge-flush D`: how often the buffer is written to the database. Default 1 s.
    pub flush: Duration,
    /// `--challenge-buffer N`: events that fit into the buffer. Default 100,000.
    pub buffer: usize,
    /// `--challenge-overflow drop-oldest|block`. Default drop-oldest.
    pub overflow: Overflow,
    /// `--challenge-stat absolute|increment`. Default absolute.
    pub stat: StatMode,
    /// `--challenge-api-capacity R`: requests per second; more wait in a queue. Default none.
    pub api_capacity: Option<f64>,
    /// `--challenge-event-capacity R`: events per second; more wait in a queue. Default none.
    pub event_capacity: Option<f64>,
    /// `--challenge-fault KIND=VALUE[@START][+DURATION]`, repeatable: faults timed from the start. Default none.
    pub faults: Vec<FaultSpec>,
}

impl Default for ChallengeOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            port: 8086,
            grpc_port: 8087,
            users: 10_000,
            challenges: 10,
            goals: 50,
            progress: 0.5,
            token_lifetime: Duration::from_secs(24 * 3_600),
            handler: Duration::from_millis(1),
            jitter: Duration::ZERO,
            streams: 1_000,
            flush: Duration::from_secs(1),
            buffer: 100_000,
            overflow: Overflow::DropOldest,
            stat: StatMode::Absolute,
            api_capacity: None,
            event_capacity: None,
            faults: Vec::new(),
        }
    }
}

/// Six digits name a user.
const MOST_USERS: u32 = 1_000_000;

impl ChallengeOptions {
    /// The first option whose value makes no sense, and why.
    pub(super) fn problem(&self) -> Option<(&'static str, String)> {
        if !(1..=MOST_USERS).contains(&self.users) {
            let text = format!("{} is not a number of users from 1 to {MOST_USERS}", self.users);
            return Some(("challenge-users", text));
        }
        for (name, count) in [("challenge-count", self.challenges), ("challenge-goals", self.goals)] {
            if !(1..=1_000).contains(&count) {
                return Some((name, format!("{count} is not a number from 1 to 1000")));
            }
        }
        if !(0.0..=1.0).contains(&self.progress) {
            let text = format!("{} is not a fraction between 0 and 1", self.progress);
            return Some(("challenge-progress", text));
        }
        let short = Duration::from_millis(10);
        for (name, length) in [
            ("challenge-token-lifetime", self.token_lifetime),
            ("challenge-flush", self.flush),
        ] {
            if length < short {
                return Some((name, "must be 10ms at least".to_owned()));
            }
        }
        for (name, number) in [
            ("challenge-streams", u64::from(self.streams)),
            ("challenge-buffer", self.buffer as u64),
        ] {
            if number == 0 {
                return Some((name, "must be 1 at least".to_owned()));
            }
        }
        for (name, rate) in [
            ("challenge-api-capacity", self.api_capacity),
            ("challenge-event-capacity", self.event_capacity),
        ] {
            if let Some(rate) = rate.filter(|rate| !(0.001..=1e6).contains(rate)) {
                return Some((name, format!("{rate} is not a rate from 0.001 to 1000000 per second")));
            }
        }
        None
    }

    /// What limits it from its start on, as faults: one mechanism for flags and for `/__fault`.
    pub(super) fn initial_faults(&self) -> Vec<FaultSpec> {
        let limits = [
            self.api_capacity.map(Knob::ApiCapacity),
            self.event_capacity.map(Knob::EventCapacity),
        ];
        let limits = limits.into_iter().flatten().map(FaultSpec::always);
        limits.chain(self.faults.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_named() {
        let base = ChallengeOptions::default;
        assert_eq!((base().problem(), base().initial_faults()), (None, Vec::new()));
        let zero = Duration::ZERO;
        #[rustfmt::skip]
        let table = [
            ("challenge-users", ChallengeOptions { users: 0, ..base() }),
            ("challenge-users", ChallengeOptions { users: 1_000_001, ..base() }),
            ("challenge-count", ChallengeOptions { challenges: 0, ..base() }),
            ("challenge-goals", ChallengeOptions { goals: 1_001, ..base() }),
            ("challenge-progress", ChallengeOptions { progress: f64::NAN, ..base() }),
            ("challenge-token-lifetime", ChallengeOptions { token_lifetime: zero, ..base() }),
            ("challenge-flush", ChallengeOptions { flush: zero, ..base() }),
            ("challenge-streams", ChallengeOptions { streams: 0, ..base() }),
            ("challenge-buffer", ChallengeOptions { buffer: 0, ..base() }),
            ("challenge-api-capacity", ChallengeOptions { api_capacity: Some(0.0), ..base() }),
            ("challenge-event-capacity", ChallengeOptions { event_capacity: Some(f64::NAN), ..base() }),
        ];
        for (name, options) in table {
            assert_eq!(options.problem().map(|(field, _)| field), Some(name));
        }
    }

    #[test]
    fn capacities_are_faults_from_the_start() {
        let options = ChallengeOptions {
            api_capacity: Some(500.0),
            event_capacity: Some(2_000.0),
            ..ChallengeOptions::default()
        };
        let kinds: Vec<_> = options.initial_faults().iter().map(FaultSpec::kind).collect();
        assert_eq!(kinds, ["api_capacity", "event_capacity"]);
    }
}
