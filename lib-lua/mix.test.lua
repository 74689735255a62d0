local mix = require "mix"

---@class Counted: mix.Part
---@field calls integer

---A part that counts its calls.
---@param weight number
---@return Counted
local function counted(weight)
  ---@type Counted
  local part = { weight = weight, calls = 0, run = function() end }
  part.run = function() part.calls = part.calls + 1 end
  return part
end

test("parts run by their weights", function()
  local parts = { counted(60), counted(25), counted(15) }
  local journey = mix(parts)
  for _ = 1, 10000 do
    journey()
  end
  local sum = 0
  for _, part in ipairs(parts) do
    sum = sum + part.calls
    -- Five standard deviations of the share at 10,000 draws are 2.5 points at most.
    local points = part.calls / 100 - part.weight
    assert(math.abs(points) < 2.5, "weight " .. part.weight .. ": " .. part.calls .. " of 10000")
  end
  assert(sum == 10000)
end)

test("a part without weight never runs", function()
  local never, always = counted(0), counted(1)
  local journey = mix { never, always }
  for _ = 1, 200 do
    journey()
  end
  assert(never.calls == 0 and always.calls == 200)
end)

test("the state is handed on and the value handed back", function()
  local journey = mix {
    {
      weight = 1,
      run = function(state) return state.name end,
    },
  }
  assert(journey { name = "shop" } == "shop")
end)

test("bad parts are refused when the mix is made", function()
  local function run() end
  -- parts, what the message names
  local rows = {
    { {}, "add up" },
    { { { weight = 0, run = run } }, "add up" },
    { { { weight = -1, run = run } }, "weight" },
    { { { run = run } }, "weight" },
    { { { weight = 0 / 0, run = run } }, "weight" },
    { { { weight = 1 } }, "run" },
    { { { weight = 1, run = run }, nil, { weight = 1000, run = run } }, "only 1 of 2 parts" },
    { { { weight = 1, run = run }, rare = { weight = 1, run = run } }, "only 1 of 2 parts" },
    { { rare = { weight = 1, run = run } }, "only 0 of 1 parts" },
  }
  for n, row in ipairs(rows) do
    local ok, message = pcall(mix, row[1] --[[@as any]])
    assert(not ok, "row " .. n)
    assert(string.find(message, row[2], 1, true), "row " .. n .. ": " .. message)
  end
end)
