//! Ctrl-C and SIGTERM: the first stops gracefully, the second interrupts at once, the third cuts `teardown` short,
//! as does any but the first while it runs. Once the run waits for outputs only, any ends that. The summary is written in every case.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::terminal;
use crate::control::{Control, Reason};

/// Listens until the run is over; ends with the `LocalSet` that it runs on.
pub(super) fn listen(control: Arc<Control>) -> std::io::Result<()> {
    listen_to(move || Arc::clone(&control))
}

/// The same where several runs follow each other: `current` gives the switches of the one that runs now.
pub(super) fn listen_to(current: impl Fn() -> Arc<Control> + 'static) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::task::spawn_local(async move {
        for time in 1_u32.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let control = current();
            if control.is_finishing() {
                terminal::note("outputs are not waited for any longer");
                control.hurry();
                continue;
            }
            match (time, control.is_closing()) {
                (2.., true) | (3.., _) => control.cut(),
                (_, true) => {
                    terminal::note("teardown is running; once more cuts it short");
                    control.stop(Reason::Signal);
                }
                (1, _) => {
                    terminal::note("stopping: iterations in flight may finish; once more interrupts them");
                    control.stop(Reason::Signal);
                }
                _ => {
                    terminal::note("interrupting; once more cuts teardown short");
                    control.kill();
                }
            }
        }
    });
    Ok(())
}
