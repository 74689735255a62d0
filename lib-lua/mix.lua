---Makes one journey of several by weight: each iteration runs one of them. `require "mix"`.
---
---Use scenarios instead where the parts need rates of their own: a mix shares one rate, so a slow part does not slow the
---others down, but the numbers of the parts vary from run to run as chance has it. The same seed gives the same choices.
local kt = require "kt"

---@class mix.Part
---@field weight number its share among the sum of all weights; not negative
---@field run fun(state: any): any its journey, called with what the mix is called with

---Makes the journey. Weights need not add up to 100.
---
---```lua
---return mix { { weight = 60, run = place_order }, { weight = 25, run = check_stock }, { weight = 15, run = sign_up } }
---```
---@param parts mix.Part[]
---@return fun(state: any): any journey
local function mix(parts)
  local entries = 0
  for _ in pairs(parts) do
    entries = entries + 1
  end
  ---@type any[][]
  local choices = {}
  ---@type number
  local sum = 0
  for i, part in ipairs(parts) do
    if type(part.weight) ~= "number" or not (part.weight >= 0) then
      error("mix: part " .. i .. ": `weight` must be a number that is not negative", 2)
    end
    if type(part.run) ~= "function" then error("mix: part " .. i .. ": `run` must be a function", 2) end
    choices[i] = { part.run, part.weight }
    sum = sum + part.weight
  end
  if #choices < entries then
    error(
      "mix: only " .. #choices .. " of " .. entries .. " parts are in a list without gaps; the others would never run",
      2
    )
  end
  if not (sum > 0) then error("mix: the weights must add up to more than 0", 2) end
  return function(state) return kt.random.weighted(choices)(state) end
end

return mix
