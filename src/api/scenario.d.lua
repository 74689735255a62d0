---@meta kt.scenario

---The scenario that this iteration belongs to. Outside of iterations its values are nil.
---
---```lua
---if kt.scenario.name == "smoke" then kt.log.info("iteration", kt.scenario.iteration) end
---```
---@class kt.scenario
---@field name string its key in the plan
---@field executor string as in the plan, `constant-vus` for example
---@field iteration integer this iteration's number, from 0, unique in the scenario
---@field elapsed number seconds since the scenario began
---@field start_lag_ms number how much later than intended this iteration began, in ms; 0 in closed scenarios
local scenario = {}

return scenario
