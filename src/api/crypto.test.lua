local kt = require "kt"
local crypto = kt.crypto

test("hashes are those of their standards", function()
  -- RFC 1321, A.5; FIPS 180-2, appendices
  assert(crypto.md5 "abc" == "900150983cd24fb0d6963f7d28e17f72")
  assert(crypto.md5 "" == "d41d8cd98f00b204e9800998ecf8427e")
  assert(crypto.sha1 "abc" == "a9993e364706816aba3e25717850c26c9cd0d89d")
  assert(crypto.sha256 "abc" == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  assert(
    crypto.sha384 "abc"
      == "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
  )
  assert(
    crypto.sha512 "abc"
      == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
  )
end)

test("an HMAC is that of RFC 4231", function()
  local data = "what do ya want for nothing?"
  assert(crypto.hmac("sha256", "Jefe", data) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  assert(string.sub(crypto.hmac("sha384", "Jefe", data), 1, 16) == "af45d2e376484031")
  assert(string.sub(crypto.hmac("sha512", "Jefe", data), 1, 16) == "164b7a7bfcf819e2")
  -- RFC 2202
  assert(crypto.hmac("sha1", "Jefe", data) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")
end)

test("bytes come in the form that is asked for", function()
  local raw = crypto.sha256("abc", "raw")
  assert(#raw == 32 and kt.encoding.hex_encode(raw) == crypto.sha256("abc", "hex"))
  assert(crypto.sha256("abc", "base64") == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=")
  assert(crypto.sha256("abc", "base64url") == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0")
  assert(crypto.md5("abc", "base64") == "kAFQmDzST7DWlj99KOF/cg==")
  local step = crypto.hmac("sha256", "key", "2026-11-20", "raw")
  assert(#crypto.hmac("sha256", step, "region", "raw") == 32)
end)

test("random bytes are many and never the same", function()
  local one, other = crypto.random_bytes(32), crypto.random_bytes(32)
  assert(#one == 32 and one ~= other)
  assert(#crypto.random_bytes(8, "hex") == 16 and crypto.random_bytes(0) == "")
end)

test("misuse is raised where it is written", function()
  local any = crypto --[[@as any]]
  raises("crypto.md5: `data` must be a string, got nil", function() any.md5() end)
  raises(
    'crypto.sha256: `output` is "base46"; it must be one of `hex`, `base64`',
    function() any.sha256("a", "base46") end
  )
  raises("crypto.sha512: `output` must be a string, got 5", function() any.sha512("a", 5) end)
  raises('crypto.hmac: `algorithm` is "sha265"', function() any.hmac("sha265", "k", "d") end)
  raises("did you mean `sha256`?", function() any.hmac("sha265", "k", "d") end)
  raises("crypto.hmac: `key` must be a string, got nil", function() any.hmac "sha256" end)
  raises(
    "crypto.random_bytes: `n` must be a whole number from 0 to 1,048,576, got -1",
    function() any.random_bytes(-1) end
  )
  raises("crypto.random_bytes: `n` must be a whole number", function() any.random_bytes(1048577) end)
end)
