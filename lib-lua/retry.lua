---Calls again what failed, with growing pauses. `require "retry"`.
---
---It hides failures from checks on purpose, but not from the metrics: every call counts in `http_reqs` and
---`http_req_failed`, and the pauses count in `iteration_duration`.
local kt = require "kt"

local retry = {}

---@class retry.Options
---@field attempts? integer calls at most, the first one counted; default 3
---@field wait? kt.Duration how long before the second call; default 100ms
---@field factor? number by how much each wait is longer than the one before; default 2
---@field max_wait? kt.Duration how long no wait exceeds; default 5s
---@field done? fun(value: any): boolean whether a value is good enough; default: it has a true `ok`

---Whether a value counts as a success when the caller says nothing else.
---@param value any
---@return boolean
local function is_ok(value) return type(value) == "table" and value.ok == true end

---Options as they are used: waits are seconds.
---@class retry.Read
---@field attempts integer
---@field wait number
---@field factor number
---@field max_wait number
---@field done fun(value: any): boolean

---@type retry.Read
local DEFAULTS = { attempts = 3, wait = 0.1, factor = 2, max_wait = 5, done = is_ok }

---Reads options: every key is known, every value is of its kind.
---@param owner string
---@param options any
---@return retry.Read? read
---@return string? problem
local function read(owner, options)
  if options == nil then return DEFAULTS end
  if type(options) ~= "table" then return nil, owner .. ": the options must be a table, got " .. type(options) end
  ---@type table<string, any>
  local values = {}
  for key, value in pairs(DEFAULTS) do
    values[key] = value
  end
  for key, value in pairs(options) do
    local kind = type(values[key])
    if kind == "nil" then
      local known = "`attempts`, `done`, `factor`, `max_wait`, `wait`"
      return nil, owner .. ": unknown option `" .. tostring(key) .. "`; known are " .. known
    elseif key == "wait" or key == "max_wait" then
      local ok, seconds, problem = pcall(kt.time.duration, value)
      if not ok or seconds == nil then
        return nil, owner .. ": `" .. key .. "` is wrong: " .. tostring(ok and problem or seconds)
      end
      values[key] = seconds
    elseif type(value) ~= kind then
      return nil, owner .. ": `" .. key .. "` must be a " .. kind .. ", got " .. type(value)
    else
      values[key] = value
    end
  end
  if not (values.attempts >= 1) then return nil, owner .. ": `attempts` must be at least 1" end
  return values --[[@as retry.Read]]
end

---The pause before an attempt.
---@param attempt integer
---@param o retry.Read
---@return number
local function pause(attempt, o)
  if attempt <= 1 then return 0 end
  return math.min(o.wait * o.factor ^ (attempt - 2), o.max_wait)
end

---The pause before an attempt, in seconds; none before the first.
---@param attempt integer 1 for the first
---@param opts? kt.Exact<retry.Options>
---@return number
function retry.wait(attempt, opts)
  local o, problem = read("retry.wait", opts)
  if not o then error(problem, 2) end
  return pause(attempt, o)
end

---Calls `fn` until its value is good enough or the attempts are used up, and returns the last value and the number of
---calls. An error that `fn` raises goes through at once: a journey with a bug is not tried again.
---
---```lua
---local res, attempts = retry.call(function() return http.get "/api/stock" end, { attempts = 5, wait = 0.2 })
---```
---@generic T
---@param fn fun(attempt: integer): T
---@param opts? kt.Exact<retry.Options>
---@return T value
---@return integer attempts
function retry.call(fn, opts)
  local o, problem = read("retry.call", opts)
  if not o then error(problem, 2) end
  local attempts, done = o.attempts, o.done
  local attempt = 1
  local value = fn(attempt)
  while attempt < attempts and not done(value) do
    attempt = attempt + 1
    kt.sleep(pause(attempt, o))
    value = fn(attempt)
  end
  return value, attempt
end

return retry
