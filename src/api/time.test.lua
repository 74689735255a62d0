local kt = require "kt"
local time = kt.time

local at_load = time.monotonic()

test("the wall clock tells seconds and milliseconds of now", function()
  local seconds, ms = time.now(), time.now_ms()
  -- 2025 to 2100
  assert(seconds > 1735689600 and seconds < 4102444800, seconds)
  assert(ms % 1 == 0 and math.abs(ms / 1000 - seconds) < 60, ms)
  local parsed = assert(time.parse(time.iso()))
  assert(math.abs(parsed - seconds) < 60)
end)

test("the measuring clock goes on by what passes", function()
  local before = time.monotonic()
  assert(before >= at_load and at_load >= 0)
  kt.sleep "20ms"
  local took = time.monotonic() - before
  assert(took >= 0.02 and took < 5, took)
end)

test("a time is written in the form that is asked for", function()
  local t = 1795168800.25 -- 2026-11-20T10:00:00.250Z
  assert(time.iso(t) == "2026-11-20T10:00:00.250Z", time.iso(t))
  assert(time.format(t) == time.iso(t) and time.format(t, "rfc3339") == time.iso(t))
  assert(time.format(t, "http") == "Fri, 20 Nov 2026 10:00:00 GMT", time.format(t, "http"))
  assert(time.format(t, "rfc2822") == "Fri, 20 Nov 2026 10:00:00 -0000", time.format(t, "rfc2822"))
  assert(time.format(t, "%Y%m%d-%H%M") == "20261120-1000")
  assert(time.iso(0) == "1970-01-01T00:00:00.000Z" and time.iso(-0.5) == "1969-12-31T23:59:59.500Z")
  assert(#time.format() == 24)
end)

test("a time is read from what systems write", function()
  -- text, seconds
  local rows = {
    { "2026-11-20T10:00:00Z", 1795168800 },
    { "2026-11-20T10:00:00.25Z", 1795168800.25 },
    { "2026-11-20T11:00:00+01:00", 1795168800 },
    { "2026-11-20 10:00:00Z", 1795168800 },
    { "Fri, 20 Nov 2026 10:00:00 GMT", 1795168800 },
    { "Fri, 20 Nov 2026 05:00:00 -0500", 1795168800 },
  }
  for _, row in ipairs(rows) do
    local t, problem = time.parse(row[1])
    assert(t == row[2], row[1] .. ": " .. tostring(t or problem))
  end
  assert(time.parse("20.11.2026", "%d.%m.%Y") == 1795132800)
  assert(time.parse("20.11.2026 10:00", "%d.%m.%Y %H:%M") == 1795168800)
  assert(time.parse("20.11.2026 11:00 +0100", "%d.%m.%Y %H:%M %z") == 1795168800)
  assert(time.parse("20.11.2026 11:00 +0100", "%d.%m.%Y %H:%M %Q") == 1795168800)
  assert(time.parse("1795168800", "%s") == 1795168800)
end)

test("text that is no time gives nil and the problem", function()
  for _, text in ipairs { "", "yesterday", "2026-11-20T10:00:00", "2026-13-01T00:00:00Z", "2026-11-20" } do
    local t, problem = time.parse(text)
    assert(t == nil and type(problem) == "string" and problem ~= "", text)
  end
  local t, problem = time.parse("x", "%d.%m.%Y")
  assert(t == nil and problem)
  -- text, format, part of the problem
  local rows = {
    { "2026-07-01 10:00:00 America/New_York", "%Y-%m-%d %H:%M:%S %Q", "`America/New_York`: names of time zones" },
    { "Mon, 20 Nov 2026 09:59:00 GMT", nil, "weekday" },
    { "Fri, 20 Nov 2026 09:59:00 GMT+2", nil, "RFC 2822" },
  }
  for _, row in ipairs(rows) do
    t, problem = time.parse(row[1], row[2])
    assert(t == nil and string.find(problem or "", row[3], 1, true), row[1] .. ": " .. tostring(problem))
  end
end)

test("a duration is what plans understand", function()
  -- text, seconds
  local rows = { { "1m30s", 90 }, { "200ms", 0.2 }, { 2.5, 2.5 }, { "30", 30 }, { "1d", 86400 } }
  for _, row in ipairs(rows) do
    assert(time.duration(row[1]) == row[2], row[1])
  end
  local seconds, problem = time.duration "5 parsecs"
  assert(seconds == nil and string.find(problem or "", "`parsecs`", 1, true), problem)
  seconds, problem = time.duration(-1)
  assert(seconds == nil and problem)
end)

test("misuse is raised where it is written", function()
  local any = time --[[@as any]]
  raises('time.iso: `t` must be a number, got "now"', function() any.iso "now" end)
  raises("time.iso: `t` must be seconds since 1970, up to the year 9999, got 1", function() any.iso(1e15) end)
  raises('time.format: `format` is "iso"; it must be `rfc3339`', function() any.format(0, "iso") end)
  raises("time.format: `format` is wrong: ", function() any.format(0, "%Y %!") end)
  raises("time.parse: `text` must be a string, got nil", function() any.parse() end)
  raises("time.duration: `text` must be a string or a number, got nil", function() any.duration() end)
end)
