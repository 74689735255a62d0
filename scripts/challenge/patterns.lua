-- How players really come: four patterns, one after the other, or one of them by `--scenario`.
--
--   logins      1,000 logins within a minute, as chance has it; half of the players then look at their challenges
--   match       a match ends: 100 players send 5 to 10 updates each, all at once, while others look, 25 per second
--   waves       500 players at once, 200 after five minutes, 50 after ten: each completes a goal and claims it
--   day         a day's events in half an hour: night, morning, noon, evening, late
--
--   kingtide run scripts/challenge/patterns.lua --demo --scenario logins
--   kingtide run scripts/challenge/patterns.lua --demo --time-scale 0.05     all of them, in three minutes
--
-- Environment: GOAL (number of the goal that the waves claim, 0 to 49), USERS, and where the system is, as in
-- lib-lua/challenge.lua.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events = challenge.events { proto = "event.proto" }
local client = challenge.new {}
local goal_number = players.integer("GOAL", "0", 0, 49)
local stat = challenge.stat(goal_number)

---@param user string
local function look(user)
  local res = client:list(user)
  kt.check(res, { ["challenges listed"] = res.ok and res:json "challenges.1.challengeId" ~= nil })
end

---@param ok boolean
local function taken(ok) return kt.check(ok, { ["event taken"] = ok }) end

local function login()
  local user = players.somebody()
  taken(events:log_in(user))
  if kt.random.bool(0.5) then look(user) end
end

local function match()
  local user = players.somebody()
  for _ = 1, kt.random.int(5, 10) do
    taken(events:update(user, kt.random.pick(challenge.STATS), kt.random.int(0, 99)))
  end
end

-- The claim has to wait until the event is visible: the buffer is written once a second.
local function wave()
  local user = players.next_user()
  if not taken(events:update(user, stat, 1000)) then return end
  local completed = kt.poll {
    name = "completed",
    every = "100ms",
    timeout = "5s",
    jitter = 0.5,
    call = function() return client:get(user, "challenge-0") end,
    done = function(res) return res:json("goals." .. goal_number + 1 .. ".status") == "completed" end,
  }
  if not completed.done then return end
  local outcome = client:claim(user, "challenge-0", "goal-" .. goal_number)
  kt.check(outcome, { ["the claim wins"] = outcome.result == "won" })
end

local function event() taken(events:update(players.somebody(), kt.random.pick(challenge.STATS), kt.random.int(0, 99))) end

---@type kt.Plan
return {
  http = { timeout = "10s" },
  scenarios = {
    logins = {
      executor = "constant-arrival-rate",
      rate = 1000,
      time_unit = "1m",
      duration = "1m",
      arrival = "poisson",
      max_vus = 500,
      exec = login,
    },
    match = { executor = "burst", count = 100, max_vus = 100, start_after = "logins", exec = match },
    watching = {
      executor = "constant-arrival-rate",
      rate = 25,
      duration = "20s",
      max_vus = 200,
      start_after = "logins",
      exec = function() look(players.somebody()) end,
    },
    waves = {
      executor = "waves",
      waves = {
        { name = "first", at = "0s", count = 500 },
        { name = "second", at = "5m", count = 200 },
        { name = "third", at = "10m", count = 50 },
      },
      max_vus = 500,
      start_after = "watching",
      exec = wave,
    },
    day = {
      executor = "steps",
      steps = {
        { name = "night", rate = 50, duration = "10m" },
        { name = "morning", rate = 1000, duration = "150s" },
        { name = "noon", rate = 300, duration = "10m" },
        { name = "evening", rate = 2000, duration = "5m" },
        { name = "late", rate = 200, duration = "150s" },
      },
      max_vus = 2000,
      start_after = "waves",
      exec = event,
    },
  },
  thresholds = {
    http_req_failed = "rate<0.01",
    grpc_req_failed = "rate<0.01",
    grpc_req_duration = "p(95)<500",
    checks = "rate>0.99",
  },
}
