local kt = require "kt"

local busy = recorded "group_duration_busy"

test("one alone meets itself at once, again and again", function()
  for _ = 1, 3 do
    assert(kt.rendezvous("alone", 1, "1s") == true)
  end
end)

test("who waits too long is told", function()
  local from = kt.run.elapsed
  assert(kt.rendezvous("nobody", 2, "30ms") == false)
  assert(kt.run.elapsed - from >= 0.029)
  assert(kt.rendezvous("nobody", 1, 1) == true, "who has left does not count")
end)

test("waiting does not make a group busy", function()
  kt.group("met", function() kt.rendezvous("nobody", 2, "200ms") end)
  assert(busy "max" < 150, busy "max")
end)

test("bad arguments are raised where they are written", function()
  local rendezvous = kt.rendezvous --[[@as any]]
  raises("rendezvous: `name`", function() rendezvous() end)
  raises("rendezvous: `n`", function() rendezvous("a", 0, 1) end)
  raises("rendezvous: `n`", function() rendezvous("a", 1.5, 1) end)
  raises("rendezvous: `timeout` is wrong", function() rendezvous("a", 1, "soon") end)
end)
