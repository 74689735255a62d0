local kt = require "kt"
local tokens = require "tokens"

local refreshes = recorded "token_refreshes"

---A `fetch` that numbers its tokens.
---@param lifetime? number
---@return fun(): string, number?
local function numbered(lifetime)
  local n = 0
  return function()
    n = n + 1
    return "token-" .. n, lifetime
  end
end

test("a token is fetched once while it is good, for all who share its key", function()
  local one = tokens.new { key = "shared", fetch = numbered(60) }
  local other = tokens.new { key = "shared", fetch = function() error "never called" end }
  local third = tokens.new { key = "another", fetch = numbered(60) }
  for _ = 1, 3 do
    assert(one:get() == "token-1" and other:get() == "token-1" and third.bearer() == "token-1")
  end
  assert(refreshes "count" == 2)
end)

test("it is fetched again before it expires", function()
  local token = tokens.new { key = "short", fetch = numbered(0.06), refresh_before = "30ms" }
  local first = kt.time.monotonic()
  assert(token:get() == "token-1")
  kt.sleep "35ms"
  assert(token:get() == "token-2" and kt.time.monotonic() - first >= 0.03)
  assert(refreshes "count" == 2)
end)

test("a JWT tells itself how long it lives", function()
  local n = 0
  local token = tokens.new {
    key = "jwt",
    refresh_before = "4s",
    fetch = function()
      n = n + 1
      return kt.jwt.sign({ n = n }, "secret", { expires_in = n == 1 and 5 or 60 })
    end,
  }
  local first = token:get()
  assert(assert(kt.jwt.decode(first)).claims.n == 1 and token:get() == first)
  local by_clock = tokens.new {
    key = "jwt without iat",
    fetch = function() return kt.jwt.sign({ exp = kt.time.now() + 60 }, "secret") end,
  }
  assert(by_clock:get() == by_clock:get())
  assert(refreshes "count" == 2)
end)

test("`bearer` is for `auth`, and a fetch may send requests itself", function()
  local token = tokens.new {
    key = "slow",
    fetch = function() return kt.http.get("/delay/20").body .. "-token", 60 end,
  }
  for _ = 1, 3 do
    local res = kt.http.get("/echo", { auth = { bearer = token.bearer } })
    assert(res:json "headers.authorization" == "Bearer late-token", res.body)
  end
  assert(refreshes "count" == 1)
end)

test("what was refused is fetched again, once", function()
  local fetch = numbered(60)
  local one = tokens.new { key = "refused", fetch = fetch }
  local other = tokens.new { key = "refused", fetch = fetch }
  assert(one:get() == "token-1" and other:get() == "token-1")
  one:reject "token-1"
  assert(one:get() == "token-2")
  other:reject "token-1"
  assert(other:get() == "token-2")
  other:reject "never heard of"
  assert(other:get() == "token-2" and refreshes "count" == 2)
end)

test("a fetch that fails is told, and the next one tries again", function()
  local n = 0
  local token = tokens.new {
    key = "failing",
    fetch = function()
      n = n + 1
      if n == 1 then error("no connection", 0) end
      return "good", 60
    end,
  }
  local ok, message = pcall(token.get, token)
  assert(not ok and message == "no connection", message)
  assert(token:get() == "good")
end)

test("what is no token is told", function()
  -- what fetch gives, what is told
  local rows = {
    { {}, "gave no token, but nil" },
    { { "" }, "gave no token" },
    { { "opaque" }, "gave no lifetime, and the token tells none: a token is three parts" },
    { { kt.jwt.sign({}, "secret") }, "the token tells none: it has no `exp`" },
    { { "opaque", 0 }, "no number of seconds above 0: 0" },
    { { "opaque", "60" }, 'no number of seconds above 0: "60"' },
    { { "opaque", 5 }, "gave a lifetime of 5 s, which `refresh_before` (10 s) uses up" },
  }
  for n, row in ipairs(rows) do
    local token = tokens.new {
      key = "row-" .. n,
      refresh_before = 10,
      fetch = function() return unpack(row[1]) end,
    }
    local ok, message = pcall(token.get, token)
    assert(not ok and string.find(message, "tokens: `fetch` of `row-" .. n .. "` ", 1, true), message)
    assert(string.find(message, row[2], 1, true), n .. ": " .. message)
  end
end)

test("mistakes are raised where they are written", function()
  local new = tokens.new --[[@as any]]
  local function fetch() end
  raises("tokens.new: the options must be a table, got nil", function() new() end)
  raises("tokens.new: `key` must be a string that is not empty, got nil", function() new { fetch = fetch } end)
  raises("tokens.new: `fetch` must be a function, got 5", function() new { key = "a", fetch = 5 } end)
  raises("tokens.new: unknown option `kye`", function() new { kye = "a", fetch = fetch } end)
  raises(
    "tokens.new: `refresh_before` is wrong: `soon`",
    function() new { key = "a", fetch = fetch, refresh_before = "soon" } end
  )
  raises(
    "tokens.new: `refresh_before` is wrong: ",
    function() new { key = "a", fetch = fetch, refresh_before = {} } end
  )
end)
