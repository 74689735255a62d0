local kt = require "kt"
local http, check, random = kt.http, kt.check, kt.random

local THINK = kt.env("THINK", "")

local function order()
  local res = http.post("/api/orders", {
    name = "POST /api/orders",
    json = { customerId = random.int(1, 1000000), status = "new" },
  })
  check(res, { ["status is 200"] = res.status == 200, ["confirmed"] = res:json("status") == "confirmed" })
  if THINK ~= "" then kt.sleep(THINK) end
end

return {
  http = { base_url = kt.env "BASE_URL" },
  scenarios = {
    post = { executor = "constant-vus", vus = 50, duration = "10s", tags = { op = "order" }, exec = order },
  },
}
