//! The orchestrator's operations and how long they take.

use super::batch::Form;
use crate::demo::front;
use crate::demo::service_time::ServiceTimes;

/// What can be called; health and queues take no service time and are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Submit,
    Bulk,
    BulkArray,
    BulkLines,
}

impl Operation {
    pub(super) const ALL: [Self; 4] = [Self::Submit, Self::Bulk, Self::BulkArray, Self::BulkLines];

    /// The names that the client in `lib-lua` uses too.
    pub(super) const NAMES: [&'static str; 4] = [
        "POST /api/orchestrator/events",
        "POST /api/orchestrator/events/bulk",
        "POST /api/orchestrator/events/bulk-array",
        "POST /api/orchestrator/events/bulk-ndjson",
    ];

    pub(super) fn path(self) -> &'static str {
        Self::NAMES[self as usize].trim_start_matches("POST ")
    }

    pub(super) fn form(self) -> Form {
        match self {
            Self::Submit => Form::One,
            Self::Bulk => Form::Either,
            Self::BulkArray => Form::Array,
            Self::BulkLines => Form::Lines,
        }
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
        PART
    }
}

/// The one part that can be down.
pub(super) const PART: &str = "orchestrator";

/// Of an empty request: median and 95th percentile in milliseconds. No figures of a real one are known; these leave room
/// below a p95 of 500 ms, and the body's length comes on top.
pub(super) fn service_times(seed: u64) -> ServiceTimes {
    ServiceTimes::new(seed, &[(5.0, 9.0), (12.0, 22.0), (12.0, 22.0), (12.0, 22.0)])
}

/// What each byte of the body costs: about 6 ms for a hundred events.
pub(super) const NANOS_PER_BYTE: u64 = 150;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_index_order() {
        for (position, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, position, "{operation:?}");
        }
        assert_eq!(Operation::BulkLines.path(), "/api/orchestrator/events/bulk-ndjson");
        assert_eq!(Operation::BulkArray.form(), Form::Array);
    }
}
