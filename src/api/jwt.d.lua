---@meta kt.jwt

---Signs and reads JSON web tokens. A key is a secret, or the PEM text of an RSA, P-256 or Ed25519 key. As in `kt.json`, a
---whole number above 2^53 arrives as a string.
---@class kt.jwt
local jwt = {}

---How a token is signed: with a secret (HS…), with an RSA key of at least 2,048 bits, with a P-256 key, with an Ed25519 key.
---@alias kt.jwt.Alg "HS256"|"HS384"|"HS512"|"RS256"|"ES256"|"EdDSA"

---@class kt.jwt.SignOptions
---@field alg? kt.jwt.Alg default by the key: HS256, RS256, ES256 or EdDSA
---@field headers? table<string, any> more of the header, such as `kid`
---@field expires_in? kt.Duration sets `exp` so much after now, and `iat` to now where the claims do not have it

---@class kt.jwt.VerifyOptions
---@field algs? kt.jwt.Alg[]|kt.jwt.Alg those that are accepted; default those that the key is for
---@field leeway? kt.Duration how far clocks may differ for `exp` and `nbf`; default 0

---@class kt.jwt.Token
---@field header table<string, any>
---@field claims table<string, any>

---Makes a token.
---
---Raises when the key cannot be read or does not fit the algorithm, and for claims that JSON cannot hold. A PEM text is never
---taken for a secret.
---
---```lua
---local token = kt.jwt.sign({ sub = "user-1" }, kt.secret "JWT_KEY", { expires_in = "60s" })
---kt.http.get("/v1/me", { auth = { bearer = token } })
---```
---@param claims table<string, any>
---@param key string a secret, or a private key in PEM
---@param options? kt.Exact<kt.jwt.SignOptions>
---@return string token
function jwt.sign(claims, key, options) end

---Reads a token without verifying it: what a client may know of it.
---
---```lua
---local token, problem = kt.jwt.decode(res:json "access_token")
---if token then kt.log.info("expires at", kt.time.iso(token.claims.exp)) end
---```
---@param token string
---@return kt.jwt.Token? parts nil when it is no token
---@return string? problem what is wrong with it
function jwt.decode(token) end

---Reads a token if its signature is the key's, and if it is valid now by its `exp` and `nbf`, where it has them. Other
---claims, such as `aud`, are yours to compare.
---
---Raises when the key cannot be read or does not fit the algorithms.
---
---```lua
---local claims, reason = kt.jwt.verify(token, kt.secret "JWT_KEY", { leeway = "5s" })
---kt.check(claims, { ["token is good"] = claims ~= nil and claims.aud == "shop" })
---```
---@param token string
---@param key string a secret, or a public or private key in PEM
---@param options? kt.Exact<kt.jwt.VerifyOptions>
---@return table<string, any>? claims nil when it is not accepted
---@return string? reason why not
function jwt.verify(token, key, options) end

return jwt
