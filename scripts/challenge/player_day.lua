-- A player's day in half an hour: five phases of events and of looking at challenges, both at once. In all 1,695,000 events
-- and 366,000 requests; the summary has a table by phase.
--
--   kingtide run scripts/challenge/player_day.lua --demo                       30 minutes
--   kingtide run scripts/challenge/player_day.lua --demo --time-scale 0.05     a rehearsal of 90 s at the same rates
--   kingtide run scripts/challenge/player_day.lua --demo --time-scale 0.05 -e SHARE=0.2     at a fifth of them
--
-- Environment: SHARE (of the rates), USERS, and where the system is, as in lib-lua/challenge.lua.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events = challenge.events { proto = "event.proto" }
local client = challenge.new {}
local share = players.number("SHARE", "1", 0.001, 100)

-- Events and requests per second.
local PHASES = {
  { name = "morning", duration = "5m", events = 500, api = 60 },
  { name = "noon", duration = "5m", events = 750, api = 160 },
  { name = "afternoon", duration = "5m", events = 200, api = 100 },
  { name = "evening", duration = "10m", events = 1500, api = 330 },
  { name = "late", duration = "5m", events = 1200, api = 240 },
}

-- Of a hundred visits 10 claim something; most come too early or too late, and are refused as they should be.
local function visit()
  local user = players.somebody()
  if kt.random.bool(0.1) then
    local outcome = client:claim(user, "challenge-" .. kt.random.int(0, 9), "goal-" .. kt.random.int(0, 49))
    kt.check(outcome, { ["claim answered"] = outcome.response.ok })
  else
    local res = client:list(user)
    kt.check(res, { ["challenges listed"] = res.ok and res:json "challenges.1.challengeId" ~= nil })
  end
end

-- 20 of a hundred events are logins.
local function event()
  local ok
  if kt.random.bool(0.2) then
    ok = events:log_in(players.somebody())
  else
    ok = events:update(players.somebody(), kt.random.pick(challenge.STATS), kt.random.int(0, 99))
  end
  kt.check(ok, { ["event taken"] = ok })
end

---@param of "events"|"api"
---@return kt.Step[]
local function steps(of)
  local list = {}
  for i, phase in ipairs(PHASES) do
    list[i] = { rate = phase[of] * share, duration = phase.duration }
  end
  return list
end

---@return kt.Phase[]
local function phases()
  local list = {}
  for i, phase in ipairs(PHASES) do
    list[i] = { name = phase.name, duration = phase.duration }
  end
  return list
end

---@type kt.Plan
return {
  http = { timeout = "10s" },
  phases = phases(),
  scenarios = {
    events = { executor = "steps", steps = steps "events", arrival = "poisson", max_vus = 5000, exec = event },
    api = { executor = "steps", steps = steps "api", arrival = "poisson", max_vus = 2000, exec = visit },
  },
  thresholds = {
    http_req_failed = "rate<0.01",
    grpc_req_failed = "rate<0.01",
    ["grpc_req_duration{phase:evening}"] = "p(95)<500",
    ["http_req_duration{phase:evening}"] = "p(95)<2s",
    checks = "rate>0.99",
  },
}
