-- Is every reward given exactly once? Two scenarios, one after the other:
--
--   claims    10 per second: event → visible → claim → claim again, which must be refused
--   doubles   1,000 users at once: event → visible → two claims at the same moment, of which exactly one wins
--
--   kingtide run scripts/challenge/claim.lua --demo
--   kingtide run scripts/challenge/claim.lua --demo --scenario doubles
--
-- That each goal is won once is an invariant: it is looked at each second, and the run fails with the users it does not
-- hold for. Each run needs users who have not claimed the goal: with a system that goes on running, name another one.
--
-- Environment: GOAL (number of the goal, 0 to 49), CHALLENGE (0 to 9), DURATION (of `claims`), DOUBLES (users), and where
-- the system is, as in lib-lua/challenge.lua.
-- Metrics: `claims` and `claim_duration` of lib-lua/challenge.lua, and those of the poll `completed`.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local events = challenge.events { proto = "event.proto" }
local client = challenge.new {}
-- By user: how many claims won, and whether all its answers are here.
local wins, answered = kt.shared.map "wins", kt.shared.map "answered"

local id = "challenge-" .. players.integer("CHALLENGE", "0", 0, 9)
local goal_number = players.integer("GOAL", "0", 0, 49)
local goal = "goal-" .. goal_number
local stat = challenge.stat(goal_number)
-- Where a challenge says how the goal stands; lists count from 1.
local status = "goals." .. goal_number + 1 .. ".status"
local doubles = players.integer("DOUBLES", "1000", 1, 5000)

---Sends the event that completes the goal, and waits until the API says so.
---@param user string
---@return boolean
local function complete(user)
  local ok = events:update(user, stat, 1000) -- above every target
  if not kt.check(ok, { ["event taken"] = ok }) then return false end
  local completed = kt.poll {
    name = "completed",
    every = "50ms",
    timeout = "5s",
    jitter = 0.5,
    call = function() return client:get(user, id) end,
    done = function(res) return res:json(status) == "completed" end,
  }
  return completed.done
end

---@param user string
---@param one challenge.Outcome
---@param other challenge.Outcome
local function count(user, one, other)
  for _, outcome in ipairs { one, other } do
    if outcome.result == "won" then wins:add(user, 1) end
  end
  answered:set(user, true)
end

local function claim()
  local user = challenge.user(doubles + kt.scenario.iteration)
  if not complete(user) then return end
  local first = client:claim(user, id, goal)
  local second = client:claim(user, id, goal)
  count(user, first, second)
  kt.check(first, { ["the claim wins"] = first.result == "won" })
  kt.check(second, { ["the second claim is refused"] = second.result == "already_claimed" })
end

local function double()
  local user = challenge.user(kt.scenario.iteration)
  if not complete(user) then return end
  kt.rendezvous("doubles", doubles, "30s") -- all of them at the same moment, as far as they come
  local one, other = client:claim_twice(user, id, goal)
  count(user, one, other)
  kt.check(one, { ["one of two claims wins"] = (one.result == "won") ~= (other.result == "won") })
end

---@type kt.Plan
return {
  http = { timeout = "30s" },
  scenarios = {
    claims = {
      executor = "constant-arrival-rate",
      rate = 10,
      duration = kt.env("DURATION", "30s"),
      max_vus = 500,
      exec = claim,
    },
    doubles = {
      executor = "per-vu-iterations",
      vus = doubles,
      iterations = 1,
      start_after = "claims",
      max_duration = "2m",
      exec = double,
    },
  },
  invariants = {
    each_goal_is_won_once = function()
      local wrong = {}
      for user in answered:each() do
        if wins:get(user) ~= 1 then table.insert(wrong, user) end
      end
      return #wrong == 0, wrong
    end,
  },
  thresholds = {
    checks = "rate==1",
    completed_timeouts = "rate<0.001",
    http_req_failed = "rate<0.001",
    grpc_req_failed = "rate<0.001",
  },
}
