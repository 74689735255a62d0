local kt = require "kt"
local encoding = kt.encoding

---All bytes there are.
local bytes = ""
for n = 0, 255 do
  bytes = bytes .. string.char(n)
end

test("base64 is that of RFC 4648, and comes back", function()
  -- data, text
  local rows = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "\255\254\253", "//79" } }
  for _, row in ipairs(rows) do
    assert(encoding.base64_encode(row[1]) == row[2], row[2])
    assert(encoding.base64_decode(row[2]) == row[1], row[2])
  end
  assert(encoding.base64url_encode "\255\254\253" == "__79")
  assert(encoding.base64url_decode "__79" == "\255\254\253")
  assert(encoding.base64_decode(encoding.base64_encode(bytes)) == bytes)
  assert(encoding.base64url_decode(encoding.base64url_encode(bytes)) == bytes)
end)

test("padding is written and read as one wants", function()
  assert(encoding.base64_encode("f", { padding = false }) == "Zg")
  assert(encoding.base64url_encode "f" == "Zg")
  assert(encoding.base64url_encode("f", { padding = true }) == "Zg==")
  assert(encoding.base64_decode "Zg" == "f" and encoding.base64url_decode "Zg==" == "f")
  assert(encoding.base64_decode("Zg", { padding = true }) == nil)
  assert(encoding.base64_decode("Zg==", { padding = false }) == nil)
  assert(encoding.base64_decode("Zg==", { padding = true }) == "f")
end)

test("what is not base64 gives nil and the problem", function()
  -- each is wrong in its own way
  for _, text in ipairs { "Zg=", "Z", "Zm 9v", "Zm9v\n", "__79", "Zh==" } do
    local data, problem = encoding.base64_decode(text)
    assert(data == nil and type(problem) == "string" and problem ~= "", text)
  end
  assert(encoding.base64url_decode "//79" == nil)
end)

test("hexadecimal digits are two for each byte", function()
  assert(encoding.hex_encode "\0\1\171\255" == "0001abff")
  assert(encoding.hex_encode("\171", { upper = true }) == "AB")
  assert(encoding.hex_decode "0001abFF" == "\0\1\171\255" and encoding.hex_decode "" == "")
  assert(encoding.hex_decode(encoding.hex_encode(bytes)) == bytes)
  local data, problem = encoding.hex_decode "abc"
  assert(data == nil and problem == "3 digits are no whole number of bytes")
  data, problem = encoding.hex_decode "ab+1"
  assert(data == nil and problem == "no hexadecimal digits at position 3", problem)
end)

test("a part of a URL holds what it means", function()
  assert(encoding.url_encode "a/b c?ä~-._" == "a%2Fb%20c%3F%C3%A4~-._")
  assert(encoding.url_decode "a%2fb%20c+d" == "a/b c+d")
  assert(encoding.url_decode(encoding.url_encode(bytes)) == bytes)
  for _, text in ipairs { "100%", "%2", "a%zzb", "%+1" } do
    local value, problem = encoding.url_decode(text)
    assert(value == nil and string.find(problem or "", "no two hexadecimal digits after the `%`", 1, true), problem)
  end
end)

test("query strings are sorted, and lists keep their order", function()
  local text = encoding.query_encode { q = "a b&c=d", n = 5, yes = true, list = { "z", 1.5, "a" }, none = {} }
  assert(text == "list=z&list=1.5&list=a&n=5&q=a+b%26c%3Dd&yes=true", text)
  assert(encoding.query_encode {} == "")
  local fields = encoding.query_decode("?" .. text)
  assert(fields and fields.q == "a b&c=d" and fields.n == "5" and fields.yes == "true")
  assert(#fields.list == 3 and fields.list[1] == "z" and fields.list[3] == "a")
end)

test("query strings are read as browsers write them", function()
  local fields = assert(encoding.query_decode "a=1&&b&c=&d=x=y&%61=2")
  assert(fields.b == "" and fields.c == "" and fields.d == "x=y")
  assert(#fields.a == 2 and fields.a[1] == "1" and fields.a[2] == "2")
  assert(next(assert(encoding.query_decode "")) == nil)
  local round = assert(encoding.query_decode(encoding.query_encode { [bytes] = bytes }))
  assert(round[bytes] == bytes)
  local none, problem = encoding.query_decode "a=1&b=%"
  assert(none == nil and string.find(problem or "", "`b=%`", 1, true), problem)
end)

test("misuse is raised where it is written", function()
  local any = encoding --[[@as any]]
  raises("encoding.base64_encode: `data` must be a string, got nil", function() any.base64_encode() end)
  raises(
    "encoding.base64_encode: unknown option `pading`; did you mean `padding`?",
    function() any.base64_encode("a", { pading = true }) end
  )
  raises(
    "encoding.base64url_decode: `padding` must be true or false, got 1",
    function() any.base64url_decode("a", { padding = 1 }) end
  )
  raises("encoding.hex_encode: unknown option `up`", function() any.hex_encode("a", { up = true }) end)
  raises("encoding.url_encode: `text` must be a string, got 5", function() any.url_encode(5) end)
  raises('encoding.query_encode: `fields` must be a table, got "a"', function() any.query_encode "a" end)
  raises("encoding.query_encode: a field's name must be a string, got 1", function() any.query_encode { "a" } end)
  raises("encoding.query_encode: `f` must be a string, a number", function() any.query_encode { f = print } end)
  raises("encoding.query_encode: `f` must be a string, a number", function() any.query_encode { f = { {} } } end)
  for _, list in { { status = "open" }, { 1, nil, 3, nil }, { 1, n = 1 } } do
    raises(
      "encoding.query_encode: `f` is a table with names or holes, where a list is wanted",
      function() any.query_encode { f = list } end
    )
  end
end)
