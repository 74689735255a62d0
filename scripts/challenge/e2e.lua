-- How long from an event until players see it? The handler only buffers; the buffer is written once a second.
--
--   kingtide run scripts/challenge/e2e.lua --demo
--
-- 10 probes per second for a minute. The clock starts before the event is sent, the moments are random (probes that
-- follow one another would all fall into step with the writing, and all take a second), and no probe waits longer than
-- the cap. Expected: evenly spread from 0 to 1,000 ms, 500 on average, plus what event, writing and looking take.
--
-- Environment: PROBES (per second), DURATION, USERS, and where the system is, as in lib-lua/challenge.lua.
-- Metrics: `event_visible` (trend, ms), and those of the poll `visible`, whose timeouts are `visible_timeouts`.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events = challenge.events { proto = "event.proto" }
local client = challenge.new {}
local visible = kt.metrics.trend("event_visible", { unit = "ms" })

local function probe()
  -- A user of its own for each probe, and a value that nobody else sends.
  local user, value = players.next_user(), 1000 + kt.scenario.iteration

  -- The token is there before the clock starts.
  client:get(user, "challenge-0")
  local sent = kt.time.monotonic()
  local ok = events:update(user, "enemy_kills", value)
  if not kt.check(ok, { ["event taken"] = ok }) then return end

  local seen = kt.poll {
    name = "visible",
    every = "10ms",
    timeout = "3s",
    call = function() return client:get(user, "challenge-0") end,
    done = function(res) return res:json "goals.1.progress" == value end, -- goal-0 is about enemy_kills
  }
  if seen.done then visible:add((kt.time.monotonic() - sent) * 1000) end
end

---@type kt.Plan
return {
  scenarios = {
    probes = {
      executor = "constant-arrival-rate",
      rate = players.number("PROBES", "10", 0.1, 1000),
      duration = kt.env("DURATION", "60s"),
      arrival = "poisson",
      max_vus = 500,
      exec = probe,
    },
  },
  thresholds = {
    event_visible = { "avg<650", "max<1100" },
    visible_timeouts = "rate<0.001",
    grpc_req_failed = "rate<0.001",
    http_req_failed = "rate<0.001",
  },
}
