local kt = require "kt"
local http = kt.http

local function request()
  http.post("https://shop.test/api/orders?dry=1", {
    headers = { ["x-trace"] = { "a", "b" } },
    body = '{"customerId": 7, "note": "it\'s"}\n',
    expect = { "200-299", 409 },
  })
end

return {
  http = {
    headers = { connection = "close", ["content-type"] = "application/json" },
    timeout = "2s",
    redirects = 0,
    tls = { insecure = true },
    connections = "per-iteration",
    discard_body = true,
  },
  scenarios = {
    quick = {
      executor = "constant-arrival-rate",
      rate = 250,
      pre_allocated_vus = 20,
      max_vus = 80,
      duration = "1m30s",
      exec = request,
    },
  },
  thresholds = { http_req_duration = { "max<1s", "p(95)<200ms" }, http_req_failed = "rate<0.01" },
  tags = { build = "17" },
}
