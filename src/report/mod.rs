//! After the run: what it has shown, for people. A pure function of `results`; nothing here reads files or prints.

mod human;
pub mod page;
mod table;
pub mod text;

pub use text::{Style, capacity, render};
