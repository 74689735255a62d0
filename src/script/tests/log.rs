//! What `kt.log` and `print` write.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "kingtide::log"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push((*event.metadata().level(), message.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn lines_have_level_and_origin_and_no_secrets() {
    let main = r#"
        local kt = require "kt"
        print "hello"
        return function()
          print("a", 1, nil, { 2 })
          kt.log.warn("token", kt.secret "SECRET", { token = kt.secret "SECRET" })
          kt.log.error(1.5)
          kt.log.debug(true)
        end"#;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let bed = Bed::new(main).await;
    let mut vu = bed.vu(3).await;
    assert_eq!(iterate(&mut vu, 17).await, Outcome::Completed, "{:?}", bed.errors());
    let wanted = [
        (Level::INFO, "[load] hello"),
        (Level::INFO, "[load] hello"),
        (Level::INFO, "[vu 3 iteration 17] a 1 nil [2]"),
        (
            Level::WARN,
            "[vu 3 iteration 17] token [redacted] {\"token\":\"[redacted]\"}",
        ),
        (Level::ERROR, "[vu 3 iteration 17] 1.5"),
        (Level::DEBUG, "[vu 3 iteration 17] true"),
    ];
    let got = lines.0.lock().unwrap();
    let got: Vec<_> = got.iter().map(|(level, line)| (*level, line.as_str())).collect();
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn whatever_a_value_is_its_line_tells_something_of_it() {
    let main = r#"
        return function() print("caf\233", { 1, nil, 3 }, { f = true, [2] = "x" }) end"#;
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let bed = Bed::new(main).await;
    let mut vu = bed.vu(3).await;
    assert_eq!(iterate(&mut vu, 17).await, Outcome::Completed, "{:?}", bed.errors());
    bed.context.enter(Lifecycle::Summary);
    let print = "print('the end')";
    let function = bed.host.lua.load(print).set_environment(bed.loaded.environment.clone());
    let function = function.into_function().unwrap();
    bridge::call(&bed.context, &bed.loaded.coroutine, &function, ())
        .await
        .unwrap();
    let got = lines.0.lock().unwrap();
    let got: Vec<_> = got.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(
        got,
        [
            "[vu 3 iteration 17] caf\u{fffd} { 1, nil, 3 } { [2] = \"x\", f = true }",
            "[summary] the end"
        ]
    );
}
