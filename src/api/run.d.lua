---@meta kt.run

---The whole test run.
---
---```lua
---kt.log.info("after", kt.run.elapsed, "seconds, seed", kt.run.seed)
---```
---@class kt.run
---@field elapsed number seconds since the load began; 0 before
---@field seed integer on which `kt.random` depends; `--seed`
local run = {}

---Ends the run: no iteration starts any more, those under way have their graceful stop, `teardown` runs, and the exit code
---is 108. The calling iteration ends here. Raises in `summary`, which is given the verdict: call it in `teardown`.
---
---```lua
---if not kt.http.get("/health").ok then kt.run.abort "the system is down" end
---```
---@param reason? string shown in the verdict
---@return never
function run.abort(reason) end

---Marks the run as failed (exit code 110) and goes on. Raises in `summary`, as `abort` does.
---
---```lua
---if total ~= expected then kt.run.fail "the books do not balance" end
---```
---@param reason? string shown in the verdict
function run.fail(reason) end

return run
