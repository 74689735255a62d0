-- Does the shop hold for half an hour? Everyday traffic (mixed.lua) at 50/s, with a checkpoint every five minutes.
--
--   kingtide run scripts/shop/sustained.lua --demo                      30 minutes: 90,000 iterations, 6 checkpoints
--   kingtide run scripts/shop/sustained.lua --demo --time-scale 0.1     a rehearsal of 3 minutes, 6 checkpoints of 30 s
--
-- Environment: TPS, DURATION, CHECKPOINT (how often), and where the shop is, as in smoke.lua.
--
-- What fails the run: technical errors (no valid answer) of 2 % or more, and slow answers. Stock that is sold out is no
-- error of the shop's: it is a functional one, and `functional_errors` may be the whole share of the traffic that
-- reserves stock (25 %, and what chance adds). More than that is something else, and fails too.

local kt = require "kt"
local mixed = require "mixed"
local shop = require "shop"

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  checkpoints = kt.env("CHECKPOINT", "5m"),
  scenarios = {
    sustained = {
      executor = "constant-arrival-rate",
      rate = assert(tonumber(kt.env("TPS", "50")), "TPS is not a number"),
      duration = kt.env("DURATION", "30m"),
      exec = mixed.exec,
    },
  },
  thresholds = {
    order_create_duration = "p(95)<800",
    stock_reserve_duration = { { threshold = "p(95)<600", on_no_data = "pass" } }, -- nothing is reserved when all is sold out
    customer_create_duration = "p(95)<700",
    technical_errors = "rate<0.02",
    functional_errors = "rate<0.30",
    dropped_iterations = "rate<0.05", -- 0.1 % of 50/s
  },
  setup = shop.ready,
}
return plan
