//! Ctrl-C and SIGTERM: the first stops gracefully, the second interrupts at once, the third cuts `teardown` short,
//! as does any but the first while it runs. Once the run waits for outputs only, any ends that. The summary is written in every case.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::terminal;
use crate::control::{Control, Reason};

/// Listens from now on, on a thread of its own: that of the run may be busy with a script that computes, and what it then
/// finds must not depend on who comes next there.
pub(super) fn listen(control: Arc<Control>) -> std::io::Result<()> {
    listen_to(move || Arc::clone(&control))
}

/// The same where several runs follow each other: `current` gives the switches of the one that runs now.
pub(super) fn listen_to(current: impl Fn() -> Arc<Control> + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (interrupt, terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let listening = move || runtime.block_on(hear(current, interrupt, terminate));
    std::thread::Builder::new()
        .name("kingtide-signals".to_owned())
        .spawn(listening)?;
    Ok(())
}

async fn hear(current: impl Fn() -> Arc<Control>, mut interrupt: Signal, mut terminate: Signal) {
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
}
