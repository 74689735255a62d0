-- The shop's everyday traffic: of 100 iterations 60 place an order, 25 reserve stock and 15 create a customer.
--
--   kingtide run scripts/shop/mixed.lua --demo                    50/s for 180 s: 9,000 iterations
--   kingtide run scripts/shop/mixed.lua --demo --rate 25
--   kingtide run scripts/shop/mixed.lua --demo -e SAGAS=1         also follows every order's saga to its end;
--                                                                 above 32/s (19 orders/s) the shop cannot keep up
--
-- Environment: TPS (iterations per second), DURATION, SAGAS (the share of orders whose saga is followed, 0 to 1), and
-- where the shop is, as in smoke.lua.
-- What is counted, and how technical errors are told from functional ones, is in `shop.operations` (lib-lua/shop.lua).

local kt = require "kt"
local mix = require "mix"
local shop = require "shop"

local sagas = assert(tonumber(kt.env("SAGAS", "0")), "SAGAS is not a number")
local operations = shop.operations { follow = sagas }

local thresholds = {
  order_create_duration = { "p(95)<600", "p(99)<1200" },
  stock_reserve_duration = { "p(95)<400", "p(99)<800" },
  customer_create_duration = { "p(95)<500", "p(99)<1000" },
  technical_errors = "rate<0.05",
}
if sagas > 0 then
  thresholds.saga_duration = { "p(95)<8s", "p(99)<12s" }
  thresholds.saga_timeouts = "rate<0.10"
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  exec = mix { -- weights, not necessarily of a hundred
    { weight = 60, run = operations.order },
    { weight = 25, run = operations.stock },
    { weight = 15, run = operations.customer },
  },
  scenarios = {
    mixed = {
      executor = "constant-arrival-rate",
      rate = assert(tonumber(kt.env("TPS", "50")), "TPS is not a number"),
      duration = kt.env("DURATION", "180s"),
    },
  },
  thresholds = thresholds,
  setup = shop.ready,
}
return plan
