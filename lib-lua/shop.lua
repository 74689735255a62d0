---A client of the shop: account, inventory, order and payment, or a gateway before them. `require "shop"`.
---
---Where a service is, the first of these that is set says:
---
---| Variable | Is the address of |
---|---|---|
---| `GATEWAY` | a gateway, through which all calls go |
---| `ACCOUNT_URL`, `INVENTORY_URL`, `ORDER_URL`, `PAYMENT_URL` | that one service (`--demo` sets them) |
---| `BASE_URL` | all four |
---
---Without any they are on this machine, at the ports 8081 to 8084 in that order, as `kingtide demo` starts them.
---
---Every request has its operation as `name`, the same as in the shop's own statistics. The client checks nothing and
---counts nothing: that is the journey's business. [`shop.operations`] does both, in the same way for all journeys.
local kt = require "kt"
local http = kt.http

local shop = {}

---@alias shop.Service "account"|"inventory"|"order"|"payment"

---@type shop.Service[]
local SERVICES = { "account", "inventory", "order", "payment" }

---Where each service is, without a slash at the end.
---@type table<shop.Service, string>
shop.urls = {}
for i, service in ipairs(SERVICES) do
  local url = kt.env "GATEWAY"
    or kt.env(string.upper(service) .. "_URL")
    or kt.env("BASE_URL", "http://127.0.0.1:" .. 8080 + i)
  shop.urls[service] = string.gsub(url, "/+$", "")
end

local ADDRESS = "1 Elm Street, Boston, MA 02108"
local CUSTOMERS, PRODUCTS = "customer-ids.json", "product-ids.json"
---@type kt.data.Array<string>, kt.data.Array<string>
local customers, products

---The ids of the customers and products that the shop has been filled with; call it at the top of the file.
---
---```lua
---local customers, products = shop.ids()
---```
---@return kt.data.Array<string> customers from `customer-ids.json`
---@return kt.data.Array<string> products from `product-ids.json`
function shop.ids()
  customers, products = kt.data.array(CUSTOMERS), kt.data.array(PRODUCTS)
  return customers, products
end

---@param res kt.http.Response
---@param key string
---@return string?
local function id_of(res, key)
  if not res.ok then return nil end
  return res:json(key) or res:json "id"
end

---@class shop.NewCustomer
---@field email? string default: a random one
---@field name? string
---@field address? string

---Creates a customer. An address that is taken answers 409 with the id of the customer who has it, which is a valid answer.
---@param customer? shop.NewCustomer
---@return kt.http.Response
---@return string? id
function shop.create_customer(customer)
  local c = customer or {}
  local res = http.post(shop.urls.account .. "/api/customers", {
    name = "POST /api/customers",
    json = {
      name = c.name or "Load Test",
      -- With the same seed come the same addresses: against a shop that has seen them the answer is 409.
      email = c.email or ("load-" .. kt.random.uuid() .. "@example.com"),
      address = c.address or ADDRESS,
    },
    expect = { 201, 409 },
  })
  return res, id_of(res, "customerId")
end

---@param id string
---@return kt.http.Response
function shop.customer(id)
  return http.get(shop.urls.account .. "/api/customers/" .. id, { name = "GET /api/customers/{id}" })
end

---@class shop.NewProduct
---@field sku string
---@field name string
---@field category string
---@field description string
---@field price string with two decimals, as money is no double
---@field quantityOnHand integer

---Creates a product.
---@param product shop.NewProduct
---@return kt.http.Response
---@return string? id
function shop.create_product(product)
  local res = http.post(shop.urls.inventory .. "/api/products", {
    name = "POST /api/products",
    json = product,
    expect = 201,
  })
  return res, id_of(res, "productId")
end

---@param id string
---@return kt.http.Response
function shop.product(id)
  return http.get(shop.urls.inventory .. "/api/products/" .. id, { name = "GET /api/products/{id}" })
end

---Products that are like one; `similar` of the answer has them, the best first.
---@param id string
---@param limit? integer default 5
---@return kt.http.Response
function shop.similar(id, limit)
  return http.get(shop.urls.inventory .. "/api/products/" .. id .. "/similar", {
    name = "GET /api/products/{id}/similar",
    query = { limit = limit or 5 },
  })
end

---Takes units of a product from stock. 409 says that there are not enough, which is a valid answer.
---@param product string
---@param quantity? integer default 1
---@param order? string the order that it is for; default: a random one
---@return kt.http.Response
function shop.reserve(product, quantity, order)
  return http.post(shop.urls.inventory .. "/api/products/" .. product .. "/stock/reserve", {
    name = "POST /api/products/{id}/stock/reserve",
    json = { quantity = quantity or 1, orderId = order or kt.random.uuid() },
    expect = { 200, 409 },
  })
end

---Puts units of a product into stock.
---@param product string
---@param quantity integer
---@return kt.http.Response
function shop.replenish(product, quantity)
  return http.post(shop.urls.inventory .. "/api/products/" .. product .. "/stock/replenish", {
    name = "POST /api/products/{id}/stock/replenish",
    json = { quantity = quantity },
  })
end

---@class shop.NewOrder
---@field customer string its id
---@field product string its id
---@field quantity? integer default 1
---@field price? string for one unit; default 9.99
---@field address? string

---Places an order for one product. 201 says that its saga has begun; 409, that it is refused.
---
---```lua
---local res, id = shop.place_order { customer = customers:random(), product = products:random() }
---```
---@param order shop.NewOrder
---@return kt.http.Response
---@return string? id nil when it was not accepted
function shop.place_order(order)
  local res = http.post(shop.urls.order .. "/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = order.customer,
      lineItems = {
        { productId = order.product, quantity = order.quantity or 1, unitPrice = order.price or "9.99" },
      },
      shippingAddress = order.address or ADDRESS,
    },
    expect = { 201, 409 },
  })
  if res.status ~= 201 then return res, nil end
  return res, id_of(res, "orderId")
end

---@param id string
---@return kt.http.Response
function shop.order(id) return http.get(shop.urls.order .. "/api/orders/" .. id, { name = "GET /api/orders/{id}" }) end

---@alias shop.Outcome
---| "confirmed" # CONFIRMED or COMPLETED
---| "failed" # CANCELLED or FAILED
---| "pending" # anything else

-- Four states are final and only two of them are good. Services differ in how they write them.
---@type table<string, shop.Outcome>
local OUTCOMES = { CONFIRMED = "confirmed", COMPLETED = "confirmed", CANCELLED = "failed", FAILED = "failed" }

---What the status of an order means.
---@param res kt.http.Response what `shop.order` gave
---@return shop.Outcome
function shop.outcome(res)
  local status = res.ok and res:json "status"
  if type(status) ~= "string" then return "pending" end
  return OUTCOMES[string.upper(status)] or "pending"
end

---@class shop.Wait
---@field every? kt.Duration pause between two looks; default 200ms
---@field timeout? kt.Duration default 10s

---Waits until the saga of an order has ended, well or not. Metrics are those of a poll named `saga`: `saga_duration` has
---all that ended in time, `saga_timeouts` is the share of those that did not.
---@param id string the order's
---@param options? shop.Wait
---@return shop.Outcome outcome `"pending"` when the time was over
---@return number elapsed_ms
function shop.wait_for_saga(id, options)
  local o = options or {}
  local saga = kt.poll {
    name = "saga",
    every = o.every or "200ms",
    timeout = o.timeout or "10s",
    call = function() return shop.order(id) end,
    done = function(res) return shop.outcome(res) ~= "pending" end,
  }
  -- An end that came after the timeout is not what was waited for.
  return saga.done and shop.outcome(saga.value) or "pending", saga.elapsed_ms
end

---@class shop.Operations
---@field order fun() places an order, and follows the sagas of some
---@field stock fun() reserves a unit of a product
---@field customer fun() creates a customer

---@class shop.OperationsOptions
---@field follow? number the share of orders whose saga is followed to its end, from 0 to 1; default 0

---The three operations of everyday traffic, each one iteration's work; call it at the top of the file. Every call is
---
---- one of `ops_orders`, `ops_stock`, `ops_customers`, so that the three add up to the iterations;
---- a sample of `technical_errors`, true when there was no valid answer (none at all, 5xx, an unexpected status);
---- a sample of `functional_errors`, true when the answer was a refusal (409: sold out, e-mail address taken);
---- when it did what it should, a sample of `order_create_duration`, `stock_reserve_duration` or
---  `customer_create_duration`.
---@param options? shop.OperationsOptions
---@return shop.Operations
function shop.operations(options)
  local follow = (options or {}).follow or 0
  if not (follow >= 0 and follow <= 1) then
    error("shop.operations: `follow` must be from 0 to 1, got " .. tostring(follow), 2)
  end
  shop.ids()
  local metrics = kt.metrics
  local technical, functional = metrics.rate "technical_errors", metrics.rate "functional_errors"

  ---@param noun string
  ---@param duration string
  ---@param done integer the status of what was done
  ---@param call fun(): kt.http.Response, string?
  ---@return fun(): string? operation gives the id of what was made
  local function operation(noun, duration, done, call)
    local count, took = metrics.counter("ops_" .. noun), metrics.trend(duration, { unit = "ms" })
    return function()
      count:add(1)
      local res, id = call()
      kt.check(res, { [noun .. " answered"] = res.ok })
      technical:add(not res.ok)
      functional:add(res.status == 409)
      if res.status == done then took:add(res.timings.duration) end
      return id
    end
  end

  local place = operation(
    "orders",
    "order_create_duration",
    201,
    function()
      return shop.place_order {
        customer = customers:random(),
        product = products:random(),
        quantity = kt.random.int(1, 3),
        price = "19.99",
      }
    end
  )
  local reserve = operation(
    "stock",
    "stock_reserve_duration",
    200,
    function() return shop.reserve(products:random()) end
  )
  local create = operation("customers", "customer_create_duration", 201, function() return shop.create_customer() end)

  return {
    order = function()
      local id = place()
      if id and follow > 0 and kt.random.bool(follow) then shop.wait_for_saga(id) end
    end,
    stock = function() reserve() end,
    customer = function() create() end,
  }
end

---Which of the services behind an address are not up, by its answer about their health, and why.
---@param res kt.http.Response
---@param services string[]
---@return string[] down
---@return string why
local function down_of(res, services)
  local status = res:json "status"
  local function is_up(state) return string.upper(tostring(state)) == "UP" end
  if res.ok and (status == nil or is_up(status)) then return {}, "" end
  local down = {}
  -- A gateway answers for all behind it, and may name them.
  for name, state in pairs(res:json "components" or {}) do
    if not is_up(type(state) == "table" and state.status or state) then down[#down + 1] = name end
  end
  table.sort(down)
  return #down > 0 and down or services, res.error or ("status " .. res.status)
end

---@param url string
---@return boolean
local function has_scheme(url) return string.find(url, "^%a+://") ~= nil end

---@return string?
local function unhealthy()
  ---@type string[]
  local addresses = {}
  ---@type table<string, string[]>
  local behind = {}
  ---@type table<string, kt.http.BatchEntry>
  local requests = {}
  for _, service in ipairs(SERVICES) do
    local url = shop.urls[service] .. "/actuator/health"
    if not behind[url] then
      addresses[#addresses + 1], behind[url] = url, {}
      if has_scheme(url) then requests[url] = { "GET", url, { name = "GET health", timeout = "5s" } } end
    end
    table.insert(behind[url], service)
  end
  local answers, problems = http.batch(requests), {}
  for _, url in ipairs(addresses) do
    local down, why = behind[url], "an address without http:// or https://"
    if has_scheme(url) then
      down, why = down_of(answers[url], behind[url])
    end
    if #down > 0 then problems[#problems + 1] = string.format("%s (%s at %s)", table.concat(down, ", "), why, url) end
  end
  if #problems == 0 then return nil end
  return "not healthy: "
    .. table.concat(problems, "; ")
    .. ". Start the shop (`kingtide demo`, or --demo), or say where it is: -e GATEWAY=URL, -e BASE_URL=URL, or "
    .. "-e ORDER_URL=URL and so on for each service"
end

---@param file string
---@param ids kt.data.Array<string>
---@param service shop.Service
---@param look fun(id: string): kt.http.Response
---@return string?
local function stale(file, ids, service, look)
  for _, row in ipairs { 1, #ids } do
    local res = look(ids[row])
    if res.status == 404 then
      return string.format(
        "%s is stale: the %s service at %s does not know %s (row %d of %d). Fill the shop and save the ids that it "
          .. "gives; those of the demo are written by `kingtide data shop`",
        file,
        service,
        shop.urls[service],
        ids[row],
        row,
        #ids
      )
    elseif not res.ok then
      local why = res.error or ("status " .. res.status)
      return string.format("%s: the %s service cannot look up %s: %s", file, service, ids[row], why)
    end
  end
end

---Why the shop cannot be loaded now; nil when it can. Asks all services for their health and, if `shop.ids` was called,
---looks up the first and the last id of both files: orders for products that do not exist trip the shop's circuit
---breaker, and everything after that measures the breaker.
---@return string?
function shop.problem()
  local problem = unhealthy()
  if problem or not customers then return problem end
  return stale(CUSTOMERS, customers, "account", shop.customer) or stale(PRODUCTS, products, "inventory", shop.product)
end

---The `setup` of journeys: ends the run before any load (exit code 108) when the shop cannot be loaded.
function shop.ready()
  local problem = shop.problem()
  if problem then kt.run.abort(problem) end
end

return shop
