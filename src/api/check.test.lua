local kt = require "kt"

local all = recorded "checks"
local good = recorded "checks{check:is 200}"
local bad = recorded "checks{check:is quick}"
local tagged = recorded "checks{check:is 200,region:eu}"
local grouped = recorded "checks{group:::cart}"

test("each condition counts under its name, and the answer is whether all held", function()
  assert(kt.check(200, { ["is 200"] = true }) == true)
  assert(kt.check(200, { ["is 200"] = true, ["is quick"] = false }) == false)
  assert(good "passes" == 2 and good "fails" == 0)
  assert(bad "passes" == 0 and bad "fails" == 1)
  assert(all "count" == 3 and all "passes" == 2)
end)

test("conditions that are all nil are a mistake", function()
  raises("the table of conditions is empty", function() kt.check(nil, {}) end)
  assert(all "count" == nil)
end)

test("functions are called with the value, and may wait", function()
  local seen
  local ok = kt.check({ status = 200 }, {
    ["is 200"] = function(res)
      kt.sleep(0.001)
      seen = res.status
      return res.status == 200
    end,
  })
  assert(ok and seen == 200 and good "passes" == 1)
end)

test("what a function returns counts as true or false", function()
  assert(kt.check("x", { ["is 200"] = function(value) return value end }) == true)
  assert(kt.check("x", { ["is 200"] = function() end }) == false)
  assert(good "passes" == 1 and good "fails" == 1)
end)

test("samples carry the tags of the call and of the group", function()
  kt.check(1, { ["is 200"] = true }, { region = "eu" })
  kt.group("cart", function() kt.check(1, { ["is 200"] = true }) end)
  assert(tagged "passes" == 1 and grouped "passes" == 1 and good "passes" == 2)
end)

test("what a condition raises goes through", function()
  raises("broken", function()
    kt.check(1, { a = function() error "broken" end })
  end)
end)

test("misuse is raised where it is written", function()
  local check = kt.check --[[@as any]]
  raises("check: the second argument must be a table of named conditions, got nil", function() check(1) end)
  raises("check: the second argument must be a table of named conditions, got boolean", function() check(1, true) end)
  raises("check: `x` must be true, false or a function, got 5", function() check(1, { x = 5 }) end)
  raises("check: `name` must be a string, got 1", function() check(1, { true }) end)
  raises("check: `tags` must be a table of strings, got 5", function() check(1, { x = true }, 5) end)
  raises("check: tag `a` must be a string, got a table", function() check(1, { x = true }, { a = {} }) end)
end)
