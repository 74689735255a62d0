---@meta kt.encoding

---Bytes to text and back. Strings are bytes in Lua: whatever is encoded, comes back as it was. What cannot be decoded gives
---nil and what is wrong with it; raised is misuse only.
---@class kt.encoding
local encoding = {}

---@class kt.encoding.Padding
---@field padding? boolean whether `=` fills the end

---@class kt.encoding.Hex
---@field upper? boolean `AB` instead of `ab`; default false

---Base64 with `+` and `/` (RFC 4648, 4).
---
---```lua
---kt.encoding.base64_encode("user:secret")  --> dXNlcjpzZWNyZXQ=
---```
---@param data string
---@param options? kt.Exact<kt.encoding.Padding> `padding` is true by default
---@return string text
function encoding.base64_encode(data, options) end

---Reads base64 with `+` and `/`, with or without padding; `padding = true` wants it, `padding = false` wants none. White
---space is not base64.
---
---```lua
---local data, problem = kt.encoding.base64_decode "dXNlcjpzZWNyZXQ="
---if not data then error(problem) end
---```
---@param text string
---@param options? kt.Exact<kt.encoding.Padding>
---@return string? data nil when the text is not base64
---@return string? problem what is wrong with it
function encoding.base64_decode(text, options) end

---Base64 with `-` and `_`, which URLs and tokens can hold (RFC 4648, 5).
---
---```lua
---kt.encoding.base64url_encode '{"alg":"none"}'  --> eyJhbGciOiJub25lIn0
---```
---@param data string
---@param options? kt.Exact<kt.encoding.Padding> `padding` is false by default
---@return string text
function encoding.base64url_encode(data, options) end

---Reads base64 with `-` and `_`, as `base64_decode`.
---
---```lua
---local header = kt.encoding.base64url_decode "eyJhbGciOiJub25lIn0"
---```
---@param text string
---@param options? kt.Exact<kt.encoding.Padding>
---@return string? data nil when the text is not base64
---@return string? problem what is wrong with it
function encoding.base64url_decode(text, options) end

---Two hexadecimal digits for each byte.
---
---```lua
---kt.encoding.hex_encode "\1\255"  --> 01ff
---```
---@param data string
---@param options? kt.Exact<kt.encoding.Hex>
---@return string text
function encoding.hex_encode(data, options) end

---Reads hexadecimal digits of either case.
---
---```lua
---local data = kt.encoding.hex_decode "01ff"
---```
---@param text string
---@return string? data nil when the text is something else
---@return string? problem what is wrong with it
function encoding.hex_decode(text) end

---Makes text a part of a URL: everything but letters, digits and `-._~` becomes `%XX`, `/` and space included. The options
---`query` and `form` of requests do it themselves.
---
---```lua
---kt.http.get("/files/" .. kt.encoding.url_encode "a/b c.txt")  --> /files/a%2Fb%20c.txt
---```
---@param text string
---@return string
function encoding.url_encode(text) end

---Reads `%XX`. A `+` stays a plus, which it is outside of query strings.
---
---```lua
---kt.encoding.url_decode "a%2Fb%20c.txt"  --> a/b c.txt
---```
---@param text string
---@return string? text nil when a `%` stands before something else
---@return string? problem what is wrong with it
function encoding.url_decode(text) end

---Writes a query string, or a form: sorted by name, spaces as `+`, a list as one field for each of its values.
---
---Raises when a value is something else than text, numbers, true, false, or lists of them.
---
---```lua
---kt.encoding.query_encode { q = "a b", tag = { "x", "y" } }  --> q=a+b&tag=x&tag=y
---```
---@param fields table<string, string|number|boolean|(string|number|boolean)[]>
---@return string
function encoding.query_encode(fields) end

---Reads a query string, or a form, with or without `?` in front. A name that comes several times has a list.
---
---```lua
---local fields = kt.encoding.query_decode "?q=a+b&tag=x&tag=y"
---if fields then kt.log.info(fields.q, #fields.tag) end
---```
---@param text string
---@return table<string, any>? fields a string for each name, or a list of strings; nil when a `%` stands before something else
---@return string? problem what is wrong with it
function encoding.query_decode(text) end

return encoding
