//! Several runs with one question: the search for the highest load that a system holds. What one run is belongs to `run`,
//! what is asked for and printed to the command line.

mod conduct;
mod course;
mod engine;
mod journal;
mod judge;
mod spec;
mod strategy;

pub use conduct::{Halt, Prober, Search, Unfit, Witness, conduct};
pub use course::{Course, Grade};
pub use engine::{Engine, Switch, Times, check};
pub use journal::{Journal, JournalError, Refused};
pub use spec::{SpecError, levels, range};
pub use strategy::{Cell, Range, Ruled, Strategy};
