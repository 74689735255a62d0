//! `hlog=FILE`: HdrHistogram's interval log of all durations as it grows, second by second. Its format is `results`'.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::tally::Tally;
use crate::results::{Header, Hlog, Interval};

/// An open file.
pub(super) struct HlogFile {
    log: State,
}

enum State {
    Fresh(File),
    Begun(Hlog<File>),
    /// The log of a run without a load.
    Failed,
}

impl HlogFile {
    /// Makes the file, or empties it.
    ///
    /// # Errors
    /// What the system said.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| error.to_string())?;
        Ok(Self {
            log: State::Fresh(file),
        })
    }

    /// Writes the head.
    pub(super) fn begin(&mut self, header: Arc<Header>, tally: &Tally) {
        if let State::Fresh(file) = std::mem::replace(&mut self.log, State::Failed) {
            match Hlog::new(file, &header) {
                Ok(log) => self.log = State::Begun(log),
                Err(error) => tally.failed(error.to_string(), false),
            }
        }
    }

    /// Writes the durations of a second, each as a line.
    pub(super) fn interval(&mut self, interval: &Interval, tally: &Tally) {
        let lines = Hlog::<File>::lines(interval);
        let written = match &mut self.log {
            State::Begun(log) => log.interval(interval),
            State::Fresh(_) | State::Failed => return tally.dropped(lines),
        };
        match written {
            Ok(()) => tally.written(lines),
            Err(error) => {
                tally.failed(error.to_string(), false);
                tally.dropped(lines);
            }
        }
    }

    /// Makes sure that it is on the disk.
    pub(super) fn end(self, tally: &Tally) {
        if let State::Begun(log) = self.log
            && let Err(error) = synced(&log.into_inner())
        {
            tally.failed(error.to_string(), false);
        }
    }
}

/// A pipe cannot be synced, and has nothing to be.
pub(super) fn synced(file: &File) -> io::Result<()> {
    match file.metadata()?.is_file() {
        true => file.sync_all(),
        false => Ok(()),
    }
}
