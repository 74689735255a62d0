---@meta kt.group

---@class (partial) kt
local kt = {}

---Calls `body` as a named part of the journey and gives back what it returns. Its samples carry the tag `group`
---(`::checkout`, nested ones `::checkout::pay`); its own durations are `group_duration` with pauses and
---`group_duration_busy` without. An error in it goes through, and its duration counts nevertheless.
---
---Raises when the name is empty or holds `::`, or `body` is no function; and where nothing is measured: while the file
---loads, in `summary` and in invariants.
---
---```lua
---local order = kt.group("checkout", function()
---  local cart = kt.http.get "/cart"
---  return kt.group("pay", function() return kt.http.post("/pay", { json = cart:json() }) end)
---end)
---```
---@generic T
---@generic R
---@param name string
---@param body fun(...: T...): R...
---@param ... T... arguments of `body`
---@return R...
function kt.group(name, body, ...) end

return kt.group
