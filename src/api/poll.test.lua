local kt = require "kt"

local duration = recorded "job_duration"
local timeouts = recorded "job_timeouts"
local attempts = recorded "job_attempts"
local resolution = recorded "job_resolution"
local calls = kt.metrics.counter "poll_calls"
local tagged = recorded "poll_calls{poll:true}"
local outside = recorded "poll_calls"

---A `call` that answers how often it was called.
---@return fun(): integer
local function counter()
  local n = 0
  return function()
    n = n + 1
    return n
  end
end

test("it asks until the answer is the awaited one", function()
  local job = kt.poll {
    name = "job",
    every = "10ms",
    timeout = "5s",
    call = counter(),
    done = function(n) return n == 3 end,
  }
  assert(job.done and job.value == 3 and job.attempts == 3)
  assert(job.elapsed_ms >= 20 and job.elapsed_ms < 5000, job.elapsed_ms)
  assert(duration "count" == 1 and duration "min" >= 20)
  assert(attempts "max" == 3 and timeouts "rate" == 0)
  assert(resolution "count" == 1 and resolution "max" >= 10 and resolution "max" < duration "max")
end)

test("a timeout is no duration", function()
  local job = kt.poll {
    name = "job",
    every = "5ms",
    timeout = "150ms",
    call = counter(),
    done = function() return false end,
  }
  assert(job.done == false and job.value == job.attempts and job.attempts >= 2)
  assert(job.elapsed_ms >= 150)
  assert(duration "count" == nil and resolution "count" == nil)
  assert(timeouts "rate" == 1 and attempts "count" == 1)
end)

test("an answer after the timeout is a timeout", function()
  local job = kt.poll {
    name = "job",
    timeout = "5ms",
    call = function()
      kt.sleep "15ms"
      return "late"
    end,
    done = function() return true end,
  }
  assert(job.done == false and job.value == "late" and job.attempts == 1)
  assert(timeouts "rate" == 1 and duration "count" == nil)
end)

test("what happens in `call` carries the tag poll", function()
  calls:add(1)
  kt.poll {
    name = "job",
    every = "1ms",
    call = function()
      calls:add(1)
      return true
    end,
    done = function(value) return value end,
  }
  calls:add(1)
  assert(tagged "count" == 1 and outside "count" == 3)
end)

test("an error in `call` or `done` goes through, and the tag is gone", function()
  raises("broken call", function()
    kt.poll { name = "job", call = function() error "broken call" end, done = function() return true end }
  end)
  raises("broken done", function()
    kt.poll { name = "job", call = function() end, done = function() error "broken done" end }
  end)
  calls:add(1)
  assert(tagged "count" == nil and outside "count" == 1)
end)

test("misuse is raised where it is written", function()
  local poll = kt.poll --[[@as any]]
  local function f() return true end
  raises("poll: `options` must be a table, got nil", function() poll() end)
  raises("poll: unknown option `evry`; did you mean `every`?", function() poll { evry = 1 } end)
  raises("poll: `name` is missing", function() poll { call = f, done = f } end)
  raises("poll: `call` must be a function, got nil", function() poll { name = "job", done = f } end)
  raises("poll: `done` must be a function, got 5", function() poll { name = "job", call = f, done = 5 } end)
  raises("poll: `every` must be at least 1ms", function() poll { name = "job", call = f, done = f, every = 0 } end)
  raises("poll: `timeout` is wrong", function() poll { name = "job", call = f, done = f, timeout = "x" } end)
  raises("is not a metric name", function() poll { name = "a b", call = f, done = f } end)
end)
