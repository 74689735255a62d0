---A client of a challenge system, as the one of `kingtide demo`: its HTTP API (what users have achieved, and claims) and its
---event handler, which is called over gRPC. `require "challenge"`, at the top of the file.
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
---@field refresh_before? kt.Duration how long before its end a token is fetched again; default a tenth of its life, at most 10s
---@field tokens? table<string, string> tokens by user that were made before, in place of fetching them

---@class challenge.Client
---@field base_url string
---@field timeout? kt.Duration
---@field token_lifetime? number seconds
---@field refresh_before? kt.Duration
---@field ready_made? table<string, string>
---@field private last? { user: string, token: tokens.Token } of the user who was asked for last
local Client = {}
Client.__index = Client

---@type table<any, boolean>
local KNOWN = { base_url = true, refresh_before = true, timeout = true, token_lifetime = true, tokens = true }

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
      local list = "base_url, refresh_before, timeout, token_lifetime, tokens"
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
    refresh_before = o.refresh_before,
    ready_made = o.tokens,
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
  local last = self.last
  -- Only one is remembered here: thousands of users times thousands of virtual users would be too many. All tokens are
  -- kept where `tokens` keeps them.
  if not last or last.user ~= user then
    local token = tokens.new {
      key = "challenge/" .. user,
      refresh_before = self.refresh_before,
      fetch = function() return self:fetch(user) end,
    }
    last = { user = user, token = token }
    self.last = last
  end
  return last.token:get()
end

---A request of a user, as an entry of `http.batch`, and the token that it carries.
---@private
---@param method string
---@param user string
---@param path string
---@param options kt.http.Options
---@return { [1]: string, [2]: string, [3]: kt.http.Options } entry
---@return string token
function Client:entry(method, user, path, options)
  local token = self:token(user)
  options.auth = { bearer = token }
  options.timeout = self.timeout
  return { method, self.base_url .. path, options }, token
end

---@private
---@param user string
---@param token string
---@param response kt.http.Response
function Client:looked_at(user, token, response)
  -- The next request of anybody for this user fetches another one.
  local last = self.last
  if response.status == 401 and last and last.user == user then last.token:reject(token) end
end

---@private
---@param user string
---@param path string
---@param name string
---@return kt.http.Response
function Client:read(user, path, name)
  local entry, token = self:entry("GET", user, path, { name = name, expect = 200 })
  local response = http.request(entry[1], entry[2], entry[3])
  self:looked_at(user, token, response)
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
function Client:list(user) return self:read(user, "/v1/challenges", challenge.LIST) end

---One challenge of a user.
---
---```lua
---local progress = client:get("user-000001", "challenge-0"):json "goals.1.progress"
---```
---@param user string
---@param cid string
---@return kt.http.Response
function Client:get(user, cid) return self:read(user, "/v1/challenges/" .. cid, challenge.GET) end

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

---@private
---@param user string
---@param cid string
---@param gid string
---@return { [1]: string, [2]: string, [3]: kt.http.Options } entry
---@return string token
function Client:claiming(user, cid, gid)
  local path = "/v1/challenges/" .. cid .. "/goals/" .. gid .. "/claim"
  return self:entry("POST", user, path, { name = challenge.CLAIM, expect = { 200, 400, 409 } })
end

---@private
---@param user string
---@param token string
---@param response kt.http.Response
---@return challenge.Outcome
function Client:claimed(user, token, response)
  self:looked_at(user, token, response)
  local result = RESULTS[response.status] or "error"
  claims:add(1, { result = result })
  if result == "won" then claim_duration:add(response.timings.duration) end
  return { result = result, error = result ~= "won" and problem(response) or nil, response = response }
end

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
  local entry, token = self:claiming(user, cid, gid)
  return self:claimed(user, token, http.request(entry[1], entry[2], entry[3]))
end

---Claims a goal twice at the same moment, on two connections.
---
---```lua
---local one, other = client:claim_twice("user-000001", "challenge-0", "goal-3")
---kt.check(one, { ["one wins"] = (one.result == "won") ~= (other.result == "won") })
---```
---@param user string
---@param cid string
---@param gid string
---@return challenge.Outcome
---@return challenge.Outcome
function Client:claim_twice(user, cid, gid)
  local one, token = self:claiming(user, cid, gid)
  local both = http.batch { one, (self:claiming(user, cid, gid)) }
  return self:claimed(user, token, both[1]), self:claimed(user, token, both[2])
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

---@class challenge.EventOptions
---@field address? string host and port; default the variable `CHALLENGE_GRPC`, and without it the demo's usual address
---@field proto? string the file that describes the handler; without it the server is asked
---@field share? integer connections for the whole run; default 1, as the system's own event stream has
---@field max_in_flight? integer calls that are in flight at once, over all virtual users; default 500
---@field timeout? kt.Duration for each call; default 10s

---@class challenge.Events
---@field private client kt.grpc.Client
local Events = {}
Events.__index = Events

---@type table<any, boolean>
local EVENT_OPTIONS = { address = true, proto = true, share = true, max_in_flight = true, timeout = true }

---The event handler.
---
---```lua
---local events = challenge.events { proto = "event.proto", max_in_flight = 500 }
---return function() events:log_in "user-000017" end
---```
---@param options? kt.Exact<challenge.EventOptions>
---@return challenge.Events
function challenge.events(options)
  local o = options or {}
  for key in pairs(o) do
    if not EVENT_OPTIONS[key] then
      local list = "address, max_in_flight, proto, share, timeout"
      error("challenge.events: there is no option `" .. tostring(key) .. "`; options are " .. list, 2)
    end
  end
  if o.proto then kt.grpc.load(o.proto) end
  local client = kt.grpc.connect(o.address or kt.env("CHALLENGE_GRPC", "127.0.0.1:8087"), {
    plaintext = true,
    reflect = o.proto == nil,
    share = o.share or 1,
    max_in_flight = o.max_in_flight or 500,
    timeout = o.timeout or "10s",
  })
  return setmetatable({ client = client }, Events)
end

---Sends an event. The handler answers OK also when there is something wrong with the event, and says so in its message:
---`taken` is whether it was fine.
---
---```lua
---local taken, res = events:send("userLoggedIn", "user-000017", { platform = "PC" })
---if not taken then kt.log.warn(res.error or res.message.error) end
---```
---@param name "userLoggedIn"|"statItemUpdated"|string
---@param user string
---@param payload table<string, string>
---@return boolean taken
---@return kt.grpc.Response
function Events:send(name, user, payload)
  local request = { event_name = name, namespace = "kingtide", user_id = user, payload = payload }
  local res = self.client:call("EventService/OnMessage", request, { name = name })
  local message = res.message
  return res.ok and message ~= nil and message.success == true, res
end

---A user logs in: one more in `login_count`.
---
---```lua
---events:log_in "user-000017"
---```
---@param user string
---@return boolean taken
---@return kt.grpc.Response
function Events:log_in(user) return self:send("userLoggedIn", user, { platform = "PC" }) end

---A statistic of a user has a new value.
---
---```lua
---events:update("user-000017", "enemy_kills", 42)
---```
---@param user string
---@param stat "enemy_kills"|"login_count"|"games_played"|string
---@param value integer
---@return boolean taken
---@return kt.grpc.Response
function Events:update(user, stat, value)
  -- The payload is map<string, string>: numbers travel as text.
  return self:send("statItemUpdated", user, { statCode = stat, value = tostring(value) })
end

---@type ("enemy_kills"|"login_count"|"games_played")[]
challenge.STATS = { "enemy_kills", "login_count", "games_played" }

---The statistic that a goal is about.
---
---```lua
---challenge.stat(4) --> login_count
---```
---@param goal integer its number, from 0
---@return "enemy_kills"|"login_count"|"games_played"
function challenge.stat(goal)
  return challenge.STATS[goal % 3 + 1] --[[@as "enemy_kills"|"login_count"|"games_played"]]
end

---The id of a user.
---
---```lua
---challenge.user(17) --> user-000017
---```
---@param number integer from 0
---@return string
function challenge.user(number) return string.format("user-%06d", number) end

return challenge
