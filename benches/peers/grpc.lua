local kt = require "kt"
local check = kt.check

local client = kt.grpc.connect(kt.env("GRPC", "127.0.0.1:8087"), { plaintext = true, reflect = true, share = 1 })

local function call()
  local res = client:call("grpc.health.v1.Health/Check", { service = "" })
  check(res, { ["serving"] = res.ok and res.message.status == "SERVING" })
end

return {
  scenarios = { calls = { executor = "constant-vus", vus = 50, duration = "10s", exec = call } },
}
