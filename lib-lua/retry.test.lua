local retry = require "retry"

test("the waits grow by the factor up to the limit", function()
  local opts = { wait = 0.5, factor = 3, max_wait = 4 }
  -- attempt, seconds before it
  local rows = { { 1, 0 }, { 2, 0.5 }, { 3, 1.5 }, { 4, 4 }, { 50, 4 } }
  for _, row in ipairs(rows) do
    local wait = retry.wait(row[1], opts)
    assert(wait == row[2], "before attempt " .. row[1] .. ": " .. wait)
  end
end)

test("the first good value is returned with the number of calls", function()
  local value, attempts = retry.call(
    function(attempt) return { ok = attempt == 3, attempt = attempt } end,
    { attempts = 5, wait = 0.001 }
  )
  assert(value.ok and value.attempt == 3)
  assert(attempts == 3)
end)

test("the last value is returned when the attempts are used up", function()
  local calls = 0
  local value, attempts = retry.call(function()
    calls = calls + 1
    return { ok = false, call = calls }
  end, { attempts = 2, wait = 0.001 })
  assert(value.call == 2 and calls == 2 and attempts == 2)
end)

test("`done` decides instead of `ok`", function()
  local value, attempts = retry.call(function(attempt) return attempt end, {
    wait = 0.001,
    done = function(n) return n == 2 end,
  })
  assert(value == 2 and attempts == 2)
end)

test("an error goes through at the first call", function()
  local calls = 0
  local ok, message = pcall(retry.call, function()
    calls = calls + 1
    error("broken journey", 0)
  end)
  assert(not ok and message == "broken journey" and calls == 1)
end)

test("no attempts are refused", function()
  local ok, message = pcall(retry.call, tostring, { attempts = 0 })
  assert(not ok and string.find(message, "attempts", 1, true), message)
end)

test("waits are durations", function()
  assert(retry.wait(2, { wait = "10ms" }) == 0.01)
  assert(retry.wait(9, { max_wait = "2s" }) == 2)
  local _, attempts = retry.call(function() return { ok = false } end, { attempts = 2, wait = "1ms" })
  assert(attempts == 2)
end)

test("mistakes are raised where they are written", function()
  local any = retry --[[@as any]]
  local function never() error "it was called" end
  raises(
    "retry.call: unknown option `atempts`; known are `attempts`, `done`",
    function() any.call(never, { atempts = 9 }) end
  )
  raises("retry.call: `wait` is wrong: ", function() any.call(never, { wait = "soon" }) end)
  raises("retry.call: `wait` is wrong: ", function() any.call(never, { wait = -1 }) end)
  raises("retry.call: `attempts` must be a number, got string", function() any.call(never, { attempts = "9" }) end)
  raises("retry.call: the options must be a table, got number", function() any.call(never, 9) end)
  raises("retry.wait: unknown option `wiat`", function() any.wait(2, { wiat = 1 }) end)
end)
