-- Does everything work at all? One virtual user calls every operation of the shop thirty times. Run it first.
--
--   kingtide run scripts/shop/smoke.lua --demo
--   kingtide run scripts/shop/smoke.lua -e GATEWAY=https://shop.test
--
-- Environment: where the shop is: GATEWAY, or ACCOUNT_URL, INVENTORY_URL, ORDER_URL and PAYMENT_URL, or BASE_URL.

local kt = require "kt"
local shop = require "shop"
local check = kt.check

local customers, products = shop.ids()

local function customer()
  local created, id = shop.create_customer { name = "Smoke Test" }
  check(created, { ["customer has an id"] = id ~= nil })
  local read = shop.customer(customers:random())
  check(read, { ["customer found"] = read.status == 200 })
end

local function product()
  local created, new = shop.create_product {
    sku = "SMK-001",
    name = "Smoke Detector",
    category = "Accessories",
    price = "9.99",
    quantityOnHand = 10,
    description = "Made for small offices and home offices. Quiet, until it is not.",
  }
  check(created, { ["product has an id"] = new ~= nil })

  local id = products:random()
  local read = shop.product(id)
  check(read, { ["product found"] = read.status == 200 })
  local similar = shop.similar(id, 3)
  check(similar, { ["three similar products"] = similar.ok and #similar:json "similar" == 3 })
end

local function stock()
  local id = products:random()
  local replenished = shop.replenish(id, 1)
  check(replenished, { ["stock replenished"] = replenished.status == 200 })
  local reserved = shop.reserve(id)
  check(reserved, { ["stock reserved"] = reserved.status == 200 })
end

local function order()
  local placed, id = shop.place_order { customer = customers:random(), product = products:random() }
  if not check(placed, { ["order accepted"] = id ~= nil }) or not id then return end
  local read = shop.order(id)
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
  http = { timeout = "10s" },
  exec = everything_once,
  scenarios = {
    smoke = { executor = "per-vu-iterations", vus = 1, iterations = 30 },
  },
  thresholds = {
    checks = "rate>0.99",
    http_req_failed = "rate<0.01",
  },
  setup = shop.ready,
}
return plan
