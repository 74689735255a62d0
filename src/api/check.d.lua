---@meta kt.check

---@class (partial) kt
local kt = {}

---Checks named conditions on a value and counts each as passed or failed. It never stops anything: a failed check fails
---neither the iteration nor the run; a threshold on `checks` or `checks{check:NAME}` decides.
---
---A condition is a boolean, or a function that is called with the value (it may wait, and what it raises goes through). A
---condition that is nil is not in the table at all, so write `x ~= nil` rather than `x`.
---
---Raises when `checks` is no table, or a condition is neither a boolean nor a function; and where nothing is measured: while
---the file loads, in `summary` and in invariants.
---
---```lua
---local res = kt.http.get "/api/products"
---local ok = kt.check(res, {
---  ["status is 200"] = res.status == 200,
---  ["has products"] = function(r) return #r:json "products" > 0 end,
---})
---if not ok then return end
---```
---@generic T
---@param value T what the conditions are about; given to those that are functions
---@param checks table<string, boolean|fun(value: T): any> conditions by name
---@param tags? kt.Tags tags of these samples, besides those of the scenario
---@return boolean all whether every condition held
function kt.check(value, checks, tags) end

return kt.check
