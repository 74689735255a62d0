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
    /// What comes later only ends what was measured; `None` when that is the end of the load.
    pub measured_until: Option<Duration>,
    /// Names and spans of the phases.
    pub phases: Vec<(String, Range<Duration>)>,
    /// The stages of all scenarios.
    pub stages: Vec<StageSpan>,
    /// Where the scenarios are, as far as that is known by now; empty when nobody tells.
    pub scenarios: Vec<ScenarioSpan>,
}

/// The load of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioSpan {
    /// Its name.
    pub scenario: String,
    /// When it began; `None` while it has not.
    pub begun: Option<Duration>,
    /// How long it warms up.
    pub warmup: Duration,
    /// When it is over, its last iterations not included.
    pub end: Duration,
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
        let within = self.within(tags, elapsed);
        match self.of_stage(tags, &within) {
            Some(spans) => length(&spans),
            None => within.end.saturating_sub(within.start),
        }
    }

    /// Where a series with these tags gathers by plan, of a load that has lasted for `elapsed`: the spans of its scenario, or
    /// of all of them, as far as they are in its phase and its stage. They do not touch.
    pub(super) fn spans(&self, tags: &[(String, String)], elapsed: Duration) -> Vec<Range<Duration>> {
        let within = self.within(tags, elapsed);
        let of = self.of_scenarios(tags, &within);
        match self.of_stage(tags, &of) {
            Some(spans) => spans,
            None => joined(vec![of.clone()], &of),
        }
    }

    /// What is measured, and in the phase.
    fn within(&self, tags: &[(String, String)], elapsed: Duration) -> Range<Duration> {
        let until = self.measured_until.map_or(elapsed, |until| until.min(elapsed));
        let from = if names_warmup(tags) {
            Duration::ZERO
        } else {
            self.measured_from
        };
        let phase = tag(tags, "phase").and_then(|name| self.phases.iter().find(|(known, _)| known == name));
        match phase {
            Some((_, span)) => span.start.max(from)..span.end.min(until),
            None => from..until,
        }
    }

    /// From where the first of the scenarios is measured to where the last ends, within a span; the warm-ups of those that
    /// have one, when the tags name that.
    fn of_scenarios(&self, tags: &[(String, String)], within: &Range<Duration>) -> Range<Duration> {
        let (is_warmup, only) = (names_warmup(tags), tag(tags, "scenario"));
        let mut meant = self
            .scenarios
            .iter()
            .filter(|span| only.is_none_or(|only| span.scenario == only))
            .filter(|span| !is_warmup || !span.warmup.is_zero())
            .peekable();
        if meant.peek().is_none() {
            return within.clone();
        }
        let spans = meant.filter_map(|span| {
            let begun = span.begun?;
            let measured = begun.saturating_add(span.warmup);
            Some(if is_warmup {
                begun..measured.min(span.end)
            } else {
                measured..span.end
            })
        });
        let all = spans.reduce(|all, span| all.start.min(span.start)..all.end.max(span.end));
        let all = all.unwrap_or_default();
        all.start.max(within.start)..all.end.min(within.end)
    }

    /// The stages of that name within a span, joined where several scenarios have one at the same time; `None` when the tags
    /// name none, or one of which nothing is known.
    fn of_stage(&self, tags: &[(String, String)], within: &Range<Duration>) -> Option<Vec<Range<Duration>>> {
        let name = tag(tags, "stage").filter(|_| !names_warmup(tags))?;
        let scenario = tag(tags, "scenario");
        let is_meant = |stage: &&StageSpan| stage.name == name && scenario.is_none_or(|only| stage.scenario == only);
        let spans = self.stages.iter().filter(is_meant).map(|stage| stage.span.clone());
        let spans = spans.collect::<Option<Vec<_>>>().filter(|spans| !spans.is_empty())?;
        Some(joined(spans, within))
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

/// What is within a span, each moment once.
fn joined(mut spans: Vec<Range<Duration>>, within: &Range<Duration>) -> Vec<Range<Duration>> {
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Range<Duration>> = Vec::new();
    for span in spans {
        let span = span.start.max(within.start)..span.end.min(within.end);
        match joined.last_mut() {
            _ if span.is_empty() => {}
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

/// Of spans that do not touch.
pub(super) fn length(spans: &[Range<Duration>]) -> Duration {
    spans.iter().map(|span| span.end.saturating_sub(span.start)).sum()
}

fn tag<'a>(tags: &'a [(String, String)], wanted: &str) -> Option<&'a str> {
    let tag = tags.iter().find(|(key, _)| key == wanted);
    tag.map(|(_, value)| value.as_str())
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
            ..Timeline::default()
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

    #[test]
    fn what_is_measured_ends_before_the_load_where_it_is_told_so() {
        let s = Duration::from_secs;
        let timeline = Timeline {
            measured_from: s(2),
            measured_until: Some(s(6)),
            ..Timeline::default()
        };
        for (elapsed, measured) in [(1, 0), (4, 2), (6, 4), (9, 4)] {
            assert_eq!(timeline.over(&[], s(elapsed)), s(measured), "after {elapsed} s");
        }
        assert_eq!(timeline.spans(&[], s(9)), [s(2)..s(6)]);
    }

    #[test]
    fn a_series_gathers_where_its_scenarios_are() {
        let s = Duration::from_secs;
        let span = |scenario: &str, begun: Option<u64>, warmup, end| ScenarioSpan {
            scenario: scenario.to_owned(),
            begun: begun.map(s),
            warmup: s(warmup),
            end: s(end),
        };
        let stage = |span: Range<u64>| StageSpan {
            scenario: "a".to_owned(),
            name: "up".to_owned(),
            span: Some(s(span.start)..s(span.end)),
        };
        let timeline = Timeline {
            phases: vec![("noon".to_owned(), s(8)..s(30))],
            stages: vec![stage(3..5), stage(7..9), stage(9..40)],
            scenarios: vec![
                span("a", Some(1), 2, 10),
                span("b", Some(6), 0, 20),
                span("c", None, 0, 90),
            ],
            ..Timeline::default()
        };
        /// Tags, elapsed, the spans.
        type Case = (&'static [(&'static str, &'static str)], u64, &'static [(u64, u64)]);
        let table: &[Case] = &[
            (&[], 99, &[(3, 20)]),
            (&[("scenario", "a")], 99, &[(3, 10)]),
            (&[("scenario", "a")], 5, &[(3, 5)]),
            (&[("scenario", "a")], 2, &[]),
            (&[("scenario", "b")], 99, &[(6, 20)]),
            (&[("scenario", "b"), ("phase", "noon")], 99, &[(8, 20)]),
            (&[("scenario", "a"), ("stage", "up")], 99, &[(3, 5), (7, 10)]),
            (&[("stage", "up")], 99, &[(3, 5), (7, 20)]),
            (&[("warmup", "true")], 99, &[(1, 3)]),
            (&[("scenario", "c")], 99, &[]),
            (&[("scenario", "other")], 99, &[(0, 99)]),
        ];
        for (tags, elapsed, spans) in table {
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let tags: Vec<_> = tags.iter().map(owned).collect();
            let spans: Vec<_> = spans.iter().map(|(start, end)| s(*start)..s(*end)).collect();
            assert_eq!(timeline.spans(&tags, s(*elapsed)), spans, "{tags:?} after {elapsed} s");
        }
    }
}
