---Makes the stages of `ramping-vus` and `ramping-arrival-rate`, and the steps of `steps`, from what is meant by them.
---`require "stages"`.
---
---Stages have names, which are the tag `stage` of their samples, so that thresholds can be about one of them:
---`["http_req_duration{stage:hold}"] = "p(95)<500"`.
local kt = require "kt"

local stages = {}

---What is wrong with an option.
---@param owner string
---@param key string
---@param wanted string
---@param got any
---@return string
local function wrong(owner, key, wanted, got)
  local shown = type(got) == "string" and '"' .. got .. '"' or tostring(got)
  return owner .. ": `" .. key .. "` must be " .. wanted .. ", got " .. shown
end

---Reads options: every key is known, numbers are not negative, durations can be read.
---@param owner string
---@param options table<string, any>
---@param kinds table<string, "number"|"duration"> what the keys hold
---@param defaults table<string, any> those that may be left out
---@return table<string, any>? read
---@return string? problem
local function read(owner, options, kinds, defaults)
  if type(options) ~= "table" then return nil, owner .. ": the options must be a table, got " .. type(options) end
  local known = {}
  for name in pairs(kinds) do
    known[#known + 1] = name
  end
  table.sort(known)
  for key in pairs(options) do
    if not kinds[key] then
      local list = "`" .. table.concat(known, "`, `") .. "`"
      return nil, owner .. ": unknown option `" .. tostring(key) .. "`; known are " .. list
    end
  end
  local values = {}
  for _, key in ipairs(known) do
    local value = options[key]
    if value == nil then value = defaults[key] end
    if kinds[key] == "number" and not (type(value) == "number" and value >= 0 and value < math.huge) then
      return nil, wrong(owner, key, "a number that is not negative", value)
    elseif kinds[key] == "duration" then
      local ok, seconds = pcall(kt.time.duration, value)
      if not ok or seconds == nil then return nil, wrong(owner, key, "a duration", value) end
    end
    values[key] = value
  end
  return values
end

---@class stages.Ramp
---@field target number users, or iterations for each `time_unit`
---@field up kt.Duration how long it goes up
---@field hold kt.Duration how long it stays
---@field down? kt.Duration how long it goes down to 0; default a jump

---Up to a target, some time there, and down to 0: `up`, `hold`, `down`.
---
---```lua
---ramp = { executor = "ramping-vus", start_vus = 0, stages = stages.ramp_hold_down { target = 100, up = "2m", hold = "5m", down = "2m" } }
---```
---@param options stages.Ramp
---@return kt.Stage[]
function stages.ramp_hold_down(options)
  local o, problem = read(
    "stages.ramp_hold_down",
    options,
    { target = "number", up = "duration", hold = "duration", down = "duration" },
    { down = 0 }
  )
  if not o then error(problem, 2) end
  return {
    { duration = o.up, target = o.target, name = "up" },
    { duration = o.hold, target = o.target, name = "hold" },
    { duration = o.down, target = 0, name = "down" },
  }
end

---@class stages.Soak
---@field target number
---@field hold kt.Duration how long it stays
---@field up? kt.Duration how long it goes up; default 1m

---Up to a target, and a long time there, which is the end: `up`, `hold`. What grows without end shows in it.
---
---```lua
---soak = { executor = "ramping-arrival-rate", stages = stages.soak { target = 50, hold = "4h" } }
---```
---@param options stages.Soak
---@return kt.Stage[]
function stages.soak(options)
  local kinds = { target = "number", up = "duration", hold = "duration" }
  local o, problem = read("stages.soak", options, kinds, { up = "1m" })
  if not o then error(problem, 2) end
  return {
    { duration = o.up, target = o.target, name = "up" },
    { duration = o.hold, target = o.target, name = "hold" },
  }
end

---@class stages.Spike
---@field base number before and after the spike
---@field peak number
---@field before kt.Duration how long the base is held first
---@field hold kt.Duration how long the peak is
---@field after kt.Duration how long the base is held then, which shows the recovery
---@field rise? kt.Duration from base to peak; default a jump
---@field fall? kt.Duration from peak to base; default as `rise`

---A base load, a peak, and the base again: `before`, `rise`, `spike`, `fall`, `after`. It begins with a jump to the base.
---
---```lua
---spike = {
---  executor = "ramping-arrival-rate",
---  stages = stages.spike { base = 100, peak = 1000, before = "1m", rise = "5s", hold = "30s", after = "2m" },
---}
---```
---@param options stages.Spike
---@return kt.Stage[]
function stages.spike(options)
  local kinds = {
    base = "number",
    peak = "number",
    before = "duration",
    rise = "duration",
    hold = "duration",
    fall = "duration",
    after = "duration",
  }
  local rise = type(options) == "table" and options.rise or 0
  local o, problem = read("stages.spike", options, kinds, { rise = 0, fall = rise })
  if not o then error(problem, 2) end
  return {
    { duration = 0, target = o.base, name = "before" },
    { duration = o.before, target = o.base, name = "before" },
    { duration = o.rise, target = o.peak, name = "rise" },
    { duration = o.hold, target = o.peak, name = "spike" },
    { duration = o.fall, target = o.base, name = "fall" },
    { duration = o.after, target = o.base, name = "after" },
  }
end

---@class stages.Stairs
---@field from number the first level
---@field to number the last level, which is always one
---@field step number how much higher each level is, or lower when `to` is below `from`
---@field every kt.Duration how long each level is held

---The levels of a staircase.
---@param owner string
---@param options stages.Stairs
---@return number[]? levels
---@return any every how long each is held, or the problem
local function levels_of(owner, options)
  local kinds = { from = "number", to = "number", step = "number", every = "duration" }
  local o, problem = read(owner, options, kinds, {})
  if not o then return nil, problem end
  if not (o.step > 0) then return nil, wrong(owner, "step", "above 0", o.step) end
  local count = math.ceil(math.abs(o.to - o.from) / o.step)
  if count > 10000 then return nil, wrong(owner, "step", "larger: these are " .. count .. " levels", o.step) end
  local direction = o.to >= o.from and 1 or -1
  local levels = {}
  for n = 0, count - 1 do
    levels[#levels + 1] = o.from + direction * o.step * n
  end
  levels[#levels + 1] = o.to
  return levels, o.every
end

---Level after level, with jumps between them, each named by its number.
---
---```lua
---stairs = {
---  executor = "ramping-vus",
---  start_vus = 0,
---  stages = stages.stairs { from = 10, to = 50, step = 10, every = "1m" },
---}
---```
---@param options stages.Stairs
---@return kt.Stage[]
function stages.stairs(options)
  local levels, every = levels_of("stages.stairs", options)
  if not levels then error(every, 2) end
  local list = {}
  for _, level in ipairs(levels) do
    list[#list + 1] = { duration = 0, target = level, name = tostring(level) }
    list[#list + 1] = { duration = every, target = level, name = tostring(level) }
  end
  return list
end

---The same for the executor `steps`, whose plateaus are rates.
---
---```lua
---search = { executor = "steps", steps = stages.steps { from = 100, to = 1000, step = 100, every = "30s" } }
---```
---@param options stages.Stairs
---@return kt.Step[]
function stages.steps(options)
  local levels, every = levels_of("stages.steps", options)
  if not levels then error(every, 2) end
  local list = {}
  for _, level in ipairs(levels) do
    list[#list + 1] = { duration = every, rate = level, name = tostring(level) }
  end
  return list
end

---One list after the other.
---
---```lua
---local all = stages.join(stages.soak { target = 50, hold = "10m" }, stages.spike { base = 50, peak = 500, before = "1m", hold = "30s", after = "5m" })
---```
---@param ... kt.Stage[]
---@return kt.Stage[]
function stages.join(...)
  local all = {}
  for n = 1, select("#", ...) do
    local list = select(n, ...)
    if type(list) ~= "table" then error("stages.join: list " .. n .. " must be a table, got " .. type(list), 2) end
    for _, stage in ipairs(list) do
      all[#all + 1] = stage
    end
  end
  return all
end

---How long a list of stages or steps takes, in seconds.
---
---```lua
---local whole = stages.total(stages.soak { target = 50, hold = "4h" })  --> 14460
---```
---@param list { duration: kt.Duration }[]
---@return number
function stages.total(list)
  ---@type number
  local sum = 0
  for n, stage in ipairs(list) do
    local seconds, problem = kt.time.duration(stage.duration)
    sum = sum + (seconds or error("stages.total: stage " .. n .. ": " .. tostring(problem), 2))
  end
  return sum
end

return stages
