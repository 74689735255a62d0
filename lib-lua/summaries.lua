---Reports of one run, for the plan's `summary` function: a baseline table, a comparison with an earlier run, a whole page
---of Markdown, a row of CSV, and the part of the JSON that somebody needs. `require "summaries"`.
---
---```lua
---summary = function(s)
---  return {
---    ["results/baseline.md"] = summaries.markdown(s, { title = "Shop, 10 TPS" }),
---    ["results/baseline.csv"] = summaries.csv(s),
---  }
---end
---```
local kt = require "kt"

local summaries = {}

---One number of the summary.
---@class summaries.Column
---@field title string
---@field metric string a series of the summary: `http_req_duration`, `http_req_duration{name:GET /}`
---@field value string `count`, `rate`, `passes`, `total`, `value`, `min`, `avg`, `p50`, `p90`, `p95`, `p99`, `p99.9`, `max`
---@field unit? "ms"|"s"|"%"|"/s" how it is shown: times in ms may be shown in s, a share in percent; default as it is
---@field target? string shown beside it; default what the plan's thresholds ask of it

---What tells most of a load over HTTP.
---@type summaries.Column[]
summaries.columns = {
  { title = "iterations", metric = "iterations", value = "count" },
  { title = "dropped", metric = "dropped_iterations", value = "count" },
  { title = "requests", metric = "http_reqs", value = "count" },
  { title = "requests/s", metric = "http_reqs", value = "rate", unit = "/s" },
  { title = "failed", metric = "http_req_failed", value = "rate", unit = "%" },
  { title = "avg", metric = "http_req_duration", value = "avg", unit = "ms" },
  { title = "p50", metric = "http_req_duration", value = "p50", unit = "ms" },
  { title = "p90", metric = "http_req_duration", value = "p90", unit = "ms" },
  { title = "p95", metric = "http_req_duration", value = "p95", unit = "ms" },
  { title = "p99", metric = "http_req_duration", value = "p99", unit = "ms" },
  { title = "p99.9", metric = "http_req_duration", value = "p99.9", unit = "ms" },
  { title = "max", metric = "http_req_duration", value = "max", unit = "ms" },
}

---The number of a column in its unit; nil when the run has none.
---@param s table the summary
---@param column summaries.Column
---@return number?
function summaries.number(s, column)
  local metric = s.metrics[column.metric]
  if not metric then return nil end
  local value = metric[column.value == "p50" and "med" or column.value]
  if type(value) ~= "number" then return nil end
  if column.unit == "s" and metric.unit == "ms" then return value / 1000 end
  if column.unit == "%" then return value * 100 end
  return value
end

local DECIMALS = { ms = "%.1f ms", s = "%.2f s", ["%"] = "%.2f %%", ["/s"] = "%.2f/s" }

---@param value number?
---@param unit string?
---@return string
local function shown(value, unit)
  if value == nil then return "-" end
  local format = unit and DECIMALS[unit] or (value % 1 == 0 and "%d" or "%.4g")
  return string.format(format, value)
end

---@param cells string[]
---@return string
local function line(cells)
  local safe = {}
  for i, cell in ipairs(cells) do
    safe[i] = string.gsub(string.gsub(cell, "|", "\\|"), "[\r\n]+", " ")
  end
  return "| " .. table.concat(safe, " | ") .. " |\n"
end

---@param head string[]
---@param rows string[][]
---@return string
local function markdown_table(head, rows)
  local text = line(head) .. "|" .. string.rep("---|", #head) .. "\n"
  for _, row in ipairs(rows) do
    text = text .. line(row)
  end
  return text
end

---The run as one row under the titles of its columns, in Markdown: put those of several runs below each other.
---@param s table the summary
---@param columns? summaries.Column[] default `summaries.columns`
---@return string
function summaries.table(s, columns)
  local head, row = { "verdict" }, { string.upper(s.verdict) }
  for i, column in ipairs(columns or summaries.columns) do
    head[i + 1], row[i + 1] = column.title, shown(summaries.number(s, column), column.unit)
  end
  return markdown_table(head, { row })
end

---What the plan's thresholds ask of a number.
---@param s table
---@param column summaries.Column
---@return string
local function target(s, column)
  if column.target then return column.target end
  local name = string.match(column.value, "^p([%d.]+)$")
  local wanted = name and "p(" .. name .. ")" or column.value
  local found = {}
  for _, threshold in ipairs(s.thresholds) do
    local aggregation, limit = string.match(threshold.expression, "^%s*([%w().]+)%s*([<>=!].*)$")
    if aggregation == "med" then aggregation = "p(50)" end
    if threshold.metric == column.metric and aggregation == wanted then found[#found + 1] = limit end
  end
  return #found > 0 and table.concat(found, ", ") or "-"
end

---How far a number is from the earlier one, in percent of that one.
---@param before number?
---@param after number?
---@return string
local function change(before, after)
  if not before or not after then return "-" end
  if before == after then return "0.0 %" end
  if before == 0 then return "new" end
  return string.format("%+.1f %%", (after - before) / math.abs(before) * 100)
end

---Each number beside that of an earlier run, how far it has moved, and what is asked of it, in Markdown. Differences are
---shown as they are: whether one is more than chance, a single pair of runs cannot tell.
---
---The earlier numbers are by title, as numbers or as text: a row of `summaries.csv` that was read by `kt.data.array`.
---
---```lua
---local earlier = kt.data.array "baseline.csv"
---local text = summaries.comparison(s, earlier[1])
---kt.log.info(text)
---```
---@param s table the summary
---@param earlier table<string, number|string>
---@param columns? summaries.Column[] default `summaries.columns`
---@return string
function summaries.comparison(s, earlier, columns)
  local rows = {}
  for i, column in ipairs(columns or summaries.columns) do
    local before, after = tonumber(earlier[column.title]), summaries.number(s, column)
    rows[i] = {
      column.title,
      shown(before, column.unit),
      shown(after, column.unit),
      change(before, after),
      target(s, column),
    }
  end
  return markdown_table({ "Metric", "Baseline", "This run", "Change", "Target" }, rows)
end

---@param value any
---@return string
local function csv_cell(value)
  local text = value == nil and "" or tostring(value)
  if string.find(text, '[",\r\n]') then return '"' .. string.gsub(text, '"', '""') .. '"' end
  return text
end

---Titles and one row of CSV, numbers in their units and in full; what the run does not have is empty.
---@param s table the summary
---@param columns? summaries.Column[] default `summaries.columns`
---@return string
function summaries.csv(s, columns)
  local head, row = { "script", "started_at", "verdict" }, { s.run.script, s.run.started_at, s.verdict }
  for i, cell in ipairs(row) do
    row[i] = csv_cell(cell)
  end
  for _, column in ipairs(columns or summaries.columns) do
    head[#head + 1] = csv_cell(column.title)
    row[#row + 1] = csv_cell(summaries.number(s, column))
  end
  return table.concat(head, ",") .. "\n" .. table.concat(row, ",") .. "\n"
end

---The summary with some of its series only, as JSON: small enough to keep for each build. It is a
---`kingtide.summary/1` like the whole, without what is optional in it.
---@param s table the summary
---@param metrics string[] the series that stay
---@return string
function summaries.json(s, metrics)
  local kept = {}
  for _, name in ipairs(metrics) do
    kept[name] = s.metrics[name]
  end
  return kt.json.encode({
    schema = s.schema,
    verdict = s.verdict,
    exit_code = s.exit_code,
    run = s.run,
    scenarios = s.scenarios,
    metrics = kept,
    checks = kt.json.array(s.checks),
    thresholds = kt.json.array(s.thresholds),
    generator = s.generator,
  }, { pretty = true }) .. "\n"
end

---@class summaries.Report
---@field title? string default the script
---@field fields? [string, string][] rows of the configuration: `{ { "Service", "shop" }, { "Version", "1.2.3" } }`
---@field columns? summaries.Column[] default `summaries.columns`
---@field earlier? table<string, number|string> as for `comparison`; with it the numbers stand beside these

---@param s table
---@param fields? [string, string][]
---@return string
local function configuration(s, fields)
  local rows = {}
  for i, field in ipairs(fields or {}) do
    rows[i] = field
  end
  local rate, users = s.metrics.iterations, s.metrics.vus
  rows[#rows + 1] = {
    "Load",
    shown(rate and rate.rate, "/s") .. ", at most " .. shown(users and users.max) .. " users, " .. shown(
      s.run.duration_ms / 1000,
      "s"
    ),
  }
  rows[#rows + 1] = { "Script", s.run.script .. ", seed " .. shown(s.run.seed) }
  rows[#rows + 1] = { "Date", s.run.started_at }
  return markdown_table({ "Field", "Value" }, rows)
end

---@param s table
---@return string
local function conclusion(s)
  if s.verdict ~= "pass" then
    local why = {}
    for _, reason in ipairs(s.run.reasons or {}) do
      why[#why + 1] = "- " .. reason.message .. "\n"
    end
    return "FAIL (" .. s.verdict .. ")\n\n" .. table.concat(why)
  end
  local warnings = s.warnings or {}
  if #warnings == 0 then return "PASS\n" end
  return "PASS WITH WARNING\n\n- " .. table.concat(warnings, "\n- ") .. "\n"
end

---A page of Markdown: configuration, results, thresholds, checkpoints where there are some, and the conclusion (PASS,
---PASS WITH WARNING or FAIL, with the reasons).
---@param s table the summary
---@param report? summaries.Report
---@return string
function summaries.markdown(s, report)
  local r = report or {}
  local numbers = r.earlier and summaries.comparison(s, r.earlier, r.columns) or summaries.table(s, r.columns)
  local text = {
    "# " .. (r.title or s.run.script) .. "\n",
    "## Configuration\n\n" .. configuration(s, r.fields),
    "## Results\n\n" .. numbers,
  }
  local judged = {}
  for i, threshold in ipairs(s.thresholds) do
    judged[i] = {
      threshold.metric,
      threshold.expression,
      shown(threshold.observed, threshold.unit == "ms" and "ms" or nil),
      threshold.ok and "met" or "not met",
    }
  end
  if #judged > 0 then
    text[#text + 1] = "## Thresholds\n\n" .. markdown_table({ "Metric", "Asked", "Observed", "" }, judged)
  end
  local parts = {}
  for i, checkpoint in ipairs(s.checkpoints or {}) do
    local row = { shown(checkpoint.end_ms / 1000, "s") }
    for _, column in ipairs(r.columns or summaries.columns) do
      row[#row + 1] = shown(summaries.number(checkpoint, column), column.unit)
    end
    parts[i] = row
  end
  if #parts > 0 then
    local head = { "until" }
    for _, column in ipairs(r.columns or summaries.columns) do
      head[#head + 1] = column.title
    end
    text[#text + 1] = "## Checkpoints\n\n" .. markdown_table(head, parts)
  end
  text[#text + 1] = "## Conclusion\n\n" .. conclusion(s)
  return table.concat(text, "\n")
end

return summaries
