---@meta kt.fail

---@class (partial) kt
local kt = {}

---Ends this iteration as failed, and nothing more: the run goes on, and the exit code does not change. Reasons are counted
---in the summary. To mark the run as failed use `kt.run.fail`, to end it `kt.run.abort`.
---
---It raises a table with `reason`; a `pcall` around it sees that, and passes it on by `error(e, 0)`.
---
---```lua
---local res = kt.http.post("/login", { form = { user = "a" } })
---if not res.ok then kt.fail("cannot log in: " .. res.status) end
---```
---@param reason? string
---@return never
function kt.fail(reason) end

return kt.fail
