local kt = require "kt"

return function() kt.http.get(kt.env("BASE_URL", "")) end
