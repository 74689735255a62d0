//! What virtual users hold in common: rows that come back when an iteration ends by an error, values that others go on
//! making, and data sets that do not grow with the number of users.

use std::time::Duration;

use super::*;
use crate::script::pool::Pool;

/// A pool of two rows; iterations claim one and end as their number says.
const CLAIMING: &str = r#"
local kt = require "kt"
local pool = kt.data.pool { name = "rows", rows = { { n = 1 }, { n = 2 } } }
local ends = {
  [0] = function() end,
  function() error "raised" end,
  function() kt.fail "failed" end,
  function() kt.sleep "1h" end,
  function() while true do end end,
}
return function()
  local row = pool:claim()
  if kt.scenario.iteration == 5 then
    pool:release(row)
    error "after the release"
  end
  ends[kt.scenario.iteration]()
end"#;

fn rows(bed: &Bed) -> Arc<Pool> {
    let set = bed
        .loaded
        .revision
        .data
        .built("pool:name:rows")
        .expect("the file was loaded");
    bed.session.pools.open("name:rows", &set).0
}

#[tokio::test(start_paused = true)]
async fn rows_come_back_when_an_iteration_ends_by_an_error() {
    let limits = Limits {
        cpu: Duration::from_millis(20),
        ..Limits::default()
    };
    let bed = Bed::with(&[("main.lua", CLAIMING)], limits).await;
    let (mut vu, pool) = (bed.vu(1).await, rows(&bed));
    for failing in [1, 2, 4, 5] {
        assert_eq!(iterate(&mut vu, failing).await, Outcome::Failed);
        assert_eq!(pool.free(), 2, "{failing}");
    }
    assert_eq!(iterate(&mut vu, 0).await, Outcome::Completed);
    assert_eq!(pool.free(), 1, "a row of an iteration that completed stays claimed");
    assert_eq!(iterate(&mut vu, 1).await, Outcome::Failed);
    assert_eq!(pool.free(), 1, "whatever comes later");
    drop(vu);
    assert_eq!(pool.free(), 1, "and when its user is gone");
}

#[tokio::test(start_paused = true)]
async fn rows_come_back_when_a_user_is_interrupted() {
    let bed = Bed::new(CLAIMING).await;
    let mut vu = bed.vu(1).await;
    let cut = clock::timeout(Duration::from_secs(1), iterate(&mut vu, 3)).await;
    assert!(cut.is_err());
    drop(vu);
    assert_eq!(rows(&bed).free(), 2);
}

#[tokio::test(start_paused = true)]
async fn rows_come_back_when_vu_init_fails() {
    let bed = Bed::new(
        "local kt = require 'kt'
        local pool = kt.data.pool { name = 'rows', rows = { 1, 2, 3 } }
        return {
          exec = function() end,
          vu_init = function()
            pool:claim()
            if kt.vu.id == 2 then error 'no' end
          end,
        }",
    )
    .await;
    let _good = bed.vu(1).await;
    let _bad = bed.vu(2).await;
    assert_eq!(rows(&bed).free(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_row_gets_that_of_a_failed_iteration() {
    let bed = Bed::new(
        "local kt = require 'kt'
        local pool = kt.data.pool { name = 'rows', rows = { 'only' } }
        return function()
          local row = pool:claim { wait = '1m' }
          kt.sleep '1s'
          if kt.vu.id == 1 then error 'raised' end
          kt.fail(row .. ' after ' .. kt.run.elapsed)
        end",
    )
    .await;
    let _ = bed.session.started.set(clock::now());
    let (mut first, mut second) = (bed.vu(1).await, bed.vu(2).await);
    tokio::join!(iterate(&mut first, 0), iterate(&mut second, 1));
    assert!(bed.reasons()[0].starts_with("only after 2"), "{:?}", bed.reasons());
}

#[tokio::test(start_paused = true)]
async fn a_value_is_made_by_the_next_when_its_maker_ends() {
    let bed = Bed::with(
        &[(
            "main.lua",
            "local kt = require 'kt'
            return function()
              local value = kt.shared.once('value', function()
                if kt.vu.id == 1 then kt.sleep '1h' end
                if kt.vu.id == 2 then while true do end end
                kt.sleep '1s'
                return 'made by ' .. kt.vu.id
              end)
              kt.fail(value)
            end",
        )],
        Limits {
            cpu: Duration::from_millis(20),
            ..Limits::default()
        },
    )
    .await;
    let [mut first, mut second, mut third, mut fourth] =
        [bed.vu(1).await, bed.vu(2).await, bed.vu(3).await, bed.vu(4).await];
    // As executors do: who is interrupted is dropped.
    let interrupted = async move {
        let cut = clock::timeout(Duration::from_secs(1), iterate(&mut first, 0)).await;
        cut.is_err()
    };
    let (cut, stuck, ..) = tokio::join!(
        interrupted,
        iterate(&mut second, 1),
        iterate(&mut third, 2),
        iterate(&mut fourth, 3)
    );
    assert!(cut && stuck == Outcome::Failed);
    assert_eq!(bed.reasons(), ["made by 3"], "told by both others");
    assert_eq!(bed.session.failures.all().0[0].1, 2);
}

/// What the VM has allocated once `users` have loaded this file.
async fn memory_with(main: &str, rows: &str, users: u64) -> usize {
    let bed = Bed::with(&[("main.lua", main), ("rows.json", rows)], Limits::default()).await;
    let mut all = Vec::new();
    for id in 1..=users {
        all.push(bed.vu(id).await);
    }
    // Each collection halves the stacks that are larger than they need to be.
    for _ in 0..5 {
        bed.host.lua.gc_collect().unwrap();
    }
    bed.host.lua.used_memory()
}

#[tokio::test]
async fn rows_cost_virtual_machines_and_users_nothing() {
    let rows = |count: usize| {
        let ids: Vec<String> = (0..count).map(|id| format!("\"customer-{id:08}\"")).collect();
        format!("[{}]", ids.join(","))
    };
    let with = "local kt = require 'kt'
        local ids, pool = kt.data.array 'rows.json', kt.data.pool { file = 'rows.json' }
        return function() return ids, pool end";
    let without = "local kt = require 'kt'
        local ids, pool = 1, 2
        return function() return ids, pool end";
    let all = rows(100_000);
    let (few, many) = (
        memory_with(with, &rows(1), 1_000).await,
        memory_with(with, &all, 1_000).await,
    );
    // The VM's allocator rounds up, to no two runs the same.
    assert!(
        many.abs_diff(few) < all.len() / 10,
        "{few} bytes with one row, {many} with 100,000"
    );
    // The deeper stack of a call while the file loads.
    let none = memory_with(without, "[1]", 1_000).await;
    assert!(few - none < 1_000 * 512, "{} bytes for 1,000 users", few - none);
}
