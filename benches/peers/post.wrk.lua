-- What post.lua does, for wrk: a body with a random id, the answer parsed, two checks. Needs the package lua-cjson.
local cjson = require "cjson"

local threads = {}

function setup(thread) table.insert(threads, thread) end

function init()
  math.randomseed(os.time())
  passed, failed = 0, 0
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  local body = cjson.encode { customerId = math.random(1, 1000000), status = "new" }
  return wrk.format("POST", "/api/orders", wrk.headers, body)
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
  check(answer.status == "confirmed")
end

function done()
  local all, wrong = 0, 0
  for _, thread in ipairs(threads) do
    all = all + thread:get "passed" + thread:get "failed"
    wrong = wrong + thread:get "failed"
  end
  print(string.format("checks: %d, failed: %d", all, wrong))
end
