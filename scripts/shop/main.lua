-- The team's main load test: three scenarios, of which one is chosen.
--
--   kingtide run scripts/shop/main.lua --demo --scenario smoke       1 user, every operation, 30 times
--   kingtide run scripts/shop/main.lua --demo --scenario ramp_up     0 → 10 → 50 → 100 users and down, in 5.5 minutes
--   kingtide run scripts/shop/main.lua --demo --scenario constant    10/s for 180 s: 1,800 iterations
--   kingtide run scripts/shop/main.lua --demo --scenario constant --rate 50 --duration 3m
--   kingtide run scripts/shop/main.lua --demo                        all three, one after the other; a smoke test that
--                                                                    fails ends the run, the rest would prove nothing
--
-- Environment, besides where the shop is (as in smoke.lua):
--   TPS, DURATION, VUS    of `constant`: 10, 180s, and at most 200 users (what they cannot take is dropped)
--   SAGAS                 the share of orders whose saga is followed: 0.1 in `constant`, 1 in `ramp_up`
--   REPORT                results/baseline makes results/baseline.md and .csv with the columns of the team's baseline table

local kt = require "kt"
local mixed = require "mixed"
local shop = require "shop"
local smoke = require "smoke"
local summaries = require "summaries"

local traffic = assert(mixed.exec)

-- People look at what they got before they go on.
local function visit(state)
  traffic(state)
  kt.sleep(kt.random.float(0.1, 0.5))
end

---@type summaries.Column[]
local BASELINE = {
  { title = "iterations", metric = "iterations", value = "count" },
  { title = "HTTP requests", metric = "http_reqs", value = "count" },
  { title = "effective TPS", metric = "iterations", value = "rate", unit = "/s" },
  { title = "errors", metric = "technical_errors", value = "rate", unit = "%" },
  { title = "order p95", metric = "order_create_duration", value = "p95", unit = "ms" },
  { title = "saga p50", metric = "saga_duration", value = "p50", unit = "s" },
  { title = "saga avg", metric = "saga_duration", value = "avg", unit = "s" },
  { title = "saga p95", metric = "saga_duration", value = "p95", unit = "s" },
  { title = "saga timeouts", metric = "saga_timeouts", value = "rate", unit = "%" },
  { title = "dropped", metric = "dropped_iterations", value = "count" },
  { title = "users", metric = "vus", value = "max" },
}

---@type kt.SummaryHook?
local report
local path = kt.env "REPORT"
if path then
  report = function(s)
    return {
      [path .. ".md"] = summaries.markdown(s, { title = "Baseline of the shop", columns = BASELINE }),
      [path .. ".csv"] = summaries.csv(s, BASELINE),
    }
  end
end

---@param expressions string[]
---@return kt.ThresholdOptions[] thresholds for scenarios that do what is measured
local function where_measured(expressions)
  local all = {}
  for i, expression in ipairs(expressions) do
    all[i] = { threshold = expression, on_no_data = "pass" }
  end
  return all
end

---@type kt.Plan
local plan = {
  http = { timeout = "10s" },
  scenarios = {
    smoke = { executor = "per-vu-iterations", vus = 1, iterations = 30, exec = smoke.exec },
    ramp_up = {
      executor = "ramping-vus",
      start_after = "smoke",
      start_vus = 0,
      stages = {
        { duration = "30s", target = 10 },
        { duration = "1m", target = 50 },
        { duration = "2m", target = 100 },
        { duration = "1m", target = 100, name = "hold" },
        { duration = "1m", target = 0 },
      },
      exec = visit,
      env = { SAGAS = "1" },
    },
    constant = {
      executor = "constant-arrival-rate",
      start_after = "ramp_up",
      rate = assert(tonumber(kt.env("TPS", "10")), "TPS is not a number"),
      duration = kt.env("DURATION", "180s"),
      max_vus = assert(tonumber(kt.env("VUS", "200")), "VUS is not a number"),
      on_saturation = "drop",
      exec = traffic,
      env = { SAGAS = "0.1" },
    },
  },
  thresholds = {
    ["checks{scenario:smoke}"] = { { threshold = "rate>0.99", abort_on_fail = true, on_no_data = "pass" } },
    ["http_req_duration{name:POST /api/orders}"] = { "p(95)<600", "p(99)<1200" },
    ["http_req_duration{name:POST /api/products/{id}/stock/reserve}"] = { "p(95)<400", "p(99)<800" },
    ["http_req_duration{name:POST /api/customers}"] = { "p(95)<500", "p(99)<1000" },
    http_req_failed = "rate<0.05",
    technical_errors = where_measured { "rate<0.05" },
    saga_duration = where_measured { "p(95)<8s", "p(99)<12s" },
    saga_timeouts = where_measured { "rate<0.10" },
  },
  setup = shop.ready,
  summary = report,
}
return plan
