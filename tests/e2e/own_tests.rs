//! `kingtide test`: which files are tests, what is told of them, and the exit codes.

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::kit::Project;
use crate::server::Server;

const GOOD: &str = "test(\"fine\", function() end)\n";

#[tokio::test]
async fn files_are_found_below_folders_and_others_are_passed_over() {
    let project = Project::new();
    for file in ["a.test.lua", "x/y/b.test.lua", "x/c.test.lua"] {
        project.file(file, GOOD);
    }
    for file in [
        ".hidden/d.test.lua",
        "results/e.test.lua",
        "node_modules/f.test.lua",
        "x/target/g.test.lua",
        "x/h.lua",
    ] {
        project.file(file, "error \"is no test\"");
    }
    let ended = project.call(&["test"]).await;
    assert_eq!(ended.code, Some(0), "{ended}");
    let files: Vec<&str> = ended.stdout.lines().filter(|line| line.ends_with(".lua")).collect();
    assert_eq!(files, ["a.test.lua", "x/c.test.lua", "x/y/b.test.lua"], "{ended}");
    assert!(ended.stdout.contains("3 passed, 0 failed"), "{ended}");
    let some = project.call(&["test", "x/y", "a.test.lua"]).await;
    assert!(some.stdout.contains("2 passed, 0 failed"), "{some}");
}

#[tokio::test]
async fn failures_are_shown_where_they_are() {
    let project = Project::new();
    project.file("data/rows.json", "[1, 2]");
    project.file("tests/helpers.lua", "return { add = function(a, b) return a + b end }");
    project.file(
        "tests/sums.test.lua",
        "local kt = require \"kt\"
local helpers, retry = require \"helpers\", require \"retry\"
local rows = kt.data.array \"rows.json\"
test(\"adds\", function() assert(helpers.add(#rows, 1) == 3) end)
test(\"helpers of kingtide\", function() assert(retry.wait(1) == 0) end)
local function broken() helpers.sub(1) end
test(\"does not subtract\", broken)
test(\"does not subtract again\", broken)
test(\"does not add text\", function() helpers.add({}, 1) end)
",
    );
    let ended = project.call(&["test", "tests"]).await;
    assert_eq!(ended.code, Some(99), "{ended}");
    for part in [
        "  ok      adds (",
        "  ok      helpers of kingtide (",
        "  FAILED  does not subtract (",
        "      --> tests/sums.test.lua:6\n",
        "^^^^^^^^^^^",
        "`helpers` has no `sub`; it has `add`",
        "the same error as in \"does not subtract\"",
        "      --> tests/helpers.lua:1\n",
        "called from tests/sums.test.lua:9",
        "2 passed, 3 failed (",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {ended}");
    }
    let some = project.call(&["test", "tests", "--filter", "adds"]).await;
    assert_eq!(some.code, Some(0), "{some}");
    assert!(some.stdout.contains("1 passed, 0 failed"), "{some}");
}

#[tokio::test]
async fn what_cannot_be_run_has_its_own_exit_codes() {
    let project = Project::new();
    project
        .file("broken.test.lua", "local = 1")
        .file("empty/x.test.lua", "local x = 1");
    project.file("good.test.lua", GOOD).file("none/a.lua", "");
    // arguments, exit code, parts of stdout and stderr
    let table: &[(&[&str], i32, &[&str])] = &[
        (
            &["broken.test.lua", "good.test.lua"],
            104,
            &["cannot be loaded", "broken.test.lua:1", "1 passed, 0 failed, 1 file"],
        ),
        (&["gone"], 2, &["no file or folder `gone`"]),
        (&["none"], 2, &["no file *.test.lua below `none`"]),
        (&["empty"], 2, &["no test in these files"]),
        (
            &["good.test.lua", "--filter", "zzz"],
            2,
            &["no test has \"zzz\" in its name"],
        ),
        (
            &["good.test.lua", "-e", "BASE_URL=localhost:80"],
            104,
            &["BASE_URL is `localhost:80`"],
        ),
    ];
    for (args, code, parts) in table {
        let ended = project.call(&[&["test"], *args].concat()).await;
        assert_eq!(ended.code, Some(*code), "{args:?}: {ended}");
        let told = format!("{}{}", ended.stdout, ended.stderr);
        for part in *parts {
            assert!(told.contains(part), "{part}: {ended}");
        }
    }
}

#[tokio::test]
async fn relative_urls_go_to_base_url() {
    let server = Server::quick().await;
    let project = Project::new().against(&server.url());
    let call = "local kt = require \"kt\"\ntest(\"up\", function() assert(kt.http.get(\"/x\").status == 200) end)\n";
    project.file("a.test.lua", call);
    assert_eq!(project.call(&["test"]).await.code, Some(0));
    assert_eq!(server.requests(), 1);
    let other = Server::quick().await;
    let variable = format!("BASE_URL={}", other.url());
    assert_eq!(project.call(&["test", "-e", &variable]).await.code, Some(0));
    assert_eq!((server.requests(), other.requests()), (1, 1), "-e wins");
}

#[tokio::test]
async fn ctrl_c_ends_it() {
    let project = Project::new();
    let slow =
        "local kt = require \"kt\"\ntest(\"first\", function() end)\ntest(\"slow\", function() kt.sleep \"10m\" end)\n";
    project.file("a.test.lua", slow);
    let mut child = project.command(["test"]).spawn().expect("the binary can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    while let Some(line) = lines.next_line().await.expect("stdout can be read") {
        if line.contains("first") {
            break;
        }
    }
    let id = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
        .expect("it runs");
    kill_process(id, Signal::INT).expect("it is still there");
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.expect("stdout can be read") {
        last = line;
    }
    let status = child.wait().await.expect("it is a child of ours");
    assert_eq!(status.code(), Some(105));
    assert!(last.starts_with("1 passed, 0 failed, interrupted"), "{last}");
}
