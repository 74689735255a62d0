---@meta kt.flow

---Times what starts in one place and ends in another: an order that one virtual user places and another sees arrive. Start
---and finish find each other by name and key, across virtual users, scenarios and cores.
---
---Metrics, named after the flow; all carry the tags of the start, those of the two mistakes the tags of whoever made them:
---
---- `<name>_started` (counter) = `_completed` + `_not_completed` + `_timed_out` + those in flight
---- `<name>_completed` (counter), `<name>_duration` (trend, ms): finished in time with the outcome `"completed"`
---- `<name>_not_completed` (counter): finished in time with another outcome, which is its tag `outcome`
---- `<name>_timed_out` (counter): not finished in time, counted when that time is over and once, whether the finish comes
---  later or never; in no duration
---- `<name>_in_flight` (gauge, of the whole process, without tags): what is in flight at the end is neither completed nor
---  timed out
---- `<name>_duplicate` (counter): a second start of a flow in flight, which changes nothing, or a second finish
---- `<name>_out_of_order` (counter): a finish before the start; the start that comes later begins a flow all the same
---
---Thresholds may name them although no script declares them.
---@class kt.flow
local flow = {}

---@class kt.flow.StartOptions
---@field name string begins the names of its metrics, so letters, digits and `_`; no poll may have it
---@field timeout? kt.Duration when it counts as timed out; default 10s
---@field tags? kt.Tags more tags of its samples

---@class kt.flow.FinishOptions
---@field name string as at its start
---@field outcome? string how it ended; default `"completed"`

---Starts a flow. Do so before the request that sets it off, or its end may come first. A key may be used again once its
---flow has ended, which begins another flow.
---
---Raises when an option is unknown, missing or of the wrong type, when a poll has the name or it would make a
---built-in metric, as `iteration` does, and beyond a million flows in flight.
---
---```lua
---local id = kt.random.uuid()
---kt.flow.start(id, { name = "saga", timeout = "10s" })
---kt.http.post("/api/orders", { json = { orderId = id } })
---```
---@param key string|number what is unique among the flows of this name
---@param options kt.Exact<kt.flow.StartOptions>
---@return boolean is_new false when a flow of this key is in flight: a duplicate
function flow.start(key, options) end

---Finishes a flow, and tells how that was counted. The keys of the last 160,000 flows that have ended are remembered; a
---second finish of an older one counts as out of order.
---
---Raises when an option is unknown, missing or of the wrong type, and when a poll has the name.
---
---```lua
---for _, event in ipairs(kt.http.get("/events"):json()) do
---  local outcome = event.status == "CONFIRMED" and "completed" or string.lower(event.status)
---  kt.flow.finish(event.orderId, { name = "saga", outcome = outcome })
---end
---```
---@param key string|number
---@param options kt.Exact<kt.flow.FinishOptions>
---@return "completed"|"not_completed"|"timed_out"|"duplicate"|"out_of_order" counted
---@return number? elapsed_ms from its start, when this ended it
function flow.finish(key, options) end

return flow
