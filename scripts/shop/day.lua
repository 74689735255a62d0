-- A day in the shop, compressed into half an hour: five phases over two streams of users. The summary has a table by
-- phase, and a threshold may name one.
--
--   kingtide run scripts/shop/day.lua --demo                       30 minutes
--   kingtide run scripts/shop/day.lua --demo --time-scale 0.05     a rehearsal of 90 s at the same rates
--
-- Environment: BASE_URL.

local kt = require "kt"
local http, check, data = kt.http, kt.check, kt.data

local customers = data.array "customer-ids.json"
local products = data.array "product-ids.json"

local function order()
  local res = http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customers:random(),
      lineItems = { { productId = products:random(), quantity = 1, unitPrice = "9.99" } },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  check(res, { ["order accepted"] = res.status == 201 })
end

local function browse()
  local res = http.get("/api/products/" .. products:random(), { name = "GET /api/products/{id}" })
  check(res, { ["product found"] = res.status == 200 })
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  phases = {
    { name = "night", duration = "5m" },
    { name = "morning", duration = "5m" },
    { name = "noon", duration = "8m" },
    { name = "evening", duration = "8m" },
    { name = "late", duration = "4m" },
  },
  scenarios = {
    browsing = {
      executor = "steps",
      steps = {
        { rate = 5, duration = "5m" },
        { rate = 40, duration = "5m" },
        { rate = 80, duration = "8m" },
        { rate = 120, duration = "8m" },
        { rate = 15, duration = "4m" },
      },
      arrival = "poisson",
      exec = browse,
    },
    orders = {
      executor = "steps",
      steps = {
        { rate = 1, duration = "5m" },
        { rate = 6, duration = "5m" },
        { rate = 10, duration = "8m" },
        { rate = 15, duration = "8m" },
        { rate = 2, duration = "4m" },
      },
      arrival = "poisson",
      exec = order,
    },
  },
  thresholds = {
    checks = "rate>0.99",
    ["http_req_duration{name:POST /api/orders}"] = "p(95)<600",
    ["http_req_duration{phase:evening}"] = "p(95)<600",
  },
}

return plan
