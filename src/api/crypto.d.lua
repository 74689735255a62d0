---@meta kt.crypto

---Hashes, HMACs and random bytes. `md5` and `sha1` are for systems that still want them; they protect nothing.
---@class kt.crypto
local crypto = {}

---How bytes are given: hexadecimal digits, base64, base64 for URLs without padding, or the bytes themselves.
---@alias kt.crypto.Output "hex"|"base64"|"base64url"|"raw"

---The MD5 hash.
---
---```lua
---local etag = kt.crypto.md5(body)
---```
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.md5(data, output) end

---The SHA-1 hash.
---
---```lua
---kt.crypto.sha1 "abc"  --> a9993e364706816aba3e25717850c26c9cd0d89d
---```
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.sha1(data, output) end

---The SHA-256 hash.
---
---```lua
---local digest = "SHA-256=" .. kt.crypto.sha256(body, "base64")
---```
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.sha256(data, output) end

---The SHA-384 hash.
---
---```lua
---local integrity = "sha384-" .. kt.crypto.sha384(body, "base64")
---```
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.sha384(data, output) end

---The SHA-512 hash.
---
---```lua
---local sum = kt.crypto.sha512(body)
---```
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.sha512(data, output) end

---The HMAC of some data under a key, as signed requests carry it. Keys and data are bytes, so that the raw HMAC of one step
---can be the key of the next. Raises for other algorithms.
---
---```lua
---local signature = kt.crypto.hmac("sha256", kt.secret "WEBHOOK_KEY", body, "base64")
---kt.http.post("/hooks", { body = body, headers = { ["X-Signature"] = signature } })
---```
---@param algorithm "sha1"|"sha256"|"sha384"|"sha512"
---@param key string
---@param data string
---@param output? kt.crypto.Output default hex
---@return string
function crypto.hmac(algorithm, key, data, output) end

---Random bytes of the operating system: other ones in each run, whatever the seed. `kt.random.string` and `kt.random.uuid`
---give what can be replayed.
---
---```lua
---local nonce = kt.crypto.random_bytes(16, "hex")
---```
---@param n integer how many, at most 1,048,576
---@param output? kt.crypto.Output default raw
---@return string
function crypto.random_bytes(n, output) end

return crypto
