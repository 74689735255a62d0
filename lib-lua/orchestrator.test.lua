local kt = require "kt"
local orchestrator = require "orchestrator"

local submitted = recorded "events_submitted"
local failed = recorded "events_failed"
local success = recorded "routing_success_rate"

local client = orchestrator.new {} -- ORCHESTRATOR_URL is that of a demo

---@param number integer
---@return orchestrator.Event
local function event(number)
  return {
    type = "OrderPlaced",
    correlationId = string.format("order-%04d-abc123", number),
    orchestrationName = "order-fulfilment",
    context = {
      orderId = "ORD-" .. number,
      customerId = "CUST-1",
      customerTier = "premium",
      orderTotal = 19.98,
      items = { { sku = "A-1", quantity = 2, price = 9.99 } },
    },
  }
end

---@param count integer
---@return orchestrator.Event[]
local function events(count)
  local list = {}
  for i = 1, count do
    list[i] = event(i)
  end
  return list
end

---Sets a fault of the demo for the time of a body.
---@param fault table
---@param body fun()
local function with_fault(fault, body)
  assert(kt.http.post(client.base_url .. "/__fault", { json = fault }).status == 201)
  local ok, message = pcall(body)
  kt.http.delete(client.base_url .. "/__fault")
  if not ok then error(message, 0) end
end

test("a single event", function()
  local outcome = client:submit(event(1))
  assert(outcome.ok, outcome.error)
  assert(outcome.sent == 1 and outcome.total == 1 and outcome.successful == 1 and outcome.failed == 0)
  assert(submitted "count" == 1 and success "rate" == 1 and (failed "count" or 0) == 0)
end)

test("a batch counts its events, not its request", function()
  local outcome = client:submit_batch(events(100))
  assert(outcome.ok and outcome.total == 100 and outcome.successful == 100, outcome.error)
  assert(submitted "count" == 100 and success "passes" == 100)
end)

test("an event may be its own text", function()
  local outcome = client:submit_batch { kt.json.encode(event(1)), event(2) }
  assert(outcome.ok and outcome.total == 2, outcome.error)
end)

test("202 with failed events is a failure", function()
  local bad = event(2)
  bad.context.orderTotal = -1
  local outcome = client:submit_batch { event(1), bad, event(3) }
  assert(outcome.response.status == 202 and outcome.response.ok, "the request itself is fine")
  assert(not outcome.ok and outcome.failed == 1 and outcome.successful == 2)
  local failure = assert(outcome.failures[1])
  assert(failure.index == 1 and failure.correlationId == "order-0002-abc123")
  assert(
    outcome.error == "1 of 3 events failed: context.orderTotal: must be a number that is not negative",
    outcome.error
  )
  assert(submitted "count" == 3 and failed "count" == 1)
  assert(success "passes" == 2 and success "fails" == 1)
end)

test("skipped lines are missed", function()
  local text = kt.json.encode(event(1)) .. "\n{ broken\n" .. kt.json.encode(event(3))
  local outcome = client:submit_lines(text, 3)
  assert(not outcome.ok and outcome.error == "3 events were sent, 2 were read", outcome.error)
  assert(outcome.successful == 2 and failed "count" == 1)
end)

test("the reason for a refusal is told, and all its events have failed", function()
  local outcome = client:submit_lines("no json", 5)
  assert(outcome.error == "status 400: no line is JSON: 1 were read", outcome.error)
  assert(outcome.failed == 5 and failed "count" == 5 and success "fails" == 5)
end)

test("failures of the system", function()
  with_fault({ fault = "errors", value = 1 }, function()
    local outcome = client:submit_batch(events(10))
    assert(outcome.error == "status 500: injected error" and outcome.failed == 10, outcome.error)
  end)
  with_fault({ fault = "failed_events", value = 1 }, function()
    local outcome = client:submit_batch(events(10))
    assert(outcome.error == "10 of 10 events failed: injected failure", outcome.error)
    assert(outcome.total == 10 and outcome.successful == 0)
  end)
  assert(submitted "count" == 20 and failed "count" == 20 and success "rate" == 0)
end)

test("an answer that does not count is no success", function()
  local echo = orchestrator.new { base_url = kt.env "TEST_URL" .. "/echo/" }
  local outcome = echo:submit(event(1))
  assert(outcome.error == "status 200" and not outcome.ok and outcome.failed == 1, outcome.error)
  local silent = orchestrator.new { base_url = kt.env "TEST_URL" .. "/status/202?" }
  local uncounted = silent:submit(event(1))
  assert(uncounted.error == "the answer does not count events", uncounted.error)
end)

test("without an answer all have failed", function()
  local nobody = orchestrator.new { base_url = kt.env "REFUSED_URL", timeout = "2s" }
  local outcome = nobody:submit_batch(events(3))
  assert(not outcome.ok and outcome.failed == 3 and outcome.total == 0)
  assert(string.find(outcome.error or "", "refused", 1, true), outcome.error)
end)

test("health and its reasons", function()
  assert(client:health() == true)
  with_fault({ fault = "down", value = "all" }, function()
    local up, why = client:health()
    assert(up == false and string.find(why or "", "is not healthy: status 503, DOWN", 1, true), why)
  end)
  local up, why = orchestrator.new({ base_url = kt.env "REFUSED_URL" }):health()
  assert(up == false and string.find(why or "", "refused", 1, true), why)
end)

test("queues and their depth", function()
  with_fault({ fault = "slow_drain", value = 0 }, function()
    client:submit_batch(events(150))
    local rows = assert(client:queues())
    local queue = assert(rows[1])
    assert(queue.queue_name == "orchestrator-events")
    -- Events of other tests may still be there.
    assert(queue.messages_available + queue.messages_in_flight >= 150)
    assert(queue.messages_in_flight == 100, "what its routers hold")
    assert(client:depth() >= 150)
  end)
  local depth, why = orchestrator.new({ base_url = kt.env "TEST_URL" }):depth()
  assert(depth == nil and why == "the queues cannot be read: status 404", why)
end)

test("misuse is refused where it happens", function()
  ---@type any
  local module = orchestrator
  ---@type any
  local loose = client
  -- what the message names, what raises it
  local rows = {
    { "no option `url`", function() module.new { url = "http://127.0.0.1" } end },
    { "`base_url` must be a URL", function() module.new { base_url = "127.0.0.1:8085" } end },
    { "an event is a table, not nil", function() loose:submit(nil) end },
    { "at least one event", function() loose:submit_batch {} end },
    { "at least one event", function() loose:submit_batch(5) end },
    { "the lines are text, not table", function() loose:submit_lines({}, 1) end },
    { "`count` must be at least 1", function() loose:submit_lines("{}", 0) end },
  }
  for _, row in ipairs(rows) do
    raises(row[1], row[2])
  end
end)
