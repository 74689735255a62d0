-- What benches/micro/script.rs measures: each journey does one thing as often as its iteration's number says.

local kt = require "kt"

local rows = kt.data.array("rows", function()
  local all = {}
  for i = 1, 10000 do
    all[i] = { id = i, name = "customer " .. i, tier = i % 3 == 0 and "gold" or "blue" }
  end
  return all
end)

local trend = kt.metrics.trend("time_of_a_part", { unit = "ms" })
local counter = kt.shared.counter "parts"

local text = '{"id": 4711, "status": "confirmed", "total": 99.5}'
local nested = kt.json.encode {
  id = "5b8f0c4e-2f5a-4d3a-9f0e-1c2d3e4f5a6b",
  items = { { sku = "A-1", quantity = 2 }, { sku = "B-2", quantity = 1 } },
  customer = { name = "Ann Example", address = { street = "1 Main Street", city = "Springfield" } },
  paid = true,
}
local small = { id = 4711, quantity = 3, note = "as soon as possible" }
local large = assert(kt.json.decode(nested))

local function repeated(once)
  return function()
    for _ = 1, kt.scenario.iteration do
      once()
    end
  end
end

local journeys = {
  pace = repeated(function() kt.pace(0) end),
  check = repeated(function() kt.check(200, { ["status is 200"] = true }) end),
  group = repeated(function()
    kt.group("a part", function() end)
  end),
  trend = repeated(function() trend:add(12.5, { part = "list", tier = "gold" }) end),
  counter = repeated(function() counter:add() end),
  random = repeated(function() kt.random.int(1, 1000000) end),
  decode = repeated(function() kt.json.decode(text) end),
  decode_nested = repeated(function() kt.json.decode(nested) end),
  encode = repeated(function() kt.json.encode(small) end),
  encode_nested = repeated(function() kt.json.encode(large) end),
  row = repeated(function() return rows[4711] end),
  random_row = repeated(function() rows:random() end),
  empty = function() end,
  one_check = function() kt.check(200, { ["status is 200"] = true }) end,
}

local scenarios = {}
for name, journey in pairs(journeys) do
  scenarios[name] = { executor = "constant-vus", vus = 1, duration = "1s", exec = journey }
end

return { scenarios = scenarios }
