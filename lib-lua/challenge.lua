---A client of a challenge system's HTTP API, as the one of `kingtide demo` has it: what users have achieved, and claims.
---`require "challenge"`, at the top of the file. Its events go over gRPC.
---
---Each user has a token of their own, which is fetched when it is needed first and again before it expires (see
---`tokens`). A claim may be refused for good reasons: that a goal is not completed, or claimed already, is an answer and no
---error, so these statuses are expected ones, and `result` tells them apart.
---
---Metrics: `claim_duration` (trend, ms: claims that were won, the reward included) and `claims` (counter, with the tag
---`result`).
local kt = require "kt"
local tokens = require "tokens"
local http = kt.http

local claim_duration = kt.metrics.trend("claim_duration", { unit = "ms" })
local claims = kt.metrics.counter "claims"

local challenge = {}

---What requests are called, for thresholds: `["http_req_duration{name:GET /v1/challenges}"]`.
challenge.LIST = "GET /v1/challenges"
challenge.GET = "GET /v1/challenges/{cid}"
challenge.CLAIM = "POST /v1/challenges/{cid}/goals/{gid}/claim"
challenge.TOKEN = "POST /v1/token"

---@class challenge.Goal
---@field goalId string
---@field statCode "enemy_kills"|"login_count"|"games_played"
---@field operator ">="
---@field target integer
---@field progress integer
---@field status "not_started"|"in_progress"|"completed"|"claimed"
---@field reward { type: string, quantity: integer }
---@field claimedAt? integer ms since 1970

---@class challenge.Challenge
---@field challengeId string
---@field goals challenge.Goal[]

---What came of a claim.
---@alias challenge.Result "won"|"already_claimed"|"not_completed"|"reward_failed"|"unavailable"|"unauthorized"|"error"

---@class challenge.Outcome
---@field result challenge.Result
---@field error? string why it is not `won`
---@field response kt.http.Response

---@class challenge.Options
---@field base_url? string default the variable `CHALLENGE_URL`, and without it the demo's usual address
---@field timeout? kt.Duration for each request; default that of the plan
---@field token_lifetime? kt.Duration how long tokens are to live; default what the system gives
---@field tokens? table<string, string> tokens by user that were made before, in place of fetching them

---@class challenge.Client
---@field base_url string
---@field timeout? kt.Duration
---@field token_lifetime? number seconds
---@field ready_made? table<string, string>
---@field private tokens table<string, tokens.Token>
local Client = {}
Client.__index = Client

---@type table<any, boolean>
local KNOWN = { base_url = true, timeout = true, token_lifetime = true, tokens = true }

---Makes a client. Declares metrics, so the module belongs to the top of the file.
---
---```lua
---local client = challenge.new { token_lifetime = "60s" }
---```
---@param options? kt.Exact<challenge.Options>
---@return challenge.Client
function challenge.new(options)
  local o = options or {}
  for key in pairs(o) do
    if not KNOWN[key] then
      local list = "base_url, timeout, token_lifetime, tokens"
      error("challenge.new: there is no option `" .. tostring(key) .. "`; options are " .. list, 2)
    end
  end
  local base = o.base_url or kt.env("CHALLENGE_URL", "http://127.0.0.1:8086")
  if type(base) ~= "string" or not string.find(base, "^https?://") then
    error("challenge.new: `base_url` must be a URL that begins with http:// or https://", 2)
  end
  local lifetime
  if o.token_lifetime ~= nil then
    local ok, seconds = pcall(kt.time.duration, o.token_lifetime)
    if not ok or type(seconds) ~= "number" or seconds <= 0 then
      error("challenge.new: `token_lifetime` must be a duration above 0, got " .. tostring(o.token_lifetime), 2)
    end
    lifetime = seconds
  end
  return setmetatable({
    base_url = (string.gsub(base, "/+$", "")),
    timeout = o.timeout,
    token_lifetime = lifetime,
    ready_made = o.tokens,
    tokens = {},
  }, Client)
end

---Why a response is none that helps.
---@param response kt.http.Response
---@return string
local function problem(response)
  if response.error then return response.error end
  local said = response:json "error"
  return "status " .. response.status .. (type(said) == "string" and ": " .. said or "")
end

---@private
---@param user string
---@return string token
---@return number seconds
function Client:fetch(user)
  local response = http.post(self.base_url .. "/v1/token", {
    name = challenge.TOKEN,
    json = { userId = user, expiresIn = self.token_lifetime },
    timeout = self.timeout,
    expect = 200,
  })
  local token, lifetime = response:json "access_token", response:json "expires_in"
  if not response.ok or type(token) ~= "string" then kt.fail("no token for " .. user .. ": " .. problem(response)) end
  return token, lifetime
end

---The token of a user, fetched if need be: one fetch for each user and lifetime, whoever needs it.
---
---```lua
---local token = client:token "user-000001"
---```
---@param user string
---@return string
function Client:token(user)
  local made = self.ready_made and self.ready_made[user]
  if made then return made end
  local kept = self.tokens[user]
  if not kept then
    kept = tokens.new { key = "challenge/" .. user, fetch = function() return self:fetch(user) end }
    self.tokens[user] = kept
  end
  return kept:get()
end

---@private
---@param method string
---@param user string
---@param path string
---@param name string
---@param expect integer[]
---@return kt.http.Response
function Client:request(method, user, path, name, expect)
  local token = self:token(user)
  local response = http.request(method, self.base_url .. path, {
    name = name,
    auth = { bearer = token },
    timeout = self.timeout,
    expect = expect,
  })
  -- The next request of anybody for this user fetches another one.
  if response.status == 401 and self.tokens[user] then self.tokens[user]:reject(token) end
  return response
end

---All challenges of a user.
---
---```lua
---local res = client:list "user-000001"
---kt.check(res, { ["challenges are there"] = res:json "challenges.1.challengeId" ~= nil })
---```
---@param user string
---@return kt.http.Response
function Client:list(user) return self:request("GET", user, "/v1/challenges", challenge.LIST, { 200 }) end

---One challenge of a user.
---
---```lua
---local progress = client:get("user-000001", "challenge-0"):json "goals.1.progress"
---```
---@param user string
---@param cid string
---@return kt.http.Response
function Client:get(user, cid) return self:request("GET", user, "/v1/challenges/" .. cid, challenge.GET, { 200 }) end

---What a claim's status means, of those that are answers.
---@type table<integer, challenge.Result>
local RESULTS = {
  [200] = "won",
  [400] = "not_completed",
  [401] = "unauthorized",
  [409] = "already_claimed",
  [502] = "reward_failed",
  [503] = "unavailable",
}

---Claims a goal. `won`, `already_claimed` and `not_completed` are expected; all else counts as a failed request.
---
---```lua
---local outcome = client:claim("user-000001", "challenge-0", "goal-3")
---kt.check(outcome, { ["claimed"] = outcome.result == "won" })
---```
---@param user string
---@param cid string
---@param gid string
---@return challenge.Outcome
function Client:claim(user, cid, gid)
  local path = "/v1/challenges/" .. cid .. "/goals/" .. gid .. "/claim"
  local response = self:request("POST", user, path, challenge.CLAIM, { 200, 400, 409 })
  local result = RESULTS[response.status] or "error"
  claims:add(1, { result = result })
  if result == "won" then claim_duration:add(response.timings.duration) end
  return { result = result, error = result ~= "won" and problem(response) or nil, response = response }
end

---The goals of a list of challenges that have a status.
---
---```lua
---local ready = challenge.goals_with(res:json "challenges", "completed")
---```
---@param challenges challenge.Challenge[]
---@param status "not_started"|"in_progress"|"completed"|"claimed"
---@return { cid: string, gid: string, goal: challenge.Goal }[]
function challenge.goals_with(challenges, status)
  local found = {}
  for _, row in ipairs(challenges) do
    for _, goal in ipairs(row.goals) do
      if goal.status == status then found[#found + 1] = { cid = row.challengeId, gid = goal.goalId, goal = goal } end
    end
  end
  return found
end

---Whether the system says that it is up.
---
---```lua
---local up, why = client:health()
---if not up then kt.run.abort(why) end
---```
---@return boolean up
---@return string? problem why it is not
function Client:health()
  local response = http.get(self.base_url .. "/health", { name = "GET /health", timeout = self.timeout or "5s" })
  local status = response:json "status"
  if response.ok and status == "UP" then return true end
  local said = response.error or ("status " .. response.status .. (status and ", " .. tostring(status) or ""))
  return false, "the challenge system at " .. self.base_url .. " is not healthy: " .. said
end

---What the demo counts for itself: connections, calls in flight, events, claims. No other system has this.
---
---```lua
---local seen = client:stats().events.maxInFlight
---```
---@return table<string, any>
function Client:stats()
  local response = http.get(self.base_url .. "/__stats", { name = "GET /__stats" })
  local stats = response:json()
  if not response.ok or type(stats) ~= "table" then
    error("the challenge system has no statistics: " .. problem(response), 2)
  end
  return stats
end

---Sets a fault of the demo, until its end or `clear_faults`.
---
---```lua
---client:fault { fault = "handler", value = "300ms" }
---```
---@param fault { fault: string, value?: string|number, start?: kt.Duration, ["end"]?: kt.Duration, duration?: kt.Duration, operation?: string }
function Client:fault(fault)
  local response = http.post(self.base_url .. "/__fault", { name = "POST /__fault", json = fault, expect = 201 })
  if not response.ok then error("the fault is refused: " .. problem(response), 2) end
end

---Clears all faults of the demo.
---
---```lua
---client:clear_faults()
---```
function Client:clear_faults() http.delete(self.base_url .. "/__fault", { name = "DELETE /__fault", expect = 204 }) end

return challenge
