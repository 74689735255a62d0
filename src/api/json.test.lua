local kt = require "kt"
local json = kt.json

test("values are written, and read back", function()
  -- value, text
  local rows = {
    { { b = 1, a = { true, "x" } }, '{"a":[true,"x"],"b":1}' },
    { 1.5, "1.5" },
    { 'é "\n', '"é \\"\\n"' },
    { {}, "{}" },
    { { 1, json.null, 3 }, "[1,null,3]" },
  }
  for n, row in ipairs(rows) do
    local text = json.encode(row[1])
    assert(text == row[2], n .. ": " .. text)
    assert(json.encode(json.decode(text)) == text, n)
  end
  assert(json.encode(nil) == "null")
end)

test("what is wrong with one text is not carried into the next", function()
  assert(not pcall(json.encode, { print }, { pretty = true }))
  assert(json.encode { 1 } == "[1]")
end)

test("an empty list stays a list", function()
  assert(json.encode(json.array {}) == "[]")
  assert(json.encode(json.array()) == "[]")
  assert(json.encode(json.array { 1 }) == "[1]")
  assert(json.encode(json.decode '{"a":[]}') == '{"a":[]}')
end)

test("a frozen table is a list too", function()
  local list, none = table.freeze { 1, 2 }, table.freeze {}
  assert(json.array(list) == list and json.encode(json.array(list)) == "[1,2]")
  assert(json.encode { none = json.array(none) } == '{"none":[]}')
  local marked = table.freeze(json.array {})
  assert(json.array(marked) == marked)
end)

test("integers that a number cannot hold are strings", function()
  assert(json.decode("9007199254740993") == "9007199254740993")
  assert(json.decode("9007199254740992") == 9007199254740992)
end)

test("null is absent in objects unless it is asked for", function()
  local value = json.decode '{"a": null, "list": [1, null]}'
  assert(value.a == nil and #value.list == 2 and value.list[2] == json.null)
  local kept = json.decode('{"a": null}', { null = true })
  assert(kept.a == json.null)
  assert(json.decode "null" == json.null)
end)

test("text that is not JSON gives nil and the place", function()
  local value, problem = json.decode '{"a": \n x}'
  assert(value == nil and string.find(problem or "", "line 2", 1, true), problem)
  value, problem = json.decode ""
  assert(value == nil and problem)
end)

test("pretty text is indented", function() assert(json.encode({ a = 1 }, { pretty = true }) == '{\n  "a": 1\n}') end)

test("what JSON cannot hold is raised with its place", function()
  local circle = {}
  circle.self = circle
  raises("json.encode: a: b: a function cannot be JSON", function() json.encode { a = { b = print } } end)
  raises("both a list and a map", function() json.encode { 1, a = 2 } end)
  raises("NaN", function() json.encode { x = 0 / 0 } end)
  raises("contains itself", function() json.encode(circle) end)
  raises("not UTF-8", function() json.encode "\255" end)
end)

test("a key that is no name runs no code of the script", function()
  local key = setmetatable({}, { __tostring = function() return json.encode { 1 } end })
  raises("json.encode: a key is a table; JSON objects have string keys", function() json.encode { [key] = 1 } end)
  raises("a key is the boolean true", function() json.encode { [true] = 1 } end)
end)

test("misuse is raised where it is written", function()
  local any = json --[[@as any]]
  raises("json.decode: `text` must be a string, got nil", function() any.decode() end)
  raises("json.encode: unknown option `prety`; did you mean `pretty`?", function() any.encode(1, { prety = true }) end)
  raises("json.decode: `null` must be true or false, got 1", function() any.decode("1", { null = 1 }) end)
  raises("json.array: `list` must be a table, got 5", function() any.array(5) end)
  raises("kt.json has no `parse`", function() any.parse "1" end)
end)
