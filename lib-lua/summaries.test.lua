local kt = require "kt"
local summaries = require "summaries"

---A summary as `--summary-json` writes it.
local function sample()
  return {
    schema = "kingtide.summary/1",
    verdict = "pass",
    exit_code = 0,
    run = { script = "a,b.lua", seed = 1, started_at = "2026-11-20T10:00:00Z", duration_ms = 180400 },
    scenarios = { constant = { iterations = { offered = 1800, started = 1800, completed = 1800 } } },
    metrics = {
      iterations = { type = "counter", count = 1800, rate = 9.98 },
      http_reqs = { type = "counter", count = 2551, rate = 14.14 },
      http_req_failed = { type = "rate", rate = 0.0012, passes = 3, total = 2551 },
      http_req_duration = { type = "trend", unit = "ms", count = 1800, avg = 17.25, med = 12.8, p95 = 34.1, p99 = 55.7 },
      saga_duration = { type = "trend", unit = "ms", count = 100, med = 1430, avg = 1550, p95 = 2440 },
      vus = { type = "gauge", value = 0, min = 0, max = 61 },
      unused = { type = "trend", unit = "ms", count = 0 },
    },
    checks = {},
    thresholds = {
      {
        metric = "http_req_duration",
        expression = "p(95)<50",
        ok = true,
        observed = 34.1,
        unit = "ms",
        aborted = false,
      },
      {
        metric = "http_req_duration",
        expression = "med < 20",
        ok = true,
        observed = 12.8,
        unit = "ms",
        aborted = false,
      },
      { metric = "http_req_failed", expression = "rate<0.01", ok = true, observed = 0.0012, aborted = false },
    },
    generator = { verdict = "valid" },
  }
end

---@type summaries.Column[]
local COLUMNS = {
  { title = "iterations", metric = "iterations", value = "count" },
  { title = "TPS", metric = "iterations", value = "rate", unit = "/s" },
  { title = "errors", metric = "http_req_failed", value = "rate", unit = "%" },
  { title = "p50", metric = "http_req_duration", value = "p50", unit = "ms" },
  { title = "p95", metric = "http_req_duration", value = "p95", unit = "ms", target = "<50 ms" },
  { title = "saga avg", metric = "saga_duration", value = "avg", unit = "s" },
  { title = "users", metric = "vus", value = "max" },
  { title = "max", metric = "unused", value = "max", unit = "ms" },
  { title = "nothing", metric = "nothing", value = "count" },
}

---@param text string
---@param part string
local function has(text, part) assert(string.find(text, part, 1, true), "`" .. part .. "` is not in:\n" .. text) end

test("numbers are in the unit of their column", function()
  local s = sample()
  -- by column of the above; nil where the run has none
  local expected = { 1800, 9.98, 0.12, 12.8, 34.1, 1.55, 61 }
  for i, column in ipairs(COLUMNS) do
    local number = summaries.number(s, column)
    assert(number == expected[i] or math.abs((number or 0) - (expected[i] or 1)) < 1e-9, column.title)
  end
end)

test("the baseline is one row under its titles", function()
  local text = summaries.table(sample(), COLUMNS)
  assert(
    text
      == "| verdict | iterations | TPS | errors | p50 | p95 | saga avg | users | max | nothing |\n"
        .. "|---|---|---|---|---|---|---|---|---|---|\n"
        .. "| PASS | 1800 | 9.98/s | 0.12 % | 12.8 ms | 34.1 ms | 1.55 s | 61 | - | - |\n",
    text
  )
  has(summaries.table(sample()), "| iterations | dropped | requests | requests/s | failed | avg | p50 |")
end)

test("a comparison has the change and the target of each number", function()
  -- The example of the refactoring team's template.
  local earlier = { p50 = 15.2, p95 = "42.5", iterations = "1800", errors = "0", TPS = 10 }
  local text = summaries.comparison(sample(), earlier, COLUMNS)
  has(text, "| Metric | Baseline | This run | Change | Target |\n|---|---|---|---|---|\n")
  has(text, "| iterations | 1800 | 1800 | 0.0 % | - |\n")
  has(text, "| TPS | 10.00/s | 9.98/s | -0.2 % | - |\n")
  has(text, "| errors | 0.00 % | 0.12 % | new | <0.01 |\n")
  has(text, "| p50 | 15.2 ms | 12.8 ms | -15.8 % | < 20 |\n")
  has(text, "| p95 | 42.5 ms | 34.1 ms | -19.8 % | <50 ms |\n")
  has(text, "| saga avg | - | 1.55 s | - | - |\n")
end)

test("a row of CSV reads back as the earlier numbers of a comparison", function()
  local text = summaries.csv(sample(), COLUMNS)
  local lines = {}
  for part in string.gmatch(text, "[^\n]+") do
    lines[#lines + 1] = part
  end
  assert(#lines == 2)
  assert(lines[1] == "script,started_at,verdict,iterations,TPS,errors,p50,p95,saga avg,users,max,nothing", lines[1])
  assert(lines[2] == '"a,b.lua",2026-11-20T10:00:00Z,pass,1800,9.98,0.12,12.8,34.1,1.55,61,,', lines[2])
  local quoted = summaries.csv(sample(), { { title = 'a "b"\n', metric = "iterations", value = "count" } })
  has(quoted, '"a ""b""\n"')
end)

test("the JSON has the series that were asked for, and reads as a summary", function()
  local value = assert(kt.json.decode(summaries.json(sample(), { "saga_duration", "nothing" })))
  assert(value.schema == "kingtide.summary/1" and value.verdict == "pass" and value.run.seed == 1)
  assert(value.metrics.saga_duration.avg == 1550)
  assert(value.metrics.iterations == nil and value.metrics.nothing == nil)
  assert(#value.thresholds == 3 and #value.checks == 0)
  has(summaries.json(sample(), {}), '"checks": []')
end)

---Luau's own; Lua has none, and so has no type for it.
local freeze = rawget(table, "freeze")

---The table and all in it, frozen as a run gives it to `summary`.
local function frozen(value)
  if type(value) == "table" then
    for _, inner in pairs(value) do
      frozen(inner)
    end
    freeze(value)
  end
  return value
end

test("a summary is frozen in a run, and read all the same", function()
  local text = summaries.json(frozen(sample()), { "iterations" })
  has(text, '"checks": []')
  has(text, '"thresholds": [')
  has(summaries.markdown(frozen(sample())), "PASS")
  has(summaries.csv(frozen(sample())), "pass")
end)

test("a page says what was run, what came out and whether it passed", function()
  local s = sample()
  s.checkpoints = { { end_ms = 90000, scenarios = {}, metrics = s.metrics } }
  local text = summaries.markdown(s, { title = "Baseline", columns = COLUMNS, fields = { { "Service", "sh|op" } } })
  has(text, "# Baseline\n\n## Configuration\n")
  has(text, "| Service | sh\\|op |\n")
  has(text, "| Load | 9.98/s, at most 61 users, 180.40 s |\n")
  has(text, "| Script | a,b.lua, seed 1 |\n")
  has(text, "## Results\n\n| verdict | iterations |")
  has(text, "| http_req_failed | rate<0.01 | 0.0012 | met |\n")
  has(text, "## Checkpoints\n\n| until | iterations |")
  has(text, "| 90.00 s | 1800 |")
  has(text, "## Conclusion\n\nPASS\n")
  has(summaries.markdown(s, { columns = COLUMNS, earlier = { p50 = 15.2 } }), "| p50 | 15.2 ms | 12.8 ms | -15.8 % |")
end)

test("warnings and failures are in the conclusion", function()
  local s = sample()
  s.warnings = { "a cap was reached" }
  has(summaries.markdown(s), "PASS WITH WARNING\n\n- a cap was reached\n")
  s.verdict, s.run.reasons = "fail", { { exit_code = 99, message = "saga_duration: p(95)<8s was not met" } }
  has(summaries.markdown(s), "FAIL (fail)\n\n- saga_duration: p(95)<8s was not met\n")
end)
