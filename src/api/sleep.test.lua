local kt = require "kt"

local iterations = recorded "http_reqs"

test("x", function()
  kt.sleep(0.001)
  assert(iterations "count" == 0)
end)
