-- The shop's everyday traffic: of 100 iterations 60 place an order, 25 reserve stock and 15 create a customer.
--
--   kingtide run scripts/shop/mixed.lua --demo                    50/s for 180 s: 9,000 iterations
--   kingtide run scripts/shop/mixed.lua --demo --rate 25
--   kingtide run scripts/shop/mixed.lua --demo -e SAGAS=1         also follows every order's saga to its end;
--                                                                 above 32/s (19 orders/s) the shop cannot keep up
--
-- Environment: BASE_URL, SAGAS.
-- Every iteration counts in exactly one of ops_orders, ops_stock and ops_customers, so that the three add up to the
-- iterations. Two kinds of failure are kept apart: technical ones (no answer, 5xx) are in http_req_failed; functional
-- ones (sold out, an e-mail address that is taken) are valid answers, expected here, and in functional_errors.

local kt = require "kt"
local mix = require "mix"
local http, check, data, metrics = kt.http, kt.check, kt.data, kt.metrics

local customers = data.array "customer-ids.json"
local products = data.array "product-ids.json"

local follow_sagas = kt.env("SAGAS", "") ~= ""

local ops = {
  orders = metrics.counter "ops_orders",
  stock = metrics.counter "ops_stock",
  customers = metrics.counter "ops_customers",
}
local order_create = metrics.trend("order_create_duration", { unit = "ms" })
local stock_reserve = metrics.trend("stock_reserve_duration", { unit = "ms" })
local customer_create = metrics.trend("customer_create_duration", { unit = "ms" })
local functional = metrics.rate "functional_errors"

local FINAL = { CONFIRMED = true, COMPLETED = true, CANCELLED = true, FAILED = true }

local function follow(id)
  kt.poll {
    name = "saga",
    every = "200ms",
    timeout = "10s",
    call = function() return http.get("/api/orders/" .. id, { name = "GET /api/orders/{id}" }) end,
    done = function(r) return r.ok and FINAL[string.upper(r:json "status" or "")] == true end,
  }
end

local function orders()
  ops.orders:add(1)
  local res = http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customers:random(),
      lineItems = { { productId = products:random(), quantity = kt.random.int(1, 3), unitPrice = "19.99" } },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  if not check(res, { ["order accepted"] = res.status == 201 }) then return end
  order_create:add(res.timings.duration)
  if follow_sagas then follow(res:json "orderId" or res:json "id") end
end

local function stock()
  ops.stock:add(1)
  local res = http.post("/api/products/" .. products:random() .. "/stock/reserve", {
    name = "POST /api/products/{id}/stock/reserve",
    json = { quantity = 1, orderId = kt.random.uuid() },
    expect = { 200, 409 }, -- 409: sold out, a valid answer
  })
  if not check(res, { ["stock answered"] = res.status == 200 or res.status == 409 }) then return end
  stock_reserve:add(res.timings.duration)
  functional:add(res.status == 409)
end

local function create_customer()
  ops.customers:add(1)
  local res = http.post("/api/customers", {
    name = "POST /api/customers",
    json = {
      name = "Load Test",
      -- With the same seed come the same addresses: against a shop that has seen them the answer is 409.
      email = "load-" .. kt.random.uuid() .. "@example.com",
      address = "1 Elm Street, Boston, MA 02108",
    },
    expect = { 201, 409 },
  })
  if not check(res, { ["customer answered"] = res.status == 201 or res.status == 409 }) then return end
  customer_create:add(res.timings.duration)
  functional:add(res.status == 409)
end

local iteration = mix { -- weights, not necessarily of a hundred
  { weight = 60, run = orders },
  { weight = 25, run = stock },
  { weight = 15, run = create_customer },
}

local thresholds = {
  ["http_req_duration{name:POST /api/orders}"] = { "p(95)<600", "p(99)<1200" },
  ["http_req_duration{name:POST /api/products/{id}/stock/reserve}"] = { "p(95)<400", "p(99)<800" },
  ["http_req_duration{name:POST /api/customers}"] = { "p(95)<500", "p(99)<1000" },
  http_req_failed = "rate<0.05",
}
if follow_sagas then
  thresholds.saga_duration = { "p(95)<8s", "p(99)<12s" }
  thresholds.saga_timeouts = "rate<0.10"
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  scenarios = {
    mixed = { executor = "constant-arrival-rate", rate = 50, duration = "180s", exec = iteration },
  },
  thresholds = thresholds,
}
return plan
