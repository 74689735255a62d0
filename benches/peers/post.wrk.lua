-- What post.lua does, for wrk: a body with a random id, the answer parsed, two checks. Needs the package lua-cjson.
local cjson = require "cjson"

dofile "benches/peers/checks.wrk.lua"

function init()
  math.randomseed(os.time())
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  local body = cjson.encode { customerId = math.random(1, 1000000), status = "new" }
  return wrk.format("POST", "/api/orders", wrk.headers, body)
end

function response(status, _, body)
  local answer = cjson.decode(body)
  check(status == 200)
  check(answer.status == "confirmed")
end
