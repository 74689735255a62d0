//! `kingtide test`: finds a project's `*.test.lua` files, runs them, and tells which tests failed and where. How a test is
//! run is `script`'s.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::TestArgs;
use super::demo::DemoChild;
use super::{Failure, block_on, terminal};
use crate::control::Control;
use crate::net::base_url;
use crate::plan::{HttpPlan, Limits};
use crate::results::ExitCode;
use crate::script::testing::{self, Setting, TestResult};
use crate::script::{ScriptError, Session};
use crate::{api, clock};

/// Folders whose files are not the project's own.
const SKIPPED: [&str; 3] = ["results", "node_modules", "target"];

/// What the name of a test file ends with.
const ENDING: &str = ".test.lua";

pub(super) fn command(args: TestArgs) -> Result<u8, Failure> {
    let files = find(&args.paths).map_err(|error| Failure::new(ExitCode::Usage, error))?;
    block_on(whole(args, files))?
}

/// All test files at or below some paths, sorted, each once.
fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            below(path, &mut files)?;
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            return Err(anyhow!("there is no file or folder `{}`", path.display()));
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let places: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(anyhow!("there is no file *{ENDING} below {}", places.join(", ")));
    }
    Ok(files)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|error| anyhow!("cannot read `{}`: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder == Path::new(".") {
            PathBuf::from(&name)
        } else {
            entry.path()
        };
        // Not followed: a link to a folder above would have no end.
        let kind = entry.file_type().ok();
        if kind.is_some_and(|kind| kind.is_dir()) {
            if !name.starts_with('.') && !SKIPPED.contains(&name.as_str()) {
                below(&path, files)?;
            }
        } else if name.ends_with(ENDING) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

async fn whole(args: TestArgs, files: Vec<PathBuf>) -> Result<u8, Failure> {
    let internal = |error: anyhow::Error| Failure::new(ExitCode::Internal, error);
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let [Ok(interrupt), Ok(terminate)] = signals else {
        return Err(internal(anyhow!("signals cannot be listened to")));
    };
    let demo = if args.demo {
        Some(DemoChild::start(args.seed).await.map_err(internal)?)
    } else {
        None
    };
    let mut vars: BTreeMap<String, String> = demo.iter().flat_map(|demo| demo.variables.iter().cloned()).collect();
    vars.extend(args.env.iter().cloned());
    let setting = setting(&vars, args.filter);
    let code = match setting {
        Ok(setting) => Ok(all(&files, &vars, args.seed, &setting, interrupt, terminate).await),
        Err(failure) => Err(failure),
    };
    super::run::finish(demo).await;
    code
}

/// Relative URLs are resolved against BASE_URL.
pub(super) fn setting(vars: &BTreeMap<String, String>, filter: String) -> Result<Setting, Failure> {
    let given = vars.get("BASE_URL").cloned().or_else(|| std::env::var("BASE_URL").ok());
    let base_url = match given.filter(|url| !url.is_empty()) {
        Some(text) => Some(base_url(&text).map_err(|what| {
            let text = format!("BASE_URL is `{text}`: {what}");
            Failure::new(ExitCode::Invalid, anyhow!(text))
        })?),
        None => None,
    };
    Ok(Setting {
        http: HttpPlan {
            base_url,
            ..HttpPlan::default()
        },
        limits: Limits::default(),
        open: api::OPEN,
        filter,
    })
}

/// What has been run so far.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    /// Files that cannot be loaded.
    broken: u64,
    /// The first test with an error, by the error's text.
    seen: HashMap<String, String>,
}

impl Tally {
    fn result(&mut self, session: &Session, result: &TestResult) {
        let (name, time) = (session.redact(&result.name), short(result.elapsed));
        match &result.result {
            Ok(()) => {
                self.passed += 1;
                terminal::out(&format!("  {}      {} ({time})\n", painted("ok", 32), name));
            }
            Err(error) => {
                self.failed += 1;
                terminal::out(&format!("  {}  {} ({time})\n", painted("FAILED", 31), name));
                self.error(session, &name, error);
            }
        }
    }

    /// Shows an error, indented; one that was shown already is only named.
    fn error(&mut self, session: &Session, name: &str, error: &ScriptError) {
        let text = session.redact(&error.render(&session.revision().sources));
        let shown = match self.seen.get(&text) {
            Some(first) => format!("the same error as in \"{first}\""),
            None => text.clone(),
        };
        self.seen.entry(text).or_insert_with(|| name.to_owned());
        let lines: String = shown.lines().map(|line| format!("    {line}\n")).collect();
        terminal::out(&format!("{lines}\n"));
    }

    fn code(&self) -> ExitCode {
        match (self.broken, self.failed) {
            (1.., _) => ExitCode::Invalid,
            (_, 1..) => ExitCode::Thresholds,
            _ => ExitCode::Passed,
        }
    }
}

/// Runs all files, or those until Ctrl-C.
async fn all(
    files: &[PathBuf],
    vars: &BTreeMap<String, String>,
    seed: u64,
    setting: &Setting,
    mut interrupt: Signal,
    mut terminate: Signal,
) -> u8 {
    let started = clock::now();
    let mut tally = Tally::default();
    let run = async {
        for path in files {
            file(path, vars, seed, setting, &mut tally).await;
        }
    };
    let cut = tokio::select! {
        () = run => false,
        _ = interrupt.recv() => true,
        _ = terminate.recv() => true,
    };
    let (ran, time) = (tally.passed + tally.failed, short(clock::now() - started));
    if ran == 0 && tally.broken == 0 && !cut {
        terminal::error(&if setting.filter.is_empty() {
            "there is no test in these files; write `test(\"what it shows\", function() … end)`".to_owned()
        } else {
            format!("no test has \"{}\" in its name", setting.filter)
        });
        return ExitCode::Usage.number();
    }
    let broken = match tally.broken {
        0 => String::new(),
        1 => ", 1 file cannot be loaded".to_owned(),
        many => format!(", {many} files cannot be loaded"),
    };
    let interrupted = if cut { ", interrupted" } else { "" };
    terminal::out(&format!(
        "{} passed, {} failed{broken}{interrupted} ({time})\n",
        tally.passed, tally.failed
    ));
    if cut { ExitCode::Signal } else { tally.code() }.number()
}

async fn file(path: &Path, vars: &BTreeMap<String, String>, seed: u64, setting: &Setting, tally: &mut Tally) {
    let session = Arc::new(Session::new(path, vars.clone(), seed, Arc::new(Control::new())));
    terminal::out(&format!("{}\n", path.display()));
    let mut told = |result: &TestResult| tally.result(&session, result);
    let ran = testing::run(Arc::clone(&session), setting.clone(), &mut told).await;
    if let Err(error) = ran {
        tally.broken += 1;
        terminal::out(&format!("  {}\n", painted("cannot be loaded", 31)));
        tally.error(&session, &path.display().to_string(), &error);
    }
}

/// A word in one of the terminal's colours, where there are any.
fn painted(word: &str, colour: u8) -> String {
    if terminal::colour() {
        format!("\u{1b}[{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

/// Milliseconds below a second.
fn short(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.1}ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2}s", time.as_secs_f64())
    }
}
