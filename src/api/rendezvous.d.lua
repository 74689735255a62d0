---@meta kt.rendezvous

---@class (partial) kt
local kt = {}

---Waits until `n` virtual users have come to the rendezvous of this name, this one included; then all of them go on at
---once, whatever their scenarios and cores. The next ones form another meeting of the same name. Waiting is not busy time
---of a group.
---
---Returns false when they were not complete within `timeout`; this virtual user then leaves, and no longer counts for the
---others. At least `n` virtual users have to be there, or nobody ever meets.
---
---Raises when others wait there for another number, when an argument cannot be read, and where nothing can wait.
---
---```lua
---return function()
---  kt.http.get "/seats"
---  if kt.rendezvous("doors", 50, "10s") then
---    kt.http.post "/seats/1"
---  end
---end
---```
---@param name string
---@param n integer how many meet
---@param timeout kt.Duration seconds, or text as `"5s"`
---@return boolean met
function kt.rendezvous(name, n, timeout) end

return kt.rendezvous
