local kt = require "kt"
local data = kt.data

local FIXTURES = "../../tests/lua/fixtures/"
local rows = data.array(FIXTURES .. "rows.json")
local people = data.array(FIXTURES .. "people.csv")
local lines = data.array(FIXTURES .. "rows.jsonl", { on_exhausted = "recycle" })
local ids = data.array "customer-ids.json"

local builds = 0
local function build()
  builds = builds + 1
  return { "one", "two" }
end
local built = data.array("built", build)
local built_again = data.array("built", build, { on_exhausted = "abort" })

local top_level = {}
for n, body in ipairs {
  function() data.array "no-such-file.json" end,
  function() data.array(FIXTURES .. "ragged.csv") end,
  function()
    data.array("none", function() return {} end)
  end,
  function()
    data.array("nothing", function()
      return nil --[[@as any]]
    end)
  end,
  function()
    data.array("odd", function() return { 1, print } end)
  end,
  function()
    data.array("rows.json", {
      on_exhausted = "recicle" --[[@as any]],
    })
  end,
  function() data.array "data.test.lua" end,
  function()
    data.array(5 --[[@as any]])
  end,
} do
  top_level[n] = select(2, pcall(body))
end

test("rows have positions and a number", function()
  assert(#rows == 3 and rows[1].id == "a" and rows[3].id == "c")
  assert(rows[0] == nil and rows[4] == nil and rows[1.5] == nil)
end)

test("a row is a copy that may be changed", function()
  local row = rows[1]
  row.id = "changed"
  assert(rows[1].id == "a" and rows[1].tags[1] == "x")
end)

test("CSV values stay text, JSONL has a value per line", function()
  assert(#people == 2 and people[1].id == "00501" and people[1].name == 'Ann, "A"')
  assert(#lines == 3 and lines[2].n == 2)
end)

test("files are found in the data folder of the project", function() assert(#ids == 100) end)

test("rows are built once", function()
  assert(builds == 1)
  assert(#built == 2 and built[2] == "two" and built_again[1] == "one")
end)

test("each goes through all rows in order", function()
  local seen = {}
  for i, row in rows:each() do
    seen[i] = row.id
  end
  assert(table.concat(seen) == "abc")
end)

test("random draws every row", function()
  local seen = {}
  for _ = 1, 200 do
    seen[rows:random().id] = true
  end
  assert(seen.a and seen.b and seen.c)
end)

test("next goes round", function()
  local seen = ""
  for _ = 1, 4 do
    seen = seen .. rows:next().id
  end
  assert(seen == "abca")
end)

test("unique gives each row once; then the iteration ends, or it begins again", function()
  local seen = {}
  for _ = 1, 3 do
    seen[rows:unique().id] = true
  end
  assert(seen.a and seen.b and seen.c)
  local err = raises(
    "every row of `../../tests/lua/fixtures/rows.json` has been given out",
    function() rows:unique() end
  )
  assert(type(err) == "table")
  assert(rows:unique { on_exhausted = "recycle" })
  local sum = 0
  for _ = 1, 6 do
    sum = sum + lines:unique().n
  end
  assert(sum == 12)
end)

test("unique may end the run", function()
  assert(built_again:unique() and built:unique())
  raises("every row of `built` has been given out", function() built_again:unique() end)
end)

test("for_vu is the same row each time", function() assert(rows:for_vu().id == "a" and rows:for_vu().id == "a") end)

test("data sets are opened at the top of the file", function()
  raises("data.array: open data sets at the top of the file", function() data.array(FIXTURES .. "rows.json") end)
  raises("open data sets at the top of the file", function() data.array("new", build) end)
end)

test("what is wrong with a set is told with file and line", function()
  local wanted = {
    "data.array: there is no file `src/api/no-such-file.json`",
    "ragged.csv`, line 3: 1 fields where the first row has 2",
    "data.array: `none` is empty; a data set needs at least one row",
    "data.array: the builder of `nothing` must return a list of rows, got nil",
    "data.array: row 2 of `odd`: a function cannot be JSON",
    'data.array: `on_exhausted` is "recicle"; it must be one of `stop`, `recycle`, `abort`; did you mean `recycle`?',
    "a data file ends in .json (an array), .jsonl or .csv",
    "data.array: `file` must be a string, got 5",
  }
  for n, part in ipairs(wanted) do
    local message = tostring(top_level[n])
    assert(string.find(message, part, 1, true), message)
    assert(string.find(message, "^src/api/data%.test%.lua:%d+: "), message)
  end
end)

test("misuse is raised where it is written", function()
  local any = rows --[[@as any]]
  raises("call it with a colon: `rows:random()`", function() any.random() end)
  raises("call it with a colon: `rows:unique()`", function() any.unique {} end)
  raises("a data set has no `pick`; it has each, for_vu, next, random and unique", function() any:pick() end)
  raises("is read-only: all virtual users share it; copy a row to change it", function() any[1] = 5 end)
  raises("unique: unknown option `exhausted`", function() any:unique { exhausted = 1 } end)
end)
