//! `--tui`: the run on the whole terminal, which is given back on every way out. What is shown is in the rooms below.

mod state;
mod view;

use std::io::{Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Once};
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};
use rustix::process::{Signal, getpid, kill_process};

use self::state::State;
use super::{Failure, progress, terminal};
use crate::control::{Command, Control};
use crate::metrics::CheckpointTotal;
use crate::plan::Plan;
use crate::results::{Ending, ExitCode, Header, Interval, Patience, Sink, Summary};
use crate::run::{Observer, Reload, Stage, Tick};

/// How often keys and news are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// News that may wait; more than a terminal is ever behind.
const QUEUE: usize = 1_000;

/// Whether the terminal is ours.
static HELD: AtomicBool = AtomicBool::new(false);

/// What the screen is told.
#[derive(Debug)]
pub(super) enum News {
    /// The load begins.
    Begin(Arc<Header>),
    /// A second has passed.
    Second(Arc<Interval>),
    /// What happens at the moment.
    Stage(&'static str),
    /// Something that would be written to stderr.
    Note(String),
}

/// The screen. It is given back when this is dropped, and what was noted meanwhile is written below.
#[derive(Debug)]
pub(super) struct Tui {
    news: Option<SyncSender<News>>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Tui {
    /// Takes the terminal, which has to be one.
    pub(super) fn start(control: Arc<Control>) -> Result<Self, Failure> {
        let cannot = |error: std::io::Error| {
            let error = anyhow::Error::new(error).context("--tui: the terminal cannot be taken");
            Failure::new(ExitCode::Invalid, error)
        };
        let screen = take().map_err(cannot)?;
        let (news, inbox) = sync_channel(QUEUE);
        let drawing = move || draw(screen, &inbox, &control);
        let thread = std::thread::Builder::new()
            .name("kingtide-tui".to_owned())
            .spawn(drawing);
        let thread = thread.map_err(|error| {
            give_back();
            cannot(error)
        })?;
        terminal::share_screen(Some(news.clone()));
        Ok(Self {
            news: Some(news),
            thread: Some(thread),
        })
    }

    /// What feeds the screen with seconds.
    pub(super) fn sink(&self) -> Option<Box<dyn Sink>> {
        let news = self.news.clone()?;
        Some(Box::new(Feed { news }))
    }

    /// What tells it of stages; the rest are notes.
    pub(super) fn observer(&self) -> Option<Box<dyn Observer>> {
        let news = self.news.clone()?;
        Some(Box::new(Feed { news }))
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        terminal::share_screen(None);
        self.news = None;
        let notes = self.thread.take().and_then(|thread| thread.join().ok());
        give_back();
        for note in notes.into_iter().flatten() {
            terminal::note(&note);
        }
    }
}

/// Takes the terminal, and sees to it that a panic gives it back before it is told.
fn take() -> std::io::Result<Terminal<CrosstermBackend<Stdout>>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
    });
    enable_raw_mode()?;
    HELD.store(true, Ordering::SeqCst);
    let taken = execute!(stdout(), EnterAlternateScreen, cursor::Hide)
        .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
    if taken.is_err() {
        give_back();
    }
    taken
}

/// Gives the terminal back as it was; once.
fn give_back() {
    if HELD.swap(false, Ordering::SeqCst) {
        // One that is gone needs nothing.
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// Draws until nobody has news any more, or a panic has taken the terminal away. Gives what was noted.
fn draw(mut screen: Terminal<CrosstermBackend<Stdout>>, inbox: &Receiver<News>, control: &Control) -> Vec<String> {
    let mut state = State::default();
    let mut is_new = true;
    loop {
        let status = control.status();
        is_new |= state.look(&status);
        if is_new && HELD.load(Ordering::SeqCst) && screen.draw(|frame| view::draw(frame, &state)).is_err() {
            give_back();
        }
        is_new = match inbox.recv_timeout(LOOK) {
            Ok(news) => {
                state.take(news);
                inbox.try_iter().for_each(|news| state.take(news));
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => return state.into_notes(),
        };
        while HELD.load(Ordering::SeqCst) && event::poll(Duration::ZERO).unwrap_or(false) {
            is_new = true;
            match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => press(key, &mut state, control),
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

fn press(key: KeyEvent, state: &mut State, control: &Control) {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        // The same as the signal that the terminal would have sent: once stops, twice interrupts.
        _ if is_interrupt => interrupt(),
        KeyCode::Char('q') => interrupt(),
        KeyCode::Char('p') => {
            let is_paused = control.status().paused;
            let command = if is_paused { Command::Resume } else { Command::Pause };
            if let Err(refused) = control.obey(&command) {
                state.take(News::Note(refused.to_string()));
            }
        }
        _ => {}
    }
}

fn interrupt() {
    // This process is there.
    let _ = kill_process(getpid(), Signal::INT);
}

/// Hands news over, and never waits for the screen.
struct Feed {
    news: SyncSender<News>,
}

impl Sink for Feed {
    fn begin(&mut self, header: &Arc<Header>) {
        let _ = self.news.try_send(News::Begin(Arc::clone(header)));
    }

    fn interval(&mut self, interval: &Arc<Interval>) {
        let _ = self.news.try_send(News::Second(Arc::clone(interval)));
    }

    fn end(self: Box<Self>, _: &Summary, _: &Patience) -> Ending {
        Box::pin(std::future::ready(Vec::new()))
    }
}

impl Observer for Feed {
    fn stage(&mut self, stage: Stage) {
        let text = match stage {
            Stage::Setup => "setting up",
            Stage::Preparing => "making virtual users",
            Stage::Running => "running",
            Stage::Stopping => "stopping",
            Stage::Teardown => "tearing down",
            Stage::Closing => "waiting for outputs",
        };
        let _ = self.news.try_send(News::Stage(text));
    }

    fn tick(&mut self, _: &Tick<'_>) {}

    fn reload(&mut self, reload: &Reload) {
        progress::show_reload(reload);
    }

    fn checkpoint(&mut self, number: usize, checkpoint: &CheckpointTotal, plan: &Plan) {
        progress::show_checkpoint(number, checkpoint, plan);
    }
}
