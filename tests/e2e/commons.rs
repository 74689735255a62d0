//! What virtual users of all cores have in common: shared values, rows that they claim, and invariants over both.

use std::time::Duration;

use serde_json::json;

use crate::kit::Project;
use crate::server::{Manner, Server};

/// Iterations that buy one of three products of which there are ten each; `guard` decides whether more may be sold.
fn sale(guard: &str) -> Project {
    Project::with(&format!(
        "local sold = kt.shared.map 'sold'
        local stock = 10
        local function buy()
          local product = 'product-' .. kt.scenario.iteration % 3
          local number = sold:add(product)
          if {guard} then sold:add(product, -1) end
        end
        return {{
          scenarios = {{ buyers = {{ executor = 'shared-iterations', vus = 10, iterations = 60, exec = buy }} }},
          invariants = {{
            no_oversell = function()
              local over = {{}}
              for product, number in sold:each() do
                if number > stock then table.insert(over, product) end
              end
              return #over == 0, over
            end,
            each_was_asked = function() return (kt.metrics.value('iterations', 'count') or 0) <= 60 end,
          }},
        }}"
    ))
}

#[tokio::test]
async fn an_invariant_that_breaks_fails_the_run_with_its_keys() {
    let ran = sale("false").run(&["j.lua", "--threads", "2"]).await;
    ran.exits(99);
    let invariants = &ran.summary["invariants"];
    assert_eq!(invariants[0]["name"], "each_was_asked");
    assert_eq!(invariants[0]["ok"], true, "{invariants:#}");
    let broken = &invariants[1];
    assert_eq!((&broken["name"], &broken["ok"]), (&json!("no_oversell"), &json!(false)));
    assert_eq!(
        broken["offending"],
        json!(["product-0", "product-1", "product-2"]),
        "{broken:#}"
    );
    assert_eq!(broken["offending_count"], 3);
    assert!(broken["checks"].as_u64() >= broken["broken_checks"].as_u64());
    assert!(broken["first_broken_at_ms"].is_u64(), "{broken:#}");
    let told = "invariant `no_oversell` was broken at";
    assert_eq!(ran.ended.stderr.matches(told).count(), 1, "{}", ran.ended);
    ran.shows(&["INVARIANTS 1 of 2 held", told, "product-0, product-1, product-2"]);
}

#[tokio::test]
async fn one_that_holds_passes() {
    let ran = sale("number > stock").run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0).shows(&["INVARIANTS 2 of 2 held"]);
    for invariant in ran.summary["invariants"].as_array().expect("a list") {
        assert_eq!(invariant["ok"], true, "{invariant:#}");
        assert!(
            invariant["checks"].as_u64() >= Some(1),
            "looked at after the load at the latest"
        );
    }
}

#[tokio::test]
async fn a_broken_invariant_is_told_while_the_load_runs() {
    let project = Project::with(
        "local broken = kt.shared.counter 'broken'
        return {
          scenarios = { a = { executor = 'constant-vus', vus = 1, duration = '1h', exec = function()
            broken:add(1)
            sleep '10ms'
          end } },
          invariants = { none = function() return broken:get() == 0, { 'first-key' } end },
        }",
    );
    let mut running = project.start(&["j.lua"]);
    running.said("invariant `none` was broken at 1 s: first-key").await;
    running.signal(rustix::process::Signal::INT);
    let ran = running.ran().await;
    ran.exits(105);
    assert_eq!(ran.reasons(), [105, 99]);
}

#[tokio::test]
async fn an_invariant_that_raises_is_a_script_error() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'per-vu-iterations', exec = function() end } },
          invariants = { odd = function() return nil + 1 end },
        }",
    );
    let ran = project.run_script().await;
    ran.exits(107);
    assert_eq!(ran.reasons(), [107, 99]);
    assert!(
        ran.complaints().contains("invariant `odd` raised an error"),
        "{}",
        ran.ended
    );
    assert!(ran.ended.stderr.contains("j.lua:4"), "{}", ran.ended);
}

#[tokio::test]
async fn claims_are_exclusive_over_cores_scenarios_and_errors() {
    let project = Project::with(
        "local pool = kt.data.pool { name = 'rows', rows = function()
          local rows = {}
          for n = 1, 7 do rows[n] = { id = 'row-' .. n } end
          return rows
        end }
        local holders, claims = kt.shared.map 'holders', kt.shared.counter 'claims'
        local function work()
          local row = pool:claim { wait = '30s' }
          claims:add(1)
          local alone = holders:add(row.id) == 1
          if not alone then kt.run.fail(row.id .. ' was claimed twice') end
          if kt.scenario.iteration % 5 == 0 then sleep '1ms' end
          alone = holders:add(row.id, -1) == 0 and alone
          if kt.scenario.iteration % 4 == 0 then kt.fail 'with a row' end
          check(alone, { exclusive = alone })
          pool:release(row)
        end
        local function users() return { executor = 'shared-iterations', vus = 20, iterations = 500, exec = work } end
        return {
          scenarios = { a = users(), b = users() },
          teardown = function()
            kt.log.info(claims:get() .. ' claims, ' .. pool:free() .. ' free')
          end,
        }",
    );
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    for scenario in ["a", "b"] {
        assert_eq!(ran.counts(scenario), [500, 500, 375, 0, 0, 125]);
    }
    assert_eq!(ran.metric("checks", "passes"), Some(750.0));
    assert_eq!(ran.metric("checks", "rate"), Some(1.0));
    assert!(ran.ended.stderr.contains("1000 claims, 7 free"), "{}", ran.ended);
}

#[tokio::test]
async fn a_value_is_fetched_once_for_all_users_of_all_cores() {
    let server = Server::start(Manner::Answers(Duration::from_millis(50))).await;
    let project = Project::with(
        "local made = kt.shared.counter 'made'
        local function fetch()
          http.get(kt.env 'BASE_URL')
          return { token = made:add() }
        end
        return { scenarios = {
          first = { executor = 'per-vu-iterations', vus = 50, iterations = 3, exec = function()
            check(nil, { ['the first value'] = kt.shared.once('token', { ttl = '1h' }, fetch).token == 1 })
          end },
          short = { executor = 'per-vu-iterations', start_after = 'first', iterations = 1, exec = function()
            for n = 2, 4 do
              check(nil, { ['the next value'] = kt.shared.once('short', { ttl = '1ms' }, fetch).token == n })
              sleep '2ms'
            end
          end },
        } }",
    )
    .against(&server.url());
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    assert_eq!(ran.metric("checks", "passes"), Some(153.0), "{}", ran.ended);
    assert_eq!(ran.metric("checks", "rate"), Some(1.0), "{}", ran.ended);
    assert_eq!(server.requests(), 4, "one for each value");
}

#[tokio::test]
async fn nobody_waits_for_one_that_was_interrupted() {
    let server = Server::start(Manner::Silent).await;
    let project = Project::with(
        "return { scenarios = {
          maker = { executor = 'constant-vus', vus = 1, duration = '100ms', graceful_stop = 0, exec = function()
            kt.shared.once('token', function() http.get(kt.env 'BASE_URL') end)
          end },
          waiting = { executor = 'per-vu-iterations', vus = 3, start_time = '50ms', exec = function()
            check(nil, { ['made by another'] = kt.shared.once('token', function() return 'x' end) == 'x' })
          end },
        } }",
    )
    .against(&server.url());
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    assert_eq!(ran.counts("maker"), [1, 1, 0, 0, 1, 0]);
    assert_eq!(ran.metric("checks", "passes"), Some(3.0), "{}", ran.ended);
}
