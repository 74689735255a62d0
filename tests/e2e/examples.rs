//! That every Lua example is sound for the type checker: those of the documents, and those in the comments of the stubs and
//! of the helpers. Whole scripts are checked as they are; parts of one are completed first.

use std::path::{Path, PathBuf};

use crate::documents::{blocks, documents};
use crate::kit::{Project, root, tool};

/// An example and where it is from.
struct Example {
    place: String,
    is_test: bool,
    lua: String,
}

/// Names that a part of a script takes as given, as anything.
const GIVEN: [&str; 25] = [
    "accounts",
    "body",
    "browse",
    "check_stock",
    "client",
    "coupons",
    "customers",
    "event",
    "events",
    "expected",
    "id",
    "journey",
    "place_order",
    "products",
    "res",
    "s",
    "sagas",
    "sign_up",
    "stream",
    "text",
    "token",
    "total",
    "used",
    "users",
    "value",
];

/// Keys of a plan, as the first word of an example that is a part of one.
const PLAN_KEYS: [&str; 9] = [
    "http",
    "limits",
    "phases",
    "scenarios",
    "setup",
    "summary",
    "tags",
    "thresholds",
    "invariants",
];

/// The helpers that are built in.
fn helpers() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("lib-lua")).expect("the folder can be read");
    let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
    let stems = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".lua")?.to_owned()));
    stems.filter(|stem| !stem.ends_with(".test")).collect()
}

/// Not the hints, of which unused names are most.
const CHECK: &[&str] = &[".", "--severity", "warn"];

fn all() -> Vec<Example> {
    let mut found = Vec::new();
    let name = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("the document can be read");
        for word in ["lua", "lua fragment", "lua test"] {
            let examples = blocks(&text, word).into_iter();
            found.extend(examples.map(|(line, lua)| Example {
                place: format!("{}:{line}", name(&document)),
                is_test: word == "lua test",
                lua,
            }));
        }
    }
    for path in commented() {
        let text = std::fs::read_to_string(&path).expect("the source can be read");
        // Other lines become empty, so that numbers stay.
        let comments: Vec<&str> = text
            .lines()
            .map(|line| line.strip_prefix("---").unwrap_or(""))
            .collect();
        let examples = blocks(&comments.join("\n"), "lua").into_iter();
        found.extend(examples.map(|(line, lua)| Example {
            place: format!("{}:{line}", name(&path)),
            // Of the globals that only test files have.
            is_test: path.ends_with("testing.d.lua"),
            lua,
        }));
    }
    found
}

/// Lua files whose comments hold examples.
fn commented() -> Vec<PathBuf> {
    let folders = ["src/api", "src/script", "lib-lua"].map(|folder| root().join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("the folder can be read"));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".lua") && !name.ends_with(".test.lua")
        })
        .collect();
    files.sort();
    files
}

/// The example as a file that the checker can judge: with what it takes as given, and its plan in a local, because a table
/// after `return` is not checked.
fn completed(lua: &str) -> String {
    let first = lua.trim_start().split([' ', '\n']).next().unwrap_or_default();
    let assigned = lua.trim_start()[first.len()..].trim_start().starts_with("= ");
    let body = if PLAN_KEYS.contains(&first) && assigned {
        format!("---@type kt.Plan\nlocal plan = {{\n{lua}\n}}\nreturn plan")
    } else if assigned {
        // A key of something else than a plan.
        format!("return {{\n{lua}\n}}")
    } else if let Some((before, plan)) = lua
        .rsplit_once("\nreturn {\n")
        .or(lua.strip_prefix("return {\n").map(|plan| ("", plan)))
    {
        format!("{before}\n---@type kt.Plan\nlocal plan = {{\n{plan}\nreturn plan")
    } else if lua.contains("return ") {
        lua.to_owned()
    } else {
        format!("return function()\n{lua}\nend")
    };
    if lua.contains("require \"kt\"") {
        return body;
    }
    let words: Vec<&str> = lua.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let given: String = GIVEN
        .iter()
        .filter(|name| words.contains(name) && !lua.contains(&format!("local {name} ")))
        .map(|name| format!("local {name} = given()\n"))
        .collect();
    let helpers: String = helpers()
        .iter()
        .filter(|name| words.contains(&name.as_str()) && !lua.contains(&format!("local {name} ")))
        .map(|name| format!("local {name} = require \"{name}\"\n"))
        .collect();
    format!(
        "local kt = require \"kt\"\nlocal http, check = kt.http, kt.check\n{helpers}\
         ---@return any\nlocal function given() end\n{given}{body}"
    )
}

#[tokio::test]
async fn every_example_is_sound_for_the_type_checker() {
    let project = Project::new();
    assert_eq!(project.call(&["init", "p"]).await.code, Some(0));
    let examples = all();
    assert!(examples.len() > 60, "only {} examples were found", examples.len());
    for (number, example) in examples.iter().enumerate() {
        let ending = if example.is_test { "test.lua" } else { "lua" };
        let text = format!("-- {}\n{}\n", example.place, completed(&example.lua));
        project.file(&format!("p/scripts/example_{number}.{ending}"), text);
    }
    let checked = tool("emmylua_check", &project.path("p"), CHECK).await;
    let places: String = (0..)
        .zip(&examples)
        .filter(|(number, _)| checked.stdout.contains(&format!("example_{number}.")))
        .map(|(number, example)| format!("example_{number} is {}\n{}\n\n", example.place, completed(&example.lua)))
        .collect();
    assert_eq!(checked.code, Some(0), "{places}{checked}");
}

/// The checker sees what it is given: a mistake in any form of example is found.
#[tokio::test]
async fn mistakes_in_examples_are_found() {
    let table = [
        "local kt = require \"kt\"\n\nreturn {\n  scenarios = { a = { executor = \"constant-vus\", durration = \"1s\" } },\n}",
        "scenarios = {\n  a = { executor = \"constant-vus\", durration = \"1s\" },\n}",
        "kt.http.get(\"/\", { tiemout = 1 })",
        "if check(nil, {}) then htpp.get \"/\" end",
        "return {\n  phases = { { nam = \"x\" } },\n}",
    ];
    for lua in table {
        let project = Project::new();
        project.call(&["init", "p"]).await;
        project.file("p/scripts/example.lua", completed(lua));
        let checked = tool("emmylua_check", &project.path("p"), CHECK).await;
        assert_eq!(checked.code, Some(1), "{lua}: {checked}");
    }
}
