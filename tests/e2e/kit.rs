//! A temporary project and the binary run in it: every run has a deadline, and every summary it writes is looked at.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::summary;

/// Longer than any run here takes on a busy machine; what is not done by then hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with scripts and data, in which the binary runs. It is gone when this is dropped.
pub struct Project {
    folder: TempDir,
    vars: Vec<(String, String)>,
}

impl Project {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("the system has room for a temporary folder"),
            vars: Vec::new(),
        }
    }

    /// A folder with one script, `j.lua`. `kt`, `http` and `check` are at hand in it, in its first line.
    pub fn with(script: &str) -> Self {
        let project = Self::new();
        let head = "local kt = require \"kt\" local http, check, sleep = kt.http, kt.check, kt.sleep";
        project.file("j.lua", format!("{head}\n{script}"));
        project
    }

    /// Writes a file, with its folders.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        let parent = path.parent().expect("a file is in a folder");
        std::fs::create_dir_all(parent).expect("the temporary folder can be written");
        std::fs::write(path, content).expect("the temporary folder can be written");
        self
    }

    /// Sets the variable that scripts read as their server's address, `BASE_URL`.
    pub fn against(mut self, url: &str) -> Self {
        self.vars.push(("BASE_URL".to_owned(), url.to_owned()));
        self
    }

    /// The path of something in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command in the folder: the binary with these arguments, and nothing else.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kingtide"));
        // Where the tests themselves run is nothing that they test.
        command.env_remove("GITHUB_ACTIONS");
        command
            .args(args)
            .current_dir(self.folder.path())
            .envs(self.vars.iter().map(|(name, value)| (name, value)))
            .env_remove("KINGTIDE_RESULTS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the binary to its end.
    pub async fn call(&self, args: &[&str]) -> Ended {
        finish(&mut self.command(args)).await
    }

    fn run_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(["run"]);
        command
            .args(args)
            .args(["--results", "results", "--summary-json", SUMMARY]);
        // Whether this machine is quiet enough is nothing that these tests are about.
        command.arg("--allow-suspect");
        command
    }

    /// `kingtide run` with these arguments, to its end, and its summary.
    pub async fn run(&self, args: &[&str]) -> Ran {
        let ended = finish(&mut self.run_command(args)).await;
        self.ran(ended)
    }

    fn quick_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(["quick"]);
        command.args(args).args(["--summary-json", SUMMARY, "--allow-suspect"]);
        command
    }

    /// `kingtide quick` with these arguments, to its end, and its summary.
    pub async fn quick(&self, args: &[&str]) -> Ran {
        let ended = finish(&mut self.quick_command(args)).await;
        self.ran(ended)
    }

    /// Starts `kingtide quick` with these arguments.
    pub fn start_quick(&self, args: &[&str]) -> Running<'_> {
        self.running(self.quick_command(args))
    }

    /// `kingtide run j.lua`.
    pub async fn run_script(&self) -> Ran {
        self.run(&["j.lua"]).await
    }

    /// Starts `kingtide run` with these arguments.
    pub fn start(&self, args: &[&str]) -> Running<'_> {
        self.running(self.run_command(args))
    }

    /// Starts a command of [`Project::command`].
    pub fn start_command(&self, command: Command) -> Running<'_> {
        self.running(command)
    }

    fn running(&self, mut command: Command) -> Running<'_> {
        let mut child = command.spawn().expect("the binary can be started");
        let stderr = child.stderr.take().expect("stderr is piped");
        Running {
            project: self,
            child,
            stderr: BufReader::new(stderr).lines(),
            seen: String::new(),
        }
    }

    fn ran(&self, ended: Ended) -> Ran {
        let text = std::fs::read_to_string(self.path(SUMMARY))
            .unwrap_or_else(|error| panic!("there is no summary: {error}\n{ended}"));
        let summary: Value = serde_json::from_str(&text).expect("a summary is JSON");
        summary::is_sound(&summary);
        assert_eq!(
            summary["exit_code"].as_i64(),
            ended.code.map(i64::from),
            "the summary tells the exit code\n{ended}"
        );
        Ran { ended, summary }
    }
}

const SUMMARY: &str = "the-summary.json";

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Nothing when a signal killed it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Ended {
    /// That it exited so, and that stderr has all these parts.
    pub fn says(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not in stderr\n{self}");
        }
    }
}

/// A tool that `test.sh` installs, run in a folder to its end.
pub async fn tool(name: &str, folder: &Path, args: &[&str]) -> Ended {
    let places = [".tools/bin", ".tools/node_modules/.bin"].map(|place| root().join(place).join(name));
    let installed = places.into_iter().find(|place| place.is_file());
    let program = installed.unwrap_or_else(|| PathBuf::from(name));
    let mut command = Command::new(&program);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    let output = clock::timeout(DEADLINE, command.kill_on_drop(true).output())
        .await
        .unwrap_or_else(|_| panic!("{name} did not end in time"))
        .unwrap_or_else(|error| panic!("{name}: {error}; ./test.sh installs it"));
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Text without its line breaks and indentation: where a line breaks depends on the terminal.
pub fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A run that has ended, with its summary.
#[derive(Debug)]
pub struct Ran {
    pub ended: Ended,
    pub summary: Value,
}

impl Ran {
    /// That it exited so.
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.ended.code, Some(code), "{}", self.ended);
        self
    }

    /// A scenario's six counts: offered, started, completed, dropped, interrupted, failed.
    pub fn counts(&self, scenario: &str) -> [u64; 6] {
        summary::counts(&self.summary["scenarios"][scenario])
    }

    /// One number of a metric, by JSON pointer below `metrics`; nothing when there is none.
    pub fn metric(&self, name: &str, field: &str) -> Option<f64> {
        self.summary["metrics"][name][field].as_f64()
    }

    /// The sum of a counter; 0 when it has no samples.
    pub fn count(&self, name: &str) -> f64 {
        self.metric(name, "count").unwrap_or(0.0)
    }

    /// The exit codes of all reasons, in order.
    pub fn reasons(&self) -> Vec<i64> {
        let reasons = self.summary["run"]["reasons"].as_array();
        reasons
            .into_iter()
            .flatten()
            .map(|reason| reason["exit_code"].as_i64().expect("a reason has an exit code"))
            .collect()
    }

    /// That the text of the summary has these parts, wherever its lines break.
    pub fn shows(&self, parts: &[&str]) {
        let text = unwrapped(&self.ended.stdout);
        for part in parts {
            assert!(text.contains(part), "`{part}` is not in stdout\n{}", self.ended);
        }
    }

    /// The text of all reasons and errors, for looking things up.
    pub fn complaints(&self) -> String {
        format!("{}\n{}", self.summary["run"]["reasons"], self.summary["errors"])
    }
}

/// A run that goes on.
pub struct Running<'a> {
    project: &'a Project,
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    seen: String,
}

impl Running<'_> {
    /// Waits until it has written a line with `part` to stderr.
    pub async fn said(&mut self, part: &str) -> String {
        let read = async {
            while let Some(line) = self.stderr.next_line().await.expect("stderr can be read") {
                self.seen.push_str(&line);
                self.seen.push('\n');
                if line.contains(part) {
                    return Some(line);
                }
            }
            None
        };
        let said = clock::timeout(DEADLINE, read).await;
        match said {
            Ok(Some(line)) => line,
            _ => panic!("`{part}` was not said; it said\n{}", self.seen),
        }
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        let id = self.child.id().expect("it has not been waited for");
        Pid::from_raw(i32::try_from(id).expect("process ids are small")).expect("process ids are not zero")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it is still there");
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> Ended {
        let wait = async {
            let mut stdout = String::new();
            let mut out = self.child.stdout.take().expect("stdout is piped");
            let (_, ()) = tokio::join!(read_all(&mut out, &mut stdout), async {
                while let Some(line) = self.stderr.next_line().await.expect("stderr can be read") {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                }
            });
            let status = self.child.wait().await.expect("it is a child of ours");
            (status.code(), stdout)
        };
        let (code, stdout) = clock::timeout(DEADLINE, wait).await.expect("it ends in time");
        Ended {
            code,
            stdout,
            stderr: self.seen,
        }
    }

    /// Waits for its end and reads its summary.
    pub async fn ran(self) -> Ran {
        let project = self.project;
        let ended = self.ended().await;
        project.ran(ended)
    }
}

async fn read_all(from: &mut (impl AsyncRead + Unpin), to: &mut String) {
    from.read_to_string(to).await.expect("output is text");
}

/// Runs a command to its end.
pub async fn finish(command: &mut Command) -> Ended {
    let output = clock::timeout(DEADLINE, command.output())
        .await
        .unwrap_or_else(|_| panic!("{:?} did not end in time", command.as_std()))
        .expect("the binary can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("output is text"),
    }
}
