//! What a reader of the summary should know besides: that nothing worked, that a limit bound the load, that a cap was
//! reached. Reasons for a verdict are `judge`'s.

use crate::metrics::{Aggregation, MOST_CHECKPOINTS, Totals, builtin};
use crate::plan::{Executor, Plan};
use crate::script::session::Limit;

use super::Test;

/// From which share on a limit is said to have bound the load.
const BOUND: f64 = 0.01;

/// All of them.
pub(super) fn of(test: &Test, totals: &Totals) -> Vec<String> {
    let registry = &test.session.registry;
    let refused = test.catalog.refused().into_iter().map(|(metric, count)| {
        format!(
            "{}: {count} series beyond the limit were counted under (other)",
            registry.definition(metric).name
        )
    });
    let failed = [
        (builtin::HTTP_REQ_FAILED, "requests"),
        (builtin::GRPC_REQ_FAILED, "gRPC calls"),
    ];
    let nothing_worked = failed.into_iter().filter_map(|(metric, what)| {
        let all = totals.root(metric, Aggregation::Rate).is_some_and(|share| share >= 1.0);
        let count = totals.root(metric, Aggregation::Count).filter(|_| all)?;
        Some(format!(
            "all {count} {what} failed: this run says nothing about the system's speed"
        ))
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
    let all = nothing_worked.chain(bound).chain(refused).chain(full);
    all.chain(exhausted).chain(never).collect()
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
