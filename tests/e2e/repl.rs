//! `kingtide repl`: what a pipe and a person get for their lines.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::kit::{Ended, Project};
use crate::server::Server;

/// `kingtide repl` with this on its stdin.
async fn piped(project: &Project, args: &[&str], input: &str) -> Ended {
    let mut command = project.command([&["repl"], args].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads its input");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it is a child of ours");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("output is text"),
    }
}

#[tokio::test]
async fn a_pipe_gets_values_and_nothing_else() {
    let server = Server::quick().await;
    let project = Project::new().against(&server.url());
    let ended = piped(&project, &[], "kt.http.get(\"/\").status").await;
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.as_str()),
        (Some(0), "200\n", ""),
        "{ended}"
    );
    // input, stdout
    let table = [
        ("1 + 1", "2\n"),
        ("local x = 5\nx * 2", "10\n"),
        ("function f(n)\n  return n, \"é\"\nend\nf(1)", "1\n\"é\"\n"),
        ("t = { b = 1, 'a' }\nt", "{ \"a\", b = 1 }\n"),
        ("s = [[a\nb]]\n#s", "3\n"),
        ("nil", "nil\n"),
        ("kt.sleep(0.001)", ""),
        ("-- only a comment\n\n", ""),
        ("http.get \"/\"", "response: 200, 2 bytes, text/plain, in "),
        ("check(1, { fine = true })", "true\n"),
        ("kt.group(\"a\", function() return kt.vu.id end)", "1\n"),
        (
            "rows = kt.data.array(\"three\", function() return { 1, 2, 3 } end)\nrows\n#rows",
            "3 rows\n3\n",
        ),
        // A library that declares metrics.
        ("local t = require \"tokens\"\ntype(t)\nkt.sleep(0.001)", "\"table\"\n"),
    ];
    for (input, stdout) in table {
        let ended = piped(&project, &[], input).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{input}: {ended}");
        let whole = !stdout.ends_with("in ");
        assert!(
            ended.stdout == stdout || !whole && ended.stdout.starts_with(stdout),
            "{input}: {ended}"
        );
    }
}

#[tokio::test]
async fn errors_are_shown_and_the_next_line_goes_on() {
    let project = Project::new();
    let ended = piped(&project, &[], "x.y\nkt.chek\nif x = 1 then\nwhile true do end\n1 + 1\n").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(107), "2\n"), "{ended}");
    for part in [
        "  --> input-1.lua:1\n   1 | x.y\n     | ^\n",
        "there is no variable or function `x` here",
        "did you mean `check`?",
        "`=` assigns",
        "computed for more than 2s",
    ] {
        assert!(ended.stderr.contains(part), "{part}: {ended}");
    }
    let cut = piped(&project, &[], "f(").await;
    cut.says(107, &["in the middle of a statement"]);
}

#[tokio::test]
async fn a_script_gives_its_globals_plan_and_options() {
    let server = Server::quick().await;
    let project = Project::new().against(&server.url());
    project.file(
        "j.lua",
        "local kt = require \"kt\"
function greet(name) return \"hello \" .. name end
return { http = { base_url = kt.env \"BASE_URL\" }, exec = function() kt.http.get \"/\" end }
",
    );
    let ended = piped(&project, &["j.lua"], "greet \"you\"\nplan.exec()\nplan.http.base_url").await;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(
        ended.stdout,
        format!("\"hello you\"\n\"{}\"\n", server.url()),
        "{ended}"
    );
    assert_eq!(server.requests(), 1);
    piped(&project, &["gone.lua"], "1")
        .await
        .says(104, &["no file `gone.lua`"]);
    project.file("broken.lua", "return {");
    piped(&project, &["broken.lua"], "1").await.says(104, &["broken.lua:1"]);
    let other = Server::quick().await;
    let by_option = piped(
        &project,
        &["j.lua", "--base-url", &other.url()],
        "http.get(\"/\").status",
    )
    .await;
    assert_eq!((by_option.code, other.requests()), (Some(0), 1), "{by_option}");
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let project = Project::new();
    let ended = piped(
        &project,
        &["-e", "PIN=hush-hush"],
        "kt.secret \"PIN\"\nerror(kt.secret \"PIN\")",
    )
    .await;
    assert!(!format!("{ended}").contains("hush-hush"), "{ended}");
    assert!(ended.stdout.contains("[redacted]"), "{ended}");
}

/// A terminal, seen from the person's side.
struct Screen {
    keys: File,
    output: UnboundedReceiver<String>,
    seen: String,
}

impl Screen {
    /// A terminal, and the side of it that a process gets.
    fn new() -> (Self, File) {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&person).and_then(|()| unlockpt(&person)).expect("it is ours");
        let name = ptsname(&person, Vec::new()).expect("it has a name");
        let process = File::options()
            .read(true)
            .write(true)
            .custom_flags(i32::try_from(OFlags::NOCTTY.bits()).expect("flags are small"))
            .open(name.to_str().expect("names are text"))
            .expect("it can be opened");
        let keys = File::from(person);
        let mut screen = keys.try_clone().expect("it can be shared");
        let (send, output) = unbounded_channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The other side closing is an error here.
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                let _ = send.send(String::from_utf8_lossy(&bytes[..count]).into_owned());
            }
        });
        let seen = String::new();
        (Self { keys, output, seen }, process)
    }

    /// Waits until the screen has shown `part`, after what was waited for before.
    async fn shows(&mut self, part: &str) {
        loop {
            if let Some(at) = self.seen.find(part) {
                self.seen.drain(..at + part.len());
                return;
            }
            let more = clock::timeout(Duration::from_secs(30), self.output.recv()).await;
            match more {
                Ok(Some(text)) => self.seen.push_str(&text),
                _ => panic!("`{part}` was not shown; it showed\n{}", self.seen),
            }
        }
    }

    /// Types at the prompt; before it is there, keys would be read by another.
    async fn at_prompt(&mut self, prompt: &str, keys: &str) {
        self.shows(prompt).await;
        self.keys.write_all(keys.as_bytes()).expect("the terminal is there");
    }
}

#[tokio::test]
async fn a_person_can_edit_complete_and_cancel() {
    let project = Project::new();
    let (mut screen, process) = Screen::new();
    let share = || Stdio::from(process.try_clone().expect("it can be shared"));
    let mut command = project.command(["repl"]);
    command
        .env("TERM", "xterm")
        .env("XDG_STATE_HOME", project.path("state"));
    let mut child = command
        .stdin(share())
        .stdout(share())
        .stderr(share())
        .spawn()
        .expect("the binary can be started");
    drop(command);
    drop(process);
    // What a line has already is written after its prompt whenever it changes.
    screen.at_prompt("kt> ", "kt.ran\t").await;
    screen.at_prompt("kt.random", ".int(7, 7) + 1\r").await;
    screen.shows("8\r\n").await;
    screen.at_prompt("kt> ", "function broken(\r").await;
    screen.at_prompt("..> ", "\u{3}").await;
    screen.at_prompt("kt> ", "print(\"now\") kt.sleep(600)\r").await;
    screen.shows("info [vu 1 iteration 0] now").await;
    let id = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
        .expect("it runs");
    kill_process(id, Signal::INT).expect("it is still there");
    screen.shows("cancelled").await;
    screen.at_prompt("kt> ", "40 + 2\r").await;
    screen.shows("42\r\n").await;
    screen.at_prompt("kt> ", "\u{4}").await;
    let ended = clock::timeout(Duration::from_secs(30), child.wait())
        .await
        .expect("it ends");
    assert_eq!(ended.expect("it is a child of ours").code(), Some(0), "{}", screen.seen);
    let history = std::fs::read_to_string(project.path("state/kingtide/repl-history")).expect("lines are remembered");
    assert!(
        history.contains("kt.random.int(7, 7) + 1") && history.contains("40 + 2"),
        "{history}"
    );
}
