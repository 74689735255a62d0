//! The full screen in a real terminal: what it shows, that keys work, and that the terminal is given back.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use kingtide::clock;
use rustix::fs::{Mode, OFlags};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::kit::{Ended, Project};

const ENDLESS: &str = "
return { scenarios = { endless = { executor = 'constant-vus', vus = 2, duration = '1h', graceful_stop = '30s',
  exec = function() sleep '50ms' end } } }";

/// A terminal of 120 by 40.
struct Pty {
    ours: std::fs::File,
    theirs: std::fs::File,
    seen: String,
}

impl Pty {
    fn new() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let theirs = rustix::fs::open(&name, flags, Mode::empty()).expect("it can be opened");
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).expect("it has a size");
        let flags = rustix::fs::fcntl_getfl(&ours).expect("it has flags");
        rustix::fs::fcntl_setfl(&ours, flags | OFlags::NONBLOCK).expect("it need not wait");
        Self {
            ours: ours.into(),
            theirs: theirs.into(),
            seen: String::new(),
        }
    }

    fn end(&self) -> Stdio {
        self.theirs.try_clone().expect("it can be shared").into()
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.theirs).expect("it is a terminal")
    }

    /// Reads until all that is written is there.
    fn drain(&mut self) {
        let mut piece = [0; 4_096];
        while let Ok(n) = self.ours.read(&mut piece)
            && n > 0
        {
            self.seen.push_str(&String::from_utf8_lossy(&piece[..n]));
        }
    }

    async fn until(&mut self, wanted: &str) {
        let reading = async {
            loop {
                self.drain();
                if self.seen.contains(wanted) {
                    return;
                }
                clock::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = clock::timeout(Duration::from_secs(60), reading).await;
        assert!(found.is_ok(), "`{wanted}` was not shown: {:?}", self.seen);
        self.seen.clear();
    }

    fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).expect("keys can be pressed");
    }
}

const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

/// A run on a terminal: what is done to it when it is seen, and how it ends. Its terminal must be as it was then.
async fn on_terminal(act: impl AsyncFnOnce(&mut Pty, &dyn Fn(Signal))) -> (Ended, String) {
    let project = Project::with(ENDLESS);
    let mut pty = Pty::new();
    let before = pty.modes();
    let mut command = project.command(["run", "j.lua", "--tui", "--no-results", "--allow-suspect"]);
    command.stdin(pty.end()).stdout(pty.end()).stderr(pty.end());
    let mut child = command.spawn().expect("the binary can be started");
    let id = i32::try_from(child.id().expect("it runs")).expect("process ids are small");
    let pid = rustix::process::Pid::from_raw(id).expect("process ids are not zero");
    pty.until(TAKEN).await;
    pty.until("endless").await;
    assert!(
        !pty.modes().local_modes.contains(LocalModes::ICANON),
        "keys come one by one"
    );
    act(&mut pty, &|signal| {
        rustix::process::kill_process(pid, signal).expect("it is there")
    })
    .await;
    let waiting = async {
        loop {
            pty.drain();
            if let Some(status) = child.try_wait().expect("it is a child of ours") {
                return status;
            }
            clock::sleep(Duration::from_millis(10)).await;
        }
    };
    let status = clock::timeout(Duration::from_secs(60), waiting).await;
    let status = status.unwrap_or_else(|_| panic!("it does not end: {:?}", pty.seen));
    pty.drain();
    let (_, after) = pty
        .seen
        .split_once(GIVEN_BACK)
        .unwrap_or_else(|| panic!("it is not given back: {:?}", pty.seen));
    assert!(
        pty.seen.contains("\x1b[?25h"),
        "the cursor is there again: {:?}",
        pty.seen
    );
    let now = pty.modes();
    assert_eq!(
        (now.local_modes, now.input_modes, now.output_modes),
        (before.local_modes, before.input_modes, before.output_modes)
    );
    let ended = Ended {
        code: status.code(),
        stdout: after.to_owned(),
        stderr: String::new(),
    };
    (ended, pty.seen.clone())
}

#[tokio::test]
async fn keys_pause_and_stop_and_the_summary_comes_after() {
    let (ended, _) = on_terminal(async |pty, _| {
        pty.press("p");
        pty.until("paused").await;
        pty.press("p");
        pty.until("running").await;
        pty.press("q");
    })
    .await;
    assert_eq!(ended.code, Some(105), "{ended}");
    assert!(
        ended.stdout.contains("stopping: iterations in flight may finish"),
        "{ended}"
    );
    assert!(ended.stdout.contains("endless"), "the summary: {ended}");
}

#[tokio::test]
async fn every_way_out_gives_the_terminal_back() {
    let ctrl_c = "\x03";
    let (ended, _) = on_terminal(async |pty, _| {
        pty.press(ctrl_c);
        pty.press(ctrl_c);
    })
    .await;
    assert_eq!(ended.code, Some(105), "{ended}");
    let (ended, _) = on_terminal(async |_, signal| signal(Signal::TERM)).await;
    assert_eq!(ended.code, Some(105), "{ended}");
}

#[tokio::test]
async fn without_a_terminal_it_is_refused() {
    let ended = Project::with(ENDLESS)
        .call(&["run", "j.lua", "--tui", "--no-results"])
        .await;
    ended.says(2, &["--tui needs a terminal"]);
    let project = Project::new();
    project
        .call(&["quick", "http://127.0.0.1:1/", "--tui"])
        .await
        .says(2, &["--tui needs a terminal"]);
}
