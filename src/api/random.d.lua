---@meta kt.random

---Random values that depend on the run's seed, the scenario and the iteration's number only: with the same `--seed`, the
---same iteration draws the same values, whichever virtual user runs it. (`math.random` has no such promise.)
---@class kt.random
local random = {}

---A whole number between two others, both included. Raises when `min` is above `max`, or one is not whole.
---
---```lua
---local quantity = kt.random.int(1, 5)
---```
---@param min integer
---@param max integer
---@return integer
function random.int(min, max) end

---A number from `min` up to, but not including, `max`. Raises when `min` is above `max`.
---
---```lua
---local share = kt.random.float()
---local price = kt.random.float(1, 99.99)
---```
---@param min? number default 0
---@param max? number default 1
---@return number
function random.float(min, max) end

---True with a probability. Raises when that is not between 0 and 1.
---
---```lua
---if kt.random.bool(0.1) then kt.sleep(1) end
---```
---@param probability? number default 0.5
---@return boolean
function random.bool(probability) end

---One of a list, each with the same probability. Raises when the list is empty, and when it has names or gaps.
---
---```lua
---local colour = kt.random.pick { "red", "green", "blue" }
---```
---@generic T
---@param list T[]
---@return T
function random.pick(list) end

---One of several, each with a probability in proportion to its weight. Weights need not add up to 1 or 100. Names with
---weights give a name, a list of `{ value, weight }` gives a value, a list of weights gives a position. Raises when weights
---are negative, or add up to nothing, and when a list has names or gaps.
---
---```lua
---local size = kt.random.weighted { small = 70, medium = 25, large = 5 }
---local days = kt.random.weighted { { 7, 0.8 }, { 30, 0.2 } }
---local index = kt.random.weighted { 60, 25, 15 }
---```
---@param weights number[]
---@return integer position
---@overload fun(weights: any[][]): any
---@overload fun(weights: table<string, number>): string
function random.weighted(weights) end

---A number of an exponential distribution: the distances between the arrivals of a Poisson process, the usual model of
---think times. Raises when the mean is not above 0.
---
---```lua
---kt.sleep(kt.random.exponential(2))
---```
---@param mean number in the unit of the result
---@return number
function random.exponential(mean) end

---A number of a normal distribution; it may be negative. Raises when the deviation is.
---
---```lua
---kt.sleep(math.max(0, kt.random.normal(1, 0.2)))
---```
---@param mean number
---@param deviation number standard deviation
---@return number
function random.normal(mean, deviation) end

---A random UUID (version 4).
---
---```lua
---local key = kt.random.uuid()
---```
---@return string
function random.uuid() end

---Random text. Raises when the length is not from 0 to 1,048,576, or the alphabet is empty.
---
---```lua
---local code = kt.random.string(8)
---local pin = kt.random.string(4, "0123456789")
---```
---@param length integer number of characters
---@param alphabet? string the characters to draw from; default a to z and 0 to 9
---@return string
function random.string(length, alphabet) end

return random
