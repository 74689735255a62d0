---@meta kt.sleep

---@class (partial) kt
local kt = {}

---Pauses this virtual user, as a person thinks; others go on. Pauses count in `iteration_duration` and `group_duration`,
---not in `group_duration_busy`.
---
---Raises when the duration is negative or cannot be read, and where nothing can wait: while the file loads, in a sort
---comparator, in a `gsub` callback.
---
---```lua
---kt.sleep(0.5)
---kt.sleep "1m30s"
---kt.sleep(kt.random.exponential(2))
---```
---@param duration kt.Duration seconds, or text as `"200ms"`
function kt.sleep(duration) end

return kt.sleep
