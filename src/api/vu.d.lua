---@meta kt.vu

---Who runs this journey.
---
---```lua
---local user = "user-" .. kt.vu.id
---if kt.vu.iteration == 0 then kt.log.info "first time" end
---```
---@class kt.vu
---@field id integer this virtual user's number, from 1, unique in the run; 0 in `setup`, `teardown` and `summary`
---@field iteration integer how many iterations this virtual user has begun before this one
local vu = {}

return vu
