-- Does the orchestrator survive ten times its load, and how long until it has recovered? Twice from 100 users to 1,000 and
-- back.
--
--   kingtide run scripts/orchestrator/spike.lua --demo                      11 minutes
--   kingtide run scripts/orchestrator/spike.lua --demo --time-scale 0.03 -e VUS=50 -e QUEUE_EVERY=200ms
--                                                                           a rehearsal of 20 s
--
-- The load: 100 users for a minute; → 1,000 in 10 s, a minute, → 100 in 10 s; three minutes to recover; the same again.
-- Each thinks 10 s on average, so 100 users make 1,000 events per second and 1,000 make 10,000, of which the demo routes
-- half. A spike leaves some 320,000 events in its queue, for which it needs about 80 s.
--
-- `recovery_time` has one value for each spike: from the moment when the load is back to when the queue is about as short
-- as it was before, seen every QUEUE_EVERY. A spike that the queue did not recover from before the next one counts in
-- `spikes_recovered`. More variables: see common.lua.

local common = require "common"

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = common.scenarios {
    vus = 1000,
    start = 0.1,
    events_per_second = 10000,
    stages = {
      { name = "before", duration = "1m", users = 0.1 },
      { name = "rise 1", duration = "10s", users = 1 },
      { name = "spike 1", duration = "1m", users = 1 },
      { name = "fall 1", duration = "10s", users = 0.1 },
      { name = "after 1", duration = "3m", users = 0.1 },
      { name = "rise 2", duration = "10s", users = 1 },
      { name = "spike 2", duration = "1m", users = 1 },
      { name = "fall 2", duration = "10s", users = 0.1 },
      { name = "after 2", duration = "3m", users = 0.1 },
      { name = "down", duration = "1m", users = 0 },
    },
  },
  thresholds = common.thresholds({
    ["http_req_duration" .. common.BULK] = { "p(95)<1000", "p(99)<2000" },
    ["http_req_failed" .. common.BULK] = "rate<0.02",
    routing_success_rate = "rate>0.98",
  }, {
    spikes_recovered = "rate==1",
    recovery_time = "max<3m",
  }),
  setup = common.setup,
  summary = common.summary "spike",
}
return plan
