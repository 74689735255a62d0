//! Lines of a person or of a pipe, read on a thread of their own, so that connections live on while somebody thinks. What
//! becomes of a line is `repl`'s.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    Line(String),
    /// Ctrl-C: the line is given up.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Names for completion, changed after each input.
pub(super) type Names = Arc<Mutex<Vec<String>>>;

/// The reading thread.
pub(super) struct Prompt {
    wanted: mpsc::Sender<&'static str>,
    lines: tokio::sync::mpsc::UnboundedReceiver<Read>,
    /// Whether a person is there.
    pub(super) is_terminal: bool,
}

impl Prompt {
    /// Starts the thread; it reads a line whenever one is wanted.
    pub(super) fn start(names: Names) -> std::io::Result<Self> {
        let is_terminal = std::io::stdin().is_terminal();
        let (wanted, prompts) = mpsc::channel();
        let (send, lines) = tokio::sync::mpsc::unbounded_channel();
        let read = move || {
            if is_terminal {
                edited(&prompts, &send, names);
            } else {
                piped(&prompts, &send);
            }
        };
        std::thread::Builder::new()
            .name("kingtide-prompt".to_owned())
            .spawn(read)?;
        Ok(Self {
            wanted,
            lines,
            is_terminal,
        })
    }

    /// The next line.
    pub(super) async fn read(&mut self, prompt: &'static str) -> Read {
        if self.wanted.send(prompt).is_err() {
            return Read::End;
        }
        self.lines.recv().await.unwrap_or(Read::End)
    }
}

type Lines = tokio::sync::mpsc::UnboundedSender<Read>;

fn piped(prompts: &mpsc::Receiver<&'static str>, lines: &Lines) {
    let mut stdin = std::io::stdin().lock();
    while prompts.recv().is_ok() {
        let mut bytes = Vec::new();
        let read = match stdin.read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => Read::End,
            Ok(_) => Read::Line(
                String::from_utf8_lossy(&bytes)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned(),
            ),
        };
        if lines.send(read).is_err() {
            return;
        }
    }
}

fn edited(prompts: &mpsc::Receiver<&'static str>, lines: &Lines, names: Names) {
    let config = Config::builder().auto_add_history(true).build();
    let Ok(mut editor) = Editor::<Assistant, FileHistory>::with_config(config) else {
        return piped(prompts, lines);
    };
    editor.set_helper(Some(Assistant(names)));
    let history = history();
    if let Some(file) = &history {
        // The first time there is none.
        let _ = editor.load_history(file);
    }
    while let Ok(prompt) = prompts.recv() {
        let read = match editor.readline(prompt) {
            Ok(line) => Read::Line(line),
            Err(ReadlineError::Interrupted) => Read::Interrupted,
            Err(_) => Read::End,
        };
        // Saved each time, because the process ends without waiting for this thread.
        if let (Read::Line(_), Some(file)) = (&read, &history) {
            let _ = editor.save_history(file);
        }
        if lines.send(read).is_err() {
            return;
        }
    }
}

/// Where lines are remembered (the XDG base directory specification: state).
fn history() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    let folder = state.join("kingtide");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("repl-history"))
}

/// Completes names.
struct Assistant(Names);

impl Helper for Assistant {}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (start, found) = completions(&line[..at], &names);
        let pair = |name: String| Pair {
            display: name.clone(),
            replacement: name,
        };
        Ok((start, found.into_iter().map(pair).collect()))
    }
}

/// Where the word before the cursor begins, and the names that begin with it, up to their next dot.
fn completions(before: &str, names: &[String]) -> (usize, Vec<String>) {
    let belongs = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let start = before
        .rfind(|c| !belongs(c))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let word = &before[start..];
    let mut found: Vec<String> = names
        .iter()
        .filter(|name| name.starts_with(word))
        .map(|name| {
            let end = name[word.len()..].find('.').map_or(name.len(), |dot| word.len() + dot);
            name[..end].to_owned()
        })
        .collect();
    found.dedup();
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_up_to_their_next_dot() {
        let names = ["kt", "kt.http", "kt.http.get", "kt.http.head", "kt.log", "print"].map(str::to_owned);
        // before the cursor, where the word begins, names
        let table: &[(&str, usize, &[&str])] = &[
            ("k", 0, &["kt"]),
            ("x = kt.h", 4, &["kt.http"]),
            ("é(kt.http.", 3, &["kt.http.get", "kt.http.head"]),
            ("kt.http.g", 0, &["kt.http.get"]),
            ("zz", 0, &[]),
        ];
        for (before, start, expected) in table {
            let (at, found) = completions(before, &names);
            assert_eq!(
                (at, found),
                (*start, expected.iter().map(|name| (*name).to_owned()).collect()),
                "{before}"
            );
        }
    }
}
