-- Creates orders at a constant rate and looks at nothing else: how fast does the shop accept them?
--
--   kingtide run scripts/shop/create_orders.lua --demo                          10/s for 60 s
--   kingtide run scripts/shop/create_orders.lua --demo --rate 50 --duration 3m
--   kingtide run scripts/shop/create_orders.lua --demo -e RATE=50 -e DURATION=3m
--
-- Environment: BASE_URL, RATE (orders per second), DURATION.
-- `order_create_duration` has one value per order, so its count is the number of orders. The shop's own figures for the
-- same requests are at BASE_URL/__stats under "POST /api/orders".

local kt = require "kt"
local http, check, data = kt.http, kt.check, kt.data

local customers = data.array "customer-ids.json"
local products = data.array "product-ids.json"

local duration = kt.metrics.trend("order_create_duration", { unit = "ms" })

local function create_order()
  local res = http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customers:random(),
      lineItems = {
        { productId = products:random(), quantity = kt.random.int(1, 3), unitPrice = "19.99" },
      },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  local created = check(res, {
    ["order created"] = res.status == 201,
    ["order has an id"] = res.status == 201 and (res:json "orderId" or res:json "id") ~= nil,
  })
  if created then duration:add(res.timings.duration) end
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  scenarios = {
    orders = {
      executor = "constant-arrival-rate",
      rate = assert(tonumber(kt.env("RATE", "10")), "RATE is not a number"),
      duration = kt.env("DURATION", "60s"),
      exec = create_order,
    },
  },
  thresholds = {
    order_create_duration = { "p(95)<600", "p(99)<1200" },
    http_req_failed = "rate<0.05",
    checks = "rate>0.95",
  },
}
return plan
