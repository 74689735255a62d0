---@meta

---Adds a test to a `*.test.lua` file; only such files have it. Each test is one iteration of a scenario named `test`, run
---by virtual user 1 in the order of the file, so that requests, metrics and data work as in a journey. A test fails when
---it raises: use `assert` and `error`.
---
---```lua
---test("the shop is up", function()
---  assert(kt.http.get("/health").status == 200)
---end)
---```
---@param name string what the test shows; unique in its file
---@param body fun()
function test(name, body) end

---Names a metric, or a part of it, whose samples tests want to see; called at the top of a test file. Metrics of
---`kt.metrics` are declared above it.
---
---```lua
---local gets = recorded "http_req_duration{name:GET /json}"
---
---test("a request is measured", function()
---  kt.http.get("/json", { name = "GET /json" })
---  assert(gets "count" == 1)
---end)
---```
---@param selector string as the key of a threshold: `metric` or `metric{tag:value,…}`
---@return fun(aggregation: string): number? read what the running test has recorded so far, by an aggregation as in thresholds (`count`, `rate`, `p(95)`, …); nil without samples
function recorded(selector) end

---Calls `body`, which must raise a message that holds `part` (of a table: its `message`). A message that is text must begin
---with the file and a line of `body`, as everything does that misuse of a function raises.
---
---```lua
---test("a pause is not negative", function()
---  raises("must not be negative", function() kt.sleep(-1) end)
---end)
---```
---@param part string
---@param body fun()
---@return any raised what was raised, for further looks at it
function raises(part, body) end
