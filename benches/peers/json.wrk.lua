-- What json.lua does, for wrk: an answer with many objects parsed as a whole, two checks. Needs the package lua-cjson.
local cjson = require "cjson"

dofile "benches/peers/checks.wrk.lua"

function init() wrk.path = "/items/" .. os.getenv "COUNT" end

function response(status, _, body)
  local answer = cjson.decode(body)
  check(status == 200)
  check(answer.total == #answer.items)
end
