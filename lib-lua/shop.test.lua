local kt = require "kt"
local shop = require "shop"

local customers, products = shop.ids()
local operations = shop.operations()
local following = shop.operations { follow = 1 }

local sagas = recorded "saga_duration"
local timeouts = recorded "saga_timeouts"
local orders = recorded "ops_orders"
local technical = recorded "technical_errors"
local functional = recorded "functional_errors"
local created = recorded "order_create_duration"
local reserved = recorded "stock_reserve_duration"
local signed_up = recorded "customer_create_duration"
local polls = recorded "http_reqs{poll:true}"
local named = recorded "http_reqs{name:POST /api/products/{id}/stock/reserve}"

local TEST, REFUSED = kt.env("TEST_URL", ""), kt.env("REFUSED_URL", "")

---Makes all services one fake, which is told by its path.
---@param kind string
local function at(kind)
  for service in pairs(shop.urls) do
    shop.urls[service] = TEST .. "/shop/" .. kind
  end
end

test("without a variable the services are where kingtide demo starts them", function()
  -- The test file sets none of them.
  local urls = { account = 8081, inventory = 8082, order = 8083, payment = 8084 }
  for service, port in pairs(urls) do
    assert(shop.urls[service] == "http://127.0.0.1:" .. port, service)
  end
end)

test("ids are those of the files", function()
  assert(#customers == 100 and #products == 100)
  assert(customers[1] ~= products[1])
end)

test("customers are made with an address of their own, and one that is taken is a valid answer", function()
  at "well"
  local res, id = shop.create_customer()
  assert(res.status == 201 and id == "c-new")
  local sent = res:json "sent"
  assert(string.find(sent.email, "^load%-[%x-]+@example%.com$"), sent.email)
  local again = shop.create_customer()
  assert(again:json "sent.email" ~= sent.email)
  local taken, old = shop.create_customer { email = "taken@example.com", name = "A", address = "B" }
  assert(taken.ok and taken.status == 409 and old == "c-old")
  assert(taken:json "sent.name" == "A" and taken:json "sent.address" == "B")
  assert(shop.customer("c-1"):json "customerId" == "c-1")
end)

test("products are made, found and compared", function()
  at "well"
  local row = { sku = "A", name = "A", category = "A", description = "A", price = "9.99", quantityOnHand = 1 }
  local res, id = shop.create_product(row)
  assert(id == "p-new" and res:json "sent.price" == "9.99")
  assert(shop.product("p-1"):json "productId" == "p-1")
  assert(shop.similar("p-1"):json "query" == "limit=5")
  assert(shop.similar("p-1", 3):json "query" == "limit=3")
end)

test("stock is reserved and replenished, and sold out is a valid answer", function()
  at "well"
  local res = shop.reserve("p-1", 2, "o-7")
  assert(res.ok and res:json "sent.quantity" == 2 and res:json "sent.orderId" == "o-7")
  assert(#shop.reserve("p-1"):json "sent.orderId" == 36)
  local sold_out = shop.reserve "sold-out"
  assert(sold_out.ok and sold_out.status == 409)
  assert(shop.replenish("p-1", 5):json "sent.quantity" == 5)
  assert(named "count" == 3, "one name for all products")
end)

test("the id of an order is spelled orderId or id, and a refused one has none", function()
  at "well"
  local res, id = shop.place_order { customer = "c-1", product = "p-1", quantity = 3, price = "1.50" }
  assert(id == "o-1")
  local item = res:json "sent.lineItems.1"
  assert(item.productId == "p-1" and item.quantity == 3 and item.unitPrice == "1.50")
  local _, short = shop.place_order { customer = "short", product = "p-1" }
  assert(short == "o-short")
  local refused, none = shop.place_order { customer = "refused", product = "p-1" }
  assert(refused.ok and refused.status == 409 and none == nil)
  at "broken"
  local broken, nothing = shop.place_order { customer = "c-1", product = "p-1" }
  assert(not broken.ok and nothing == nil)
end)

test("four states are final, two of them good, however they are written", function()
  at "well"
  -- id (its status until the dash), outcome
  local rows = {
    { "CONFIRMED-0", "confirmed" },
    { "completed-0", "confirmed" },
    { "Cancelled-0", "failed" },
    { "failed-0", "failed" },
    { "PAYING-0", "pending" },
    { "o-1", "confirmed" },
  }
  for _, row in ipairs(rows) do
    assert(shop.outcome(shop.order(row[1])) == row[2], row[1])
  end
  shop.urls.order = REFUSED
  assert(shop.outcome(shop.order "o-1") == "pending", "no answer is no end")
end)

test("a saga is waited for until it ends, well or not", function()
  at "well"
  local outcome, elapsed = shop.wait_for_saga("confirmed-2", { every = "5ms" })
  assert(outcome == "confirmed" and elapsed >= 10, outcome)
  assert(shop.wait_for_saga("FAILED-1", { every = "5ms" }) == "failed")
  assert(polls "count" == 5 and sagas "count" == 2 and timeouts "rate" == 0)
end)

test("a saga that does not end is a timeout and no duration", function()
  at "well"
  local outcome = shop.wait_for_saga("PAYING-0", { every = "5ms", timeout = "40ms" })
  assert(outcome == "pending")
  assert(timeouts "rate" == 1 and sagas "count" == nil)
end)

test("each operation is counted once, as what it is", function()
  at "well"
  operations.order()
  operations.stock()
  operations.customer()
  assert(orders "count" == 1 and created "count" == 1 and reserved "count" == 1 and signed_up "count" == 1)
  assert(technical "count" == 3 and technical "rate" == 0)
  assert(functional "count" == 3 and functional "rate" == 0)
  assert(polls "count" == nil, "no saga is followed")
end)

test("what is broken is technical, and has no duration", function()
  at "broken"
  operations.order()
  operations.stock()
  operations.customer()
  shop.urls.order = REFUSED
  operations.order()
  assert(technical "count" == 4 and technical "rate" == 1 and functional "rate" == 0)
  assert(created "count" == nil and reserved "count" == nil and signed_up "count" == nil)
end)

test("sagas are followed as often as was asked for", function()
  at "well"
  following.order()
  assert(sagas "count" == 1)
  at "broken"
  following.order()
  assert(sagas "count" == 1, "there is nothing to follow")
end)

test("a share that is none is refused", function()
  for _, follow in ipairs { -0.1, 1.1, 0 / 0 } do
    local ok, message = pcall(shop.operations, { follow = follow })
    assert(not ok and string.find(tostring(message), "from 0 to 1", 1, true), tostring(message))
  end
end)

test("a shop that is well has no problem", function()
  for _, kind in ipairs { "well", "plain" } do
    at(kind)
    assert(shop.problem() == nil, shop.problem())
  end
  shop.ready()
end)

test("a problem names the service or the file, and what to do", function()
  local all = "account, inventory, order, payment"
  -- what the services are, parts of the message
  local rows = {
    {
      "sick",
      { "not healthy: inventory, payment (status 503 at " .. TEST .. "/shop/sick/actuator/health)", "GATEWAY" },
    },
    { "ill", { "not healthy: " .. all .. " (status 503" } },
    {
      "nobody",
      { "customer-ids.json is stale: the account service", customers[1] .. " (row 1 of 100)", "kingtide data" },
    },
    { "nothing", { "product-ids.json is stale: the inventory service", products[1] .. " (row 1 of 100)" } },
    { "broken", { "customer-ids.json: the account service cannot look up", "status 500" } },
  }
  for _, row in ipairs(rows) do
    at(row[1])
    local problem = shop.problem() or "none"
    for _, part in ipairs(row[2]) do
      assert(string.find(problem, part, 1, true), row[1] .. ": " .. problem)
    end
  end
  at "well"
  shop.urls.order = REFUSED
  local problem = shop.problem() or "none"
  assert(string.find(problem, "not healthy: order (", 1, true), problem)
  assert(string.find(problem, REFUSED .. "/actuator/health", 1, true), problem)
  shop.urls.account = TEST .. "/shop/ill"
  problem = shop.problem() or "none"
  assert(string.find(problem, "not healthy: account (status 503 at ", 1, true), problem)
  assert(string.find(problem, "; order (", 1, true), "all are named: " .. problem)
  for service in pairs(shop.urls) do
    shop.urls[service] = "127.0.0.1:9"
  end
  problem = shop.problem() or "none"
  local why = "not healthy: " .. all .. " (an address without http:// or https:// at 127.0.0.1:9/"
  assert(string.find(problem, why, 1, true), problem)
end)
