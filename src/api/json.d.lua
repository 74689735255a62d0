---@meta kt.json

---JSON text to Lua values and back. A whole number above 2^53, which Lua's numbers cannot hold, arrives as a string. `null`
---is absent in an object, and `kt.json.null` in a list, so that positions stay.
---@class kt.json
---@field null kt.json.Null `null`; compare with `==`
local json = {}

---@class kt.json.Null

---@class kt.json.EncodeOptions
---@field pretty? boolean indents; default false

---@class kt.json.DecodeOptions
---@field null? boolean keeps `null` in objects too, as `kt.json.null`; default false

---Writes a value as JSON: lists as arrays, tables with string keys as objects with sorted keys, an empty table as `{}`.
---
---Raises for what JSON cannot hold, naming the place: functions, NaN, tables that are both list and map, tables in
---themselves, text that is not UTF-8.
---
---```lua
---kt.json.encode({ id = 1, tags = { "a", "b" } })  --> {"id":1,"tags":["a","b"]}
---```
---@param value any
---@param options? kt.Exact<kt.json.EncodeOptions>
---@return string
function json.encode(value, options) end

---Reads JSON.
---
---```lua
---local value, problem = kt.json.decode '{"id": 1}'
---if value == nil then error(problem) end
---```
---@param text string
---@param options? kt.Exact<kt.json.DecodeOptions>
---@return any value nil when the text is not JSON
---@return string? problem what is wrong with it, with line and column
function json.decode(text, options) end

---Marks a table as a list, so that it is written as `[]` when it is empty.
---
---```lua
---kt.json.encode { items = kt.json.array {} }  --> {"items":[]}
---```
---@generic T
---@param list? T[] default: a new one
---@return T[] list the same table; of an empty frozen one, which cannot be marked, another
function json.array(list) end

return json
