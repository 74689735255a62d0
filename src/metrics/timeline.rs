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
    /// The stages of all scenarios.
    pub stages: Vec<StageSpan>,
}

/// A stage of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSpan {
    /// The scenario.
    pub scenario: String,
    /// The `stage` tag.
    pub name: String,
    /// What is measured of it; not known beforehand of one that begins after another scenario, and none of a wave, which is
    /// a moment.
    pub span: Option<Range<Duration>>,
}

impl StageSpan {
    /// The stages of a scenario, one after the other from `start` on, by their names and lengths.
    pub fn of<'a>(
        scenario: &'a str,
        start: Option<Duration>,
        warmup: Duration,
        stages: impl IntoIterator<Item = (String, Option<Duration>)> + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        let measured = start.unwrap_or_default().saturating_add(warmup);
        let mut at = start;
        stages.into_iter().map(move |(name, length)| {
            let begun = at;
            at = begun.zip(length).map(|(begun, length)| begun.saturating_add(length));
            Self {
                scenario: scenario.to_owned(),
                name,
                span: begun.zip(at).map(|(begun, end)| begun.max(measured)..end),
            }
        })
    }
}

impl Timeline {
    /// How much of a load that has lasted for `elapsed` a series with these tags is from.
    pub(super) fn over(&self, tags: &[(String, String)], elapsed: Duration) -> Duration {
        let from = if names_warmup(tags) {
            Duration::ZERO
        } else {
            self.measured_from
        };
        let tag = |wanted: &str| {
            let tag = tags.iter().find(|(key, _)| key == wanted);
            tag.map(|(_, value)| value.as_str())
        };
        let phase = tag("phase").and_then(|name| self.phases.iter().find(|(known, _)| known == name));
        let within = match phase {
            Some((_, span)) => span.start.max(from)..span.end.min(elapsed),
            None => from..elapsed,
        };
        let stage = tag("stage").filter(|_| !names_warmup(tags));
        let of_stage = stage.and_then(|stage| self.of_stage(stage, tag("scenario"), &within));
        of_stage.unwrap_or_else(|| within.end.saturating_sub(within.start))
    }

    /// How long the stages of that name are within a span, counted once where several scenarios have one at the same time;
    /// `None` when that is not known.
    fn of_stage(&self, name: &str, scenario: Option<&str>, within: &Range<Duration>) -> Option<Duration> {
        let is_meant = |stage: &&StageSpan| stage.name == name && scenario.is_none_or(|only| stage.scenario == only);
        let spans = self.stages.iter().filter(is_meant).map(|stage| stage.span.clone());
        let mut spans = spans.collect::<Option<Vec<_>>>().filter(|spans| !spans.is_empty())?;
        spans.sort_by_key(|span| span.start);
        let (mut sum, mut until) = (Duration::ZERO, within.start);
        for span in spans {
            let end = span.end.min(within.end);
            sum += end.saturating_sub(span.start.max(until));
            until = until.max(end);
        }
        Some(sum)
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
            stages: Vec::new(),
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

    #[test]
    fn a_stage_is_as_long_as_what_has_passed_of_it_in_all_scenarios() {
        let s = Duration::from_secs;
        let stages = |names: &[(&str, Option<u64>)]| {
            let stages = names.iter().map(|(name, length)| ((*name).to_owned(), length.map(s)));
            stages.collect::<Vec<_>>()
        };
        let all = [
            StageSpan::of(
                "a",
                Some(s(0)),
                s(2),
                stages(&[("up", Some(3)), ("peak", Some(1)), ("up", Some(5))]),
            ),
            StageSpan::of("b", Some(s(3)), s(0), stages(&[("peak", Some(4)), ("late", Some(9))])),
            StageSpan::of("c", None, s(0), stages(&[("late", Some(9))])),
            StageSpan::of("d", Some(s(0)), s(0), stages(&[("wave", None), ("wave", None)])),
        ];
        let timeline = Timeline {
            phases: vec![("noon".to_owned(), s(0)..s(5))],
            stages: all.into_iter().flatten().collect(),
            ..Timeline::default()
        };
        /// Tags, elapsed, of which it lasted.
        type Case = (&'static [(&'static str, &'static str)], u64, u64);
        let table: &[Case] = &[
            // 2 to 3 and 4 to 9: what warms up is not measured.
            (&[("scenario", "a"), ("stage", "up")], 20, 6),
            (&[("scenario", "a"), ("stage", "peak")], 20, 1),
            (&[("scenario", "a"), ("stage", "peak")], 3, 0),
            (&[("scenario", "b"), ("stage", "peak")], 20, 4),
            (&[("scenario", "b"), ("stage", "peak")], 5, 2),
            // 3 to 4 and 3 to 7: together 4.
            (&[("stage", "peak")], 20, 4),
            (&[("phase", "noon"), ("stage", "peak")], 20, 2),
            // Nobody knows beforehand.
            (&[("stage", "late")], 20, 20),
            (&[("scenario", "b"), ("stage", "late")], 20, 9),
            (&[("stage", "wave")], 20, 20),
            (&[("stage", "never")], 20, 20),
        ];
        for (tags, elapsed, lasted) in table {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let tags: Vec<_> = tags.iter().map(owned).collect();
            assert_eq!(
                timeline.over(&tags, s(*elapsed)),
                s(*lasted),
                "{tags:?} after {elapsed} s"
            );
        }
    }
}
