-- What json.lua does, for wrk: an answer with many objects parsed as a whole, two checks. Needs the package lua-cjson.
local cjson = require "cjson"

local threads = {}

function setup(thread) table.insert(threads, thread) end

function init()
  passed, failed = 0, 0
  wrk.path = "/items/" .. os.getenv "COUNT"
end

local function check(holds)
  if holds then
    passed = passed + 1
  else
    failed = failed + 1
  end
end

function response(status, _, body)
  local answer = cjson.decode(body)
  check(status == 200)
  check(answer.total == #answer.items)
end

function done()
  local all, wrong = 0, 0
  for _, thread in ipairs(threads) do
    all = all + thread:get "passed" + thread:get "failed"
    wrong = wrong + thread:get "failed"
  end
  print(string.format("checks: %d, failed: %d", all, wrong))
end
