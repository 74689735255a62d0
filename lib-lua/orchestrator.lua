---A client of an orchestrator that takes events in batches, as the one of `kingtide demo` does. `require "orchestrator"`.
---
---An answer of 202 says that a request was read, not that its events were good: single events may have failed, and lines
---that are no JSON are skipped without a word. So success is judged by the body: as many events read as were sent, and
---none failed.
---
---Metrics: `events_submitted` (counter: events, so requests × batch), `events_failed` (counter: those of them that the
---orchestrator did not report as successful, whatever the reason) and `routing_success_rate` (rate, over events).
local kt = require "kt"
local http = kt.http

local submitted = kt.metrics.counter "events_submitted"
local failed = kt.metrics.counter "events_failed"
local success = kt.metrics.rate "routing_success_rate"

local orchestrator = {}

---@class orchestrator.Item
---@field sku string
---@field quantity integer from 1 on
---@field price number

---@class orchestrator.Context
---@field orderId string
---@field customerId string
---@field customerTier "standard"|"premium"|"enterprise"
---@field orderTotal number
---@field items orchestrator.Item[] one at least

---@class orchestrator.Event
---@field type string
---@field correlationId string
---@field orchestrationName string
---@field context orchestrator.Context

---An event that failed; `index` counts from 0 among those that were read.
---@class orchestrator.Failure
---@field index integer
---@field correlationId? string
---@field reason string

---What became of the events of a request.
---@class orchestrator.Outcome
---@field ok boolean whether every event that was sent was successful
---@field sent integer
---@field total number events that the orchestrator read; 0 when it does not say
---@field successful number
---@field failed number what was sent and is not known to be successful
---@field failures orchestrator.Failure[] the failed events that the answer lists
---@field error? string why it is not ok
---@field response kt.http.Response

---@class orchestrator.Queue
---@field queue_name string
---@field messages_available integer
---@field messages_in_flight integer

---@class orchestrator.Options
---@field base_url? string default the variable `ORCHESTRATOR_URL`, and without it the demo's usual address
---@field timeout? kt.Duration for each request; default that of the plan

---@class orchestrator.Client
---@field base_url string
---@field timeout? kt.Duration
local Client = {}
Client.__index = Client

---The path of a batch with a line for each event; with its method it is the `name` of these requests.
orchestrator.BULK = "/api/orchestrator/events/bulk-ndjson"

local SINGLE = "/api/orchestrator/events"

---Makes a client. Declares metrics, so the module belongs to the top of the file.
---
---```lua
---local client = orchestrator.new { base_url = "http://127.0.0.1:8085" }
---```
---@param options? kt.Exact<orchestrator.Options>
---@return orchestrator.Client
function orchestrator.new(options)
  local o = options or {}
  for key in pairs(o) do
    if key ~= "base_url" and key ~= "timeout" then
      error("orchestrator.new: there is no option `" .. tostring(key) .. "`; options are base_url, timeout", 2)
    end
  end
  local base = o.base_url or kt.env("ORCHESTRATOR_URL", "http://127.0.0.1:8085")
  if type(base) ~= "string" or not string.find(base, "^https?://") then
    error("orchestrator.new: `base_url` must be a URL that begins with http:// or https://", 2)
  end
  return setmetatable({ base_url = (string.gsub(base, "/+$", "")), timeout = o.timeout }, Client)
end

---The counts of an answer, if it has them.
---@param response kt.http.Response
---@return number? total
---@return number? successful
---@return orchestrator.Failure[] failures
local function counts(response)
  local body = response:json()
  if type(body) ~= "table" then return nil, nil, {} end
  local total, successful, failures = body.total, body.successful, body.failures
  if type(total) ~= "number" or type(successful) ~= "number" then return nil, nil, {} end
  return total, successful, type(failures) == "table" and failures or {}
end

---Why the events of a request are not all successful; nil when they are.
---@param response kt.http.Response
---@param sent integer
---@param total number?
---@param successful number
---@param failures orchestrator.Failure[]
---@return string?
local function problem(response, sent, total, successful, failures)
  if response.error then return response.error end
  if response.status ~= 202 then
    local said = response:json "error"
    return "status " .. response.status .. (said and ": " .. tostring(said) or "")
  end
  if not total then return "the answer does not count events" end
  if total ~= sent then return sent .. " events were sent, " .. total .. " were read" end
  if successful == sent then return nil end
  local first = failures[1] and failures[1].reason
  return sent - successful .. " of " .. sent .. " events failed" .. (first and ": " .. first or "")
end

---Judges an answer and counts its events.
---@param response kt.http.Response
---@param sent integer
---@return orchestrator.Outcome
local function judged(response, sent)
  local total, successful, failures
  if response.status == 202 then
    total, successful, failures = counts(response)
  end
  local good = math.max(0, math.min(successful or 0, sent))
  local why = problem(response, sent, total, good, failures or {})
  submitted:add(sent)
  if good < sent then failed:add(sent - good) end
  for n = 1, sent do
    success:add(n <= good)
  end
  return {
    ok = why == nil,
    sent = sent,
    total = total or 0,
    successful = good,
    failed = sent - good,
    failures = failures or {},
    error = why,
    response = response,
  }
end

---Submits one event.
---
---```lua
---local outcome = client:submit(event)
---kt.check(outcome, { ["event taken"] = outcome.ok })
---```
---@param event orchestrator.Event
---@return orchestrator.Outcome
function Client:submit(event)
  if type(event) ~= "table" then error("submit: an event is a table, not " .. type(event), 2) end
  local response = http.post(self.base_url .. SINGLE, {
    name = "POST " .. SINGLE,
    json = event,
    timeout = self.timeout,
    expect = 202,
  })
  return judged(response, 1)
end

---Submits events in one request, a line each. An event may also be its JSON text, which saves the work of writing it.
---
---```lua
---local outcome = client:submit_batch(events)
---if not outcome.ok then kt.log.warn(outcome.error) end
---```
---@param events (orchestrator.Event|string)[]
---@return orchestrator.Outcome
function Client:submit_batch(events)
  if type(events) ~= "table" or #events == 0 then error("submit_batch: a list of at least one event is wanted", 2) end
  local lines = {}
  for i, event in ipairs(events) do
    lines[i] = type(event) == "string" and event or kt.json.encode(event)
  end
  return self:submit_lines(table.concat(lines, "\n"), #events)
end

---Submits text that has been made before: a line of JSON for each event. Load tests send the same few batches again and
---again, and need not write them anew each time.
---
---```lua
---local outcome = client:submit_lines(text, 100)
---```
---@param text string
---@param count integer how many events it holds, against which the answer is judged
---@return orchestrator.Outcome
function Client:submit_lines(text, count)
  if type(text) ~= "string" then error("submit_lines: the lines are text, not " .. type(text), 2) end
  if type(count) ~= "number" or count < 1 then error("submit_lines: `count` must be at least 1", 2) end
  local response = http.post(self.base_url .. orchestrator.BULK, {
    name = "POST " .. orchestrator.BULK,
    body = text,
    headers = { ["content-type"] = "text/plain" },
    timeout = self.timeout,
    expect = 202,
  })
  return judged(response, count)
end

---Whether the orchestrator says that it is up.
---
---```lua
---local up, why = client:health()
---if not up then kt.run.abort(why) end
---```
---@return boolean up
---@return string? problem why it is not
function Client:health()
  local path = "/api/orchestrator/health"
  local response = http.get(self.base_url .. path, { name = "GET " .. path, timeout = self.timeout or "5s" })
  local status = response:json "status"
  if response.ok and status == "UP" then return true end
  local said = response.error or ("status " .. response.status .. (status and ", " .. tostring(status) or ""))
  return false, "the orchestrator at " .. self.base_url .. " is not healthy: " .. said
end

---The queues behind the orchestrator and how full they are.
---
---```lua
---for _, queue in ipairs(client:queues() or {}) do kt.log.info(queue.queue_name, queue.messages_available) end
---```
---@return orchestrator.Queue[]? queues nil when they cannot be read
---@return string? problem why not
function Client:queues()
  local response = http.get(self.base_url .. "/queues", { name = "GET /queues", timeout = self.timeout or "5s" })
  local rows = response:json()
  if response.ok and type(rows) == "table" and type(rows[1]) == "table" then return rows end
  return nil, "the queues cannot be read: " .. (response.error or ("status " .. response.status))
end

---How many messages are in all queues together, waiting and in flight.
---
---```lua
---local depth = client:depth()
---```
---@return integer? depth nil when the queues cannot be read
---@return string? problem why not
function Client:depth()
  local rows, why = self:queues()
  if not rows then return nil, why end
  local depth = 0
  for _, row in ipairs(rows) do
    depth = depth + row.messages_available + row.messages_in_flight
  end
  return depth
end

return orchestrator
