local kt = require "kt"
local jwt, encoding = kt.jwt, kt.encoding

-- Keys that OpenSSL made for these tests; nothing else has them.
local RSA = [[
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCRyIi0919iX9za
OUNjR/GGgwEyp3Pt4IBdnxqB25BlA5n48LZuW/PuBxnyFxpI8E9imSSmYlPkyIxb
nUVUbB93J15bt56O/evVauOHOE9XP5Il87xlr0CE6nlRizCu/4jwUxSMVw+LG4dP
Ek2izE7lCou378OWC5/tYiF/YWg8tXhBD3uXZz6/3e5cLiG5xYRk+vEt+GQZyq+n
HgD4UdXXVvbuIROCGETjSLMKRG1T1YLkHe4omUDj5XwS5RD4d3PUPQJsDWYTU2Ip
P/WtCh66cag6OeuX/CzcP8eqzF6PSz3Z82EI0Vo6bDgfMHIngVA5gYVAH4SL7AqD
a7TCnNCvAgMBAAECggEAAzSnZxJl8DUxXFVn8dQi0hLk3B5UJhX757WV03D1Xu28
JyVpwd1DYvFw9LtHjWsfX3UEkEJhL4DVTPvQT7zRFCjfa/UeR0WshpJguGH7Ls94
F13wcLs1jkL7rPZTFsVsQ7k5MhqFYHpwmup6Y4/xtxryc/Z93qXT8h0ZuRWxhjW7
nuLi95N2xRczQkKEdBybyGfh0FnuLH3XWdPTz5hPS4OKLP+ZCdUj7xOYc+AZhrgv
f0cZbprv+r/Enjzj8zbqXS6zPD0FdbQ6qvNUyM2al0TCOL4SZOjJpgmTmX9oAKKP
Q62L0msWQ3eMGoI/QKgaI2Xg47M19Ng4WbkuP3PP2QKBgQDDQ/KeHf24GRjuMz0S
odUWX6q0Pi4ai6X6NErEwj0+GRJhh7pxxuTC2jzZr2dPt0AKIzCNLopSn59Z0b56
+flNmyNe1CX21jNkkzARy6ZIiQT0678DOizAuFZqrL4XRZup6ZULASJAX/1HHbMr
uPLgluGGwslPTwHgGXrgFKWtiQKBgQC/IJB5M/lW5AUL0O0wKNMQDarZpGZoeL+u
FKaoN3Pqj82pKnsRR/oDtxLjUlWkOgm2Xfwq7JZyxE0+FNr1tbmlEy0ecUbASN7M
hMwH52NbVGfL6pZc7BhVW7ZLcM9vT6AyGxcoMsVljXP/nDTR4EIdU4t3cthSdO3H
i+7Mw7x2dwKBgErmnoM+d9uNbP26E9w4zZc2fTGEhITUOoeeVWviIkHWtjFJMiCA
rbF8q0jJOrTeUydQVkhhqNeGuUZn6Uwc5R96ufefIyzq/2298/tvhcpfHNKiN3QS
daY7T5K9znD413w2yGAfQDc3Wt1TrC3CVRAHcF0UDMpqQQroWzTnVqIZAoGBAIn3
K9MSHY8HkkzxSAZXseQIuafZ8MLBRzyWU6diQB62J7NRovzahDNiWBQYPxIJgzFN
rtYdaoz1/vwtedGcmKH8sbkj8/qhn5Lq2Y1rDmHDEBo3AMua8gXL6k+S42pqhC0n
ORQfcjbYYT/Gtqo5w///atGS6Wy8U1iUPpE5SjYJAoGASCNhmtrLVifCE+b53pnw
Ewktm6u4qJY26CcMXmTnwiPtJ81TmiYcP2rPWq2KJn4KdXwMIQS/MLYbzUcv+T8F
g6QNePLRYqMfz6x60ixgfnTv0R5WgMuYGYo4ScAk1JR+01A5VE0sBhs+v9JIqbHy
TyhTbvjBXVCsl4JfZrEKbu4=
-----END PRIVATE KEY-----
]]
local RSA_PUBLIC = [[
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkciItPdfYl/c2jlDY0fx
hoMBMqdz7eCAXZ8agduQZQOZ+PC2blvz7gcZ8hcaSPBPYpkkpmJT5MiMW51FVGwf
dydeW7eejv3r1WrjhzhPVz+SJfO8Za9AhOp5UYswrv+I8FMUjFcPixuHTxJNosxO
5QqLt+/Dlguf7WIhf2FoPLV4QQ97l2c+v93uXC4hucWEZPrxLfhkGcqvpx4A+FHV
11b27iETghhE40izCkRtU9WC5B3uKJlA4+V8EuUQ+Hdz1D0CbA1mE1NiKT/1rQoe
unGoOjnrl/ws3D/Hqsxej0s92fNhCNFaOmw4HzByJ4FQOYGFQB+Ei+wKg2u0wpzQ
rwIDAQAB
-----END PUBLIC KEY-----
]]
local EC = [[
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzDNSnTdbH2s9yhn+
+ZqAlfpf5I2VbBCqazimh+H7pLihRANCAATYyLiQ6yx+9pXU1XvbxkHLCmWq8NlB
Zh43snE2lc4ql71wBaDxbr8cin/pHQevnGOr7UA8fM09JUsUDTQ/w1gj
-----END PRIVATE KEY-----
]]
local EC_PLAIN = [[
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIMwzUp03Wx9rPcoZ/vmagJX6X+SNlWwQqms4pofh+6S4oAoGCCqGSM49
AwEHoUQDQgAE2Mi4kOssfvaV1NV728ZBywplqvDZQWYeN7JxNpXOKpe9cAWg8W6/
HIp/6R0Hr5xjq+1APHzNPSVLFA00P8NYIw==
-----END EC PRIVATE KEY-----
]]
local EC_PUBLIC = [[
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2Mi4kOssfvaV1NV728ZBywplqvDZ
QWYeN7JxNpXOKpe9cAWg8W6/HIp/6R0Hr5xjq+1APHzNPSVLFA00P8NYIw==
-----END PUBLIC KEY-----
]]
local ED = [[
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILZX3aDvdNrcr1eV1omgzcGRW2/PuGGibg+R1Bnr2GvY
-----END PRIVATE KEY-----
]]
local ED_PUBLIC = [[
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAi+6GlarD5pv+9P2J3X7Tq/6/o3ujbLG5G0OMJfwvPH4=
-----END PUBLIC KEY-----
]]
local P384 = [[
-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDIOjyy5vhtcm9AubaE
9BLn4CgaZemVd9LK/1G3o74PlyJpwLYEXzB/msMSn2XW9vehZANiAAQ6U6bh1J1J
KIkgPSCqNSSZOVJ8UtQpJ2xFdMnNhaMQ+s/uBQYLJjx3xWbAvJXu8/J1+32PgZTD
0Ug9jww7I4DpStGGvaLtRfu/BkhvX4ELEY8j1wEj8ejUcqzkl6nS8xQ=
-----END PRIVATE KEY-----
]]

---The RSA key without its wrapping, which is 26 bytes long.
local function rsa_plain()
  local body = string.gsub(string.gsub(RSA, "%-%-%-%-%-[^\n]+", ""), "%s", "")
  local der = string.sub(assert(encoding.base64_decode(body)), 27)
  return "-----BEGIN RSA PRIVATE KEY-----\n" .. encoding.base64_encode(der) .. "\n-----END RSA PRIVATE KEY-----\n"
end

---A token of these JSON texts without a good signature.
---@param header string
---@param claims string
---@return string
local function forged(header, claims)
  return encoding.base64url_encode(header) .. "." .. encoding.base64url_encode(claims) .. ".AAAA"
end

---That a token is refused, with a reason that has this part.
---@param part string
---@param token string
---@param key string
---@param options? table
local function refused(part, token, key, options)
  local claims, reason = jwt.verify(token, key, options --[[@as any]])
  assert(claims == nil and string.find(reason or "", part, 1, true), tostring(reason))
end

test("a token of HS256 is that of RFC 7519", function()
  -- jwt.io's well known one
  local token = jwt.sign({ sub = "1234567890", name = "John Doe", iat = 1516239022 }, "your-256-bit-secret")
  local header, claims, signature = string.match(token, "^([^.]+)%.([^.]+)%.([^.]+)$")
  assert(header == "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", header)
  assert(encoding.base64url_decode(claims) == '{"iat":1516239022,"name":"John Doe","sub":"1234567890"}')
  local wanted = kt.crypto.hmac("sha256", "your-256-bit-secret", header .. "." .. claims, "base64url")
  assert(signature == wanted)
end)

test("what is signed is verified, by every algorithm and with the other half of the key", function()
  -- algorithm, what signs, what verifies
  local rows = {
    { "HS256", "secret", "secret" },
    { "HS384", "secret\0\255", "secret\0\255" },
    { "HS512", "secret", "secret" },
    { "RS256", RSA, RSA_PUBLIC },
    { "RS256", rsa_plain(), RSA },
    { "ES256", EC, EC_PUBLIC },
    { "ES256", EC_PLAIN, EC },
    { "EdDSA", ED, ED_PUBLIC },
    { "EdDSA", "\n" .. ED, ED },
  }
  for n, row in ipairs(rows) do
    local token = jwt.sign({ sub = "me", list = { 1, 2 } }, row[2], { alg = row[1] })
    assert(assert(jwt.decode(token)).header.alg == row[1], n)
    local claims, reason = jwt.verify(token, row[3])
    assert(claims and claims.sub == "me" and claims.list[2] == 2, n .. ": " .. tostring(reason))
    -- The last character may have bits that nobody reads; the first one of the signature has none.
    local head, signature = string.match(token, "^(.+%.)([^.]+)$")
    local other = string.sub(signature, 1, 1) == "A" and "B" or "A"
    refused("the signature does not fit", head .. other .. string.sub(signature, 2), row[3])
    refused(
      "the signature does not fit",
      (string.gsub(token, "%.[^.]+", "." .. encoding.base64url_encode "{}", 1)),
      row[3]
    )
  end
end)

test("the key says the algorithm when nobody else does", function()
  for alg, key in pairs { HS256 = "secret", RS256 = RSA, ES256 = EC, EdDSA = ED } do
    assert(assert(jwt.decode(jwt.sign({}, key))).header.alg == alg, alg)
  end
end)

test("tokens that OpenSSL signed are verified, and large numbers arrive as text", function()
  -- token, public key
  local rows = {
    {
      "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcGVuc3NsIiwibiI6OTAwNzE5OTI1NDc0MDk5M30.CzlYlYM4tLT"
        .. "iki052pvYWVBIBz0a9uV6cJ89JY3X34tDT19cfYPLuvOy6qqC40_L7Gj8VbUSJGOmM5Ex_umRMH0icrXIA-OhN7lMrg4mDCihXOg"
        .. "L3boJKwXCl6-IPAZJU7UOam5tt-DVAj5yEt-KfJkm7Kij7Bw0SDrx5A1WrCWRpsZNC0DYfb9eS1KPaPB5kZLMfjkGr7hkfu_ubS3"
        .. "8pZ0VvTndnxwHtsfmJ73aMeTkMQlCMVxZlHXMdN8PjJA4TVHxYHYp_GC8r1DB9U8pNB-3FHTczNemWr26JZ10EvctBDJUMDL-jR7"
        .. "t8uFoPmIu8OIy0c5oqDKtGWrGzgB5uQ",
      RSA_PUBLIC,
    },
    {
      "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcGVuc3NsIiwibiI6OTAwNzE5OTI1NDc0MDk5M30.VAcaxz9t2BQ"
        .. "6AkQhv1Aym8KPpBT9qkUT9_o--wWfEh7WaXKeDk6aigFC_-sWaYs4KCNd7fLbpYUx55P9OLEnXg",
      EC_PUBLIC,
    },
    {
      "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJvcGVuc3NsIiwibiI6OTAwNzE5OTI1NDc0MDk5M30.4badMPBtiaA"
        .. "vFhMpxi0zPTo-1UsXrEFC-IfDC-zrVQcOBCLESfsyqTHSVft3VLqjZcskBNWKoTSNHtLElvF-Aw",
      ED_PUBLIC,
    },
  }
  for n, row in ipairs(rows) do
    local claims, reason = jwt.verify(row[1], row[2])
    assert(claims and claims.sub == "openssl" and claims.n == "9007199254740993", n .. ": " .. tostring(reason))
  end
end)

test("`expires_in` sets when it ends and when it was made", function()
  local claims = { sub = "me" }
  local token = jwt.sign(claims, "secret", { expires_in = "1m30s" })
  assert(claims.exp == nil, "the table is left alone")
  local read = assert(jwt.verify(token, "secret"))
  assert(read.exp - read.iat == 90 and math.abs(read.iat - kt.time.now()) < 30)
  assert(assert(jwt.verify(jwt.sign({ iat = 5 }, "secret", { expires_in = 60 }), "secret")).iat == 5)
end)

test("a token is valid from `nbf` to `exp`, give or take the leeway", function()
  local now = kt.time.now()
  refused("the token expired 1", jwt.sign({ exp = now - 100 }, "secret"), "secret")
  assert(jwt.verify(jwt.sign({ exp = now - 100 }, "secret"), "secret", { leeway = "200s" }))
  refused("not valid for another ", jwt.sign({ nbf = now + 100 }, "secret"), "secret")
  assert(jwt.verify(jwt.sign({ nbf = now + 100, exp = now + 200 }, "secret"), "secret", { leeway = 200 }))
  refused("`exp` is no number", jwt.sign({ exp = "soon" }, "secret"), "secret")
end)

test("the header has what is asked for", function()
  local token = jwt.sign({}, "secret", { alg = "HS512", headers = { kid = "k1", typ = "at+jwt" } })
  local header = assert(jwt.decode(token)).header
  assert(header.alg == "HS512" and header.kid == "k1" and header.typ == "at+jwt")
end)

test("only the algorithms that are asked for are accepted", function()
  local token = jwt.sign({}, "secret", { alg = "HS512" })
  assert(jwt.verify(token, "secret") and jwt.verify(token, "secret", { algs = "HS512" }))
  assert(jwt.verify(token, "secret", { algs = { "HS256", "HS512" } }))
  refused("signed with `HS512`; accepted is HS256", token, "secret", { algs = { "HS256" } })
  refused("signed with `HS512`; accepted is RS256", token, RSA_PUBLIC)
  refused("signed with `none`", forged('{"alg":"none"}', "{}"), "secret")
  refused("signed with ``", forged("{}", "{}"), "secret")
  refused("the header has `crit`", forged('{"alg":"HS256","crit":["x"]}', "{}"), "secret")
end)

test("what is no token gives nil and the problem", function()
  -- token, part of the problem
  local rows = {
    { "", "three parts" },
    { "a.b", "three parts with dots between them; this is 2" },
    { "a.b.c.d", "this is 4" },
    { "!.e30.AAAA", "the header of the token is not base64url" },
    { "e30.e30=.AAAA", "the claims of the token is not base64url" },
    { forged("[]", "{}"), "the header of the token is no JSON object" },
    { forged('{"alg":"HS256"}', "x"), "the claims of the token is no JSON" },
  }
  for n, row in ipairs(rows) do
    local token, problem = jwt.decode(row[1])
    assert(token == nil and string.find(problem or "", row[2], 1, true), n .. ": " .. tostring(problem))
    assert(jwt.verify(row[1], "secret") == nil, n)
  end
  assert(assert(jwt.decode(forged('{"alg":"none"}', '{"sub":"x"}'))).claims.sub == "x", "read, not verified")
end)

test("misuse is raised where it is written", function()
  local any = jwt --[[@as any]]
  raises("jwt.sign: `claims` must be a table, got nil", function() any.sign() end)
  raises("jwt.sign: `key` must be a string, got nil", function() any.sign {} end)
  raises("jwt.sign: `key` is empty", function() jwt.sign({}, "") end)
  raises("jwt.sign: `claims` must have names as keys", function()
    jwt.sign({ "a" } --[[@as any]], "secret")
  end)
  raises("jwt.sign: `claims`: f: a function cannot be JSON", function() jwt.sign({ f = print }, "secret") end)
  raises('jwt.sign: `alg` is "HS265"', function() any.sign({}, "secret", { alg = "HS265" }) end)
  raises(
    "jwt.sign: RS256 wants an RSA key in PEM, and `key` is a secret",
    function() jwt.sign({}, "secret", { alg = "RS256" }) end
  )
  raises(
    "jwt.sign: HS256 wants a secret, and `key` is an RSA key",
    function() jwt.sign({}, RSA_PUBLIC, { alg = "HS256" }) end
  )
  raises("jwt.sign: `key` is a public key, which verifies and cannot sign", function() jwt.sign({}, ED_PUBLIC) end)
  raises(
    "jwt.sign: `key` is no key that can be read: it must be an RSA, P-256 or Ed25519 key",
    function() jwt.sign({}, P384) end
  )
  raises("jwt.sign: `key` is no key that can be read", function() jwt.sign({}, "-----BEGIN PRIVATE KEY-----\nx") end)
  raises("jwt.sign: unknown option `expire_in`", function() any.sign({}, "secret", { expire_in = 1 }) end)
  raises("jwt.sign: the claims have `exp` already", function() jwt.sign({ exp = 1 }, "secret", { expires_in = 1 }) end)
  raises(
    "jwt.sign: `headers` must not hold `alg`",
    function() jwt.sign({}, "secret", { headers = { alg = "none" } }) end
  )
  raises("jwt.decode: `token` must be a string, got nil", function() any.decode() end)
  raises('jwt.verify: `algs` has "RS265"', function() any.verify("a.b.c", RSA_PUBLIC, { algs = { "RS265" } }) end)
  raises(
    "jwt.verify: HS256 wants a secret, and `key` is an RSA key",
    function() jwt.verify("a.b.c", RSA_PUBLIC, { algs = { "HS256" } }) end
  )
  raises("jwt.verify: `leeway` is wrong", function() any.verify("a.b.c", "secret", { leeway = "x" }) end)
end)
