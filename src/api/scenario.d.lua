---@meta kt.scenario

---The scenario that this iteration belongs to. Outside of iterations its values are nil, but for `name` and `executor`: a
---virtual user knows them when it loads the file and in `vu_init` too.
---
---```lua
---if kt.scenario.name == "smoke" then kt.log.info("iteration", kt.scenario.iteration) end
---```
---@class kt.scenario
---@field name string its key in the plan
---@field executor string as in the plan, `constant-vus` for example
---@field stage string? the stage, step or wave that this iteration was due in, as in the tag `stage`: its name, or its index from 0; nil in scenarios that have none
---@field row any? the row of the trace that this iteration replays, a fresh copy each time: keep it in a local; nil in scenarios other than `replay`
---@field iteration integer this iteration's number, from 0, unique in the scenario
---@field elapsed number seconds since the scenario began
---@field start_lag_ms number how much later than intended this iteration began, in ms; 0 in closed scenarios
local scenario = {}

return scenario
