-- What the journeys of this folder have in common: variables, and users by chance.

local kt = require "kt"
local challenge = require "challenge"

local players = {}

---A number from a variable.
---@param name string
---@param default string
---@param least number
---@param most number
---@return number
function players.number(name, default, least, most)
  local value = tonumber(kt.env(name, default))
  if not value or value < least or value > most then
    error(name .. " must be a number from " .. least .. " to " .. most .. ", not " .. kt.env(name, default), 2)
  end
  return value
end

---A whole number from a variable.
---@param name string
---@param default string
---@param least integer
---@param most integer
---@return integer
function players.integer(name, default, least, most)
  local value = players.number(name, default, least, most)
  if value % 1 ~= 0 then error(name .. " must be a whole number, not " .. value, 2) end
  return value --[[@as integer]]
end

local users = players.integer("USERS", "10000", 1, 1000000)

---One of the users (variable USERS: how many there are, default 10000).
---@return string
function players.somebody() return challenge.user(kt.random.int(0, users - 1)) end

---The user of an iteration: another one each time, as long as there are.
---@return string
function players.next_user() return challenge.user(kt.scenario.iteration % users) end

return players
