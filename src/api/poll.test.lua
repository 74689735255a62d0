local kt = require "kt"

local duration = recorded "job_duration"
local timeouts = recorded "job_timeouts"
local attempts = recorded "job_attempts"
local resolution = recorded "job_resolution"
local failures = recorded "job_failures"
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

test("what will never be done is not waited for", function()
  local job = kt.poll {
    name = "job",
    every = "1ms",
    timeout = "1h",
    call = counter(),
    done = function(n) return n == 4 end,
    failed = function(n) return n == 2 end,
  }
  assert(job.done == false and job.failed == true and job.value == 2 and job.attempts == 2)
  assert(failures "rate" == 1 and timeouts "rate" == 0 and attempts "max" == 2)
  assert(duration "count" == nil and resolution "count" == nil)
end)

test("what failed too late has timed out, and what is done has not failed", function()
  local function yes() return true end
  local function slow() kt.sleep "15ms" end
  local late = kt.poll { name = "job", timeout = "5ms", call = slow, done = function() return false end, failed = yes }
  assert(not late.done and not late.failed)
  local both = kt.poll { name = "job", call = yes, done = yes, failed = yes }
  assert(both.done and not both.failed)
  assert(failures "rate" == 0 and failures "count" == 2 and timeouts "rate" == 0.5)
end)

test("the resolution reaches back to when the attempt before was made", function()
  local n = 0
  kt.poll {
    name = "job",
    every = "10ms",
    call = function()
      n = n + 1
      if n == 1 then kt.sleep "50ms" end
      return n
    end,
    done = function(value) return value == 2 end,
  }
  -- The answer "not yet" may have been true at the beginning of its 50 ms only.
  assert(resolution "min" >= 60 and resolution "min" <= duration "min", resolution "min")
end)

test("the first attempt waits for the delay", function()
  local job = kt.poll { name = "job", delay = "30ms", call = counter(), done = function() return true end }
  assert(job.attempts == 1 and job.elapsed_ms >= 30, job.elapsed_ms)
  assert(resolution "min" >= 30 and duration "min" >= 30)
end)

test("jitter spreads the attempts", function()
  local function polled(n)
    return kt.poll { name = "job", every = "20ms", jitter = 1, call = counter(), done = function(c) return c == n end }
  end
  local firsts, sum = {}, 0
  for _ = 1, 12 do
    local first = polled(1).elapsed_ms
    sum, firsts[#firsts + 1] = sum + first, first
  end
  -- Evenly between 0 and 20 ms: twelve of them all at one end have a chance of one in millions.
  assert(math.min(unpack(firsts)) < 14 and math.max(unpack(firsts)) > 6, sum / 12)
  local spent = polled(4).elapsed_ms
  assert(spent >= 30, spent)
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
  raises(
    "poll: `failed` must be a function, got 1",
    function() poll { name = "job", call = f, done = f, failed = 1 } end
  )
  raises(
    "poll: `jitter` must be a share from 0 to 1, got 2",
    function() poll { name = "job", call = f, done = f, jitter = 2 } end
  )
  raises(
    "poll: `delay` must be shorter than `timeout`",
    function() poll { name = "job", call = f, done = f, delay = 10 } end
  )
  raises("poll: `timeout` must be longer than 0", function() poll { name = "job", call = f, done = f, timeout = 0 } end)
  raises("is not a metric name", function() poll { name = "a b", call = f, done = f } end)
  raises("poll: `name` must not be empty", function() poll { name = "", call = f, done = f } end)
  raises(
    "poll: `http_req_duration` is a built-in metric; choose another name",
    function() poll { name = "http_req", call = f, done = f } end
  )
end)

local at_load, problem = pcall(kt.poll, { name = "job", call = function() end, done = function() return true end })
test(
  "nothing is asked while the file loads",
  function() assert(not at_load and string.find(problem, "poll: cannot be used while the file loads", 1, true), problem) end
)
