//! Takes out of tags what nobody may see, before anybody keeps them. What that is, whoever makes the registry knows.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::selector::Selector;

/// Tags that are made here, of the plan and of what happens: nobody would know them by other values.
const OWN: [&str; 11] = [
    "error_code",
    "expected_response",
    "lifecycle",
    "method",
    "phase",
    "poll",
    "revision",
    "scenario",
    "stage",
    "status",
    "warmup",
];

/// What is shown of a text, where that is not the text.
type Show = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Knows what is shown of the values of tags. The default shows all.
#[derive(Clone, Default)]
pub struct Veil(Option<Arc<Show>>);

impl Veil {
    /// One that `show` decides of: it gives what is shown of a text, where that is not the text.
    pub fn new(show: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(show)))
    }

    /// What is shown of a tag's value, where that is not the value.
    #[must_use]
    pub fn value(&self, key: &str, value: &str) -> Option<String> {
        let show = self.0.as_ref().filter(|_| !OWN.contains(&key))?;
        show(value)
    }

    /// The pairs with what is shown of their values, where that is not all.
    pub(super) fn pairs<'a>(&self, pairs: &[(&'a str, &'a str)]) -> Option<Vec<(&'a str, Cow<'a, str>)>> {
        self.0.as_ref()?;
        let shown: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (*key, self.value(key, value).map_or(Cow::Borrowed(*value), Cow::Owned)))
            .collect();
        let is_all = shown.iter().all(|(_, value)| matches!(value, Cow::Borrowed(_)));
        (!is_all).then_some(shown)
    }

    /// Changes a selector as it changes the tags that it selects.
    pub(super) fn selector(&self, selector: &mut Selector) {
        for (key, value) in &mut selector.tags {
            if let Some(shown) = self.value(key, value) {
                *value = shown;
            }
        }
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil")
    }
}
