//! The functions of `invariants`: what they see, what they may return, and what they cannot do.

use std::time::Duration;

use super::*;
use crate::metrics::{Selector, Totals, builtin};
use crate::script::invariants::{Invariants, Look};

const HEAD: &str = "local kt = require 'kt'
    local count, stock, mine = kt.shared.counter 'count', kt.shared.map 'stock', kt.metrics.trend 'mine'
    return { exec = function() end, invariants = { x = function() ";

/// Looks once, after 3 requests and 2 samples of `mine`; `count` is 5 and `stock` has `a` = -1.
async fn look(body: &str) -> (Look, Vec<String>) {
    let limits = Limits {
        cpu: Duration::from_millis(20),
        ..Limits::default()
    };
    let bed = Bed::with(&[("main.lua", &format!("{HEAD}{body} end }} }}"))], limits).await;
    let mut plan = bed.ready().unwrap_or_else(|error| panic!("{error}"));
    plan.limits = limits;
    assert_eq!(plan.invariants, ["x"]);
    let registry = &bed.session.registry;
    let named = [Selector::parse("http_reqs{status:500}").unwrap()];
    let catalog = Catalog::new(registry, &named).unwrap();
    let recorder = Recorder::new(registry, &catalog);
    for status in ["200", "200", "500"] {
        let tags = recorder.tags(&recorder.no_tags(), &[("status", status), ("name", "/a")]);
        recorder.record(builtin::HTTP_REQS, 1.0, &tags);
        recorder.record(builtin::HTTP_REQ_DURATION, 7.0, &tags);
    }
    for value in [1.0, 3.0] {
        recorder.record(registry.find("mine").unwrap(), value, &recorder.no_tags());
    }
    let mut totals = Totals::new(registry, &catalog, 1);
    totals.merge(&recorder.take());
    bed.session.commons.counter("count").unwrap().add(5.0).unwrap();
    let map = bed.session.commons.map("stock").unwrap();
    map.add(crate::script::commons::Key::Text("a".into()), -1.0).unwrap();

    let invariants = Invariants::load(&bed.session, &bed.loaded.revision, plan.limits, api::OPEN)
        .await
        .unwrap();
    let mut looks = invariants.look(&mut totals);
    let requests = totals.root(builtin::HTTP_REQS, crate::metrics::Aggregation::Count);
    assert_eq!(requests, Some(3.0), "the totals are given back");
    let errors = bed.errors().into_iter().map(|(error, _)| error.message).collect();
    (looks.remove(0).1, errors)
}

fn broken(keys: &[&str]) -> Look {
    Look::Broken(keys.iter().map(|key| (*key).to_owned()).collect())
}

#[tokio::test]
async fn what_is_no_function_by_name_is_refused_with_its_place() {
    // the plan's invariants, the path to the mistake, part of the message
    let table = [
        (
            "f",
            &["invariants"][..],
            "plan: `invariants` must be a table as { no_oversell = function() return ok, keys end }, got a function",
        ),
        (
            "{ f }",
            &["invariants"],
            "plan: `invariants` must have names as keys, got 1",
        ),
        (
            "{ stock = true }",
            &["invariants", "stock"],
            "invariants: `stock` must be a function that returns true or false, got true",
        ),
        (
            "{ [''] = f }",
            &["invariants", ""],
            "invariants: a name has 1 to 128 visible characters",
        ),
    ];
    for (invariants, path, part) in table {
        let bed = Bed::new(&format!(
            "local f = function() end return {{ exec = f, invariants = {invariants} }}"
        ))
        .await;
        let error = bed.ready().expect_err("it is refused");
        assert!(error.message.contains(part), "{invariants}: {error}");
        assert_eq!(error.path, path, "{invariants}");
    }
    let bed = Bed::new("local f = function() end return { exec = f, invariants = { b = f, a = f } }").await;
    assert_eq!(
        bed.ready().map(|plan| plan.invariants),
        Ok(vec!["a".to_owned(), "b".to_owned()])
    );
}

#[tokio::test]
async fn what_they_return_is_read() {
    let table = [
        ("return true", Look::Held),
        ("return true, { 'ignored' }", Look::Held),
        ("return false", broken(&[])),
        ("return false, {}", broken(&[])),
        (
            "return false, { 'b', 2, 1.5, true, { n = 1 } }",
            broken(&["b", "2", "1.5", "true", "{\"n\":1}"]),
        ),
        ("return false, { b = 1, a = 2 }", broken(&["a", "b"])),
        ("return false, 'one'", broken(&["one"])),
        ("return count:get() == 5 and stock:get 'a' == -1", Look::Held),
        ("return count:get() < 5, stock:keys()", broken(&["a"])),
    ];
    for (body, wanted) in table {
        assert_eq!(look(body).await, (wanted, Vec::new()), "{body}");
    }
}

#[tokio::test]
async fn they_read_what_was_measured() {
    let table = [
        "kt.metrics.value('http_reqs', 'count') == 3",
        "kt.metrics.value('http_reqs{status:500}', 'count') == 1",
        "kt.metrics.value('http_req_duration{name:/a}', 'max') >= 7",
        "kt.metrics.value('http_req_duration{name:/b}', 'max') == nil",
        "kt.metrics.value('mine', 'avg') == 2",
        "kt.metrics.value('checks', 'rate') == nil",
        "kt.metrics.value('saga_duration', 'p(95)') == nil",
    ];
    for condition in table {
        let body = format!("return {condition}");
        assert_eq!(look(&body).await, (Look::Held, Vec::new()), "{condition}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_a_script_error() {
    let table = [
        ("", "the invariant `x` returned nil where true or false is wanted"),
        ("return 1", "the invariant `x` returned 1 where"),
        (
            "return false, print",
            "the invariant `x` returned a function where the offending keys",
        ),
        ("error 'oops'", "oops"),
        ("kt.fail 'oops'", "oops"),
        ("while true do end", "the script computed for more than 20ms"),
        ("kt.sleep(1)", "sleep cannot be used in an invariant"),
        (
            "kt.shared.once('a', print)",
            "shared.once: cannot be used in an invariant",
        ),
        ("mine:add(1)", "mine:add: nothing is measured in an invariant"),
        (
            "kt.check(1, { a = true })",
            "check: nothing is measured in an invariant",
        ),
        (
            "kt.group('a', function() end)",
            "group: nothing is measured in an invariant",
        ),
        ("kt.http.get 'http://127.0.0.1:1'", "in an invariant"),
        (
            "kt.metrics.value 'mine'",
            "nil is no aggregation of `mine`; it has count, avg",
        ),
        ("kt.metrics.value('mine', 'rate')", "\"rate\" is no aggregation"),
        (
            "kt.metrics.value('http_req', 'rate')",
            "there is no metric `http_req`; did you mean `http_reqs`?",
        ),
        (
            "kt.metrics.value('http_reqs{method:GET}', 'count')",
            "samples of `http_reqs{method:GET}` are not kept apart: name it in a threshold too, or read `http_reqs` as a whole",
        ),
        ("kt.metrics.value('http_reqs{', 'count')", "braces"),
    ];
    for (body, part) in table {
        let (look, errors) = look(body).await;
        assert_eq!(look, Look::Failed, "{body}");
        assert!(errors.len() == 1 && errors[0].contains(part), "{body}: {errors:?}");
    }
}

#[tokio::test]
async fn one_that_ends_the_run_is_no_error() {
    let (look, errors) = look("kt.run.abort 'enough'").await;
    assert_eq!((look, errors.len()), (Look::Skipped, 0));
}
