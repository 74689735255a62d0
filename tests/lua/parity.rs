//! Compares the modules that scripts get with their stubs, name by name and in both directions.
//!
//! A module that is a table declares `---@class kt.x` with its functions (`function x.f(…)`) and its values (`---@field`).
//! A module that is a function declares itself as a function of the root class, `function kt.x(…)`, in its own stub.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use kingtide::api::{KT_STUB, MODULES, OPEN};
use kingtide::control::Control;
use kingtide::plan::Limits;
use kingtide::script::{Host, Session, testing};
use mlua::Value;

/// The members that a stub declares for a class: its functions and its fields.
fn declared(stub: &str, class: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    // The class whose fields are being read, and the local that stands for the wanted one.
    let (mut current, mut local) = ("", None);
    for line in stub.lines() {
        if let Some(rest) = line.strip_prefix("---@class ") {
            let rest = rest.trim_start_matches("(partial)").trim_start();
            current = rest.split([':', ' ']).next().unwrap_or_default();
        } else if let Some(rest) = line.strip_prefix("---@field ") {
            if current == class {
                names.extend(
                    rest.split_whitespace()
                        .next()
                        .map(|name| name.trim_end_matches('?').to_owned()),
                );
            }
        } else if let Some(rest) = line.strip_prefix("local ") {
            if current == class {
                local = rest.split_whitespace().next();
            }
            current = "";
        } else if let Some((owner, name)) = line
            .strip_prefix("function ")
            .and_then(|rest| rest.split('(').next()?.rsplit_once('.'))
            && Some(owner) == local
        {
            names.insert(name.to_owned());
        }
    }
    names
}

/// The members of an opened module, those that are computed at each read included.
fn opened(module: &Value) -> BTreeSet<String> {
    let Value::Table(table) = module else {
        panic!("a table, not {}", module.type_name())
    };
    let meta = table.metatable().expect("modules refuse unknown names");
    meta.raw_get("names").expect("modules know their names")
}

#[test]
fn modules_have_what_their_stubs_declare() {
    let session = Session::new(Path::new("parity.lua"), BTreeMap::new(), 1, Arc::new(Control::new()));
    let host = Host::new(Arc::new(session), Limits::default(), OPEN).expect("a VM can be made");
    let mut root = declared(KT_STUB, "kt");
    for module in MODULES {
        let name = format!("kt.{}", module.name);
        let head = module.stub.lines().next().unwrap_or_default();
        assert_eq!(
            head,
            format!("---@meta {name}"),
            "the first line of {}.d.lua",
            module.name
        );
        let value = host.module(&name).expect("every module is opened");
        if matches!(value, Value::Function(_)) {
            let own = declared(module.stub, "kt");
            assert_eq!(own, [module.name.to_owned()].into(), "{}.d.lua", module.name);
            root.extend(own);
        } else {
            assert_eq!(declared(module.stub, &name), opened(&value), "{}.d.lua", module.name);
        }
    }
    let kt = host.module("kt").expect("the root is opened");
    assert_eq!(root, opened(&kt), "kt.d.lua and the stubs of functions");
}

/// The functions of a stub, each with the Lua of its examples.
fn examples(stub: &str) -> Vec<(String, String)> {
    let (mut all, mut code, mut inside) = (Vec::new(), String::new(), false);
    for line in stub.lines() {
        if let Some(text) = line.strip_prefix("---") {
            if text.starts_with("```") {
                inside = text == "```lua";
            } else if inside {
                code.push_str(text);
                code.push('\n');
            }
        } else {
            if let Some(rest) = line.strip_prefix("function ") {
                let name = rest.split('(').next().unwrap_or_default();
                all.push((name.to_owned(), std::mem::take(&mut code)));
            }
            code.clear();
        }
    }
    all
}

#[test]
fn every_function_has_an_example_that_parses() {
    let lua = mlua::Lua::new();
    let stubs = MODULES.iter().map(|module| module.stub).chain([KT_STUB, testing::STUB]);
    for (name, code) in stubs.flat_map(examples) {
        assert!(!code.trim().is_empty(), "{name} has no example");
        let parsed = lua.load(&code).into_function();
        assert!(parsed.is_ok(), "{name}: {parsed:?}\n{code}");
    }
}

#[test]
fn examples_are_read() {
    let stub =
        "---A.\n---\n---```lua\n---local x = 1\n---```\n---@param y any\nfunction a.b(y) end\n\nfunction a.c() end";
    let wanted = [("a.b", "local x = 1\n"), ("a.c", "")].map(|(name, code)| (name.to_owned(), code.to_owned()));
    assert_eq!(examples(stub), wanted);
}

#[test]
fn declared_members_are_read() {
    let stub = "---@meta kt.a\n---@class kt.a.Options\n---@field no string\n---@class kt.a: kt.b\n---@field size? integer\n\
        local a = {}\n---@param x any\nfunction a.get(x) end\nfunction other.no() end\nfunction a:no() end\n";
    assert_eq!(declared(stub, "kt.a"), ["get".to_owned(), "size".to_owned()].into());
    let function = "---@class (partial) kt\nlocal kt = {}\nfunction kt.check(value) end";
    assert_eq!(declared(function, "kt"), ["check".to_owned()].into());
}
