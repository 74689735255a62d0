local kt = require "kt"

test("the virtual user has a number and counts its iterations from 0", function()
  assert(kt.vu.id == 1)
  assert(kt.vu.iteration == 0)
end)

test("the next iteration has the next number", function() assert(kt.vu.iteration == 1) end)

test("it has nothing else, and cannot be changed", function()
  local vu = kt.vu --[[@as any]]
  raises("kt.vu has no `ident`", function() return vu.ident end)
  raises("kt.vu has no `idd`; did you mean `id`?", function() return vu.idd end)
  raises("readonly", function() vu.id = 5 end)
end)
