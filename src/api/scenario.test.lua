local kt = require "kt"

local at_load = kt.scenario.iteration

test("it tells which scenario and iteration this is", function()
  local scenario = kt.scenario
  assert(scenario.name == "test")
  assert(scenario.executor == "constant-arrival-rate")
  assert(scenario.iteration == 0)
  assert(scenario.start_lag_ms == 0)
  assert(scenario.elapsed >= 0 and scenario.elapsed < 60)
end)

test("a fixed rate has neither stages nor rows", function()
  assert(kt.scenario.stage == nil)
  assert(kt.scenario.row == nil)
end)

test("time goes on", function()
  local from = kt.scenario.elapsed
  kt.sleep "5ms"
  assert(kt.scenario.elapsed - from >= 0.005)
  assert(kt.scenario.iteration == 2)
end)

test("there is no iteration while the file loads", function() assert(at_load == nil) end)

test("it has nothing else, and cannot be changed", function()
  local scenario = kt.scenario --[[@as any]]
  raises("kt.scenario has no `nam`; did you mean `name`?", function() return scenario.nam end)
  raises("readonly", function() scenario.name = "x" end)
end)
