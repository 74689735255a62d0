//! After the run: what it has shown, for people. A pure function of `results`; nothing here reads files or prints.

mod history;
mod human;
mod junit;
mod markdown;
pub mod page;
mod table;
pub mod text;
mod traces;

pub use history::history;
pub use junit::{junit, junit_unfinished};
pub use markdown::markdown;
pub use text::{Style, capacity, render};
