-- How much can the orchestrator take? Stairs up to 1,000 users and 12,500 events per second: more than the demo routes,
-- so that its queue grows, as a stress test is to find out. What comes in must still be answered.
--
--   kingtide run scripts/orchestrator/stress.lua --demo                     17 minutes
--   kingtide run scripts/orchestrator/stress.lua --demo -e SHAPE=ramp -e VUS=5000     0 → 5,000 users in 10 minutes
--   kingtide run scripts/orchestrator/stress.lua --demo --time-scale 0.02 -e VUS=100 -e QUEUE_EVERY=200ms
--                                                                           a rehearsal of 20 s
--
-- The load: 0 → 100 → 500 → 1,000 users in 5 minutes, 1,000 for 10, → 0 in 2. Each thinks 8 s on average, so 100 users
-- make 1,250 events per second, 500 make 6,250 and 1,000 make 12,500 (125 requests); in all about 10 million. Where the
-- queue began to grow is `queue_growth_began`, in seconds from the start, and in the log with its stage: that is where
-- the limit is. More variables: see common.lua.

local kt = require "kt"
local common = require "common"

---@type table<string, orchestrator.Stage[]>
local SHAPES = {
  stairs = {
    { name = "to a tenth", duration = "1m", users = 0.1 },
    { name = "to a half", duration = "2m", users = 0.5 },
    { name = "to the peak", duration = "2m", users = 1 },
    { name = "peak", duration = "10m", users = 1 },
    { name = "down", duration = "2m", users = 0 },
  },
  ramp = {
    { name = "ramp", duration = "10m", users = 1 },
  },
}
local shape = SHAPES[kt.env("SHAPE", "stairs")]
if not shape then error("SHAPE is stairs or ramp, not " .. kt.env("SHAPE", "")) end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = common.scenarios { vus = 1000, events_per_second = 12500, stages = shape },
  thresholds = common.thresholds({
    ["http_req_duration" .. common.BULK] = { "p(95)<2000", "p(99)<5000" },
    ["http_req_failed" .. common.BULK] = "rate<0.05",
    routing_success_rate = "rate>0.95",
  }, {
    ["http_req_failed{name:GET /queues}"] = "rate<0.05", -- the queue may grow, but must be seen
  }),
  setup = common.setup,
  summary = common.summary "stress",
}
return plan
