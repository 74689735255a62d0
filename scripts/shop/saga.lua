-- Places orders and follows each saga to its end: how long until an order is confirmed?
--
--   kingtide run scripts/shop/saga.lua --demo              10 orders/s for 30 s: passes
--   kingtide run scripts/shop/saga.lua --demo --rate 50    the shop's sagas queue up: the saga thresholds fail,
--                                                          while the order request itself stays as fast as before
--   kingtide run scripts/shop/saga.lua --demo -e VUS=10    10 users instead, who order again when an order is done
--
-- Environment: TPS (orders per second) or VUS (users), DURATION, and where the shop is, as in smoke.lua.

local kt = require "kt"
local shop = require "shop"

local customers, products = shop.ids()
local value = kt.metrics.trend("order_value", { unit = "USD" })
local confirmed = kt.metrics.rate "sagas_confirmed" -- of the sagas that ended within the poll's timeout

local function order_and_wait()
  local res, id = shop.place_order { customer = customers:random(), product = products:random(), price = "9.99" }
  if not kt.check(res, { ["order accepted"] = id ~= nil }) or not id then return end

  local outcome = shop.wait_for_saga(id)
  if outcome == "pending" then return end -- counted by saga_timeouts
  confirmed:add(outcome == "confirmed")
  if outcome == "confirmed" then value:add(9.99) end
end

local duration = kt.env("DURATION", "30s")
local vus = kt.env "VUS"

---@type kt.Scenario
local sagas
if vus then
  sagas = {
    executor = "constant-vus",
    vus = assert(tonumber(vus), "VUS is not a number"),
    duration = duration,
    exec = order_and_wait,
    tags = { op = "order" },
  }
else
  sagas = {
    executor = "constant-arrival-rate",
    rate = assert(tonumber(kt.env("TPS", "10")), "TPS is not a number"),
    duration = duration,
    exec = order_and_wait,
    tags = { op = "order" },
  }
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = { sagas = sagas },
  thresholds = {
    ["http_req_duration{name:POST /api/orders}"] = { "p(95)<600", "p(99)<1200" },
    http_req_failed = "rate<0.05",
    saga_duration = { "p(95)<8s", "p(99)<12s" },
    saga_timeouts = { { threshold = "rate<0.10", abort_on_fail = true, delay_abort_eval = "10s" } },
    sagas_confirmed = "rate>0.95",
  },
  setup = shop.ready,
}
return plan
