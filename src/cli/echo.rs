//! Keeps the terminal from writing `^C` between the progress lines, which would push them out of place. What Ctrl-C does
//! is next door.

use std::io::Stdin;

use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

/// While it lives, the terminal shows no control characters.
pub(super) struct NoEcho {
    stdin: Stdin,
    before: Termios,
}

impl NoEcho {
    /// Nothing when stdin is no terminal, or not this process's at the moment: changing it would stop the process.
    pub(super) fn new() -> Option<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        if tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHOCTL);
        tcsetattr(&stdin, OptionalActions::Now, &quiet).ok()?;
        Some(Self { stdin, before })
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // Refused is no harm: shells set their terminal up anew.
        let _ = tcsetattr(&self.stdin, OptionalActions::Now, &self.before);
    }
}

impl std::fmt::Debug for NoEcho {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NoEcho")
    }
}
