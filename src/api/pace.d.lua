---@meta kt.pace

---@class (partial) kt
local kt = {}

---Waits until `period` after this virtual user was released here the last time (at first: after the start of the
---iteration), so that its iterations begin at even distances however long each takes. Call it once, at the end of the
---journey. An iteration that took longer is not made up for: the next period begins at once.
---
---Meant for closed scenarios (`constant-vus`); open ones have their rate from the executor.
---
---Raises when the period cannot be read, and where nothing can wait.
---
---```lua
---return function()
---  kt.http.get "/status"
---  kt.pace "5s"
---end
---```
---@param period kt.Duration seconds, or text as `"5s"`
function kt.pace(period) end

return kt.pace
