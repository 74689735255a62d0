local stages = require "stages"

---A list as text: `name target duration`, one after the other.
---@param list any[]
---@return string
local function text(list)
  local parts = {}
  for n, stage in ipairs(list) do
    parts[n] = stage.name .. " " .. (stage.target or stage.rate) .. " " .. stage.duration
  end
  return table.concat(parts, ", ")
end

test("a ramp goes up, stays and goes down", function()
  local ramp = stages.ramp_hold_down { target = 100, up = "2m", hold = "5m", down = "30s" }
  assert(text(ramp) == "up 100 2m, hold 100 5m, down 0 30s", text(ramp))
  assert(text(stages.ramp_hold_down { target = 1, up = 1, hold = 2 }) == "up 1 1, hold 1 2, down 0 0")
  assert(stages.total(ramp) == 450)
end)

test("a soak stays", function()
  assert(text(stages.soak { target = 50, hold = "4h" }) == "up 50 1m, hold 50 4h")
  assert(stages.total(stages.soak { target = 50, hold = "4h" }) == 14460)
end)

test("a spike comes back to the base", function()
  local spike = stages.spike { base = 10, peak = 100, before = "1m", rise = "5s", hold = "30s", after = "2m" }
  assert(text(spike) == "before 10 0, before 10 1m, rise 100 5s, spike 100 30s, fall 10 5s, after 10 2m", text(spike))
  local sudden = stages.spike { base = 10, peak = 100, before = 1, hold = 2, fall = 3, after = 4 }
  assert(text(sudden) == "before 10 0, before 10 1, rise 100 0, spike 100 2, fall 10 3, after 10 4", text(sudden))
end)

test("stairs have all levels, the last one always", function()
  -- from, to, step, the levels
  local rows = {
    { 10, 30, 10, "10 20 30" },
    { 10, 25, 10, "10 20 25" },
    { 30, 10, 10, "30 20 10" },
    { 5, 5, 10, "5" },
    { 0, 1, 0.25, "0 0.25 0.5 0.75 1" },
  }
  for n, row in ipairs(rows) do
    local options = { from = row[1], to = row[2], step = row[3], every = "1m" }
    local levels = {}
    for _, step in ipairs(stages.steps(options)) do
      assert(step.duration == "1m" and step.name == tostring(step.rate))
      levels[#levels + 1] = step.name
    end
    assert(table.concat(levels, " ") == row[4], n .. ": " .. table.concat(levels, " "))
    local stairs = stages.stairs(options)
    assert(#stairs == 2 * #levels and stages.total(stairs) == 60 * #levels)
    for k, stage in ipairs(stairs) do
      assert(stage.duration == (k % 2 == 1 and 0 or "1m"), "a jump, then a level")
      assert(stage.name == levels[math.ceil(k / 2)])
    end
  end
end)

test("lists are joined", function()
  local all = stages.join(stages.soak { target = 5, hold = 1 }, {}, stages.soak { target = 6, hold = 2 })
  assert(text(all) == "up 5 1m, hold 5 1, up 6 1m, hold 6 2", text(all))
  assert(#stages.join() == 0)
end)

test("mistakes are raised where they are written", function()
  local any = stages --[[@as any]]
  raises(
    "stages.ramp_hold_down: `target` must be a number that is not negative, got nil",
    function() any.ramp_hold_down { up = 1, hold = 1 } end
  )
  raises(
    "stages.ramp_hold_down: unknown option `peak`; known are `down`, `hold`, `target`, `up`",
    function() any.ramp_hold_down { peak = 1 } end
  )
  raises('stages.soak: `hold` must be a duration, got "long"', function() any.soak { target = 1, hold = "long" } end)
  raises("stages.soak: the options must be a table, got nil", function() any.soak() end)
  raises(
    "stages.spike: `after` must be a duration, got nil",
    function() any.spike { base = 1, peak = 2, before = 1, hold = 1 } end
  )
  raises("stages.spike: the options must be a table, got number", function() any.spike(5) end)
  raises(
    "stages.stairs: `step` must be above 0, got 0",
    function() any.stairs { from = 1, to = 2, step = 0, every = 1 } end
  )
  raises(
    "stages.steps: `step` must be larger: these are 1000000 levels",
    function() any.steps { from = 0, to = 1, step = 0.000001, every = 1 } end
  )
  raises("stages.join: list 2 must be a table, got string", function() any.join({}, "x") end)
  raises("stages.total: stage 1: ", function() any.total { { duration = "x" } } end)
end)
