---@meta kt.time

---Clocks, and dates as text. Times are seconds since 1970 (UTC) with a fraction, good to a microsecond.
---@class kt.time
local time = {}

---The wall clock. Somebody may set it: measure with `monotonic`.
---
---```lua
---kt.http.post("/events", { json = { at = kt.time.now() } })
---```
---@return number seconds since 1970
function time.now() end

---The wall clock in whole milliseconds.
---
---```lua
---kt.http.post("/events", { json = { timestamp = kt.time.now_ms() } })
---```
---@return integer ms since 1970
function time.now_ms() end

---A clock that only goes on, the same one for all virtual users of the run, which is there while the file loads too.
---`kt.run.elapsed` is the time of the load.
---
---```lua
---local before = kt.time.monotonic()
---kt.http.get "/"
---local took = kt.time.monotonic() - before
---```
---@return number seconds since some moment before the run
function time.monotonic() end

---A time as text, with milliseconds, in UTC: `2026-11-20T10:00:00.250Z`.
---
---```lua
---kt.http.post("/orders", { json = { placedAt = kt.time.iso() } })
---```
---@param t? number seconds since 1970; default now
---@return string
function time.iso(t) end

---A time as text, in UTC: `"rfc3339"` as `iso`, `"rfc2822"` as mails and `"http"` as headers have it, or a pattern as of
---`strftime`. Raises for other formats.
---
---```lua
---local day = kt.time.format(kt.time.now() - 86400, "%Y-%m-%d")
---local since = kt.time.format(kt.time.now() - 60, "http")  --> Fri, 20 Nov 2026 09:59:00 GMT
---```
---@param t? number seconds since 1970; default now
---@param format? "rfc3339"|"rfc2822"|"http"|string default rfc3339
---@return string
function time.format(t, format) end

---Reads a time as RFC 3339 and ISO 8601 write it, with an offset or `Z`, or as mails and headers do; with a pattern, as
---`strptime` does, where a time without an offset is in UTC, and a time zone's name is refused.
---
---```lua
---local at, problem = kt.time.parse(res:json "createdAt")
---local age = kt.time.now() - (at or error(problem))
---local midnight = kt.time.parse("2026-11-20", "%Y-%m-%d")
---```
---@param text string
---@param format? string a pattern, as of `strptime`
---@return number? t seconds since 1970; nil when the text is no such time
---@return string? problem what is wrong with it
function time.parse(text, format) end

---A duration as plans write them, in seconds.
---
---```lua
---local wait = kt.time.duration(kt.env("WAIT", "1m30s"))  --> 90
---```
---@param text kt.Duration
---@return number? seconds nil when the text is no duration
---@return string? problem what is wrong with it
function time.duration(text) end

return time
