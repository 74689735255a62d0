local kt = require "kt"
local flow = kt.flow

local started = recorded "order_started"
local completed = recorded "order_completed"
local not_completed = recorded "order_not_completed"
local cancelled = recorded "order_not_completed{outcome:cancelled}"
local timed_out = recorded "order_timed_out"
local duplicate = recorded "order_duplicate"
local out_of_order = recorded "order_out_of_order"
local in_flight = recorded "order_in_flight"
local duration = recorded "order_duration"
local of_shop = recorded "order_duration{shop:7,group:::placing}"

test("what is finished in time has a duration", function()
  assert(flow.start("a", { name = "order" }) == true)
  assert(in_flight "value" == 1)
  kt.sleep "10ms"
  local counted, elapsed = flow.finish("a", { name = "order" })
  assert(counted == "completed" and elapsed and elapsed >= 10, counted)
  assert(started "count" == 1 and completed "count" == 1 and duration "count" == 1 and duration "min" >= 10)
  assert(in_flight "value" == 0 and in_flight "max" == 1)
  assert(timed_out "count" == 0 and not_completed "count" == 0)
end)

test("another outcome is counted for itself, and is no duration", function()
  flow.start(5, { name = "order" })
  local counted, elapsed = flow.finish("5", { name = "order", outcome = "cancelled" })
  assert(counted == "not_completed" and elapsed)
  assert(not_completed "count" == 1 and cancelled "count" == 1)
  assert(completed "count" == 0 and duration "count" == nil and in_flight "value" == 0)
end)

test("what is not finished in time has timed out, once, and is no duration", function()
  flow.start("late", { name = "order", timeout = "5ms" })
  flow.start("never", { name = "order", timeout = "5ms" })
  kt.sleep "15ms"
  local counted, elapsed = flow.finish("late", { name = "order" })
  assert(counted == "timed_out" and elapsed and elapsed >= 15)
  assert(timed_out "count" == 2, "nobody has to finish it")
  assert(flow.finish("never", { name = "order" }) == "timed_out")
  assert(flow.finish("never", { name = "order" }) == "duplicate")
  assert(timed_out "count" == 2 and duration "count" == nil and in_flight "value" == 0)
end)

test("what happens twice or before the start is counted apart", function()
  assert(flow.finish("b", { name = "order" }) == "out_of_order")
  assert(flow.start("b", { name = "order" }) == true)
  assert(flow.start("b", { name = "order" }) == false)
  assert(flow.start("b", { name = "parcel" }) == true, "another flow")
  assert(flow.finish("b", { name = "order" }) == "completed")
  local counted, elapsed = flow.finish("b", { name = "order" })
  assert(counted == "duplicate" and elapsed == nil)
  assert(flow.start("b", { name = "order" }) == true, "a key may be used again")
  assert(out_of_order "count" == 1 and duplicate "count" == 2)
  assert(started "count" == 2 and completed "count" == 1 and in_flight "value" == 1)
end)

test("the end carries the tags of the start", function()
  kt.group("placing", function() flow.start("c", { name = "order", tags = { shop = 7 } }) end)
  flow.finish("c", { name = "order" })
  assert(of_shop "count" == 1)
end)

test("a flow and a poll do not share a name", function()
  local function yes() return true end
  kt.poll { name = "shared", call = yes, done = yes }
  raises("flow.start: `shared` is the name of a poll already", function() flow.start("a", { name = "shared" }) end)
  raises(
    "poll: `order` is the name of a flow already",
    function() kt.poll { name = "order", call = yes, done = yes } end
  )
end)

test("misuse is raised where it is written", function()
  local any = flow --[[@as any]]
  raises("flow.start: `key` must be a string or a number, got nil", function() any.start() end)
  raises("flow.start: `options` must be a table, got nil", function() any.start "a" end)
  raises("flow.start: `name` is missing", function() any.start("a", {}) end)
  raises(
    "flow.start: unknown option `timout`; did you mean `timeout`?",
    function() any.start("a", { name = "order", timout = 1 }) end
  )
  raises("flow.start: `timeout` must be longer than 0", function() any.start("a", { name = "order", timeout = 0 }) end)
  raises(
    "flow.start: `tags` must be a table of strings, got 5",
    function() any.start("a", { name = "order", tags = 5 }) end
  )
  raises('flow.start: `options` must be a table, got "order"', function() any.start("a", "order") end)
  raises("is not a metric name", function() any.start("a", { name = "a b" }) end)
  raises("flow.start: `name` must not be empty", function() any.start("a", { name = "" }) end)
  raises(
    "flow.start: `iteration_duration` is a built-in metric; choose another name",
    function() any.start("a", { name = "iteration" }) end
  )
  raises(
    "flow.finish: `key` must be a string or a number, got true",
    function() any.finish(true, { name = "order" }) end
  )
  raises("flow.finish: `outcome` must not be empty", function() any.finish("a", { name = "order", outcome = "" }) end)
  raises(
    "flow.finish: `outcome` must be a string, got 5",
    function() any.finish("a", { name = "order", outcome = 5 }) end
  )
end)

local at_load, problem = pcall(flow.start, "a", { name = "order" })
test(
  "nothing is measured while the file loads",
  function()
    assert(
      not at_load and string.find(problem, "flow.start: cannot be used while the file loads; call it in", 1, true),
      problem
    )
  end
)
