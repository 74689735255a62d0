local kt = require "kt"

test("it raises a value with the reason, which is passed on as it is", function()
  local err = raises("out of stock", function() kt.fail "out of stock" end)
  assert(type(err) == "table" and err.reason == "out of stock")
  local again = raises("out of stock", function() error(err, 0) end)
  assert(again == err)
end)

test("the reason may be left out", function()
  raises("no reason given", function() kt.fail() end)
end)

test("the reason is text", function()
  local fail = kt.fail --[[@as any]]
  raises("fail: `reason` must be a string, got a table", function() fail {} end)
end)

test("the value cannot be changed", function()
  local err = raises("x", function() kt.fail "x" end)
  raises("readonly", function() err.reason = "y" end)
end)
