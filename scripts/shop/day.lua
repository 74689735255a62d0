-- A day in the shop, compressed into half an hour: five phases over two streams of users. The summary has a table by
-- phase, and a threshold may name one.
--
--   kingtide run scripts/shop/day.lua --demo                       30 minutes
--   kingtide run scripts/shop/day.lua --demo --time-scale 0.05     a rehearsal of 90 s at the same rates
--
-- Environment: where the shop is, as in smoke.lua.

local kt = require "kt"
local shop = require "shop"

local customers, products = shop.ids()

local function order()
  local res, id = shop.place_order { customer = customers:random(), product = products:random() }
  kt.check(res, { ["order accepted"] = id ~= nil })
end

local function browse()
  local res = shop.product(products:random())
  kt.check(res, { ["product found"] = res.status == 200 })
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
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
  setup = shop.ready,
}

return plan
