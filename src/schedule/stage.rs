//! The pieces that people write shapes with. What is made of them is `curve`'s, `waves`' and `ramp`'s.

use std::time::Duration;

use serde::Serialize;

/// A piece of a ramp: from wherever the last one ended straight to `target`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stage<T> {
    /// How long it takes; zero is a jump.
    pub duration: Duration,
    /// The rate, or the number of VUs, at its end.
    pub target: T,
    /// Its name in tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A plateau.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Iterations for each time unit.
    pub rate: f64,
    /// How long.
    pub duration: Duration,
    /// Its name in tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Iterations that start at the same instant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wave {
    /// When.
    pub at: Duration,
    /// How many.
    pub count: u64,
    /// Its name in tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
