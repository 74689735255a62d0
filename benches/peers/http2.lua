local kt = require "kt"
local http, check = kt.http, kt.check

local function get()
  local res = http.get("/", { name = "GET /" })
  check(res, { ["confirmed"] = res.ok and res:json "status" == "confirmed" })
end

return {
  http = { base_url = kt.env "BASE_URL", version = "2", connections = { shared = 1 } },
  scenarios = { gets = { executor = "constant-vus", vus = 50, duration = "10s", exec = get } },
}
