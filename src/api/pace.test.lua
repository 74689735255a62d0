local kt = require "kt"

local whole, busy = recorded "group_duration", recorded "group_duration_busy"

test("it waits for the rest of the period", function()
  kt.pace "1ms"
  local from = kt.run.elapsed
  kt.sleep "10ms"
  kt.pace "40ms"
  kt.pace(0.04)
  local passed = kt.run.elapsed - from
  assert(passed >= 0.05 and passed < 5, passed) -- the first pace may have let go late
end)

test("a late iteration is not made up for", function()
  kt.pace "1ms"
  kt.sleep "160ms"
  local from = kt.run.elapsed
  kt.pace "150ms"
  assert(kt.run.elapsed - from < 0.14)
  kt.pace "50ms"
  assert(kt.run.elapsed - from >= 0.049)
end)

test("waiting does not make a group busy", function()
  kt.pace "1ms"
  kt.group("paced", function() kt.pace "200ms" end)
  assert(whole "min" >= 100 and busy "max" < 90, busy "max")
end)

test("bad periods are raised where they are written", function()
  local pace = kt.pace --[[@as any]]
  raises("pace: `period` is wrong", function() pace "soon" end)
  raises("pace: `period` is wrong", function() pace() end)
end)
