local kt = require "kt"

-- What the lines say is tested where they can be read: in the tests of the script host.
test("every level takes any values", function()
  local circle = {}
  circle.self = circle
  for _, log in ipairs { kt.log.debug, kt.log.info, kt.log.warn, kt.log.error } do
    log()
    log("text", 1, 1.5, true, nil, { a = { 1, 2 } }, function() end, circle, kt.json.null)
  end
end)

test("print is a log line too", function() print("hello", { 1 }) end)
