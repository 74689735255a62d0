//! The git revision of the folder that a script is in, asked of `git` itself while the script is loaded. Where there is no git,
//! or no repository, there is no revision.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::results::GitRevision;

/// How long the start of a run waits for git; the loading of a script mostly takes longer than git does.
const AT_FIRST: Duration = Duration::from_millis(50);
/// How long its end does: a large repository on a slow disk takes its time.
const IN_THE_END: Duration = Duration::from_secs(2);

/// A question that git was asked.
pub(super) struct Question {
    asked: Receiver<Option<GitRevision>>,
    answered: OnceCell<Option<GitRevision>>,
}

impl Question {
    /// Asks in a thread of its own, if anybody `wants` to know.
    pub(super) fn ask(script: &Path, wants: bool) -> Self {
        let (tell, asked) = channel();
        let answered = OnceCell::new();
        if wants {
            Self::start(script, tell);
        }
        Self { asked, answered }
    }

    fn start(script: &Path, tell: Sender<Option<GitRevision>>) {
        let folder = script.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let work = move || {
            // Nobody may be there any more.
            let _ = tell.send(revision(&folder));
        };
        // Without a thread there is no answer, which is what a run without git has.
        let _ = thread::Builder::new().name("git".to_owned()).spawn(work);
    }

    /// What is known at the start.
    pub(super) fn answer_so_far(&self) -> Option<GitRevision> {
        self.within(AT_FIRST)
    }

    /// What is known at the end.
    pub(super) fn answer(&self) -> Option<GitRevision> {
        self.within(IN_THE_END)
    }

    fn within(&self, time: Duration) -> Option<GitRevision> {
        if self.answered.get().is_none() {
            let answer = self.asked.recv_timeout(time).ok()?;
            let _ = self.answered.set(answer);
        }
        self.answered.get().cloned().flatten()
    }
}

/// One command for both: the commit, and whether files that git knows differ from it. Nothing that the repository's
/// configuration names is started.
fn revision(folder: &Path) -> Option<GitRevision> {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-C"])
        .arg(folder)
        .args(["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    parse(text.trim()).filter(|_| output.status.success())
}

/// `<commit>` or `<commit>-dirty`.
fn parse(text: &str) -> Option<GitRevision> {
    let (commit, dirty) = match text.strip_suffix("-dirty") {
        Some(commit) => (commit, true),
        None => (text, false),
    };
    let is_commit = commit.len() >= 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| GitRevision {
        commit: commit.to_owned(),
        dirty,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, args: &[&str]) {
        let identity = [
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@localhost",
            "-c",
            "commit.gpgsign=false",
        ];
        let ran = Command::new("git")
            .arg("-C")
            .arg(folder)
            .args(identity)
            .args(args)
            .output();
        assert!(ran.expect("git is installed").status.success(), "git {args:?}");
    }

    #[test]
    fn a_script_in_a_repository_has_its_commit_and_whether_files_differ() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("j.lua");
        std::fs::write(&script, "return {}").unwrap();
        assert_eq!(Question::ask(&script, true).answer(), None, "no repository");
        git(folder.path(), &["init", "--quiet"]);
        assert_eq!(Question::ask(&script, true).answer(), None, "no commit");
        git(folder.path(), &["add", "."]);
        git(folder.path(), &["commit", "--quiet", "-m", "first"]);
        // A tag is not taken for the commit.
        git(folder.path(), &["tag", "v1"]);
        let asked = Question::ask(&script, true);
        let clean = asked.answer().expect("there is a commit");
        assert!(!clean.dirty && clean.commit.len() == 40, "{clean:?}");
        assert_eq!(asked.answer_so_far(), Some(clean.clone()), "it is kept");
        std::fs::write(&script, "return { 1 }").unwrap();
        let dirty = Question::ask(&script, true).answer();
        assert_eq!(dirty, Some(GitRevision { dirty: true, ..clean }));
    }

    #[test]
    fn what_is_no_commit_is_nothing() {
        for text in ["", "v1", "-dirty", "fatal: not a git repository"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
