//! How long the parts of a load are, so that rates of counters are per second of what they were counted in. Which
//! iteration belongs to which part is the plan's.

use std::ops::Range;
use std::time::Duration;

use super::admission::WARMUP;

/// What is known beforehand about the time of a load; all offsets are from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Before this nothing is measured: all scenarios are warming up.
    pub measured_from: Duration,
    /// Names and spans of the phases.
    pub phases: Vec<(String, Range<Duration>)>,
}

impl Timeline {
    /// How much of a load that has lasted for `elapsed` a series with these tags is from.
    pub(super) fn over(&self, tags: &[(String, String)], elapsed: Duration) -> Duration {
        let from = if names_warmup(tags) {
            Duration::ZERO
        } else {
            self.measured_from
        };
        let phase = tags.iter().find(|(key, _)| key == "phase");
        let span = phase.and_then(|(_, name)| self.phases.iter().find(|(known, _)| known == name));
        match span {
            Some((_, span)) => span.end.min(elapsed).saturating_sub(span.start.max(from)),
            None => elapsed.saturating_sub(from),
        }
    }

    /// The first whole second of which a series with these tags has everything.
    pub(super) fn first_second(&self, tags: &[(String, String)]) -> u64 {
        if names_warmup(tags) {
            return 0;
        }
        let from = self.measured_from;
        from.as_secs() + u64::from(from.subsec_nanos() > 0)
    }
}

fn names_warmup(tags: &[(String, String)]) -> bool {
    tags.iter().any(|(key, _)| key == WARMUP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_long_as_what_has_passed_of_it() {
        let s = Duration::from_secs;
        let phases = vec![("warm".to_owned(), s(0)..s(10)), ("noon".to_owned(), s(10)..s(30))];
        let timeline = Timeline {
            measured_from: s(4),
            phases,
        };
        // (tag, elapsed, of which are measured)
        let table = [
            (None, 3, 0),
            (None, 20, 16),
            (Some(("phase", "warm")), 8, 4),
            (Some(("phase", "warm")), 20, 6),
            (Some(("phase", "noon")), 8, 0),
            (Some(("phase", "noon")), 20, 10),
            (Some(("phase", "noon")), 99, 20),
            (Some(("phase", "never")), 20, 16),
            (Some(("warmup", "true")), 20, 20),
        ];
        for (tag, elapsed, measured) in table {
            let tags: Vec<_> = tag.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(
                timeline.over(&tags, s(elapsed)),
                s(measured),
                "{tag:?} after {elapsed} s"
            );
        }
        assert_eq!(timeline.first_second(&[]), 4);
        let half = Timeline {
            measured_from: Duration::from_millis(500),
            ..Timeline::default()
        };
        assert_eq!(half.first_second(&[]), 1);
    }
}
