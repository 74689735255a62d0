-- Does the event handler take 2,000 events per second on one connection, with at most 500 of them under way?
--
--   kingtide run scripts/challenge/events.lua --demo
--   kingtide run scripts/challenge/events.lua --demo -e MAX_IN_FLIGHT=100 -e EPS=1000
--
-- Environment: EPS (events per second), DURATION, MAX_IN_FLIGHT (calls under way at once: 100, 250 or 500), USERS, and
-- where the system is, as in lib-lua/challenge.lua.
--
-- The cap bounds the calls, not the rate: what is offered above it waits, and the waiting is `grpc_req_blocked`. With a
-- handler that takes 300 ms, 500 under way are 1,667 events per second, and the report names the cap.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events =
  challenge.events { proto = "event.proto", max_in_flight = players.integer("MAX_IN_FLIGHT", "500", 1, 100000) }

local function event()
  local user = players.somebody()
  local ok
  if kt.random.bool(0.2) then -- of a hundred events 20 are logins
    ok = events:log_in(user)
  else
    ok = events:update(user, kt.random.pick(challenge.STATS), kt.random.int(0, 99))
  end
  kt.check(ok, { ["event taken"] = ok })
end

---@type kt.Plan
return {
  scenarios = {
    events = {
      executor = "constant-arrival-rate",
      rate = players.number("EPS", "2000", 0.1, 1000000),
      duration = kt.env("DURATION", "60s"),
      pre_allocated_vus = 500,
      max_vus = 5000, -- above the cap, so that calls wait for it and not for a user
      exec = event,
    },
  },
  thresholds = {
    grpc_req_duration = "p(95)<50",
    grpc_req_failed = "rate<0.001",
    checks = "rate>0.999",
  },
}
