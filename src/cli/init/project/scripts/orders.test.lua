-- Tests of orders.lua. `kingtide test --demo` runs them against the built-in shop, `-e BASE_URL=…` against another.

local kt = require "kt"
local orders = require "orders"

local customers = kt.data.array "customer-ids.json"
local products = kt.data.array "product-ids.json"

local requests = recorded "http_reqs{name:POST /api/orders}"

test("an order has an id", function()
  local id = orders.place(customers[1], products[1])
  assert(type(id) == "string" and #id > 0, "no id")
  assert(requests "count" == 1)
end)

test("an order for nobody is refused", function()
  assert(orders.place("nobody", products[1]) == nil)
  assert(requests "count" == 1, "it was sent")
end)
