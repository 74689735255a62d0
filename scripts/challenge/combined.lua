-- Players look and claim over HTTP while the game sends events over gRPC: both share a database, so only both at once tell
-- the truth. The thresholds are the rule by which a search for limits stops.
--
--   kingtide run scripts/challenge/combined.lua --demo
--   kingtide capacity scripts/challenge/combined.lua --demo --levels "api=50,100,200,500 events=100,500,1000,2000"
--   kingtide capacity scripts/challenge/combined.lua --demo --grid --levels "api=50,100,200 events=100,500,1000"
--
-- Environment: API (requests per second), EPS (events per second), DURATION, MAX_IN_FLIGHT, USERS, and where the system
-- is, as in lib-lua/challenge.lua.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events =
  challenge.events { proto = "event.proto", max_in_flight = players.integer("MAX_IN_FLIGHT", "500", 1, 100000) }
local client = challenge.new {}
local duration = kt.env("DURATION", "60s")

-- Of a hundred requests 10 are claims. Most come too early or too late, and are refused as they should be.
local function api()
  local user = players.somebody()
  local id = "challenge-" .. kt.random.int(0, 9)
  if kt.random.bool(0.1) then
    local outcome = client:claim(user, id, "goal-" .. kt.random.int(0, 49))
    kt.check(outcome, { ["claim answered"] = outcome.response.ok })
  else
    local res = client:list(user)
    kt.check(res, { ["challenges listed"] = res.ok and res:json "challenges.1.challengeId" ~= nil })
  end
end

local function event()
  local ok = events:update(players.somebody(), kt.random.pick(challenge.STATS), kt.random.int(0, 99))
  kt.check(ok, { ["event taken"] = ok })
end

---@type kt.Plan
return {
  http = { timeout = "10s" },
  scenarios = {
    api = {
      executor = "constant-arrival-rate",
      rate = players.number("API", "100", 0.1, 1000000),
      duration = duration,
      max_vus = 2000,
      exec = api,
    },
    events = {
      executor = "constant-arrival-rate",
      rate = players.number("EPS", "500", 0.1, 1000000),
      duration = duration,
      max_vus = 5000, -- above the cap, so that calls wait for it and not for a user
      exec = event,
    },
  },
  thresholds = {
    http_req_failed = "rate<0.01",
    grpc_req_failed = "rate<0.01",
    http_req_duration = "p(95)<2s",
    -- From the intended start: with a cap on calls in flight, what is too much waits before it is sent.
    grpc_req_response_time = "p(95)<500",
    checks = "rate>0.99",
  },
}
