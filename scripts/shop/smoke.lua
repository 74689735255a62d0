-- Does everything work at all? One virtual user calls every operation of the shop thirty times. Run it first.
--
--   kingtide run scripts/shop/smoke.lua --demo
--
-- Environment: BASE_URL.

local kt = require "kt"
local http, check, data = kt.http, kt.check, kt.data

local customers = data.array "customer-ids.json"
local products = data.array "product-ids.json"

-- The services answer for their health behind BASE_URL too, each under its own name.
local SERVICES = { "account", "inventory", "order", "payment" }

local function setup()
  for _, service in ipairs(SERVICES) do
    local res = http.get("/" .. service .. "/actuator/health", { name = "GET health", timeout = "5s" })
    if not (res.ok and res:json "status" == "UP") then
      kt.run.abort(service .. " is not healthy: " .. (res.error or ("status " .. res.status)))
    end
  end
end

local function customer()
  local created = http.post("/api/customers", {
    name = "POST /api/customers",
    json = {
      name = "Smoke Test",
      email = "smoke-" .. kt.random.uuid() .. "@example.com",
      address = "1 Elm Street, Boston, MA 02108",
    },
    expect = { 201, 409 }, -- 409: an earlier run with the same seed made it
  })
  check(created, { ["customer has an id"] = created.ok and created:json "customerId" ~= nil })

  local read = http.get("/api/customers/" .. customers:random(), { name = "GET /api/customers/{id}" })
  check(read, { ["customer found"] = read.status == 200 })
end

local function product()
  local created = http.post("/api/products", {
    name = "POST /api/products",
    json = {
      sku = "SMK-001",
      name = "Smoke Detector",
      category = "Accessories",
      price = "9.99",
      quantityOnHand = 10,
      description = "Made for small offices and home offices. Quiet, until it is not.",
    },
    expect = 201,
  })
  check(created, { ["product has an id"] = created.ok and created:json "productId" ~= nil })

  local id = products:random()
  local read = http.get("/api/products/" .. id, { name = "GET /api/products/{id}" })
  check(read, { ["product found"] = read.status == 200 })

  local similar = http.get("/api/products/" .. id .. "/similar", {
    name = "GET /api/products/{id}/similar",
    query = { limit = 3 },
  })
  check(similar, { ["three similar products"] = similar.ok and #similar:json "similar" == 3 })
end

local function stock()
  local path = "/api/products/" .. products:random() .. "/stock/"
  local replenished = http.post(path .. "replenish", {
    name = "POST /api/products/{id}/stock/replenish",
    json = { quantity = 1 },
  })
  check(replenished, { ["stock replenished"] = replenished.status == 200 })

  local reserved = http.post(path .. "reserve", {
    name = "POST /api/products/{id}/stock/reserve",
    json = { quantity = 1, orderId = kt.random.uuid() },
  })
  check(reserved, { ["stock reserved"] = reserved.status == 200 })
end

local function order()
  local placed = http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customers:random(),
      lineItems = { { productId = products:random(), quantity = 1, unitPrice = "9.99" } },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  if not check(placed, { ["order accepted"] = placed.status == 201 }) then return end

  local id = placed:json "orderId" or placed:json "id"
  local read = http.get("/api/orders/" .. id, { name = "GET /api/orders/{id}" })
  check(read, { ["order has a status"] = read.ok and read:json "status" ~= nil })
end

local function everything_once()
  customer()
  product()
  stock()
  order()
end

---@type kt.Plan
local plan = {
  http = { base_url = kt.env("BASE_URL", "http://127.0.0.1:8080"), timeout = "10s" },
  scenarios = {
    smoke = { executor = "per-vu-iterations", vus = 1, iterations = 30, exec = everything_once },
  },
  thresholds = {
    checks = "rate>0.99",
    http_req_failed = "rate<0.01",
  },
  setup = setup,
}
return plan
