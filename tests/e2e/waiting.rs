//! Flows across scenarios and cores, as a run's summary and its thresholds show them; polls that leave the journey alone.

use crate::kit::Project;

const COUNTS: [&str; 6] = [
    "saga_started",
    "saga_completed",
    "saga_not_completed",
    "saga_timed_out",
    "saga_duplicate",
    "saga_out_of_order",
];

/// One scenario starts, another finishes: every tenth is never finished, every tenth fails, every tenth is finished twice.
/// What finishes is on another core as often as not.
const JOURNEY: &str = "
local flow = kt.flow
local function place()
  flow.start(kt.scenario.iteration, { name = 'saga', timeout = '1s' })
end
local function see()
  local n = kt.scenario.iteration
  if n % 10 == 3 then return end
  flow.finish(n, { name = 'saga', outcome = n % 10 == 5 and 'failed' or 'completed' })
  if n % 10 == 7 then flow.finish(n, { name = 'saga' }) end
end
";

#[tokio::test]
async fn what_starts_in_one_scenario_ends_in_another() {
    let project = Project::with(&format!(
        "{JOURNEY}
        return {{
          scenarios = {{
            placing = {{ executor = 'constant-arrival-rate', rate = 100, duration = '2s', exec = place }},
            seeing = {{ executor = 'constant-arrival-rate', rate = 100, duration = '2s', start_time = '300ms', exec = see }},
            -- Long enough for the last ones to time out, on one of two cores.
            waiting = {{ executor = 'constant-vus', vus = 1, duration = '4s', exec = function() sleep '100ms' end }},
          }},
          thresholds = {{
            saga_timed_out = 'count==20',
            ['saga_not_completed{{outcome:failed}}'] = 'count==20',
            ['saga_completed{{scenario:placing}}'] = 'count==160',
            saga_duration = {{ 'count==160', 'min>=200', 'p(95)<1s' }},
            saga_in_flight = 'value==0',
            saga_out_of_order = 'count==0',
          }},
        }}"
    ));
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    assert_eq!(
        COUNTS.map(|name| ran.count(name)),
        [200.0, 160.0, 20.0, 20.0, 20.0, 0.0],
        "{}",
        ran.ended
    );
}

#[tokio::test]
async fn what_is_in_flight_at_the_end_is_in_the_gauge_only() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'per-vu-iterations', vus = 4, iterations = 5, exec = function()
            local key = kt.vu.id .. '/' .. kt.vu.iteration
            kt.flow.start(key, { name = 'saga', timeout = '1h' })
            if kt.vu.iteration % 2 == 0 then kt.flow.finish(key, { name = 'saga' }) end
          end } },
          teardown = function()
            kt.flow.finish('1/1', { name = 'saga' })
          end,
          thresholds = { saga_timed_out = 'count==0' },
        }",
    );
    let ran = project.run(&["j.lua", "--threads", "2"]).await;
    ran.exits(0);
    let [started, completed, ..] = COUNTS.map(|name| ran.count(name));
    let flying = ran.metric("saga_in_flight", "value").expect("the gauge was set");
    assert_eq!(started, 20.0);
    assert_eq!(started, completed + flying, "{}", ran.ended);
    assert!(completed > 8.0, "teardown finished one: {}", ran.ended);
}

#[tokio::test]
async fn nothing_of_a_warm_up_counts() {
    let project = Project::with(
        "return {
          scenarios = { a = { executor = 'constant-arrival-rate', rate = 50, duration = '2s', warmup = '1s', exec = function()
            kt.flow.start(kt.scenario.iteration, { name = 'saga', timeout = '200ms' })
            if kt.scenario.iteration % 2 == 0 then kt.flow.finish(kt.scenario.iteration, { name = 'saga' }) end
          end } },
        }",
    );
    let ran = project.run_script().await;
    ran.exits(0);
    let [started, completed, not_completed, timed_out, ..] = COUNTS.map(|name| ran.count(name));
    let flying = ran.metric("saga_in_flight", "value").unwrap_or(0.0);
    assert_eq!((started, completed, not_completed), (50.0, 25.0, 0.0), "{}", ran.ended);
    assert_eq!(started, completed + timed_out + flying, "{}", ran.ended);
}

/// The same seed draws the same numbers after a poll, however often that one has asked.
#[tokio::test]
async fn what_a_journey_draws_does_not_depend_on_how_often_it_asked() {
    let project = Project::with(
        "local wanted = tonumber(kt.env 'ATTEMPTS')
        return function()
          local n = 0
          kt.poll {
            name = 'job', every = '2ms', jitter = 1,
            call = function() n = n + 1 return n end,
            done = function(n) return n == wanted end,
          }
          kt.log.info('drew ' .. kt.random.string(20) .. '.')
        end",
    );
    let mut drawn = Vec::new();
    for attempts in ["ATTEMPTS=1", "ATTEMPTS=7"] {
        let ran = project
            .run(&["j.lua", "--iterations", "1", "--seed", "5", "-e", attempts])
            .await;
        ran.exits(0);
        let text = ran.ended.stderr.split("drew ").nth(1).expect("it was said").to_owned();
        drawn.push(text.split('.').next().unwrap_or_default().to_owned());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_eq!(drawn[0].len(), 20);
}
