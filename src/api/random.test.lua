local kt = require "kt"
local random = kt.random

---Draws 2,000 values, all of which must fit.
---@param draw fun(): any
---@param fits fun(value: any): boolean
---@return table<any, integer> counts by value
local function draws(draw, fits)
  local counts = {}
  for _ = 1, 2000 do
    local value = draw()
    assert(fits(value), tostring(value))
    counts[value] = (counts[value] or 0) + 1
  end
  return counts
end

test("int draws every whole number between its bounds", function()
  local counts = draws(
    function() return random.int(-1, 3) end,
    function(n) return n == math.floor(n) and n >= -1 and n <= 3 end
  )
  for n = -1, 3 do
    -- Expected 400, standard deviation 18.
    assert(math.abs(counts[n] - 400) < 100, n .. ": " .. counts[n])
  end
  assert(random.int(7, 7) == 7)
end)

test("float stays below its upper bound", function()
  draws(function() return random.float() end, function(x) return x >= 0 and x < 1 end)
  draws(function() return random.float(5, 6) end, function(x) return x >= 5 and x < 6 end)
  assert(random.float(2, 2) == 2)
end)

test("bool has a probability", function()
  local counts = draws(function() return random.bool(0.1) end, function(b) return type(b) == "boolean" end)
  assert(math.abs(counts[true] - 200) < 80, counts[true])
  assert(random.bool(0) == false and random.bool(1) == true)
  assert(type(random.bool()) == "boolean")
end)

test("pick draws from a list", function()
  local counts = draws(
    function() return random.pick { "a", "b" } end,
    function(value) return value == "a" or value == "b" end
  )
  assert(counts.a > 850 and counts.b > 850)
  -- However a list was made.
  local grown, downwards = {}, {}
  for n = 1, 100 do
    grown[n], downwards[101 - n] = n, n
  end
  for _, list in { grown, downwards, table.create(500, 1), table.freeze { 1 } } do
    assert(random.pick(list) >= 1)
  end
end)

test("weighted takes names, pairs and bare weights", function()
  local counts = draws(
    function() return random.weighted { a = 75, b = 25, never = 0 } end,
    function(name) return name == "a" or name == "b" end
  )
  assert(math.abs(counts.a - 1500) < 100, counts.a)
  counts = draws(function() return random.weighted { 0, 3, 1 } end, function(n) return n == 2 or n == 3 end)
  assert(math.abs(counts[2] - 1500) < 100, counts[2])
  local row = {}
  assert(random.weighted { { row, 1 }, { "x", 0 } } == row)
end)

test("exponential and normal have their mean", function()
  local sum, normal = 0, 0
  for _ = 1, 2000 do
    local x = random.exponential(2)
    assert(x >= 0)
    sum = sum + x
    normal = normal + random.normal(5, 1)
  end
  -- Five standard deviations of the mean.
  assert(math.abs(sum / 2000 - 2) < 0.23, sum / 2000)
  assert(math.abs(normal / 2000 - 5) < 0.12, normal / 2000)
  assert(random.normal(3, 0) == 3)
end)

test("uuid is of version 4", function()
  local uuid = random.uuid()
  assert(string.match(uuid, "^%x+%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x+$") and #uuid == 36, uuid)
  assert(uuid ~= random.uuid())
end)

test("string has a length and an alphabet", function()
  assert(string.match(random.string(50), "^[a-z0-9]+$"))
  assert(#random.string(50) == 50 and random.string(0) == "")
  assert(string.match(random.string(20, "ab"), "^[ab]+$"))
  assert(random.string(3, "é") == "ééé")
end)

-- Every test is an iteration of its own, so these two draw different values; that they are the same in every run is
-- tested with the script host.
local first
test("an iteration draws", function() first = random.uuid() end)
test("another iteration draws something else", function() assert(random.uuid() ~= first) end)

test("misuse is raised where it is written", function()
  local any = random --[[@as any]]
  raises("random.int: `min` must be a whole number, got 1.5", function() any.int(1.5, 2) end)
  raises("random.int: `max` must be a whole number, got nil", function() any.int(1) end)
  raises("random.int: `min` (3) is above `max` (1)", function() any.int(3, 1) end)
  raises("random.float: `min` (1) is above `max` (0)", function() any.float(1, 0) end)
  raises("random.bool: `probability` is a share between 0 and 1, got 5", function() any.bool(5) end)
  raises("random.pick: the list is empty", function() any.pick {} end)
  raises("random.pick: a list has no names and no gaps", function() any.pick { a = 1 } end)
  raises("random.pick: a list has no names and no gaps", function() any.pick { 1, 2, a = 1 } end)
  raises("random.pick: a list has no names and no gaps", function() any.pick { 1, [3] = 3 } end)
  raises("random.pick: the list has a gap: entry ", function()
    for _ = 1, 100 do
      any.pick { 1, nil, 3 }
    end
  end)
  raises("random.weighted: a list has no names and no gaps", function() any.weighted { 60, a = 40 } end)
  raises("random.weighted: a list has no names and no gaps", function() any.weighted { 60, nil, 40 } end)
  raises('random.pick: `list` must be a table, got "ab"', function() any.pick "ab" end)
  raises("random.weighted: there is nothing to choose from", function() any.weighted {} end)
  raises("there is nothing to choose from", function() any.weighted { a = 0 } end)
  raises(
    "random.weighted: the weight of `a` must be a number of at least 0, got -1",
    function() any.weighted { a = -1 } end
  )
  raises("the weight of entry 1 must be a number of at least 0, got nil", function() any.weighted { { "a" } } end)
  raises("a list holds weights or pairs", function() any.weighted { "a", "b" } end)
  raises("random.exponential: `mean` must be above 0, got 0", function() any.exponential(0) end)
  raises("random.normal: `deviation` must not be negative, got -1", function() any.normal(0, -1) end)
  raises("random.string: `length` is from 0 to 1,048,576", function() any.string(-1) end)
  raises("random.string: `alphabet` is empty", function() any.string(1, "") end)
end)
