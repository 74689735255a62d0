local kt = require "kt"
local http, check = kt.http, kt.check

local PATH = "/items/" .. kt.env("COUNT", "10")

local function list()
  local res = http.get(PATH, { name = "GET /items/{count}" })
  local answer = res:json()
  check(res, {
    ["status is 200"] = res.status == 200,
    ["all there"] = answer and answer.total == #answer.items,
  })
end

return {
  http = { base_url = kt.env "BASE_URL" },
  scenarios = {
    list = { executor = "constant-vus", vus = 50, duration = "10s", tags = { op = "list" }, exec = list },
  },
}
