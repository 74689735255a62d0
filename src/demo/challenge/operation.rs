//! The challenge system's operations and how long they take besides the database and rewards, whose times are their own.

use crate::demo::front;
use crate::demo::service_time::ServiceTimes;

/// What can be called; health, reflection and controls take no service time and are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Token,
    List,
    Get,
    Claim,
    OnMessage,
}

/// The parts that can be down.
pub(super) const PARTS: [&str; 4] = ["api", "events", "database", "rewards"];

impl Operation {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Token, Self::List, Self::Get, Self::Claim, Self::OnMessage];

    /// The names that journeys use too.
    pub(super) const NAMES: [&'static str; 5] = [
        "POST /v1/token",
        "GET /v1/challenges",
        "GET /v1/challenges/{cid}",
        "POST /v1/challenges/{cid}/goals/{gid}/claim",
        "EventService/OnMessage",
    ];

    /// Method and path, of those that are HTTP's.
    pub(super) fn request(self) -> (&'static str, &'static str) {
        Self::NAMES[self as usize].split_once(' ').unwrap_or(("", ""))
    }
}

impl front::Operation for Operation {
    fn index(self) -> usize {
        self as usize
    }

    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    fn part(self) -> &'static str {
        match self {
            Self::OnMessage => "events",
            _ => "api",
        }
    }
}

/// Of the HTTP operations: median and 95th percentile in milliseconds. No figures of a real one are known; with the
/// database's share these leave room below a p95 of 200 ms.
pub(super) fn service_times(seed: u64) -> ServiceTimes {
    ServiceTimes::new(seed, &[(1.0, 2.0), (3.0, 6.0), (2.0, 4.0), (3.0, 6.0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_index_order() {
        for (position, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, position, "{operation:?}");
            assert!(PARTS.contains(&front::Operation::part(operation)));
        }
        assert_eq!(Operation::List.request(), ("GET", "/v1/challenges"));
        assert_eq!(
            Operation::NAMES[Operation::OnMessage as usize],
            "EventService/OnMessage"
        );
    }
}
