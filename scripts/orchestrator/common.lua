-- What load.lua, stress.lua and spike.lua have in common: batches, users who think, a watch on the queue, the summary.
-- It is no journey of its own.
--
-- Environment of all three:
--   ORCHESTRATOR_URL    where the orchestrator is; set by --demo
--   EVENTS_PER_REQUEST  events in a batch, default 100
--   EVENTS_PER_SECOND   what is offered at the peak; the users' think time follows from it
--   VUS                 users at the peak
--   EVENTS_FILE         a .jsonl file with the events, default events.jsonl (kingtide data events N FILE makes more)
--   QUEUE_EVERY         how often the queue is looked at, default 1s
--   QUEUES              "off" for a system whose queues cannot be read over HTTP
--
-- How the load comes about: each user submits a batch, thinks, and submits the next. As many users as there are at the
-- peak (V) with batches of B events make E events per second if each thinks about V × B / E seconds. Without that, a
-- thousand users would offer as much as the network lets through, which is no load that anybody asked for. Answers of
-- a few milliseconds do not change it; slow ones do, as in every closed test.

local kt = require "kt"
local orchestrator = require "orchestrator"

local common = {}

---@param name string
---@param default number
---@return number
local function number(name, default)
  local value = tonumber(kt.env(name, tostring(default)))
  if not value or not (value > 0) then error(name .. " must be a number above 0, not " .. kt.env(name, "")) end
  return value
end

local batch_size = math.floor(number("EVENTS_PER_REQUEST", 100))
local watching = kt.env("QUEUES", "on") ~= "off"
local client = orchestrator.new {}

---The requests that carry events, as a selector of thresholds: looking at the queue is no load.
common.BULK = "{name:POST " .. orchestrator.BULK .. "}"

local events = kt.data.array(kt.env("EVENTS_FILE", "events.jsonl"))

-- The text of each batch is made once for all users.
local batches = kt.data.array("event-batches", function()
  local lines, rows = {}, {}
  for i, event in events:each() do
    lines[i] = kt.json.encode(event)
  end
  for row = 1, math.ceil(#lines / batch_size) do
    local batch = {}
    for i = 1, batch_size do
      batch[i] = lines[((row - 1) * batch_size + i - 1) % #lines + 1]
    end
    rows[row] = { text = table.concat(batch, "\n") }
  end
  return rows
end)

local queue_depth = kt.metrics.gauge "queue_depth" -- waiting and in flight
local queue_growing = kt.metrics.rate "queue_growing" -- looks at which it was growing
local growth_began = kt.metrics.gauge("queue_growth_began", { unit = "s" }) -- after the start of the load

---A part of the run: in a straight line to `users`, a share of the peak. The queue has recovered from a spike when it is
---as short as in the stage `before`; that is looked for in stages whose names begin with `after`.
---@class orchestrator.Stage
---@field name string
---@field duration string
---@field users number from 0 to 1

---@param mean number think time in seconds
---@return fun()
local function submitter(mean)
  return function()
    -- Users who come at the same moment are not in step for that.
    if kt.vu.iteration == 0 then kt.sleep(mean * kt.random.float(0, 1)) end
    local outcome = client:submit_lines(batches:next().text, batch_size)
    kt.check(outcome, { ["all events successful"] = outcome.ok })
    kt.sleep(mean * kt.random.float(0.5, 1.5))
  end
end

-- Growth is judged over so many looks.
local WINDOW = 10

---@class orchestrator.Look
---@field depth integer
---@field at number seconds since the start

---Follows the queue; one user does it, whose locals remember.
---@param offered number events per second at the peak
---@param spikes boolean whether there are any to recover from
---@return fun()
local function watcher(offered, spikes)
  local recovery_time = spikes and kt.metrics.trend("recovery_time", { unit = "ms" })
  local spikes_recovered = spikes and kt.metrics.rate "spikes_recovered"
  ---@type orchestrator.Look[]
  local looks = {}
  ---@type number?, number?, string?, integer
  local began, fell_at, stage, calm = nil, nil, nil, 0

  -- Longer by more than a tenth of what was offered meanwhile; nil while there is too little to tell.
  ---@param look orchestrator.Look
  ---@return boolean?
  local function growing(look)
    looks[#looks + 1] = look
    if #looks <= WINDOW then return nil end
    local first = table.remove(looks, 1)
    return first ~= nil and look.depth - first.depth > 0.1 * offered * (look.at - first.at)
  end

  ---@param look orchestrator.Look
  local function recover(look)
    local now = kt.scenario.stage or ""
    if now ~= stage then
      if fell_at and spikes_recovered then spikes_recovered:add(false) end
      fell_at = string.find(now, "^after") and look.at or nil
      stage = now
    end
    if now == "before" then calm = look.depth end
    if not fell_at or not recovery_time or not spikes_recovered then return end
    if look.depth <= math.max(2 * calm, 0.1 * offered) then
      recovery_time:add((look.at - fell_at) * 1000)
      spikes_recovered:add(true)
      fell_at = nil
    end
  end

  local function look_at_queue()
    local depth, why = client:depth()
    kt.check(depth, { ["queues can be read"] = depth ~= nil })
    if not depth then
      kt.log.warn(why)
      return
    end
    ---@type orchestrator.Look
    local look = { depth = depth, at = kt.scenario.elapsed }
    queue_depth:add(depth)
    local grows = growing(look)
    if grows ~= nil then queue_growing:add(grows) end
    if grows and not began then
      began = look.at
      growth_began:add(look.at)
      kt.log.info(string.format("the queue grows: %d events, stage %s", depth, kt.scenario.stage))
    end
    recover(look)
  end

  local every = kt.env("QUEUE_EVERY", "1s")
  return function()
    look_at_queue()
    kt.pace(every)
  end
end

---The scenarios of a test: users in these stages, and the watch beside them.
---@param options { vus: integer, start: number?, events_per_second: number, stages: orchestrator.Stage[] } of the peak; `start` is the share of users at the beginning
---@return table<string, kt.Scenario>
function common.scenarios(options)
  local vus = math.floor(number("VUS", options.vus))
  local offered = number("EVENTS_PER_SECOND", options.events_per_second)
  local function users(share) return math.floor(share * vus + 0.5) end

  local stages, looks, spikes = {}, {}, false
  for i, stage in ipairs(options.stages) do
    stages[i] = { duration = stage.duration, target = users(stage.users), name = stage.name }
    looks[i] = { duration = stage.duration, target = 1, name = stage.name }
    spikes = spikes or string.find(stage.name, "^after") ~= nil
  end
  ---@type table<string, kt.Scenario>
  local scenarios = {
    events = {
      executor = "ramping-vus",
      start_vus = users(options.start or 0),
      stages = stages,
      -- Longer than a think: nobody is cut off with a request under way.
      graceful_ramp_down = "60s",
      graceful_stop = "60s",
      exec = submitter(vus * batch_size / offered),
    },
  }
  if watching then
    scenarios.queue = { executor = "ramping-vus", start_vus = 1, stages = looks, exec = watcher(offered, spikes) }
  end
  return scenarios
end

---Thresholds, those about the queue only when it is looked at.
---@param always table<string, kt.Threshold|kt.Threshold[]>
---@param queue table<string, kt.Threshold|kt.Threshold[]>
---@return table<string, kt.Threshold|kt.Threshold[]>
function common.thresholds(always, queue)
  if watching then
    for metric, threshold in pairs(queue) do
      always[metric] = threshold
    end
  end
  return always
end

---A load test of a sick system measures nothing: it is refused before it starts.
function common.setup()
  local up, why = client:health()
  if not up then kt.run.abort(why) end
  if watching then
    local depth, problem = client:depth()
    if not depth then kt.run.abort(problem .. "; QUEUES=off runs without") end
  end
end

---Writes the figures that count to `results/orchestrator-<test>-summary.json`.
---@param test string
---@return kt.SummaryHook
function common.summary(test)
  return function(s)
    local m = s.metrics
    local function of(metric) return m[metric] or {} end
    local requests, submitted, recovery =
      of("http_req_duration" .. common.BULK), of "events_submitted", of "recovery_time"
    local figures = {
      test = test,
      verdict = s.verdict,
      duration_ms = s.run.duration_ms,
      events = {
        submitted = submitted.count or 0,
        failed = of("events_failed").count or 0,
        per_second = submitted.rate or 0,
        per_request = batch_size,
        success_rate = of("routing_success_rate").rate,
      },
      requests = {
        count = requests.count or 0,
        med = requests.med,
        p95 = requests.p95,
        p99 = requests.p99,
        max = requests.max,
      },
      queue = {
        deepest = of("queue_depth").max,
        at_the_end = of("queue_depth").value,
        growing_share = of("queue_growing").rate,
        growth_began_s = of("queue_growth_began").value,
      },
      recovery = recovery.count and { spikes = recovery.count, min_ms = recovery.min, max_ms = recovery.max },
    }
    return { ["results/orchestrator-" .. test .. "-summary.json"] = kt.json.encode(figures, { pretty = true }) .. "\n" }
  end
end

return common
