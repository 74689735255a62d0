-- Customers look at products and place orders: the load test of this project.
--
--   kingtide run scripts/load.lua --demo                        against the built-in shop
--   kingtide run scripts/load.lua -e BASE_URL=https://…         against your system
--   kingtide run scripts/load.lua --demo --once --trace-http    one iteration, step by step
--
-- Environment: BASE_URL.

local kt = require "kt"
local orders = require "orders"
local http, check, data = kt.http, kt.check, kt.data

local customers = data.array "customer-ids.json" -- from data/; one copy for all virtual users
local products = data.array "product-ids.json"

local function buy()
  local product = products:random()
  local page = http.get("/api/products/" .. product, { name = "GET /api/products/{id}" })
  if not check(page, { ["product found"] = page.status == 200 }) then return end

  kt.sleep(kt.random.float(0.1, 0.5)) -- a person reads
  orders.place(customers:random(), product)
end

-- A load test of a sick system measures nothing: find out before it starts.
local function setup()
  local health = http.get("/order/actuator/health", { name = "GET health", timeout = "5s" })
  if not health.ok then kt.run.abort("the shop is not healthy: " .. (health.error or ("status " .. health.status))) end
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  scenarios = {
    buyers = { executor = "constant-arrival-rate", rate = 5, duration = "30s", exec = buy },
  },
  thresholds = {
    checks = "rate>0.99",
    http_req_failed = "rate<0.01",
    http_req_duration = { "p(95)<300ms", "p(99)<1s" },
  },
  setup = setup,
}
return plan
