local kt = require "kt"
local metrics = kt.metrics

local sum = metrics.counter "m_sum"
local depth = metrics.gauge "m_depth"
local share = metrics.rate "m_share"
local value = metrics.trend("m_value", { unit = "USD" })
local again = metrics.trend("m_value", { unit = "USD" })

local in_sum, in_depth, in_share = recorded "m_sum", recorded "m_depth", recorded "m_share"
local in_value, in_eu = recorded "m_value", recorded "m_value{region:eu}"
local in_scenario = recorded "m_value{scenario:test}"

local top_level = {}
for n, body in ipairs {
  function() metrics.counter "http_reqs" end,
  function() metrics.gauge "m_sum" end,
  function() metrics.trend("m_value", { unit = "EUR" }) end,
  function() metrics.rate "not a name" end,
  function() sum:add(1) end,
} do
  top_level[n] = select(2, pcall(body))
end

test("a counter adds up", function()
  sum:add(2)
  sum:add(0.5)
  assert(in_sum "count" == 2.5)
end)

test("a gauge keeps the newest, the smallest and the largest", function()
  for _, n in ipairs { 5, -1, 3 } do
    depth:add(n)
  end
  assert(in_depth "value" == 3 and in_depth "min" == -1 and in_depth "max" == 5)
end)

test("a rate takes truth and numbers", function()
  share:add(true)
  share:add(false)
  share:add(1)
  share:add(0)
  assert(in_share "rate" == 0.5 and in_share "passes" == 2 and in_share "fails" == 2)
end)

test("a trend keeps the distribution", function()
  for n = 1, 100 do
    value:add(n)
  end
  assert(in_value "count" == 100 and in_value "avg" == 50.5)
  assert(in_value "min" == 1 and in_value "max" == 100)
  assert(math.abs(in_value "p(95)" - 95) < 0.2, in_value "p(95)")
end)

test("values out of range are not in the trend", function()
  value:add(-1)
  value:add(0 / 0)
  assert(in_value "count" == nil)
end)

test("values out of range are not in the sum", function()
  sum:add(1.7e308)
  sum:add(-1)
  sum:add(2)
  assert(in_sum "count" == 2)
end)

test("samples carry the tags of the scenario and their own", function()
  value:add(1, { region = "eu" })
  value:add(2, { region = "us", n = 1 })
  assert(in_eu "count" == 1 and in_scenario "count" == 2)
end)

test("the same declaration gives the same metric", function()
  assert(value == again and value.name == "m_value")
  assert(metrics.trend("m_value", { unit = "USD" }) == value)
end)

test("a new metric is declared at the top of the file", function()
  raises("metrics.counter: declare `m_late` at the top of the file", function() metrics.counter "m_late" end)
end)

test("declarations that cannot be are told apart", function()
  local wanted = {
    "metrics.counter: `http_reqs` is a built-in metric; choose another name",
    "metrics.gauge: the metric `m_sum` is a counter already, and cannot be a gauge too",
    "the metric `m_value` is a trend in USD already",
    "metrics.rate: `not a name` is not a metric name",
    "m_sum:add: nothing is measured while the file loads",
  }
  for n, part in ipairs(wanted) do
    local message = tostring(top_level[n])
    assert(string.find(message, part, 1, true), message)
    assert(string.find(message, "^src/api/metrics%.test%.lua:%d+: "), message)
  end
end)

test("only invariants read metrics", function()
  local because = "metrics.value: only invariants can read metrics, because each core measures for itself"
  raises(because, function() metrics.value("http_reqs", "count") end)
end)

test("misuse is raised where it is written", function()
  local any, handle =
    metrics, --[[@as any]]
    value --[[@as any]]
  raises("m_value:add: `value` must be a number, got nil", function() handle:add() end)
  raises("m_value:add: `value` must be a number, got true", function() handle:add(true) end)
  raises('m_value:add: `value` must be a number, got "1"', function() handle:add "1" end)
  raises("call it with a colon: `m_value:add(value)`", function() handle.add(1) end)
  raises("m_value:add: `tags` must be a table of strings, got 5", function() handle:add(1, 5) end)
  raises("m_value:add: tag `kind` must be a string, got a table", function() handle:add(1, { kind = {} }) end)
  raises("m_value:add: tag `lifecycle` is the engine's own", function() handle:add(1, { lifecycle = "x" }) end)
  raises("metrics.counter: `name` must be a string, got nil", function() any.counter() end)
  raises(
    "metrics.gauge: unknown option `units`; did you mean `unit`?",
    function() any.gauge("m_x", { units = "s" }) end
  )
  raises("kt.metrics has no `histogram`", function() any.histogram "x" end)
  raises("readonly", function() handle.name = "x" end)
end)
