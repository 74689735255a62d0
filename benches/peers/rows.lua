local kt = require "kt"

local rows = kt.data.array(kt.env("ROWS", ""))

return function() kt.http.get(kt.env "BASE_URL" .. "/" .. rows:next().id) end
