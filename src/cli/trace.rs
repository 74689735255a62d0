//! `--trace-http`: the steps of an iteration as lines on stderr. What the steps are is `script`'s.

use std::sync::Mutex;
use std::sync::PoisonError;

use super::terminal;
use crate::script::trace::{Mark, Told, Trace};

/// A trace that is written as it happens.
pub(super) fn to_stderr() -> Trace {
    let look = Look {
        unicode: terminal::unicode(),
        colour: terminal::colour_stderr(),
    };
    let last = Mutex::new(String::new());
    Trace::new(move |told| {
        // Held while the line is written, so that a heading is followed by its own steps.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != told.place {
            terminal::note(&look.heading(&told.place));
            last.clone_from(&told.place);
        }
        terminal::note(&look.step(&told));
    })
}

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
struct Look {
    unicode: bool,
    colour: bool,
}

/// The column where a step's lines begin, below its title.
const INDENT: &str = "               ";

impl Look {
    fn heading(self, place: &str) -> String {
        let rule = if self.unicode { "──" } else { "--" };
        self.paint(&format!("{rule} {place}"), "1")
    }

    fn step(self, told: &Told) -> String {
        let step = &told.step;
        let (sign, plain, colour) = match step.mark {
            Mark::Sent => ("→", ">", "36"),
            Mark::Received => ("←", "<", "36"),
            Mark::Failed => ("✗", "x", "31"),
            Mark::Passed => ("✓", "+", "32"),
            Mark::Broken => ("✗", "x", "31"),
            Mark::Wait => ("…", "~", "2"),
            Mark::Begin => ("┌", "(", "2"),
            Mark::End => ("└", ")", "2"),
            Mark::Log => ("i", "i", "33"),
        };
        let sign = if self.unicode { sign } else { plain };
        let time = format!("{:>9.1}ms", told.elapsed.as_secs_f64() * 1e3);
        let mut text = format!("{time}  {}", self.paint(&format!("{sign} {}", step.title), colour));
        for line in &step.lines {
            text.push('\n');
            if !line.is_empty() {
                text.push_str(INDENT);
                text.push_str(&self.paint(line, "2"));
            }
        }
        text
    }

    fn paint(self, text: &str, colour: &str) -> String {
        if self.colour {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::trace::Step;
    use std::time::Duration;

    #[test]
    fn steps_are_lines_below_their_title() {
        let told = Told {
            place: "setup".to_owned(),
            elapsed: Duration::from_micros(12_340),
            step: Step {
                mark: Mark::Received,
                title: "HTTP/1.1 200 OK".to_owned(),
                lines: vec!["a: b".to_owned(), String::new(), "{}".to_owned()],
            },
        };
        let look = |unicode, colour| Look { unicode, colour };
        assert_eq!(
            look(true, false).step(&told),
            "     12.3ms  ← HTTP/1.1 200 OK\n               a: b\n\n               {}"
        );
        assert!(look(false, false).step(&told).contains("  < HTTP"));
        assert!(
            look(true, true)
                .step(&told)
                .contains("\u{1b}[36m← HTTP/1.1 200 OK\u{1b}[0m\n")
        );
        assert_eq!(look(false, false).heading("setup"), "-- setup");
    }
}
