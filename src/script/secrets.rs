//! The values that a run must not show, known to all who write texts of it. How they are found in a text is `failures`'.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use crate::failures::redact::Redactor;
use crate::metrics::Veil;

/// What is shorter stands everywhere by chance.
const LEAST: usize = 3;

/// The secrets that scripts have read.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    redactor: RwLock<Arc<Redactor>>,
}

impl Secrets {
    /// Remembers a value that must never be shown.
    pub(super) fn add(&self, value: &str) {
        if value.len() < LEAST || self.redactor().knows(value) {
            return;
        }
        let mut redactor = self.redactor.write().unwrap_or_else(PoisonError::into_inner);
        *redactor = Arc::new(redactor.with(value));
    }

    /// Knows all that are known by now.
    pub(super) fn redactor(&self) -> Arc<Redactor> {
        Arc::clone(&self.redactor.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes them out of tags.
    pub(super) fn veil(self: &Arc<Self>) -> Veil {
        let secrets = Arc::clone(self);
        Veil::new(move |value| match secrets.redactor().secrets(value) {
            Cow::Borrowed(_) => None,
            Cow::Owned(shown) => Some(shown),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_hidden_from_then_on() {
        let secrets = Arc::new(Secrets::default());
        let veil = secrets.veil();
        assert_eq!(veil.value("name", "GET /hush"), None);
        for value in ["hush", "ab", "hush", "hushhush"] {
            secrets.add(value);
        }
        assert_eq!(veil.value("name", "GET /hush").as_deref(), Some("GET /[redacted]"));
        assert_eq!(veil.value("name", "GET /ab"), None);
        assert_eq!(secrets.redactor().secrets("hushhush"), "[redacted]");
    }
}
