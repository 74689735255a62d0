---@meta kt.data

---Read-only rows for journeys, one copy for the whole process.
---@class kt.data
local data = {}

---@alias kt.data.OnExhausted
---| "stop" # the virtual user takes no further iteration; no failure (default)
---| "recycle" # it begins again with the first row
---| "abort" # the run ends with exit code 108

---@class kt.data.Options
---@field on_exhausted? kt.data.OnExhausted what `:unique()` does when every row has been given out

---Rows by position: `#rows`, `rows[1]`. A row is a fresh copy each time, which may be changed.
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

return data
