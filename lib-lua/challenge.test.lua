local kt = require "kt"
local challenge = require "challenge"

local won = recorded "claim_duration"
local claims = recorded "claims"
local refreshes = recorded "token_refreshes"

local client = challenge.new {} -- CHALLENGE_URL is that of a demo

---Sets a fault of the demo for the time of a body.
---@param fault table
---@param body fun()
local function with_fault(fault, body)
  client:fault(fault)
  local ok, message = pcall(body)
  client:clear_faults()
  if not ok then error(message, 0) end
end

-- Users with even numbers have played before.
local VETERAN, ROOKIE = "user-000100", "user-000101"

---A goal that a user can claim.
---@param user string
---@return { cid: string, gid: string, goal: challenge.Goal }
local function claimable(user)
  return (assert(challenge.goals_with(client:list(user):json "challenges", "completed")[1], "nothing is completed"))
end

test("a user's challenges, with one fetch for the token", function()
  local res = client:list(VETERAN)
  assert(res.ok and #res:json "challenges" == 10, res.error)
  assert(res:json "challenges.1.goals.1.target" == 10)
  local one = client:get(VETERAN, "challenge-3")
  assert(one.ok and one:json "challengeId" == "challenge-3")
  assert(refreshes "count" == 1)
end)

test("goals by status", function()
  local challenges = client:list(VETERAN):json "challenges"
  local count = 0
  for _, status in ipairs { "not_started", "in_progress", "completed", "claimed" } do
    for _, found in ipairs(challenge.goals_with(challenges, status)) do
      assert(found.goal.status == status and found.gid == found.goal.goalId)
      count = count + 1
    end
  end
  assert(count == 500, tostring(count))
  assert(#challenge.goals_with(client:list(ROOKIE):json "challenges", "not_started") == 500)
end)

test("a claim, and what is wrong with others", function()
  local ready = claimable "user-000104"
  local outcome = client:claim("user-000104", ready.cid, ready.gid)
  assert(outcome.result == "won" and outcome.error == nil, outcome.error)
  assert(won "count" == 1 and won "min" >= 50)
  local again = client:claim("user-000104", ready.cid, ready.gid)
  assert(again.result == "already_claimed" and again.response.ok)
  assert(string.find(again.error --[[@as string]], "status 409: the goal is claimed already", 1, true), again.error)
  local early = client:claim(ROOKIE, "challenge-0", "goal-0")
  assert(early.result == "not_completed" and early.response.ok)
  local none = client:claim(ROOKIE, "challenge-0", "goal-99")
  assert(none.result == "error" and not none.response.ok)
  assert(claims "count" == 4 and won "count" == 1)
end)

test("a reward that fails, and a database that is away", function()
  local ready = claimable "user-000106"
  with_fault({ fault = "reward_errors", value = 1 }, function()
    local outcome = client:claim("user-000106", ready.cid, ready.gid)
    assert(outcome.result == "reward_failed" and not outcome.response.ok)
  end)
  with_fault({ fault = "down", value = "database" }, function()
    local outcome = client:claim("user-000106", ready.cid, ready.gid)
    assert(outcome.result == "unavailable", outcome.error)
    assert(client:list("user-000106").status == 503)
    local up, why = client:health()
    assert(not up and string.find(why --[[@as string]], "not healthy: status 503, DOWN", 1, true), why)
  end)
  assert(client:claim("user-000106", ready.cid, ready.gid).result == "won")
  assert(client:health())
end)

test("tokens are fetched again before they expire", function()
  local short = challenge.new { token_lifetime = "400ms" }
  local before = client:stats().tokens
  local until_then = kt.time.monotonic() + 1
  while kt.time.monotonic() < until_then do
    assert(short:list("user-000111").status == 200)
    kt.sleep "20ms"
  end
  local after = client:stats().tokens
  assert(after.expired == before.expired, "none was used too late")
  local fetched = after.issued - before.issued
  assert(fetched >= 3 and fetched <= 5, tostring(fetched))
end)

test("tokens may be ready-made, and one that is refused is told", function()
  local made = challenge.new { tokens = { [ROOKIE] = "nonsense" } }
  local res = made:list(ROOKIE)
  assert(res.status == 401 and not res.ok)
  assert(made:claim(ROOKIE, "challenge-0", "goal-0").result == "unauthorized")
  assert(made:list("user-000113").ok, "others are fetched")
end)

test("a user that there is not fails the iteration", function()
  local ok = pcall(client.list, client, "user-999999")
  assert(not ok)
  assert(client:stats().operations["POST /v1/token"].byStatus["404"] == 1)
end)

test("faults that it does not have are refused", function()
  local ok, message = pcall(client.fault, client, { fault = "stock", value = 1 })
  assert(not ok and string.find(tostring(message), "the fault is refused: status 400", 1, true), tostring(message))
end)

test("misuse is raised", function()
  for _, case in ipairs {
    { { url = "x" }, "there is no option `url`" },
    { { base_url = "here" }, "must be a URL" },
    { { token_lifetime = "soon" }, "must be a duration" },
    { { token_lifetime = 0 }, "must be a duration" },
  } do
    local ok, message = pcall(challenge.new, case[1] --[[@as any]])
    assert(not ok and string.find(tostring(message), case[2], 1, true), tostring(message))
  end
end)

test("ids and statistics", function()
  assert(challenge.user(17) == "user-000017")
  assert(
    challenge.stat(0) == "enemy_kills" and challenge.stat(4) == "login_count" and challenge.stat(2) == "games_played"
  )
end)

test("events are taken, and seen once they are written", function()
  local events = challenge.events { max_in_flight = 5 } -- by reflection
  local before = client:stats().events.received
  assert(events:log_in "user-000201")
  assert(events:update("user-000201", "enemy_kills", 4711))
  assert(client:stats().events.received == before + 2)
  local seen = kt.poll {
    name = "written",
    every = "50ms",
    timeout = "10s",
    call = function() return client:get("user-000201", "challenge-0") end,
    done = function(res) return res:json "goals.1.progress" == 4711 end,
  }
  assert(seen.done)
  assert(client:get("user-000201", "challenge-0"):json "goals.2.progress" == 1, "goal-1 is about logins")
end)

test("what is wrong with an event is said in its answer", function()
  local events = challenge.events()
  local taken, res = events:update("user-000203", "luck", 1)
  local message = res.message --[[@as { success: boolean, error: string }]]
  assert(not taken and res.ok and not message.success)
  assert(string.find(message.error, "statCode", 1, true), message.error)
  local gone, away = challenge.events({ address = "127.0.0.1:1", timeout = "2s" }):log_in "user-000203"
  assert(gone == false and away.status == "UNAVAILABLE", away.status)
end)

test("of two claims at the same moment one wins", function()
  local ready = claimable "user-000202"
  local one, other = client:claim_twice("user-000202", ready.cid, ready.gid)
  assert((one.result == "won") ~= (other.result == "won"), one.result .. ", " .. other.result)
  assert(one.result == "already_claimed" or other.result == "already_claimed")
end)

test("misspelt options of events are refused", function()
  ---@diagnostic disable-next-line: missing-fields, assign-type-mismatch
  local ok, message = pcall(challenge.events, { cap = 5 } --[[@as any]])
  assert(not ok and string.find(message, "there is no option `cap`", 1, true), message)
end)
