local kt = require "kt"

local at_load = kt.run.elapsed

test("it tells the seed, and the time since the load began", function()
  assert(kt.run.seed == 1)
  assert(at_load == 0)
  local from = kt.run.elapsed
  kt.sleep "5ms"
  assert(kt.run.elapsed - from >= 0.005)
end)

test("`fail` goes on", function()
  kt.run.fail "the books do not balance"
  kt.run.fail()
end)

test("`abort` ends the iteration with its reason", function()
  local err = raises("the system is down", function() kt.run.abort "the system is down" end)
  assert(err.reason == "the system is down")
  raises("no reason given", function() kt.run.abort() end)
end)

test("a reason is text", function()
  local run = kt.run --[[@as any]]
  raises("run.abort: `reason` must be a string, got 5", function() run.abort(5) end)
  raises("run.fail: `reason` must be a string, got a table", function() run.fail {} end)
  raises("kt.run has no `elapse`; did you mean `elapsed`?", function() return run.elapse end)
end)
