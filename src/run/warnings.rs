//! What a reader of the summary should know besides: that nothing worked, that a limit bound the load, that a cap was
//! reached, that the worst times are missing. Reasons for a verdict are `judge`'s.

use crate::metrics::{
    Aggregation, Counts, Definition, Kind, MOST_CHECKPOINTS, MetricSummaries, Op, Threshold, Totals, Unit, buckets,
    builtin,
};
use crate::plan::{Executor, Plan};
use crate::results::nothing_worked;
use crate::script::session::Limit;

use super::Test;

/// From which share on a limit is said to have bound the load.
const BOUND: f64 = 0.01;

/// So many steps of a trend have three digits.
const DIGITS: f64 = 1000.0;

/// All of them.
pub(super) fn of(test: &Test, totals: &Totals, metrics: &MetricSummaries) -> Vec<String> {
    let registry = &test.session.registry;
    let refused = test.catalog.refused().into_iter().map(|(metric, count)| {
        format!(
            "{}: {count} series beyond the limit were counted under (other)",
            registry.definition(metric).name
        )
    });
    let count = |metric| totals.root(metric, Aggregation::Count).unwrap_or_default();
    let bound = bounds(
        &test.session.waited_for(),
        count(builtin::GRPC_REQS) + count(builtin::GRPC_STREAMS),
        count(builtin::GRPC_REQS_WAITED_FOR_CAP),
        count(builtin::GRPC_REQS_WAITED_FOR_STREAM),
    );
    let full = totals.checkpoints().len() as u64 >= MOST_CHECKPOINTS;
    let full =
        full.then(|| format!("checkpoints: no more than {MOST_CHECKPOINTS} are kept; the last one has the rest"));
    let exhausted =
        test.session.exhausted().into_iter().map(|name| {
            format!("every row of `{name}` was given out; users who asked for more took no further iteration")
        });
    let exhausted: Vec<_> = exhausted.collect();
    let never = if exhausted.is_empty() {
        Vec::new()
    } else {
        never_offered(&test.plan, totals)
    };
    let tiny = registry.all().into_iter().filter_map(|(metric, definition)| {
        let is_own = !definition.builtin && definition.kind == Kind::Trend;
        coarse(&definition, totals.root(metric, Aggregation::Med).filter(|_| is_own)?)
    });
    let never_ready = still_unready(test.session.never_ready());
    let censored = never_ended(&test.plan, totals);
    let first = test.left_out.iter().cloned().chain(nothing_worked(metrics));
    let first = first.chain(never_ready).chain(censored);
    let all = first.chain(bound).chain(refused).chain(full).chain(tiny);
    all.chain(exhausted).chain(never).collect()
}

/// Users that an edit has kept from iterating.
fn still_unready(users: u64) -> Option<String> {
    let (users, were) = match users {
        0 => return None,
        1 => ("1 virtual user".to_owned(), "was"),
        users => (format!("{users} virtual users"), "were"),
    };
    Some(format!(
        "{users} {were} still in the `vu_init` of an edited script at the end, and began nothing after that edit"
    ))
}

/// A trend most of whose samples are too small for its steps. For times there is no smaller unit.
fn coarse(trend: &Definition, median: f64) -> Option<String> {
    let unit = match &trend.unit {
        Unit::Ms => return None,
        Unit::None => String::new(),
        unit => format!(" {}", unit.name()),
    };
    let steps = buckets::units_per(trend.unit.name());
    (median > 0.0 && median * steps < DIGITS).then(|| {
        format!(
            "`{}`: most samples are below {}{unit}, so that its mean and percentiles have fewer than three digits: its steps \
             are {}{unit}; declare it in a smaller unit",
            trend.name,
            DIGITS / steps,
            1.0 / steps,
        )
    })
}

/// The scenarios that ended before all of their arrivals had come due.
fn never_offered(plan: &Plan, totals: &Totals) -> Vec<String> {
    let scenarios = plan.scenarios.iter().enumerate();
    scenarios
        .filter_map(|(index, scenario)| {
            let Executor::Open { shape, .. } = &scenario.executor else {
                return None;
            };
            let offered = totals.counts(index).offered + totals.warmup_counts(index).offered;
            let missing = shape.planned().checked_sub(offered).filter(|missing| *missing > 0)?;
            let about = if shape.is_random() { "about " } else { "" };
            Some(format!(
                "`{}` ended early: {about}{missing} of {} planned iterations were never offered",
                scenario.name,
                shape.planned()
            ))
        })
        .collect()
}

/// The open scenarios of which so many iterations have no end, and therefore no time, that a percentile reaches into them.
fn never_ended(plan: &Plan, totals: &Totals) -> Vec<String> {
    let open = plan.scenarios.iter().enumerate();
    let open = open.filter(|(_, scenario)| scenario.executor.is_open());
    let open: Vec<_> = open
        .map(|(index, scenario)| (scenario.name.as_str(), totals.counts(index)))
        .collect();
    let all = open.iter().fold(Counts::default(), |mut all, (_, counts)| {
        all.merge(counts);
        all
    });
    let passed: Vec<_> = plan.thresholds.iter().filter(|t| is_bound_from_above(t)).collect();
    let passed = passed.into_iter().filter(|t| t.evaluate(totals).ok == Some(true));
    let passed: Vec<_> = passed.collect();
    open.iter()
        .filter_map(|(name, counts)| {
            let is_misled = |threshold: &&&Threshold| {
                let mut tags = threshold.selector.tags.iter();
                let counts = match tags.find(|(key, _)| key == "scenario") {
                    Some((_, scenario)) if scenario == name => counts,
                    Some(_) => return false,
                    None => &all,
                };
                reaches(threshold.aggregation).is_some_and(|percent| percent > percent_ended(counts))
            };
            let misled: Vec<_> = passed.iter().filter(is_misled).map(|t| t.expression.as_str()).collect();
            lower_bounds(Some(*name).filter(|_| open.len() > 1), counts, &misled)
        })
        .collect()
}

/// Whether it is met by times that are too short.
fn is_bound_from_above(threshold: &Threshold) -> bool {
    threshold.selector.metric == "iteration_response_time" && matches!(threshold.op, Op::Lt | Op::Le)
}

/// Up to where an aggregation of a trend reaches, in percent of its samples.
fn reaches(aggregation: Aggregation) -> Option<f64> {
    match aggregation {
        Aggregation::Percentile(percent) => Some(percent),
        Aggregation::Med => Some(50.0),
        Aggregation::Max => Some(100.0),
        _ => None,
    }
}

/// How many of the iterations that were due have a time: in percent, down to a thousandth.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^52")]
fn percent_ended(counts: &Counts) -> f64 {
    let never = counts.dropped + counts.interrupted;
    if never == 0 {
        return 100.0;
    }
    let ended = counts.offered.saturating_sub(never);
    (100_000.0 * ended as f64 / counts.offered as f64).floor() / 1_000.0
}

/// That percentiles are lower bounds, where one that is shown is, or where thresholds have passed by such.
fn lower_bounds(name: Option<&str>, counts: &Counts, passed: &[&str]) -> Option<String> {
    /// The highest percentile that is shown.
    const HIGHEST: f64 = 99.9;
    let ended = percent_ended(counts);
    if ended >= HIGHEST && passed.is_empty() {
        return None;
    }
    let Counts {
        offered,
        dropped,
        interrupted,
        ..
    } = counts;
    let of = name.map_or_else(String::new, |name| format!(" of `{name}`"));
    let from = if ended < 99.0 { ended.floor() } else { ended };
    let also = if passed.is_empty() {
        String::new()
    } else {
        format!("; by such a bound passed: {}", passed.join(", "))
    };
    Some(format!(
        "{} of {offered} iterations{of} never ended ({interrupted} interrupted, {dropped} dropped): percentiles above p{from} of iteration_response_time are lower bounds{also}",
        dropped + interrupted
    ))
}

/// The limits that so many gRPC calls of all waited for.
fn bounds(limits: &[Limit], calls: f64, for_cap: f64, for_stream: f64) -> Vec<String> {
    let part = |waited: f64, word: &str, what: fn(&Limit) -> Option<String>| {
        let share = if calls > 0.0 { waited / calls } else { 0.0 };
        let names: Vec<String> = limits.iter().filter_map(what).collect();
        (share >= BOUND && !names.is_empty()).then(|| {
            let (s, them) = if names.len() == 1 { ("", "it") } else { ("s", "them") };
            let percent = if share < 0.1 {
                format!("{:.1}", share * 100.0)
            } else {
                format!("{:.0}", share * 100.0)
            };
            let names = names.join(" and ");
            format!("the {word}{s} {names} bound the load: {percent} % of calls waited for {them}")
        })
    };
    let cap = part(for_cap, "cap", |limit| match limit {
        Limit::Cap(address, cap) => Some(format!("max_in_flight = {cap} ({address})")),
        Limit::Streams(..) => None,
    });
    let streams = part(for_stream, "server's limit", |limit| match limit {
        Limit::Streams(address, limit) => Some(format!("of {limit} streams on a connection ({address})")),
        Limit::Cap(..) => None,
    });
    cap.into_iter().chain(streams).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;

    #[test]
    fn trends_of_what_is_too_small_are_named() {
        let registry = Registry::new();
        // unit, median, what is told
        let told = |name: &str, unit: &str| {
            Some(format!(
                "`{name}`: most samples are below 0.001{unit}, so that its mean and percentiles have fewer than three \
                 digits: its steps are 0.000001{unit}; declare it in a smaller unit"
            ))
        };
        // unit, median, what is told
        let table = [
            ("s", 1.4e-6, told("t0", " s")),
            ("s", 0.001, None),
            ("s", 0.0, None),
            ("", 0.0005, told("t3", "")),
            // There is no smaller one.
            ("ms", 0.05, None),
        ];
        for (n, (unit, median, told)) in table.into_iter().enumerate() {
            let trend = registry
                .declare(&format!("t{n}"), Kind::Trend, Unit::parse(unit))
                .unwrap();
            assert_eq!(coarse(&registry.definition(trend), median), told);
        }
    }

    #[test]
    fn users_whom_an_edit_kept_from_iterating_are_told() {
        assert_eq!(still_unready(0), None);
        for (users, part) in [(1, "1 virtual user was still"), (7, "7 virtual users were still")] {
            let text = still_unready(users).unwrap();
            assert!(text.starts_with(part), "{text}");
        }
    }

    fn counts(offered: u64, interrupted: u64, dropped: u64) -> Counts {
        Counts {
            offered,
            interrupted,
            dropped,
            ..Counts::default()
        }
    }

    #[test]
    fn what_never_ended_is_told_where_a_percentile_that_is_shown_reaches_into_it() {
        // offered, interrupted, dropped; thresholds that passed; what is told
        let table: [(_, &[&str], Option<&str>); 7] = [
            ((60, 0, 0), &[], None),
            (
                (60, 4, 8),
                &[],
                Some(
                    "12 of 60 iterations never ended (4 interrupted, 8 dropped): percentiles above p80 of iteration_response_time are lower bounds",
                ),
            ),
            (
                (60, 0, 44),
                &["p(99)<8s", "med<2s"],
                Some(
                    "44 of 60 iterations never ended (0 interrupted, 44 dropped): percentiles above p26 of iteration_response_time are lower bounds; by such a bound passed: p(99)<8s, med<2s",
                ),
            ),
            ((100_000, 1, 0), &[], None),
            (
                (100_000, 1, 0),
                &["p(99.9999)<1s"],
                Some(
                    "1 of 100000 iterations never ended (1 interrupted, 0 dropped): percentiles above p99.999 of iteration_response_time are lower bounds; by such a bound passed: p(99.9999)<1s",
                ),
            ),
            ((1_000, 1, 0), &[], None),
            (
                (999, 0, 1),
                &[],
                Some(
                    "1 of 999 iterations never ended (0 interrupted, 1 dropped): percentiles above p99.899 of iteration_response_time are lower bounds",
                ),
            ),
        ];
        for ((offered, interrupted, dropped), passed, told) in table {
            let got = lower_bounds(None, &counts(offered, interrupted, dropped), passed);
            assert_eq!(got.as_deref(), told);
        }
        let of_one = lower_bounds(Some("a"), &counts(10, 1, 0), &[]).unwrap();
        assert!(of_one.starts_with("1 of 10 iterations of `a` never ended"), "{of_one}");
    }

    #[test]
    fn limits_that_bound_the_load_are_named() {
        let cap = Limit::Cap("a:1".to_owned(), 500);
        let streams = Limit::Streams("a:1".to_owned(), 100);
        assert_eq!(
            bounds(std::slice::from_ref(&cap), 1000.0, 380.0, 0.0),
            ["the cap max_in_flight = 500 (a:1) bound the load: 38 % of calls waited for it"]
        );
        assert_eq!(
            bounds(&[cap.clone(), streams], 1000.0, 5.0, 12.0),
            ["the server's limit of 100 streams on a connection (a:1) bound the load: 1.2 % of calls waited for it"]
        );
        let other = Limit::Cap("b:2".to_owned(), 10);
        assert_eq!(
            bounds(&[cap.clone(), other], 10.0, 10.0, 0.0),
            [
                "the caps max_in_flight = 500 (a:1) and max_in_flight = 10 (b:2) bound the load: 100 % of calls waited for them"
            ]
        );
        assert!(bounds(&[cap], 1000.0, 9.0, 0.0).is_empty());
        assert!(bounds(&[], 0.0, 0.0, 0.0).is_empty());
    }
}
