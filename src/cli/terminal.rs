//! Where text goes: results to stdout, everything else to stderr, above the progress lines if there are any.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::mpsc::SyncSender;
use std::sync::{Mutex, OnceLock, PoisonError};

use indicatif::MultiProgress;

use super::tui::News;

/// What lines must not tear.
enum Display {
    Lines(MultiProgress),
    Screen(SyncSender<News>),
}

static DISPLAY: Mutex<Option<Display>> = Mutex::new(None);

/// Lets [`note`] know of a progress display, or of its end.
pub(super) fn share_progress(progress: Option<MultiProgress>) {
    *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = progress.map(Display::Lines);
}

/// The same of a full screen, which takes the lines itself.
pub(super) fn share_screen(screen: Option<SyncSender<News>>) {
    *DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) = screen.map(Display::Screen);
}

/// The first that could not be written to stdout.
static UNWRITTEN: OnceLock<std::io::Error> = OnceLock::new();

/// Writes to stdout. A reader that has gone away is no error; what else goes wrong is kept for the end of the command, so that
/// a run's results are saved whatever became of its text.
pub(super) fn out<T: AsRef<[u8]> + ?Sized>(text: &T) {
    let mut stdout = std::io::stdout().lock();
    written(stdout.write_all(text.as_ref()).and_then(|()| stdout.flush()));
}

/// Takes note of what became of a text for stdout.
pub(super) fn written(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = UNWRITTEN.set(error);
    }
}

/// Why something is not on stdout that ought to be.
pub(super) fn unwritten() -> Option<&'static std::io::Error> {
    UNWRITTEN.get()
}

/// Writes a line to stderr.
pub(super) fn note(text: &str) {
    let write = || {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    };
    match &*DISPLAY.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(Display::Lines(progress)) => progress.suspend(write),
        Some(Display::Screen(screen)) => {
            // A screen that is far behind is no reason to wait.
            let _ = screen.try_send(News::Note(text.to_owned()));
        }
        None => write(),
    }
}

/// Writes an error to stderr; one that is rendered already stays as it is.
pub(super) fn error(text: &str) {
    if text.starts_with("error") {
        note(text)
    } else {
        note(&format!("error: {text}"))
    }
}

/// Whether both streams are a terminal, so that progress may move.
pub(super) fn is_interactive() -> bool {
    std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether stdout may be coloured: a terminal, and nobody asked for none (<https://no-color.org>).
pub(super) fn colour() -> bool {
    may_colour(std::io::stdout().is_terminal())
}

/// The same for stderr.
pub(super) fn colour_stderr() -> bool {
    may_colour(std::io::stderr().is_terminal())
}

fn may_colour(is_terminal: bool) -> bool {
    let asked = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if asked("NO_COLOR") {
        return false;
    }
    asked("CLICOLOR_FORCE") || is_terminal
}

/// How wide a line on stdout may be: as COLUMNS says, as the terminal is, or 100 where there is none.
pub(super) fn width() -> usize {
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    asked
        .or_else(|| {
            terminal()
                .map(|size| usize::from(size.ws_col))
                .filter(|columns| *columns > 0)
        })
        .unwrap_or(100)
}

/// Whether the locale can show more than ASCII.
pub(super) fn unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
