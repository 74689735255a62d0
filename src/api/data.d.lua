---@meta kt.data

---Rows for journeys, one copy for the whole process: `array` to read, `pool` to claim.
---@class kt.data
local data = {}

---@alias kt.data.OnExhausted
---| "stop" # the virtual user takes no further iteration; no failure (default)
---| "recycle" # it begins again with the first row
---| "abort" # the run ends with exit code 108

---@class kt.data.Options
---@field on_exhausted? kt.data.OnExhausted what `:unique()` does when every row has been given out

---Rows by position: `#rows`, `rows[1]`, `rows:each()`. No table: `ipairs` and `pairs` raise. A row is a fresh copy each time, which may be changed.
---@class kt.data.Array<T>
---@field [integer] T
---@operator len: integer
local Array = {}

---Any row, by `kt.random`'s rules: the same seed gives the same row.
---
---```lua
---local id = customers:random()
---```
---@return T
function Array:random() end

---The next row; one cursor for all virtual users, which begins again after the last row.
---
---```lua
---local user = users:next()
---```
---@return T
function Array:next() end

---A row that no other iteration has had or will have. When all are given out, `on_exhausted` decides.
---
---```lua
---local coupon = coupons:unique { on_exhausted = "recycle" }
---```
---@param options? kt.Exact<kt.data.Options> instead of what `array` was given
---@return T
function Array:unique(options) end

---One row for the life of this virtual user: VU 1 has row 1, and so on, from the start again when there are more VUs.
---
---```lua
---local account = accounts:for_vu()
---```
---@return T
function Array:for_vu() end

---All rows in order, for `for`.
---
---```lua
---for i, product in products:each() do
---  kt.log.debug(i, product)
---end
---```
---@return fun(): integer?, T
function Array:each() end

---Opens a data set, at the top of the file. The format is that of the file's ending: `.json` (an array), `.jsonl` (a value
---per line), `.csv` (the first row names the columns; values stay text). It is looked up beside the script, then in
---`data/` of the nearest parent folder that has one. A function instead of a file builds the rows, once for all virtual
---users; the set then has the name that it is given.
---
---Raises when the file is missing, empty, larger than 1 GiB or not what its ending says, naming the line; when a row
---cannot be JSON; and when the file has been loaded already.
---
---```lua
---local customers = kt.data.array "customer-ids.json"
---local coupons = kt.data.array("coupons.csv", { on_exhausted = "abort" })
---local users = kt.data.array("users", function()
---  local rows = {}
---  for i = 1, 100 do rows[i] = { name = "user-" .. i } end
---  return rows
---end)
---```
---@param file string
---@param options? kt.Exact<kt.data.Options>
---@return kt.data.Array<any>
---@overload fun(name: string, build: (fun(): any[]), options?: kt.Exact<kt.data.Options>): kt.data.Array<any>
function data.array(file, options) end

---Rows that virtual users claim, one user a row, whatever their scenarios and cores.
---@class kt.data.Pool<T>
---@operator len: integer
local Pool = {}

---@class kt.data.PoolOptions
---@field file? string the rows, as for `array`
---@field rows? any[]|fun(): any[] the rows, or what builds them; once for all virtual users
---@field name? string which pool it is, everywhere; needed with `rows`, default the file
---@field expire? kt.Duration a claim ends by itself after this; default never

---@class kt.data.ClaimOptions
---@field wait? kt.Duration how long to wait for a row when none is free; default not at all

---Claims a row, which nobody else gets until it is released, or its claim expires. The row that has been free longest
---comes first; of those who wait, the one that came first.
---
---When the iteration ends by an error (raised, `kt.fail`, interrupted), the rows that it has claimed come back at once.
---When it completes, they stay claimed: a later iteration may release them, or let them expire. Waiting is not busy time
---of a group.
---
---Raises while the file loads, and where nothing can wait when it has to.
---
---```lua
---local accounts = kt.data.pool { file = "customers.json", expire = "30s" }
---return function()
---  local account = accounts:claim { wait = "1s" }
---  if not account then return end
---  kt.http.post("/login", { json = account })
---  accounts:release(account)
---end
---```
---@param options? kt.Exact<kt.data.ClaimOptions>
---@return T? row a fresh copy, which may be changed; nil when no row was free
---@return integer? claim a number for `release`, for a row that another virtual user is to release
function Pool:claim(options) end

---Gives a row back. False when its claim had expired, so that the row may be somebody else's by now.
---
---A table is known by its identity, other rows by their value. What has come from another virtual user, through
---`kt.shared`, is a copy: it is released with the number of its claim.
---
---Raises when the row was not claimed here, or has been released already.
---
---```lua
---local accounts = kt.data.pool { file = "customers.json" }
---local busy = kt.shared.map "busy"
---return function()
---  local account, claim = accounts:claim()
---  if account then busy:set("now", { account = account, claim = claim }) end
---  local job = busy:delete "now" --[[@as any]]
---  if job then accounts:release(job.account, job.claim) end
---end
---```
---@param row T
---@param claim? integer what `claim` gave besides the row
---@return boolean released
function Pool:release(row, claim) end

---How many rows nobody has at the moment.
---
---```lua
---local accounts = kt.data.pool { file = "customers.json" }
---return function() kt.log.info(accounts:free() .. " of " .. #accounts .. " are free") end
---```
---@return integer
function Pool:free() end

---How many rows there are, as `#pool`.
---
---```lua
---local accounts = kt.data.pool { file = "customers.json" }
---return function() kt.log.info(accounts:size() .. " accounts") end
---```
---@return integer
function Pool:size() end

---Opens a pool, at the top of the file. Every virtual user that opens the same one (by `name`, or by `file`) shares it.
---Claims survive a reload of the script; the rows stay those that the pool began with.
---
---Raises as `array`, and without a name for `rows`.
---
---```lua
---local accounts = kt.data.pool { file = "customers.json", expire = "30s" }
---local seats = kt.data.pool {
---  name = "seats",
---  rows = function()
---    local rows = {}
---    for n = 1, 500 do rows[n] = { seat = n } end
---    return rows
---  end,
---}
---```
---@param options kt.Exact<kt.data.PoolOptions>
---@return kt.data.Pool<any>
function data.pool(options) end

return data
