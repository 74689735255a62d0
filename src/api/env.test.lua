local kt = require "kt"

local at_load = kt.env "TEST_SECRET"

test("a variable of the command line is found, while the file loads too", function()
  assert(kt.env "TEST_SECRET" == "s3cret-value")
  assert(at_load == "s3cret-value")
end)

test("the environment of the process is asked next", function() assert(kt.env "PATH") end)

test("what is not set is the default, of any type", function()
  local missing = "KINGTIDE_TEST_NOT_SET"
  assert(kt.env(missing) == nil)
  assert(kt.env(missing, "x") == "x")
  assert(kt.env(missing, 5) == 5)
  assert(kt.env(missing, false) == false)
end)

test("the default is not used for what is set", function() assert(kt.env("TEST_SECRET", "x") == "s3cret-value") end)

test("a name is text", function()
  local env = kt.env --[[@as any]]
  raises("env: `name` must be a string, got nil", function() env() end)
  raises("env: `name` must be a string, got 5", function() env(5) end)
end)
