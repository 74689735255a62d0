local kt = require "kt"

local whole, busy = recorded "group_duration", recorded "group_duration_busy"

test("it waits for the rest of the period", function()
  kt.pace "1ms"
  local from = kt.run.elapsed
  kt.sleep "10ms"
  kt.pace "40ms"
  kt.pace(0.04)
  local passed = kt.run.elapsed - from
  assert(passed >= 0.078 and passed < 5, passed)
end)

test("a late iteration is not made up for", function()
  kt.pace "1ms"
  kt.sleep "20ms"
  local from = kt.run.elapsed
  kt.pace "1ms"
  assert(kt.run.elapsed - from < 0.01)
  kt.pace "30ms"
  assert(kt.run.elapsed - from >= 0.029)
end)

test("waiting does not make a group busy", function()
  kt.pace "1ms"
  kt.group("paced", function() kt.pace "30ms" end)
  assert(whole "min" >= 25 and busy "max" < 15, busy "max")
end)

test("bad periods are raised where they are written", function()
  local pace = kt.pace --[[@as any]]
  raises("pace: `period` is wrong", function() pace "soon" end)
  raises("pace: `period` is wrong", function() pace() end)
end)
