//! Parts of a run: windows, phases and warm-ups, as a journey's own samples show them.

use serde_json::json;

use crate::kit::Project;

/// Each iteration takes one sample: 100 in the first second, 1 later.
const JOURNEY: &str = "
local took, seen = kt.metrics.trend('took'), kt.metrics.counter 'seen'
local function j()
  took:add(kt.run.elapsed < 1 and 100 or 1)
  seen:add(1)
  check(true, { fine = true })
end";

#[tokio::test]
async fn a_window_is_judged_by_its_worst_slice() {
    let project = Project::with(&format!(
        "{JOURNEY}
        return {{
          scenarios = {{ a = {{ executor = 'constant-arrival-rate', rate = 100, duration = '4s', exec = j }} }},
          thresholds = {{
            took = {{ 'med<10', {{ threshold = 'med<10', window = '1s' }} }},
            seen = {{ {{ threshold = 'rate>50', window = '2s' }} }},
            ['took{{status:0}}'] = {{ {{ threshold = 'med<10', window = '1m', on_no_data = 'pass' }} }},
          }},
        }}"
    ));
    let ran = project.run_script().await;
    ran.exits(99);
    let thresholds = ran.summary["thresholds"].as_array().expect("thresholds are a list");
    // In the order of their keys; of one key, as they are written.
    let judged: Vec<_> = thresholds
        .iter()
        .map(|t| (t["ok"].as_bool(), t["window"].as_str(), t["window_at_ms"].as_u64()))
        .collect();
    assert_eq!(judged[0].0, Some(true), "{}", ran.ended);
    assert_eq!(judged[0].1, Some("2s"), "{}", ran.ended);
    assert_eq!(
        judged[1],
        (Some(true), None, None),
        "the whole run is fast\n{}",
        ran.ended
    );
    assert_eq!(
        judged[2],
        (Some(false), Some("1s"), Some(0)),
        "its first second is not\n{}",
        ran.ended
    );
    assert_eq!(
        judged[3],
        (Some(true), Some("1m"), None),
        "there was nothing\n{}",
        ran.ended
    );
    ran.shows(&["med<10 in 1s", "worst at 0s"]);
}

#[tokio::test]
async fn a_slow_slice_may_end_the_run_as_soon_as_it_is_over() {
    let project = Project::with(&format!(
        "{JOURNEY}
        return {{
          scenarios = {{ a = {{ executor = 'constant-arrival-rate', rate = 100, duration = '1h', exec = j }} }},
          thresholds = {{ took = {{ {{ threshold = 'max<50', window = '1s', abort_on_fail = true }} }} }},
        }}"
    ));
    let ran = project.run_script().await;
    ran.exits(99);
    assert_eq!(ran.summary["thresholds"][0]["aborted"], true, "{}", ran.ended);
}

/// A scenario that begins later, a phase, and an iteration that ends long after the others: each has its rate.
#[tokio::test]
async fn the_rate_of_a_slice_is_that_of_its_part() {
    let project = Project::with(
        "
        local count = 0
        local function j()
          count = count + 1
          if count == 70 then kt.sleep(3) end
        end
        return {
          phases = { { name = 'a', duration = '2s' }, { name = 'b', duration = '2s' } },
          scenarios = {
            early = { executor = 'constant-arrival-rate', rate = 20, duration = '4s', exec = j },
            late = { executor = 'constant-arrival-rate', rate = 20, duration = '2s', start_time = '2s', exec = j },
          },
          thresholds = {
            ['iterations{scenario:late}'] = { { threshold = 'rate>15', window = '2s', abort_on_fail = true } },
            ['iterations{phase:a}'] = { { threshold = 'rate>15', window = '2s', abort_on_fail = true } },
            iterations = { { threshold = 'rate>15', window = '1s', abort_on_fail = true } },
          },
        }",
    );
    let ran = project.run_script().await;
    ran.exits(0);
    assert_eq!(
        ran.summary["scenarios"]["late"]["iterations"]["offered"], 40,
        "{}",
        ran.ended
    );
}

#[tokio::test]
async fn warm_ups_are_run_and_left_out_and_phases_told_apart() {
    let project = Project::with(&format!(
        "{JOURNEY}
        return {{
          phases = {{ {{ name = 'morning', duration = '2s' }}, {{ name = 'noon', duration = '1h' }} }},
          scenarios = {{
            a = {{ executor = 'constant-arrival-rate', rate = 50, duration = '4s', warmup = '1s', exec = j }},
          }},
          thresholds = {{
            took = 'max<50',
            seen = 'count==150',
            ['seen{{warmup:true}}'] = 'count==50',
            ['seen{{phase:morning}}'] = 'count==50',
            ['seen{{phase:noon}}'] = 'count==100',
          }},
        }}"
    ));
    let ran = project.run_script().await;
    ran.exits(0);
    let checks = &ran.summary["checks"][0];
    assert_eq!(
        (checks["passes"].as_u64(), checks["fails"].as_u64()),
        (Some(150), Some(0))
    );
    let phases = &ran.summary["phases"];
    assert_eq!(phases[0]["name"], "morning", "{}", ran.ended);
    assert_eq!(
        (&phases[0]["start_ms"], &phases[0]["end_ms"]),
        (&json!(0), &json!(2_000))
    );
    assert_eq!(phases[1]["start_ms"], 2_000);
    // One second of the morning was measured.
    assert_eq!(phases[0]["metrics"]["seen"]["rate"], 50.0, "{}", ran.ended);
    assert!(ran.summary["scenarios"]["a"]["warmup"].is_object());
    ran.shows(&["PHASES", "morning", "warm-up, in no other number"]);
}
