---@meta kt.poll

---@class (partial) kt
local kt = {}

---@class kt.poll.Options<T>
---@field name string begins the names of its metrics, so letters, digits and `_`; no flow may have it
---@field call fun(): T asks once; may wait
---@field done fun(value: T): any whether the answer is the awaited one
---@field failed? fun(value: T): any whether the awaited one will never come, so that there is nothing to wait for
---@field every? kt.Duration pause between attempts, at least 1ms; default 200ms
---@field timeout? kt.Duration when to give up; default 10s
---@field delay? kt.Duration pause before the first attempt; default 0
---@field jitter? number random part of the pauses, a share from 0 to 1; default 0

---@class kt.poll.Result<T>
---@field done boolean whether the condition was met in time
---@field failed boolean whether `failed` said so, in time
---@field value T what `call` gave last
---@field attempts integer how often `call` was called
---@field elapsed_ms number from the start of the poll to the last answer, in ms

---Calls `call` again and again until `done` holds for its answer or the time is over, and accounts for the waiting
---honestly. Its requests carry the tag `poll:true`: they count in `http_reqs`, but stay out of the headline
---`http_req_duration`.
---
---Metrics, named after the poll: `<name>_duration` (trend, ms, of the polls that were done in time), `<name>_timeouts`
---(rate), `<name>_failures` (rate, of those that `failed` has ended), `<name>_attempts` (trend), `<name>_resolution` (trend,
---ms: how long before the last answer the condition may have held already, which is what the interval hides: the time since
---the attempt before was made). Thresholds may name them although no script declares them.
---
---An answer that arrives after the timeout counts as a timeout. What `call`, `done` or `failed` raises goes through, and the
---poll is in no number.
---
---Polls that begin when something has just happened always ask at the same moments after it. `jitter` spreads them: the
---first attempt comes after a random part of `jitter` × `every`, and the pauses between two vary by half of that in both
---directions.
---
---Raises when an option is unknown, missing or of the wrong type, and when the name would make a built-in metric, as
---`http_req` does.
---
---```lua
---local saga = kt.poll {
---  name = "saga", every = "200ms", timeout = "10s",
---  call = function() return kt.http.get("/api/orders/1", { name = "GET /api/orders/{id}" }) end,
---  done = function(res) return res:json "status" == "COMPLETED" end,
---}
---if not saga.done then kt.log.warn("gave up after", saga.attempts) end
---```
---@generic T
---@param options kt.poll.Options<T>
---@return kt.poll.Result<T>
function kt.poll(options) end

return kt.poll
