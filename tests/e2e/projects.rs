//! `kingtide init`: what it writes works at once, is clean for the type checker and the formatter, and overwrites nothing.

use crate::kit::{Project, tool};

/// A fresh project in `shop/`, and the path of the folder.
async fn fresh(project: &Project) -> std::path::PathBuf {
    let ended = project.call(&["init", "shop"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended}");
    project.path("shop")
}

#[tokio::test]
async fn a_fresh_project_works() {
    let project = Project::new();
    fresh(&project).await;
    let check = project.call(&["check", "shop/scripts/load.lua"]).await;
    assert_eq!(check.code, Some(0), "{check}");
    let tests = project.call(&["test", "shop", "--demo"]).await;
    assert_eq!(tests.code, Some(0), "{tests}");
    assert!(tests.stdout.contains("2 passed, 0 failed"), "{tests}");
    let ran = project
        .run(&["shop/scripts/load.lua", "--demo", "-d", "1s", "--rate", "4"])
        .await;
    ran.exits(0);
    assert_eq!(ran.counts("buyers"), [4, 4, 4, 0, 0, 0]);
}

#[tokio::test]
async fn editors_find_nothing_wrong_in_it_and_flag_what_is() {
    let project = Project::new();
    let folder = fresh(&project).await;
    let clean = tool("emmylua_check", &folder, &[".", "--warnings-as-errors"]).await;
    assert_eq!(clean.code, Some(0), "{clean}");
    let format = tool("stylua", &folder, &["--check", "scripts", ".kingtide"]).await;
    assert_eq!(format.code, Some(0), "{format}");
    // A required helper is known, and so is one of the project; a wrong option key is flagged before anything runs.
    project.file(
        "shop/scripts/wrong.lua",
        "local kt = require \"kt\"
local retry = require \"retry\"
local orders = require \"orders\"
return function()
  retry.call(function() return kt.http.get(\"/\", { tiemout = 5 }) end)
  orders.plce()
end
",
    );
    let flagged = tool("emmylua_check", &folder, &["."]).await;
    assert_eq!(flagged.code, Some(1), "{flagged}");
    for part in ["2 errors", "tiemout", "`plce`"] {
        assert!(flagged.stdout.contains(part), "{part}: {flagged}");
    }
    project.file(
        "shop/scripts/plan.lua",
        "local kt = require \"kt\"
---@type kt.Plan
local plan = {
  scenarios = { a = { executor = \"constant-vus\", durration = \"1s\", exec = function() kt.sleep(1) end } },
}
return plan
",
    );
    let flagged = tool("emmylua_check", &folder, &["."]).await;
    assert!(flagged.stdout.contains("plan.lua"), "{flagged}");
    let refused = project.call(&["check", "shop/scripts/plan.lua"]).await;
    refused.says(
        104,
        &[
            "unknown option `durration`; did you mean `duration`?",
            "plan.lua:4\n",
            "^^^^^^^^^",
        ],
    );
}

#[tokio::test]
async fn nothing_is_overwritten_unless_it_is_forced() {
    let project = Project::new();
    project
        .file("README.md", "mine")
        .file("notes.txt", "mine")
        .file("scripts/other.lua", "mine");
    let refused = project.call(&["init"]).await;
    refused.says(104, &["nothing was written", "README.md", "--force"]);
    assert!(!refused.stderr.contains("notes.txt"), "{refused}");
    assert!(!project.path("scripts/load.lua").exists(), "all or nothing\n{refused}");
    let forced = project.call(&["init", "--force"]).await;
    assert_eq!(forced.code, Some(0), "{forced}");
    let read = |name: &str| std::fs::read_to_string(project.path(name)).expect("the file is there");
    assert!(read("README.md").contains("kingtide"));
    assert_eq!(
        (read("notes.txt").as_str(), read("scripts/other.lua").as_str()),
        ("mine", "mine")
    );
    let again = project.call(&["init"]).await;
    assert_eq!(again.code, Some(0), "what is the same is not in the way\n{again}");
}

#[tokio::test]
async fn links_are_left_alone() {
    let project = Project::new();
    project.file("outside", "mine").file("shop/notes.txt", "");
    std::os::unix::fs::symlink(project.path("outside"), project.path("shop/README.md")).expect("links can be made");
    let refused = project.call(&["init", "shop", "--force"]).await;
    refused.says(104, &["shop/README.md", "links"]);
    assert_eq!(std::fs::read(project.path("outside")).expect("it is there"), b"mine");
}

#[tokio::test]
async fn stubs_are_renewed_alone() {
    let project = Project::new();
    project
        .call(&["init", "shop", "--stubs"])
        .await
        .says(104, &["no folder `.kingtide`"]);
    fresh(&project).await;
    project.file("shop/README.md", "mine");
    project.file("shop/.kingtide/stubs/http.d.lua", "of an older version");
    project.file("shop/.kingtide/stubs/gone.d.lua", "of an older version");
    let renewed = project.call(&["init", "shop", "--stubs"]).await;
    assert_eq!(renewed.code, Some(0), "{renewed}");
    let read = |name: &str| std::fs::read_to_string(project.path(name)).expect("the file is there");
    assert_eq!(read("shop/README.md"), "mine");
    assert!(read("shop/.kingtide/stubs/http.d.lua").starts_with("---@meta kt.http"));
    assert!(!project.path("shop/.kingtide/stubs/gone.d.lua").exists());
    assert!(read("shop/.kingtide/README.md").contains(env!("CARGO_PKG_VERSION")));
    assert!(project.path("shop/.kingtide/lib-lua/retry.lua").exists());
}
