local kt = require "kt"
local http = kt.http

local function get() http.get("/", { name = "GET /" }) end

return {
  http = { base_url = kt.env "BASE_URL" },
  scenarios = {
    get = {
      executor = "constant-arrival-rate",
      rate = 10000,
      duration = "10s",
      pre_allocated_vus = 50,
      max_vus = 500,
      exec = get,
    },
  },
}
