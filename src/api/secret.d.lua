---@meta kt.secret

---@class (partial) kt
local kt = {}

---Reads a variable as `kt.env` does, and keeps its value out of logs, messages, names, tags and traces: there it appears as
---`[redacted]`.
---Values of fewer than three characters cannot be hidden.
---
---Raises when the variable is not set, because a journey that needs a secret cannot go on without it.
---
---```lua
---local token = kt.secret "API_TOKEN"
---kt.http.get("/me", { auth = { bearer = token } })
---```
---@param name string
---@return string value
function kt.secret(name) end

return kt.secret
