-- Creates orders at a constant rate and looks at nothing else: how fast does the shop accept them?
--
--   kingtide run scripts/shop/create_orders.lua --demo                        10/s for 60 s
--   kingtide run scripts/shop/create_orders.lua --demo --rate 50 --duration 3m
--   kingtide run scripts/shop/create_orders.lua --demo -e TPS=50 -e DURATION=3m
--
-- Environment: TPS (orders per second), DURATION, and where the shop is, as in smoke.lua.
-- `order_create_duration` has one value per order, so its count is the number of orders. The shop's own figures for the
-- same requests are at BASE_URL/__stats of the demo under "POST /api/orders".

local kt = require "kt"
local shop = require "shop"

local customers, products = shop.ids()
local duration = kt.metrics.trend("order_create_duration", { unit = "ms" })

local function create_order()
  local res, id = shop.place_order {
    customer = customers:random(),
    product = products:random(),
    quantity = kt.random.int(1, 3),
  }
  kt.check(res, { ["order created"] = res.status == 201, ["order has an id"] = id ~= nil })
  if id then duration:add(res.timings.duration) end
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = {
    orders = {
      executor = "constant-arrival-rate",
      rate = assert(tonumber(kt.env("TPS", "10")), "TPS is not a number"),
      duration = kt.env("DURATION", "60s"),
      exec = create_order,
    },
  },
  thresholds = {
    order_create_duration = { "p(95)<600", "p(99)<1200" },
    http_req_failed = "rate<0.05",
    checks = "rate>0.95",
  },
  setup = shop.ready,
}
return plan
