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

local big = data.array("big", function() return { 2 ^ 62 } end)

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
    data.array("holed", function() return { 1, nil, 3 } end)
  end,
  function()
    data.array("listed", { { a = 1 } } --[[@as any]])
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

local accounts = data.pool { file = FIXTURES .. "rows.json" }
local accounts_again = data.pool { file = FIXTURES .. "rows.json" }
local short = data.pool { name = "short", rows = { { n = 1 } }, expire = "20ms" }
local codes = data.pool { name = "codes", rows = function() return { "c-1", "c-2" } end }
local single = data.pool { name = "single", rows = { { id = "only" } } }

local wrong_pools = {}
for n, options in ipairs {
  { file = "no-such-file.json" },
  { rows = { 1 } },
  { name = "x", rows = 5 },
  { name = "x", rows = {} },
  { name = "x", rows = function() end },
  { name = "x", rows = { print } },
  { name = "x", file = "rows.json", rows = { 1 } },
  { name = "x" },
  { name = "x", rows = { 1 }, expire = 0 },
  { name = "x", rows = { 1 }, expires = 1 },
  { name = "", rows = { 1 } },
} do
  local opening = function()
    data.pool(options --[[@as any]])
  end
  wrong_pools[n] = select(2, pcall(opening))
end
local claimed_early = select(2, pcall(function() single:claim() end))

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

test("a set is gone through as a list is, and never taken for an empty one", function()
  local any = rows --[[@as any]]
  local seen = {}
  for i, row in any do
    seen[i] = row.id
  end
  assert(table.concat(seen) == "abc")
  assert(type(any) == "userdata" and tostring(any) == "3 rows")
  raises("table expected, got data set", function()
    for _ in ipairs(any) do
    end
  end)
  raises("table expected, got data set", function()
    for _ in pairs(any) do
    end
  end)
  raises("random.pick: `list` must be a table, got a data set", function() kt.random.pick(any) end)
  raises("json.encode: rows: a data set cannot be JSON", function() kt.json.encode { rows = any } end)
  local pool = single --[[@as any]]
  raises("data.pool: nobody goes through `single`: rows are claimed by `pool:claim()`", function()
    for _ in pool do
    end
  end)
  raises("table expected, got pool", function()
    for _ in ipairs(pool) do
    end
  end)
end)

test(
  "a row keeps numbers of any size",
  function() assert(big[1] == 2 ^ 62 and kt.json.encode(big[1]) == "4611686018427387904") end
)

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
    "data.array: the list of `holed` has a hole",
    "data.array: a function gives the rows: `data.array(name, function() return rows end)`",
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
  raises("data.array:unique: unknown option `exhausted`", function() any:unique { exhausted = 1 } end)
end)

test("a row of a pool is claimed by one at a time", function()
  assert(#accounts == 3 and accounts:size() == 3 and accounts:free() == 3)
  local seen, rows = {}, {}
  for n = 1, 3 do
    rows[n] = accounts:claim()
    seen[rows[n].id] = true
  end
  assert(seen.a and seen.b and seen.c and accounts:free() == 0)
  assert(accounts:claim() == nil and accounts_again:claim() == nil, "it is the same pool")
  for n = 1, 3 do
    assert(accounts:release(rows[n]) == true)
  end
  assert(accounts:free() == 3)
end)

test("a row that was changed is released all the same, and only once", function()
  local row = single:claim()
  row.id, row.more = "changed", true
  assert(single:release(row) == true)
  raises("data.pool: this row of `single` has been released already", function() single:release(row) end)
  local again = single:claim()
  assert(again.id == "only" and again.more == nil and again ~= row)
  raises("has been released already", function() single:release(row) end)
  assert(single:free() == 0, "and takes nothing from who has it now")
  assert(single:release(again))
end)

test("a row comes back by itself when its claim expires", function()
  local row = short:claim()
  assert(short:claim() == nil)
  kt.sleep "25ms"
  local other = short:claim()
  assert(other and other ~= row)
  assert(short:release(row) == false, "it is somebody else's by now")
  assert(short:free() == 0 and short:release(other) == true)
end)

test("one waits for a row as long as it likes", function()
  local row = short:claim { wait = "1s" }
  local from = kt.run.elapsed
  local other = short:claim { wait = "5s" }
  assert(row and other, "by expiry")
  assert(kt.run.elapsed - from >= 0.015)
  local only = single:claim()
  assert(single:claim { wait = "5ms" } == nil and single:claim { wait = 0 } == nil)
  single:release(only)
  short:release(other)
end)

test("rows that are no tables are known by their value", function()
  local code = codes:claim()
  assert(code == "c-1" and codes:claim() == "c-2" and codes:claim() == nil)
  assert(codes:release "c-1" == true and codes:free() == 1)
  raises(
    'this virtual user has not claimed "c-1" from `codes`, or has released it already',
    function() codes:release "c-1" end
  )
  raises('has not claimed "c-9"', function() codes:release "c-9" end)
  codes:release "c-2"
end)

test("a claim has a number, which a copy of the row is released with", function()
  local row, claim = single:claim()
  local copy = kt.json.decode(kt.json.encode(row))
  raises("this table is no row that a script got here from `single` by `claim`", function() single:release(copy) end)
  assert(single:release(copy, claim) == true and single:release(copy, claim) == false)
end)

local kept
test("rows of an iteration that completed stay claimed", function()
  kept = single:claim()
  assert(kept)
end)

test("and may be released by a later one", function() assert(single:free() == 0 and single:release(kept) == true) end)

test("pools are opened at the top of the file, and claimed from after that", function()
  raises("data.pool: open pools at the top of the file", function() data.pool { file = FIXTURES .. "rows.json" } end)
  assert(string.find(tostring(claimed_early), "^src/api/data%.test%.lua:%d+: data%.pool:claim: cannot be used while"))
end)

test("what is wrong with a pool is told", function()
  local wanted = {
    "data.pool: there is no file `src/api/no-such-file.json`",
    "data.pool: `name` is missing: it tells all virtual users that these rows are one pool",
    "data.pool: `rows` must be a list of rows, or a function that returns one, got 5",
    "data.pool: `x` is empty",
    "data.pool: the builder of `x` must return a list of rows, got nil",
    "data.pool: row 1 of `x`: a function cannot be JSON",
    "data.pool: `rows` and `file` exclude each other",
    'data.pool: write `data.pool { file = "accounts.json" }`',
    "data.pool: `expire` must be longer than zero",
    "data.pool: unknown option `expires`; did you mean `expire`?",
    "data.pool: `name` must not be empty",
  }
  for n, part in ipairs(wanted) do
    local message = tostring(wrong_pools[n])
    assert(string.find(message, part, 1, true), message)
    assert(string.find(message, "^src/api/data%.test%.lua:%d+: "), message)
  end
end)

test("misuse of a pool is raised where it is written", function()
  local any = single --[[@as any]]
  raises("call it with a colon: `pool:claim(…)`", function() any.claim() end)
  raises("data.pool:claim: unknown option `waits`; did you mean `wait`?", function() any:claim { waits = 1 } end)
  raises("data.pool:claim: `wait` is wrong", function() any:claim { wait = "soon" } end)
  raises("data.pool:release: `row` must be what `claim` gave, got nil", function() any:release() end)
  raises("data.pool:release: `claim` must be a whole number", function() any:release({}, "x") end)
  raises("a pool has no `take`; it has claim, free, release and size", function() any:take() end)
  raises("`single` cannot be changed", function() any.size = 5 end)
end)
