local kt = require "kt"

local whole = recorded "group_duration{group:::outer}"
local busy = recorded "group_duration_busy{group:::outer}"
local inner = recorded "group_duration{group:::outer::inner}"
local hits = kt.metrics.counter "group_hits"
local inside = recorded "group_hits{group:::outer::inner}"
local all = recorded "group_hits"

test("arguments go in and results come out", function()
  local a, b, n = kt.group("outer", function(x, y) return y, x, nil end, 1, 2)
  assert(a == 2 and b == 1 and n == nil)
  assert(select("#", kt.group("outer", function() return nil, nil end)) == 2)
  assert(whole "count" == 2)
end)

test("its duration counts with pauses and without", function()
  kt.group("outer", function() kt.sleep "200ms" end)
  assert(whole "min" >= 200, whole "min")
  assert(busy "max" < 150, busy "max")
end)

test("groups in groups have their path as a tag", function()
  kt.group("outer", function()
    kt.group("inner", function() hits:add(1) end)
    hits:add(1)
  end)
  hits:add(1)
  assert(inner "count" == 1 and whole "count" == 1)
  assert(inside "count" == 1 and all "count" == 3)
end)

test("an error goes through, and the group is closed", function()
  raises("broken", function()
    kt.group("outer", function() error "broken" end)
  end)
  kt.group("outer", function()
    kt.group("inner", function() hits:add(1) end)
  end)
  assert(whole "count" == 2 and inside "count" == 1)
end)

test("misuse is raised where it is written", function()
  local group = kt.group --[[@as any]]
  raises("group: the second argument must be a function, got nil", function() group "x" end)
  raises("group: `name` must be a string, got 1", function()
    group(1, function() end)
  end)
  raises("must not be empty, nor hold `::`", function()
    group("a::b", function() end)
  end)
  raises("must not be empty", function()
    group("", function() end)
  end)
end)
