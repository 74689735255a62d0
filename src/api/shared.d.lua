---@meta kt.shared

---What all virtual users have in common, whatever their scenarios and cores: counters, small values, and values that one
---of them makes for all. It lasts for the run, reloads of the script included. Nothing of it can be used at the top of the
---file, which every virtual user evaluates; only counters and maps may be named there.
---@class kt.shared
local shared = {}

---@alias kt.shared.Key string|integer

---Values that maps keep. Tables are kept as JSON and handed out as copies, so changing one changes nothing for others.
---@alias kt.shared.Value string|number|boolean|table

---@class kt.shared.Counter
---@field name string
local Counter = {}

---Adds and returns the new value; no two virtual users that add see the same one.
---
---Raises when `n` is no number, and at the top of the file.
---
---```lua
---local orders = kt.shared.counter "orders"
---return function() kt.log.info("order number " .. orders:add()) end
---```
---@param n? number default 1
---@return number
function Counter:add(n) end

---The value.
---
---```lua
---local orders = kt.shared.counter "orders"
---return {
---  invariants = { few_orders = function() return orders:get() <= 1000 end },
---}
---```
---@return number
function Counter:get() end

---@class kt.shared.Map
---@field name string
---@operator len: integer
local Map = {}

---Sets the value of a key. At most 1,000,000 keys of a map and 1 MB for each value are kept.
---
---Raises when there would be more, and when the value is nil, a function, or what JSON cannot be.
---
---```lua
---local sessions = kt.shared.map "sessions"
---return function() sessions:set("vu-" .. kt.vu.id, { since = kt.run.elapsed }) end
---```
---@param key kt.shared.Key text, or a whole number, which is another key than its text
---@param value kt.shared.Value
function Map:set(key, value) end

---The value of a key, nil when it has none. A table is a copy.
---
---```lua
---local stock = kt.shared.map "stock"
---return function() return stock:get "p-1" end
---```
---@param key kt.shared.Key
---@return kt.shared.Value?
function Map:get(key) end

---Adds to the number of a key, which begins at 0, and returns the new value. Nobody can come between: the one that gets 1
---was the first.
---
---Raises when the key has something else than a number.
---
---```lua
---local taken = kt.shared.map "taken"
---return function()
---  if taken:add("seat-17", 1) > 1 then kt.log.warn "seat 17 was sold twice" end
---end
---```
---@param key kt.shared.Key
---@param n? number default 1
---@return number
function Map:add(key, n) end

---Removes a key and returns what it had.
---
---```lua
---local jobs = kt.shared.map "jobs"
---return function() return jobs:delete "j-1" end
---```
---@param key kt.shared.Key
---@return kt.shared.Value?
function Map:delete(key) end

---All keys as they are now, numbers first, each kind in its order.
---
---```lua
---local jobs = kt.shared.map "jobs"
---return function() kt.log.info(table.concat(jobs:keys(), ", ")) end
---```
---@return kt.shared.Key[]
function Map:keys() end

---Goes through the keys as they are now, with their values at that moment; those that are gone by then are left out.
---
---```lua
---local taken = kt.shared.map "taken"
---return {
---  invariants = {
---    sold_once = function()
---      local twice = {}
---      for seat, times in taken:each() do
---        if times > 1 then table.insert(twice, seat) end
---      end
---      return #twice == 0, twice
---    end,
---  },
---}
---```
---@return fun(): kt.shared.Key?, any
function Map:each() end

---How many keys there are, as `#map`.
---
---```lua
---local jobs = kt.shared.map "jobs"
---return function() kt.log.info(jobs:size() .. " jobs") end
---```
---@return integer
function Map:size() end

---The counter of a name, which begins at 0. The same name is the same counter everywhere.
---
---Raises when the name is no text of 1 to 128 bytes, and for more than 10,000 names.
---
---```lua
---local orders = kt.shared.counter "orders"
---```
---@param name string
---@return kt.shared.Counter
function shared.counter(name) end

---The map of a name, which begins empty. Raises as `counter`.
---
---```lua
---local stock = kt.shared.map "stock"
---```
---@param name string
---@return kt.shared.Map
function shared.map(name) end

---@class kt.shared.OnceOptions
---@field ttl? kt.Duration|fun(value: any): kt.Duration how long the value is good, or what tells it from the value; default for the run

---A value that one virtual user makes for all: the first that asks calls `fn`, the others wait for what it returns. When
---`fn` raises, the error is that virtual user's, and the next of those who wait calls its own. The same goes for one that
---is interrupted. Everybody gets a copy, as from a map; nil is a value, too. Waiting is not busy time of a group.
---
---Raises when an argument cannot be read, when `fn` asks for the key that it makes, when its value cannot be JSON, and
---where nothing can wait.
---
---```lua
---return function()
---  local token = kt.shared.once("token", { ttl = "50s" }, function()
---    return kt.http.post("/login", { json = { user = "qa" }, expect = 200 }):json "token"
---  end)
---  kt.http.get("/orders", { auth = { bearer = token } })
---  local session = kt.shared.once("session", { ttl = function(s) return s.expires_in - 5 end }, function()
---    return kt.http.post("/session", { expect = 200 }):json()
---  end)
---  return session.id
---end
---```
---@generic T
---@param key string
---@param options kt.Exact<kt.shared.OnceOptions>?
---@param fn fun(): T, ...
---@return T
---@overload fun(key: string, fn: fun(): ...): any
function shared.once(key, options, fn) end

return shared
