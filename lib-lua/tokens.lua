---Tokens that are fetched once for all virtual users, and again before they expire. `require "tokens"`, at the top of the
---file.
---
---Whoever needs a token first fetches it, and all others who need it meanwhile wait for that one: one fetch for each token
---and lifetime, however many users, scenarios and cores there are. Fetches are counted in `token_refreshes`, and their
---requests are in the numbers of whoever happens to fetch: give them a `name`.
local kt = require "kt"

local tokens = {}

local kept = kt.shared.map "lib-lua/tokens"
local refreshes = kt.metrics.counter "token_refreshes"

---@class tokens.Options
---@field key string which token this is: users who share the key share the token
---@field fetch fun(): string, number? gets a token and how long it lives, in seconds; without that it must be a JWT with `exp`
---@field refresh_before? kt.Duration how long before its end it is fetched again; default a tenth of its life, at most 10s

---What is kept of a token; times are those of `kt.time.monotonic`.
---@class tokens.Entry
---@field token string
---@field refresh_at number

---@class tokens.Token
---@field bearer fun(): string gets the token; for `auth = { bearer = … }`
---@field private key string
---@field private fetch fun(): string, number?
---@field private refresh_before? number
---@field private own? tokens.Entry what this user had last, so that it need not ask each time
local Token = {}
Token.__index = Token

---How long a JWT lives, in seconds.
---@param token string
---@return number? seconds
---@return string? problem
local function lifetime_of(token)
  local read, problem = kt.jwt.decode(token)
  if not read then return nil, problem end
  local claims = read.claims
  if type(claims.exp) ~= "number" then return nil, "it has no `exp`" end
  -- Both by the clock of whoever made it, which may be another one than ours.
  if type(claims.iat) == "number" then return claims.exp - claims.iat end
  return claims.exp - kt.time.now()
end

---Fetches it.
---@private
---@return tokens.Entry
function Token:renew()
  local asked_at = kt.time.monotonic()
  local token, lifetime = self.fetch()
  local name = "tokens: `fetch` of `" .. self.key .. "` "
  if type(token) ~= "string" or token == "" then error(name .. "gave no token, but " .. tostring(token), 0) end
  if lifetime == nil then
    local problem
    lifetime, problem = lifetime_of(token)
    if not lifetime then error(name .. "gave no lifetime, and the token tells none: " .. tostring(problem), 0) end
  end
  if type(lifetime) ~= "number" or not (lifetime > 0) then
    local shown = type(lifetime) == "string" and '"' .. lifetime .. '"' or tostring(lifetime)
    error(name .. "gave a lifetime that is no number of seconds above 0: " .. shown, 0)
  end
  local before = self.refresh_before or math.min(lifetime / 10, 10)
  if before >= lifetime then
    error(name .. "gave a lifetime of " .. lifetime .. " s, which `refresh_before` (" .. before .. " s) uses up", 0)
  end
  refreshes:add(1)
  -- It may live since the moment when it was asked for.
  local entry = { token = token, refresh_at = asked_at + lifetime - before }
  kept:set(self.key, entry)
  return entry
end

---@param entry tokens.Entry?
---@return boolean
local function is_good(entry) return entry ~= nil and kt.time.monotonic() < entry.refresh_at end

---The token, fetched if there is none or if it is about to expire. Waits while another user fetches it. What `fetch` raises
---goes through to the user who fetches; the next one tries again.
---
---```lua
---http.get("/v1/challenges", { headers = { Authorization = "Bearer " .. token:get() } })
---```
---@return string
function Token:get()
  local own = self.own
  if own and is_good(own) then return own.token end
  local entry = kept:get(self.key) --[[@as tokens.Entry?]]
  while not is_good(entry) do
    ---@type tokens.Entry?
    local mine
    -- One at a time: who comes when another has just gone finds what that one has left, so nothing need be kept here too.
    kt.shared.once("lib-lua/tokens/" .. self.key, { ttl = "1ns" }, function()
      local left = kept:get(self.key) --[[@as tokens.Entry?]]
      if not is_good(left) then mine = self:renew() end
    end)
    -- What took longer to fetch than it lives is used all the same.
    entry = mine or kept:get(self.key) --[[@as tokens.Entry?]]
    if mine then break end
  end
  self.own = entry
  return (entry --[[@as tokens.Entry]]).token
end

---Says that the system refuses a token before its time, so that the next `get` of anybody fetches another one. Nothing
---happens when that has been done meanwhile.
---
---```lua
---if res.status == 401 then token:reject(used) end
---```
---@param refused string the token that was refused
function Token:reject(refused)
  if self.own and self.own.token == refused then self.own = nil end
  local entry = kept:get(self.key) --[[@as tokens.Entry?]]
  if entry and entry.token == refused then kept:set(self.key, { token = refused, refresh_at = 0 }) end
end

---@type table<any, boolean>
local KNOWN = { fetch = true, key = true, refresh_before = true }

---Names a token; nothing is fetched yet.
---
---```lua
---local token = tokens.new {
---  key = "qa",
---  refresh_before = "10s",
---  fetch = function()
---    local res = http.post("/oauth/token", { name = "POST /oauth/token", form = { grant_type = "client_credentials" }, expect = 200 })
---    if not res.ok then kt.fail "no token" end
---    return res:json "access_token", res:json "expires_in"
---  end,
---}
---
---return function() http.get("/v1/challenges", { auth = { bearer = token.bearer } }) end
---```
---@param options kt.Exact<tokens.Options>
---@return tokens.Token
function tokens.new(options)
  if type(options) ~= "table" then error("tokens.new: the options must be a table, got " .. type(options), 2) end
  for name in pairs(options) do
    if not KNOWN[name] then
      error("tokens.new: unknown option `" .. tostring(name) .. "`; known are `fetch`, `key`, `refresh_before`", 2)
    end
  end
  if type(options.key) ~= "string" or options.key == "" then
    error("tokens.new: `key` must be a string that is not empty, got " .. tostring(options.key), 2)
  end
  if type(options.fetch) ~= "function" then
    error("tokens.new: `fetch` must be a function, got " .. tostring(options.fetch), 2)
  end
  local before
  if options.refresh_before ~= nil then
    local ok, seconds, problem = pcall(kt.time.duration, options.refresh_before)
    if not ok or seconds == nil then
      error("tokens.new: `refresh_before` is wrong: " .. tostring(ok and problem or seconds), 2)
    end
    before = seconds
  end
  local token = setmetatable({ key = options.key, fetch = options.fetch, refresh_before = before }, Token)
  token.bearer = function() return token:get() end
  return token
end

return tokens
