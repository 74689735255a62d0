-- What the scripts for wrk have in common: checks, counted in each thread and told at the end. wrk runs where this project is.
local threads = {}

function setup(thread) table.insert(threads, thread) end

passed, failed = 0, 0

function check(holds)
  if holds then
    passed = passed + 1
  else
    failed = failed + 1
  end
end

function done()
  local all, wrong = 0, 0
  for _, thread in ipairs(threads) do
    all = all + thread:get "passed" + thread:get "failed"
    wrong = wrong + thread:get "failed"
  end
  print(string.format("checks: %d, failed: %d", all, wrong))
end
