-- Does the orchestrator carry its everyday load? Up to 100 users submit batches of 100 events: 4,000 events per second,
-- 40 requests, for five minutes.
--
--   kingtide run scripts/orchestrator/load.lua --demo                                    9 minutes
--   kingtide run scripts/orchestrator/load.lua --demo --time-scale 0.05 -e QUEUE_EVERY=200ms     a rehearsal of 27 s
--   kingtide run scripts/orchestrator/load.lua --demo -e EVENTS_PER_SECOND=6000          more than the demo routes: the
--                                                                                        queue grows, and the run fails
--
-- The load: 0 → 100 users in 2 minutes, 100 for 5, → 0 in 2. Each thinks 2.5 s on average (1.25 to 3.75), so 100 users
-- make 40 requests and 4,000 events per second, in the middle of the 2,000 to 5,000 that the system is made for; the
-- demo routes 5,000. In all about 1.7 million events. More variables: see common.lua.

local common = require "common"

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = common.scenarios {
    vus = 100,
    events_per_second = 4000,
    stages = {
      { name = "up", duration = "2m", users = 1 },
      { name = "steady", duration = "5m", users = 1 },
      { name = "down", duration = "2m", users = 0 },
    },
  },
  thresholds = common.thresholds({
    ["http_req_duration" .. common.BULK] = { "p(95)<500", "p(99)<1000" },
    ["http_req_failed" .. common.BULK] = "rate<0.01",
    routing_success_rate = "rate>0.99",
    events_submitted = "rate>2000",
  }, {
    queue_depth = "max<20000", -- four seconds of work
    queue_growing = { { threshold = "rate<0.05", on_no_data = "pass" } },
  }),
  setup = common.setup,
  summary = common.summary "load",
}
return plan
