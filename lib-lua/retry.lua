---Calls again what failed, with growing pauses. `require "retry"`.
---
---It hides failures from checks on purpose, but not from the metrics: every call counts in `http_reqs` and
---`http_req_failed`, and the pauses count in `iteration_duration`.
local kt = require "kt"

local retry = {}

---@class retry.Options
---@field attempts? integer calls at most, the first one counted; default 3
---@field wait? number seconds before the second call; default 0.1
---@field factor? number by how much each wait is longer than the one before; default 2
---@field max_wait? number seconds that no wait exceeds; default 5
---@field done? fun(value: any): boolean whether a value is good enough; default: it has a true `ok`

---Whether a value counts as a success when the caller says nothing else.
---@param value any
---@return boolean
local function is_ok(value) return type(value) == "table" and value.ok == true end

---The pause before an attempt, in seconds; none before the first.
---@param attempt integer 1 for the first
---@param opts? retry.Options
---@return number
function retry.wait(attempt, opts)
  if attempt <= 1 then return 0 end
  local o = opts or {}
  local wait = (o.wait or 0.1) * (o.factor or 2) ^ (attempt - 2)
  return math.min(wait, o.max_wait or 5)
end

---Calls `fn` until its value is good enough or the attempts are used up, and returns the last value and the number of
---calls. An error that `fn` raises goes through at once: a journey with a bug is not tried again.
---
---```lua
---local res, attempts = retry.call(function() return http.get "/api/stock" end, { attempts = 5, wait = 0.2 })
---```
---@generic T
---@param fn fun(attempt: integer): T
---@param opts? retry.Options
---@return T value
---@return integer attempts
function retry.call(fn, opts)
  local o = opts or {}
  local attempts, done = o.attempts or 3, o.done or is_ok
  if attempts < 1 then error("retry.call: `attempts` must be at least 1", 2) end
  local attempt = 1
  local value = fn(attempt)
  while attempt < attempts and not done(value) do
    attempt = attempt + 1
    kt.sleep(retry.wait(attempt, o))
    value = fn(attempt)
  end
  return value, attempt
end

return retry
