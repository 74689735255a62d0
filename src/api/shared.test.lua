local kt = require "kt"
local shared = kt.shared

local count = shared.counter "count"
local map = shared.map "map"
local busy = recorded "group_duration_busy"

local top_level = {}
for n, body in ipairs {
  function() count:add() end,
  function() map:set("a", 1) end,
  function() map:keys() end,
  function()
    shared.once("top", function() return 1 end)
  end,
} do
  top_level[n] = select(2, pcall(body))
end

test("a counter adds up and begins at 0", function()
  assert(count:get() == 0 and count:add() == 1 and count:add(2.5) == 3.5 and count:add(-1) == 2.5)
  assert(count:get() == 2.5 and shared.counter("count"):get() == 2.5)
  assert(shared.counter("count") == count and shared.counter("other"):get() == 0)
  assert(count.name == "count")
end)

test("a map keeps small values by key", function()
  assert(map:get "s" == nil and #map == 0)
  map:set("s", "text\0with a zero")
  map:set("n", 1.5)
  map:set("b", false)
  map:set(7, { 1, { deep = "er" }, kt.json.null })
  assert(map:get "s" == "text\0with a zero" and map:get "n" == 1.5 and map:get "b" == false)
  local list = map:get(7) --[[@as any]]
  assert(#list == 3 and list[2].deep == "er" and list[3] == kt.json.null)
  assert(map:get "7" == nil, "text is another key than a number")
  assert(table.concat(map:keys(), ",") == "7,b,n,s", table.concat(map:keys(), ","))
  assert(map:size() == 4 and #map == 4)
  assert(map:delete "s" == "text\0with a zero" and map:delete "s" == nil and #map == 3)
end)

test("tables are copies", function()
  local mine = { n = 1 }
  map:set("copy", mine)
  mine.n = 2
  local other = map:get "copy" --[[@as any]]
  assert(other.n == 1)
  other.n = 3
  assert((map:get "copy" --[[@as any]]).n == 1)
end)

test("adding to a key counts from 0", function()
  local sums = shared.map "sums"
  assert(sums:add "a" == 1 and sums:add("a", 4) == 5 and sums:add("b", -1) == -1)
  assert(sums:get "a" == 5)
end)

test("each goes through keys and values", function()
  local each = shared.map "each"
  each:set("b", 2)
  each:set("a", 1)
  each:set("c", 3)
  local seen = ""
  for key, value in each:each() do
    seen = seen .. key .. value
    each:delete "c"
  end
  assert(seen == "a1b2", seen)
end)

test("once makes a value for all", function()
  local made = 0
  local function make()
    made = made + 1
    kt.sleep "1ms"
    return { token = "t" .. made }
  end
  local first = shared.once("kept", make)
  assert(first.token == "t1")
  first.token = "changed"
  assert(shared.once("kept", { ttl = "1h" }, make).token == "t1" and made == 1)
  assert(shared.once("other", {}, make).token == "t2")
end)

test("a value may be nil, and is made once all the same", function()
  local made = 0
  local function make() made = made + 1 end
  assert(shared.once("nil", make) == nil and shared.once("nil", make) == nil and made == 1)
end)

test("an expired value is made again", function()
  local made = 0
  local function make()
    made = made + 1
    return made
  end
  assert(shared.once("short", { ttl = "5ms" }, make) == 1)
  kt.sleep "6ms"
  assert(shared.once("short", { ttl = 60 }, make) == 2 and shared.once("short", make) == 2)
end)

test("how long a value is good may depend on it", function()
  local made = 0
  local function make()
    made = made + 1
    return { n = made, expires_in = made == 1 and "5ms" or 60 }
  end
  local options = { ttl = function(value) return value.expires_in end }
  raises('shared.once: `ttl` is wrong: a duration is a string as "1m30s" or a number of seconds, got nil', function()
    shared.once("endless", options, function() return { token = "t" } end)
  end)
  assert(shared.once("lasting", options, make).n == 1)
  kt.sleep "6ms"
  assert(shared.once("lasting", options, make).n == 2 and shared.once("lasting", options, make).n == 2)
  for _, ttl in ipairs { 0, -1, "soon", {} } do
    raises("shared.once: `ttl` ", function()
      shared.once("never", {
        ttl = function()
          return ttl --[[@as any]]
        end,
      }, make)
    end)
  end
  assert(shared.once("never", function() return 1 end) == 1, "nothing was kept, and nobody has to wait")
end)

test("an error of the function is the caller's, and the next one tries", function()
  local err = raises("no token today", function()
    shared.once("broken", function() error "no token today" end)
  end)
  assert(type(err) == "string")
  local table_raised = select(2, pcall(shared.once, "broken", function() error { code = 7 } end)) --[[@as any]]
  assert(table_raised.code == 7)
  assert(shared.once("broken", function() return "there" end) == "there")
end)

test("who would wait for itself is told", function()
  raises("this virtual user is making the value of `self` already", function()
    shared.once("self", function()
      return shared.once("self", function() return 1 end)
    end)
  end)
  local inner = shared.once("outer", function()
    return shared.once("inner", function() return 5 end)
  end)
  assert(inner == 5)
end)

test("waiting for a value is no time of a group, making it is", function()
  kt.group("make", function()
    shared.once("grouped", function() kt.http.get "/delay/30" end)
  end)
  assert(busy "max" >= 29, busy "max")
end)

test("nothing is shared while the file loads", function()
  for n, name in ipairs { "counter:add", "map:set", "map:keys", "once" } do
    local message = tostring(top_level[n])
    assert(string.find(message, "^src/api/shared%.test%.lua:%d+: shared%." .. name), message)
    assert(string.find(message, "setup, vu_init or the journey", 1, true), message)
  end
end)

test("misuse is raised where it is written", function()
  local any, counter, keys =
    shared, --[[@as any]]
    count, --[[@as any]]
    map --[[@as any]]
  raises("shared.counter: `name` must be a string, got 5", function() any.counter(5) end)
  raises("shared.map: `name` must have 1 to 128 bytes", function() any.map "" end)
  raises('shared.counter:add: `n` must be a number, got "1"', function() counter:add "1" end)
  raises("call it with a colon: `counter:add(…)`", function() counter.add(1) end)
  raises("a shared counter has no `incr`; it has add and get", function() counter:incr() end)
  raises("shared.map:get: `key` must be a string or a whole number, got nil", function() keys:get() end)
  raises("shared.map:get: `key` must be a whole number, got 1.5", function() keys:get(1.5) end)
  raises("shared.map:set: `value` is nil; `delete` removes a key", function() keys:set "a" end)
  raises("shared.map:set: `value`: a function cannot be JSON", function() keys:set("a", print) end)
  raises("shared.map:set: `value`: inf is no finite number", function() keys:set("a", math.huge) end)
  raises("shared.map:set: `value`: 2097152 bytes are too many", function() keys:set("a", string.rep("x", 2 ^ 21)) end)
  keys:set("text", "x")
  raises('shared.map:add: "text" holds no number', function() keys:add "text" end)
  raises("shared.map:add: `n` must be a number", function() keys:add("m", {}) end)
  raises("call it with a colon: `map:get(…)`", function() keys.get "a" end)
  raises("a shared map has no `put`", function() keys:put() end)
  raises("shared.once: `fn` must be a function that makes the value, got nil", function() any.once "a" end)
  raises("shared.once: `key` must be a string", function() any.once(nil, print) end)
  raises("shared.once: unknown option `tll`; did you mean `ttl`?", function() any.once("a", { tll = 1 }, print) end)
  raises("shared.once: `ttl` must be longer than zero", function() any.once("a", { ttl = 0 }, print) end)
  raises("shared.once: the value of `a`: a function cannot be JSON", function()
    any.once("a", function() return print end)
  end)
  raises("readonly", function() counter.name = "x" end)
  raises("cannot be called here", function()
    table.sort({ 1, 2 }, function() return any.once("sorted", print) end)
  end)
end)
