-- Places orders at a constant rate and follows each saga to its end: how long until an order is confirmed?
--
--   kingtide run scripts/shop/saga.lua --demo              10 orders/s for 30 s: passes
--   kingtide run scripts/shop/saga.lua --demo --rate 50    the shop's sagas queue up: the saga thresholds fail,
--                                                          while the order request itself stays as fast as before
--
-- Environment: BASE_URL.

local kt = require "kt"
local http, check, data = kt.http, kt.check, kt.data

local customers = data.array "customer-ids.json"
local products = data.array "product-ids.json"

local value = kt.metrics.trend("order_value", { unit = "USD" })
local confirmed = kt.metrics.rate "sagas_confirmed" -- of the sagas that ended within the poll's timeout

-- Four states are final and only two of them are good. Services differ in how they write them.
local FINAL = { CONFIRMED = "good", COMPLETED = "good", CANCELLED = "bad", FAILED = "bad" }

local function final(res) return FINAL[string.upper(res:json "status" or "")] end

local function place_order()
  local res = http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customers:random(),
      lineItems = { { productId = products:random(), quantity = 1, unitPrice = "9.99" } },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  if not check(res, { ["order accepted"] = res.status == 201 }) then return end

  local id = res:json "orderId" or res:json "id"
  local outcome
  local saga = kt.poll { -- polls are tagged, so they never dilute endpoint numbers
    name = "saga",
    every = "200ms",
    timeout = "10s",
    call = function() return http.get("/api/orders/" .. id, { name = "GET /api/orders/{id}" }) end,
    done = function(r)
      if r.ok then outcome = final(r) end
      return outcome ~= nil
    end,
  }
  if not saga.done then return end -- counted by saga_timeouts

  confirmed:add(outcome == "good")
  if outcome == "good" then value:add(9.99) end
end

-- A load test of a sick system, or with yesterday's ids, measures nothing: find out before it starts.
local function setup()
  local health = http.get("/order/actuator/health", { name = "GET health", timeout = "5s" })
  if not health.ok then
    kt.run.abort("the order service is not healthy: " .. (health.error or ("status " .. health.status)))
  end
  local known = http.get("/api/products/" .. products[1], { name = "GET /api/products/{id}" })
  if not known.ok then kt.run.abort("product-ids.json does not fit this shop: status " .. known.status) end
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  scenarios = {
    sagas = {
      executor = "constant-arrival-rate",
      rate = 10,
      duration = "30s",
      exec = place_order,
      tags = { op = "order" },
    },
  },
  thresholds = {
    ["http_req_duration{name:POST /api/orders}"] = { "p(95)<600", "p(99)<1200" },
    http_req_failed = "rate<0.05",
    saga_duration = { "p(95)<8s", "p(99)<12s" },
    saga_timeouts = { { threshold = "rate<0.10", abort_on_fail = true, delay_abort_eval = "10s" } },
    sagas_confirmed = "rate>0.95",
  },
  setup = setup,
}
return plan
