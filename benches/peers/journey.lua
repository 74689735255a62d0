local kt = require "kt"
local http, check, random = kt.http, kt.check, kt.random

local browsing = kt.metrics.trend("browsing", { unit = "ms" })
local bought = kt.metrics.counter "bought"

local customers = kt.data.array("customers", function()
  local all = {}
  for id = 1, 1000 do
    all[id] = { id = id, name = "customer " .. id, token = "token-" .. id }
  end
  return all
end)

local function shop()
  local customer = customers:random()
  kt.group("browse", function()
    local res = http.get("/api/products", {
      name = "GET /api/products",
      query = { page = random.int(1, 20), sort = "price" },
      auth = { bearer = customer.token },
    })
    check(res, { ["products"] = res.status == 200, ["confirmed"] = res:json("status") == "confirmed" })
    browsing:add(res.timings.duration, { page = "products" })
  end)
  kt.group("buy", function()
    local res = http.post("/api/orders", {
      name = "POST /api/orders",
      json = { customerId = customer.id, order = random.uuid() },
      auth = { bearer = customer.token },
      headers = { ["x-request-id"] = random.uuid() },
    })
    check(res, { ["order"] = res.status == 200 })
    bought:add(1, { page = "orders" })
  end)
end

return {
  http = { base_url = kt.env "BASE_URL" },
  scenarios = {
    journey = { executor = "constant-vus", vus = 50, duration = "10s", tags = { op = "shop" }, exec = shop },
  },
}
