-- Orders of the shop: what several journeys share. `require "orders"` finds this file beside the script.

local kt = require "kt"

local orders = {}

---Places an order for one piece of a product.
---@param customer string the customer's id
---@param product string the product's id
---@return string? id the order's id; nil when the shop refused it
function orders.place(customer, product)
  local res = kt.http.post("/api/orders", {
    name = "POST /api/orders",
    json = {
      customerId = customer,
      lineItems = { { productId = product, quantity = 1, unitPrice = "9.99" } },
      shippingAddress = "1 Elm Street, Boston, MA 02108",
    },
    expect = 201,
  })
  if not kt.check(res, { ["order accepted"] = res.status == 201 }) then return nil end
  return res:json "orderId" or res:json "id"
end

return orders
