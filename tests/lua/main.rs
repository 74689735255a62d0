//! Runs every `*.test.lua` of the API and of the helper library against a server in this process, and compares each
//! module with its stub. Files are found, never listed; what they test is in them.

mod grpc;
mod parity;
mod server;
mod shop;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use kingtide::api;
use kingtide::control::Control;
use kingtide::demo::{self, ChallengeOptions, DemoOptions, OrchestratorOptions, ShopOptions};
use kingtide::net::{HeaderList, HttpConfig};
use kingtide::plan::{HttpPlan, Limits};
use kingtide::script::testing::{self, Setting, TestResult};
use kingtide::script::{ScriptError, Session};

/// Where test files are.
const FOLDERS: [&str; 2] = ["src/api", "lib-lua"];

/// All test files, as paths from the root of the repository, sorted.
fn test_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = FOLDERS
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("tests run in the root of the repository"))
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(".test.lua"))
        .collect();
    files.sort();
    files
}

/// Starts the built-in systems on free ports; they end with the runtime. Gives their addresses by name.
async fn demo() -> BTreeMap<String, String> {
    let options = DemoOptions {
        shop: ShopOptions {
            port: 0,
            ..ShopOptions::default()
        },
        orchestrator: OrchestratorOptions {
            port: 0,
            ..OrchestratorOptions::default()
        },
        challenge: ChallengeOptions {
            port: 0,
            grpc_port: 0,
            ..ChallengeOptions::default()
        },
    };
    let (ready, names) = tokio::sync::oneshot::channel();
    tokio::spawn(demo::serve(options, std::future::pending(), |names| {
        let _ = ready.send(names.iter().cloned().collect());
    }));
    names.await.expect("the demo gets ready")
}

async fn run(
    file: &Path,
    server: &server::Server,
    lab: &str,
    demo: &BTreeMap<String, String>,
) -> (Arc<Session>, Result<Vec<TestResult>, ScriptError>) {
    let mut vars = BTreeMap::from([
        ("TEST_URL".to_owned(), server.url.clone()),
        ("CLOSING_URL".to_owned(), server.closing_url.clone()),
        ("REFUSED_URL".to_owned(), server.refused_url.clone()),
        ("SILENT".to_owned(), server.silent.clone()),
        ("TEST_GRPC".to_owned(), lab.to_owned()),
        ("TEST_SECRET".to_owned(), "s3cret-value".to_owned()),
    ]);
    // Of the shop there is none: its client is tested against a fake.
    let others = ["ORCHESTRATOR_URL", "CHALLENGE_URL", "CHALLENGE_GRPC"];
    let others = demo.iter().filter(|(name, _)| others.contains(&name.as_str()));
    vars.extend(others.map(|(name, url)| (name.clone(), url.clone())));
    let session = Arc::new(Session::new(file, vars, 1, Arc::new(Control::new())));
    let http = HttpPlan {
        base_url: Some(server.url.parse().expect("the server's URL parses")),
        config: HttpConfig {
            headers: HeaderList::from_iter([(
                HeaderName::from_static("x-plan"),
                HeaderValue::from_static("from the plan"),
            )]),
            ..HttpConfig::default()
        },
    };
    let setting = Setting {
        http,
        limits: Limits::default(),
        open: api::OPEN,
        filter: String::new(),
    };
    let results = testing::run(Arc::clone(&session), setting, &mut |_| {}).await;
    (session, results)
}

#[tokio::test]
async fn all_lua_tests_pass() {
    let all = async {
        let server = server::start().await;
        let (lab, _) = grpc::start().await;
        let demo = demo().await;
        let files = test_files();
        assert!(files.len() > 10, "only {} test files were found", files.len());
        let (mut passed, mut failures) = (0, Vec::new());
        for file in &files {
            let name = file.display();
            let (session, results) = run(file, &server, &lab, &demo).await;
            let results = match results {
                Ok(results) if results.is_empty() => {
                    failures.push(format!("{name} has no test"));
                    continue;
                }
                Ok(results) => results,
                Err(error) => {
                    failures.push(format!(
                        "{name} cannot be loaded\n{}",
                        error.render(&session.revision().sources)
                    ));
                    continue;
                }
            };
            for TestResult { name: test, result, .. } in results {
                match result {
                    Ok(()) => {
                        println!("ok      {name} × {test}");
                        passed += 1;
                    }
                    Err(error) => {
                        println!("FAILED  {name} × {test}");
                        failures.push(format!(
                            "{name} × {test}\n{}",
                            error.render(&session.revision().sources)
                        ));
                    }
                }
            }
        }
        println!("{passed} passed, {} failed", failures.len());
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    };
    // Connections are tasks of this thread.
    tokio::task::LocalSet::new().run_until(all).await;
}
