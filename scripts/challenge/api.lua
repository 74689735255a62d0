-- Scenario 1, the API alone: everybody looks at their challenges, and every tenth then claims something.
--
--   kingtide run scripts/challenge/api.lua --demo                       100/s for a minute
--   kingtide run scripts/challenge/api.lua --demo -e LEVEL=500          one of the seven levels
--   kingtide run scripts/challenge/api.lua --demo -e LEVEL=ramp         10 → 1,000/s in 2 minutes, 3 minutes, → 50/s in 2
--   kingtide run scripts/challenge/api.lua --demo -e LEVEL=all          all seven levels one after the other, as stages
--   kingtide run scripts/challenge/api.lua --demo -e TOKEN_LIFETIME=60s -d 3m     no request may get a 401
--
-- Environment:
--   CHALLENGE_URL    where the API is; set by --demo
--   LEVEL            50, 100, 200, 500, 1000, 2000 or 5000 requests for challenges per second; ramp; all
--   DURATION         of a level: 1m
--   CLAIMS           share of iterations that also claim: 0.1
--   USERS            how many of the users of users.json take part: 1000, so that fetching tokens is a small part
--   TOKEN_LIFETIME   how long tokens live, default what the system gives
--   REFRESH_BEFORE   how long before its end a token is fetched again, default a tenth of its life
--   TOKENS           "file" takes the tokens of tokens.json, which `kingtide data challenge` writes, and fetches none
--
-- The claim is of a completed goal if the user has one, and of any goal otherwise: that it is not completed, or claimed
-- already, is an answer and no error. `claims` counts them by result.

local kt = require "kt"
local challenge = require "challenge"
local players = require "players"

local LEVELS = { 50, 100, 200, 500, 1000, 2000, 5000 }

local claim_share = players.number("CLAIMS", "0.1", 0, 1)
local users = kt.data.array "users.json"
local taking_part = math.min(#users, players.integer("USERS", "1000", 1, 1000000))

---@type table<string, string>?
local ready_made
if kt.env("TOKENS", "fetch") == "file" then
  ready_made = {}
  for i, row in kt.data.array("tokens.json"):each() do
    if i <= taking_part then ready_made[row.userId] = row.token end
  end
elseif kt.env("TOKENS", "fetch") ~= "fetch" then
  error("TOKENS is fetch or file, not " .. kt.env("TOKENS", ""))
end

local client = challenge.new {
  token_lifetime = kt.env "TOKEN_LIFETIME",
  refresh_before = kt.env "REFRESH_BEFORE",
  tokens = ready_made,
}

local errors = kt.metrics.rate "errors" -- of looks and claims

---@param user string
---@param challenges challenge.Challenge[]
local function claim(user, challenges)
  local ready = challenge.goals_with(challenges, "completed")
  local cid, gid
  if #ready > 0 then
    local chosen = kt.random.pick(ready)
    cid, gid = chosen.cid, chosen.gid
  else
    local chosen = kt.random.pick(challenges)
    cid, gid = chosen.challengeId, kt.random.pick(chosen.goals).goalId
  end
  local outcome = client:claim(user, cid, gid)
  errors:add(not outcome.response.ok)
  kt.check(outcome, { ["claim answered"] = outcome.response.ok })
end

local function look()
  local user = users[kt.random.int(1, taking_part)].userId
  local res = client:list(user)
  local good = kt.check(res, {
    ["challenges listed"] = res.ok and res:json "challenges.1.goals.1.status" ~= nil,
  })
  errors:add(not good)
  if good and kt.random.bool(claim_share) then claim(user, res:json "challenges") end
end

local duration = kt.env("DURATION", "1m")

---@return kt.Scenario
local function scenario()
  local level = kt.env("LEVEL", "100")
  if level == "ramp" then
    return {
      executor = "ramping-arrival-rate",
      start_rate = 10,
      pre_allocated_vus = 100,
      max_vus = 1000,
      stages = {
        { duration = "2m", target = 1000, name = "up" },
        { duration = "3m", target = 1000, name = "hold" },
        { duration = "2m", target = 50, name = "down" },
      },
      exec = look,
    }
  end
  if level == "all" then
    local steps = {}
    for i, rate in ipairs(LEVELS) do
      steps[i] = { rate = rate, duration = duration, name = "level " .. rate }
    end
    return { executor = "steps", steps = steps, max_vus = 1000, exec = look }
  end
  for _, rate in ipairs(LEVELS) do
    if tonumber(level) == rate then
      return {
        executor = "constant-arrival-rate",
        rate = rate,
        duration = duration,
        max_vus = 1000,
        exec = look,
      }
    end
  end
  error("LEVEL is " .. table.concat(LEVELS, ", ") .. ", ramp or all, not " .. level)
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = { api = scenario() },
  thresholds = {
    ["http_req_duration{name:" .. challenge.LIST .. "}"] = "p(95)<200",
    -- The reward is somebody else's, and takes 50 to 200 ms of it.
    claim_duration = { { threshold = "p(95)<500", on_no_data = "pass" } },
    errors = "rate<0.01",
    dropped_iterations = "rate<0.01",
  },
  setup = function()
    local up, why = client:health()
    if not up then kt.run.abort(why) end
  end,
}
return plan
