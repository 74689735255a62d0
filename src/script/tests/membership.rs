//! Which iterations belong to which phase and to a warm-up, and what that does to the tags of their samples.

use std::time::Duration;

use super::*;

const PARTED: &str = "
local function f() end
return {
  exec = f,
  phases = { { name = 'morning', duration = '10s' }, { name = 'noon', duration = '10s' } },
  scenarios = {
    a = { executor = 'constant-arrival-rate', rate = 1, duration = '1m', start_time = '5s', warmup = '3s' },
    b = { executor = 'constant-vus', duration = '1m' },
  },
}";

fn tags(context: &VuContext) -> String {
    let tags = context.tags().unwrap();
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    tags.join(",")
}

#[tokio::test(start_paused = true)]
async fn an_iteration_belongs_where_it_was_due() {
    let bed = Bed::new(PARTED).await;
    bed.ready().unwrap();
    let origin = clock::now();
    bed.session.started.set(origin).unwrap();
    // (scenario, due in ms, tags): spans are half-open, and the end of the last phase is the end of phases.
    let table = [
        (0, 5_000, "phase:morning,scenario:a,warmup:true"),
        (0, 7_999, "phase:morning,scenario:a,warmup:true"),
        (0, 8_000, "phase:morning,scenario:a"),
        (0, 10_000, "phase:noon,scenario:a"),
        (0, 19_999, "phase:noon,scenario:a"),
        (0, 20_000, "scenario:a"),
        (1, 0, "phase:morning,scenario:b"),
        (1, 9_999, "phase:morning,scenario:b"),
    ];
    for (scenario, due, expected) in table {
        let context = VuContext::new(&bed.host, 1, Some(scenario));
        // It has run others before, elsewhere.
        for before in [0, 30_000, due] {
            let scheduled_at = origin + Duration::from_millis(before);
            context.begin(&Iteration {
                scenario,
                number: 0,
                scheduled_at,
                // How late it begins does not matter.
                started_at: scheduled_at + Duration::from_secs(60),
            });
            tags(&context);
        }
        assert_eq!(tags(&context), expected, "{due} ms");
        context.open_group("g", clock::now()).unwrap();
        assert_eq!(tags(&context), format!("group:::g,{expected}"));
    }
}

#[tokio::test]
async fn what_is_no_iteration_belongs_nowhere() {
    let bed = Bed::new(PARTED).await;
    bed.ready().unwrap();
    bed.session.started.set(clock::now()).unwrap();
    let context = VuContext::new(&bed.host, 1, Some(0));
    let now = clock::now();
    context.begin(&Iteration {
        scenario: 0,
        number: 0,
        scheduled_at: now,
        started_at: now,
    });
    context.enter(Lifecycle::VuInit);
    assert_eq!(tags(&context), "lifecycle:vu_init,scenario:a");
}
