//! Log events as lines on stderr: the journeys' own, script errors, warnings. Levels are chosen by `-v` and `-q`.

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::terminal;

/// Writes events of kingtide's own targets.
#[derive(Debug)]
struct Lines {
    level: Level,
}

/// Installs the logger; `verbose` shows debug lines.
pub(super) fn install(verbose: bool) {
    let level = if verbose { Level::DEBUG } else { Level::INFO };
    let subscriber = tracing_subscriber::registry().with(Lines { level });
    // Only a second call in one process would fail, and the first logger stays then.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() <= self.level && metadata.target().starts_with("kingtide")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let metadata = event.metadata();
        if metadata.target() == "kingtide::script" {
            terminal::note(&message.0);
        } else {
            terminal::note(&format!(
                "{} {}",
                metadata.level().as_str().to_ascii_lowercase(),
                message.0
            ));
        }
    }
}

/// Takes an event's message.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
