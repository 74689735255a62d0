local kt = require "kt"
local http = kt.http

local function request()
  http.request("PURGE", "http://127.0.0.1:8080/", {
    body = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
  })
end

return {
  http = { discard_body = true },
  scenarios = {
    quick = { executor = "shared-iterations", vus = 50, iterations = 1000, max_duration = "10m", exec = request },
  },
}
