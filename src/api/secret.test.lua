local kt = require "kt"

test("a secret is read as a variable", function() assert(kt.secret "TEST_SECRET" == "s3cret-value") end)

test("one that is not set is named, with the way to set it", function()
  raises(
    "secret: `KINGTIDE_NO_SUCH` is not set; give it in the environment, or by -e KINGTIDE_NO_SUCH=…",
    function() kt.secret "KINGTIDE_NO_SUCH" end
  )
end)

test("a name is text", function()
  local secret = kt.secret --[[@as any]]
  raises("secret: `name` must be a string, got nil", function() secret() end)
end)
