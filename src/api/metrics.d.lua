---@meta kt.metrics

---A journey's own metrics. Declare them at the top of the file, so that thresholds know them before the run; declaring
---the same one again gives the same metric.
---@class kt.metrics
local metrics = {}

---@class kt.metrics.Options
---@field unit? string shown with the values: `"ms"`, `"bytes"`, or any other text; default none

---@class kt.metrics.Metric
---@field name string as it was declared
local Metric = {}

---Takes one sample, with the tags of the iteration and those given. Samples of a trend or a counter that are negative or out
---of range are counted as such, never changed.
---
---Raises when the value is no number, while the file loads, and when it is called with a dot.
---
---```lua
---local value = kt.metrics.trend("order_value", { unit = "USD" })
---return function() value:add(9.99, { region = "eu" }) end
---```
---@param value number|boolean a counter adds it, a gauge shows it, a trend keeps its distribution; a rate takes true or false, or a number of which 0 is false
---@param tags? kt.Tags
function Metric:add(value, tags) end

---Declares a sum.
---
---Raises when the name is a built-in's, was declared as something else, or is no name (letters, digits, `_`), and when the
---file has been loaded already.
---
---```lua
---local retries = kt.metrics.counter "retries"
---```
---@param name string
---@param options? kt.Exact<kt.metrics.Options>
---@return kt.metrics.Metric
function metrics.counter(name, options) end

---Declares a value that goes up and down: the newest, the smallest and the largest are kept. Raises as `counter`.
---
---```lua
---local depth = kt.metrics.gauge "queue_depth"
---```
---@param name string
---@param options? kt.Exact<kt.metrics.Options>
---@return kt.metrics.Metric
function metrics.gauge(name, options) end

---Declares the share of what is true. Raises as `counter`.
---
---```lua
---local confirmed = kt.metrics.rate "sagas_confirmed"
---```
---@param name string
---@param options? kt.Exact<kt.metrics.Options>
---@return kt.metrics.Metric
function metrics.rate(name, options) end

---Declares a distribution, with percentiles. Raises as `counter`. Values below 0.001 have fewer than three digits, as they
---are kept in steps of 0.000001: declare them in a smaller unit.
---
---```lua
---local lag = kt.metrics.trend("replication_lag", { unit = "ms" })
---```
---@param name string
---@param options? kt.Exact<kt.metrics.Options>
---@return kt.metrics.Metric
function metrics.trend(name, options) end

---What all virtual users have measured so far, up to the last second. In `invariants` only: each core measures for itself,
---and what all have measured is put together once a second, where invariants run.
---
---Raises elsewhere; when there is no such metric; when the aggregation does not fit it; and when samples of the part that
---the selector names are not kept apart, which those are that a threshold names. A metric as a whole always works.
---
---```lua
---local confirmed = kt.shared.counter "confirmed"
---return {
---  invariants = {
---    each_order_was_sent = function()
---      return confirmed:get() <= (kt.metrics.value("http_reqs", "count") or 0)
---    end,
---  },
---}
---```
---@param selector string as the key of a threshold: `metric` or `metric{tag:value,…}`
---@param aggregation string as in a threshold: `count`, `rate`, `p(95)`, …
---@return number? value nil without samples; a counter as a whole begins at 0
function metrics.value(selector, aggregation) end

return metrics
