local kt = require "kt"

---Seconds that a function takes.
---@param body fun()
---@return number
local function seconds(body)
  local from = kt.run.elapsed
  body()
  return kt.run.elapsed - from
end

test("numbers are seconds, text has units", function()
  local whole = seconds(function()
    kt.sleep(0.02)
    kt.sleep "20ms"
  end)
  assert(whole >= 0.04 and whole < 5, whole)
end)

test("no time at all is allowed", function() kt.sleep(0) end)

test("it works inside pcall and coroutines", function()
  assert(pcall(kt.sleep, 0.001))
  local co = coroutine.wrap(function()
    kt.sleep(0.001)
    coroutine.yield "first"
    kt.sleep "1ms"
    return "second"
  end)
  assert(co() == "first" and co() == "second")
end)

test("bad durations are raised where they are written", function()
  local sleep = kt.sleep --[[@as any]]
  raises(
    'sleep: `duration` is wrong: a duration is a string as "1m30s" or a number of seconds, got nil',
    function() sleep() end
  )
  raises("parsecs", function() sleep "5 parsecs" end)
  raises("sleep: `duration` is wrong", function() sleep(-1) end)
  raises("sleep: `duration` is wrong", function() sleep(0 / 0) end)
  raises("got a table", function() sleep {} end)
end)

test("the line is told of a function that `pcall` calls as well", function()
  local ok, message = pcall(kt.sleep, "5 parsecs")
  assert(not ok and tostring(message):match "sleep%.test%.lua:%d+: sleep: `duration` is wrong", message)
end)

test("where nothing can wait it says so", function()
  raises("sleep cannot be called here: sort comparators, gsub callbacks and metamethods cannot wait", function()
    table.sort({ 3, 1, 2 }, function(a, b)
      kt.sleep(0.001)
      return a < b
    end)
  end)
end)
