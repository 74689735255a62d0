---@meta kt.log

---Lines on stderr, with the virtual user and the iteration they come from. Values are joined by spaces; tables are written
---as JSON, or as at the prompt where they cannot be JSON, secrets as `[redacted]`. `print` is `kt.log.info`.
---@class kt.log
local log = {}

---A line for whoever debugs a journey; shown with `--verbose`.
---
---```lua
---kt.log.debug("cart", { items = 3 })
---```
---@param ... any
function log.debug(...) end

---A line worth reading.
---
---```lua
---kt.log.info("order", 17, "placed")
---```
---@param ... any
function log.info(...) end

---Something that may be wrong.
---
---```lua
---kt.log.warn "no product left"
---```
---@param ... any
function log.warn(...) end

---Something that is wrong; the iteration does not fail by it.
---
---```lua
---kt.log.error("unexpected answer:", 500)
---```
---@param ... any
function log.error(...) end

return log
