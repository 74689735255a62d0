local kt = require "kt"
local http = kt.http

local function request() http.get("http://127.0.0.1:8080/") end

return {
  http = { discard_body = true },
  scenarios = { quick = { executor = "constant-vus", vus = 50, duration = "10s", exec = request } },
}
