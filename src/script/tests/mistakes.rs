//! The mistakes that people make in their first weeks with Lua, each with the whole text that they see, compared with
//! `tests/golden/mistakes.txt`. `UPDATE_GOLDEN=1` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::script::loader::Sources;

/// The first lines of every script here.
const HEAD: &str = "local kt = require \"kt\"\nlocal http, check = kt.http, kt.check\n";

/// What is wrong, and the script after [`HEAD`].
const MISTAKES: &[(&str, &str)] = &[
    // Grammar.
    (
        "a missing end",
        "local function go()\n  if kt.vu.id == 1 then\n    kt.sleep(1)\nend\nreturn go",
    ),
    (
        "else if",
        "return function()\n  if kt.vu.id == 1 then\n    kt.sleep(1)\n  else if kt.vu.id == 2 then\n    kt.sleep(2)\n  end\nend",
    ),
    (
        "one equals sign",
        "return function()\n  local res = http.get \"http://127.0.0.1:1/\"\n  if res.status = 200 then kt.sleep(1) end\nend",
    ),
    (
        "unequal as in C",
        "return function()\n  if kt.vu.id != 1 then kt.sleep(1) end\nend",
    ),
    (
        "not as in C",
        "return function()\n  if !kt.vu.id then kt.sleep(1) end\nend",
    ),
    (
        "and as in C",
        "return function()\n  if true && false then kt.sleep(1) end\nend",
    ),
    ("a comment as in C", "return function()\n  // think\n  kt.sleep(1)\nend"),
    ("braces around a body", "return function() {\n  kt.sleep(1)\n}"),
    ("keys with colons", "return { scenarios: {} }"),
    (
        "a missing comma",
        "return {\n  http = { timeout = 5 }\n  scenarios = {},\n}",
    ),
    ("counting up", "return function()\n  local n = 1\n  n++\nend"),
    (
        "counting up a field",
        "local t = { count = 1 }\nreturn function()\n  t.count++\nend",
    ),
    (
        "counting up in a block",
        "return function()\n  if true then local x = 1 x++ end\nend",
    ),
    (
        "counting up an entry",
        "local t = { { n = 1 } }\nreturn function()\n  t[1].n++\nend",
    ),
    (
        "counting up in a call",
        "return function()\n  local i = 1\n  print(i++)\nend",
    ),
    (
        "counting down",
        "local t = { n = 1 }\nreturn function()\n  t.n-- ;\nend",
    ),
    (
        "goto",
        "return function()\n  for i = 1, 3 do\n    if i == 2 then goto continue end\n    ::continue::\n  end\nend",
    ),
    ("a label", "return function()\n  ::again::\n  kt.sleep(1)\nend"),
    ("a constant", "return function()\n  local limit <const> = 5\nend"),
    (
        "three equals signs",
        "return function()\n  local one = kt.vu.id === 1\nend",
    ),
    (
        "keys in quotes",
        "return function()\n  http.post(\"/\", { json = { \"a\": 1, \"b\": 2 } })\nend",
    ),
    ("a unit without quotes", "return function()\n  kt.sleep(1000ms)\nend"),
    ("let", "return function()\n  let n = 1\nend"),
    ("an open quote", "return function()\n  local s = \"abc\nend"),
    ("an open function", "return { exec = function() kt.sleep(1) }"),
    (
        "square brackets for a list",
        "return function()\n  local ids =\n  [1, 2]\nend",
    ),
    // Names.
    (
        "a misspelt function",
        "return function()\n  chekc(1, { a = true })\nend",
    ),
    (
        "a misspelt variable",
        "local customer = { id = 1 }\nreturn function()\n  http.get(\"/\" .. cutsomer.id)\nend",
    ),
    (
        "used before its definition",
        "local function go()\n  login()\nend\nlocal function login() end\nreturn go",
    ),
    ("a variable of k6", "return function()\n  print(__ENV.TARGET)\nend"),
    ("null", "return function()\n  local row = null\n  print(null.id)\nend"),
    (
        "a function of a module of one's own",
        "local shop = {}\nfunction shop.place_order() end\nreturn function()\n  shop.palce_order()\nend",
    ),
    (
        "a function of a required module",
        "local retry = require \"retry\"\nreturn function()\n  retry.cal(function() end)\nend",
    ),
    ("a test in a journey", "test(\"x\", function() end)"),
    ("a module that does not exist", "local retry = require \"rtry\""),
    ("a path for a module", "local helpers = require \"./lib/helpers.lua\""),
    ("a missing library", "local f = io.open \"ids.txt\""),
    ("a library with few functions", "local home = os.getenv \"HOME\""),
    (
        "a misspelt function of kingtide",
        "return function()\n  kt.slep(1)\nend",
    ),
    // Values.
    (
        "a field that is not there",
        "local config = { user = { name = \"a\" }, timeout = 5 }\nreturn function()\n  print(config.usr.name)\nend",
    ),
    (
        "a field of a response",
        "return function()\n  local res = http.get \"http://127.0.0.1:1/\"\n  print(res.stauts)\nend",
    ),
    (
        "an index from 0",
        "return function()\n  local items = { { sku = \"a\" } }\n  print(items[0].sku)\nend",
    ),
    (
        "an answer without JSON",
        "return function()\n  local res = http.get \"http://127.0.0.1:1/\"\n  local items = res:json \"items\"\n  for i = 1, #items do print(i) end\nend",
    ),
    (
        "joining what is nil",
        "return function()\n  local res = http.get \"http://127.0.0.1:1/\"\n  http.get(\"/orders/\" .. res:json(\"id\"))\nend",
    ),
    (
        "joining two values",
        "return function()\n  local row = { a = 1 }\n  print(row.a .. row.b)\nend",
    ),
    ("joining a table", "return function()\n  print(\"row: \" .. { 1 })\nend"),
    (
        "plus for text",
        "return function()\n  local id = \"abc\"\n  http.get(\"/orders/\" + id)\nend",
    ),
    ("nil in a sum", "return function()\n  local n\n  print(n + 1)\nend"),
    (
        "comparing text with a number",
        "return function()\n  local n = \"5\"\n  if n < 5 then kt.sleep(1) end\nend",
    ),
    (
        "comparing nil",
        "local limits = { max = 5 }\nreturn function()\n  if 3 > limits.mx then kt.sleep(1) end\nend",
    ),
    (
        "a loop over nil",
        "return function()\n  local rows\n  for _, row in ipairs(rows) do print(row) end\nend",
    ),
    (
        "an argument that was not given",
        "local function buy(id)\n  return \"/\" .. id\nend\nreturn function()\n  buy()\nend",
    ),
    (
        "a method of text",
        "return function()\n  local s = \"abc\"\n  print(s:uper())\nend",
    ),
    ("a wrong argument", "return function()\n  string.rep(\"x\", {})\nend"),
    ("calling a module", "return function()\n  http(\"/\")\nend"),
    // kingtide's functions.
    (
        "a colon for a dot",
        "return function()\n  local res = http:get \"/\"\nend",
    ),
    (
        "a dot for a colon",
        "return function()\n  local res = http.get \"http://127.0.0.1:1/\"\n  print(res.json \"id\")\nend",
    ),
    (
        "an unknown option of a request",
        "return function()\n  http.get(\"/\", {\n    name = \"GET /\",\n    tiemout = 5,\n  })\nend",
    ),
    (
        "a wrong option of a request",
        "return function()\n  http.get(\"/\", { timeout = \"30 sec\" })\nend",
    ),
    (
        "a body without braces",
        "return function()\n  http.post(\"/\", \"a=b\")\nend",
    ),
    ("a wrong duration", "return function()\n  kt.sleep \"1 sec\"\nend"),
    (
        "a data set in the journey",
        "return function()\n  local rows = kt.data.array \"rows.json\"\nend",
    ),
    (
        "a request at the top of the file",
        "local res = http.get \"http://127.0.0.1:1/\"\nreturn function() end",
    ),
    // The plan.
    (
        "a request in place of a function",
        "return { scenarios = { a = { executor = \"per-vu-iterations\", exec = http.get(\"/\") } } }",
    ),
    (
        "a call in place of a function",
        "local function go() end\nreturn {\n  scenarios = { a = { executor = \"per-vu-iterations\", exec = go() } },\n}",
    ),
    (
        "the options of k6",
        "return {\n  stages = { { duration = \"1s\", target = 5 } },\n  exec = print,\n}",
    ),
    (
        "the short options of k6",
        "return {\n  vus = 1,\n  duration = \"1s\",\n  exec = print,\n}",
    ),
    (
        "a scenario at the top",
        "return {\n  executor = \"constant-vus\",\n  vus = 1,\n  duration = \"1s\",\n  exec = print,\n}",
    ),
    ("options in a table", "return { options = { vus = 1 }, exec = print }"),
    (
        "the summary of k6",
        "return {\n  exec = print,\n  handleSummary = print,\n}",
    ),
    (
        "a misspelt executor",
        "return {\n  scenarios = { a = { executor = \"constant-vu\", exec = print } },\n}",
    ),
    (
        "a misspelt option",
        "return {\n  scenarios = { a = { executor = \"constant-vus\", durration = \"1s\", exec = print } },\n}",
    ),
    (
        "a duration in words",
        "return {\n  scenarios = { a = { executor = \"constant-vus\", duration = \"30 sec\", exec = print } },\n}",
    ),
    (
        "a rate in quotes",
        "return {\n  scenarios = { a = { executor = \"constant-arrival-rate\", rate = \"50\", duration = \"1s\", exec = print } },\n}",
    ),
    (
        "a stage without its duration",
        "return {\n  scenarios = { a = { executor = \"ramping-vus\", stages = { { target = 5 } }, exec = print } },\n}",
    ),
    (
        "a threshold without a comparison",
        "return {\n  scenarios = { a = { executor = \"per-vu-iterations\", exec = print } },\n  thresholds = { http_req_duration = \"500ms\" },\n}",
    ),
    (
        "no return",
        "local plan = {\n  scenarios = { a = { executor = \"per-vu-iterations\", exec = print } },\n}",
    ),
    ("an empty return", "local function go() end\nreturn go()"),
];

/// What a person sees of the first mistake that shows: in the file, in the plan, or in an iteration.
async fn seen(script: &str) -> String {
    let files = [("main.lua", script)];
    let bed = match Bed::load(&files, Limits::default(), 1).await {
        Ok(bed) => bed,
        Err(error) => {
            let file = error.at.as_ref().map(|at| at.file.clone()).unwrap_or_default();
            let sources = Sources::default();
            sources.keep(file.clone(), script);
            let folder = Path::new(&file).parent().unwrap_or(Path::new(""));
            return error.render(&sources).replace(&format!("{}/", folder.display()), "");
        }
    };
    let folder = format!("{}/", bed.folder.path().display());
    if let Err(error) = bed.ready() {
        return error
            .render(&bed.session.script, &bed.session.revision().sources)
            .replace(&folder, "");
    }
    bed.once().await;
    let errors = bed.errors();
    let (error, _) = errors
        .first()
        .unwrap_or_else(|| panic!("nothing is wrong with\n{script}"));
    error.render(&bed.session.revision().sources).replace(&folder, "")
}

#[tokio::test]
async fn every_mistake_is_shown_with_its_place_and_cure() {
    let local = tokio::task::LocalSet::new();
    let mut text = String::new();
    local
        .run_until(async {
            for (name, script) in MISTAKES {
                let script = format!("{HEAD}{script}");
                let seen = seen(&script).await;
                assert!(seen.contains("\n  --> main.lua"), "{name}: {seen}");
                let _ = write!(text, "### {name}\n\n{seen}\n\n");
            }
        })
        .await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/mistakes.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    for (got, wanted) in text.split("### ").zip(wanted.split("### ")) {
        assert_eq!(got, wanted, "UPDATE_GOLDEN=1 accepts the new text");
    }
    assert_eq!(text.len(), wanted.len(), "UPDATE_GOLDEN=1 accepts the new text");
}
