---@meta kt.env

---@class (partial) kt
local kt = {}

---Reads a variable: from `-e NAME=value` of the command line, then from the scenario's `env`, then from the environment of
---the process. Values are text. While the file is evaluated to read the plan, no scenario's `env` is there yet.
---
---Raises when `name` is no string.
---
---```lua
---local base = kt.env("BASE_URL", "http://127.0.0.1:8080")
---local users = tonumber(kt.env("USERS", "10"))
---```
---@param name string
---@return string? value nil when it is not set
---@overload fun(name: string, default: string): string
---@overload fun(name: string, default: any): any
function kt.env(name) end

return kt.env
