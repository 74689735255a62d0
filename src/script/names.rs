//! The tag `name` of requests to which the script gives none: the URL without secrets, or [`OTHER_NAME`] once there are too
//! many, so that ids in paths cannot fill the memory. Each core remembers those that it has met, so that requests of many
//! cores do not stand in line for them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::failures::redact::Redactor;

/// How many URLs get a name of their own before the rest is counted under [`OTHER_NAME`].
const MOST: usize = 500;
/// Bytes of a name that is made of a URL.
const LONGEST: usize = 8 << 10;

/// The name of requests whose URL came after too many others.
pub const OTHER_NAME: &str = "(other URLs)";

/// The names of a session, by URL.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<FxHashMap<String, Arc<str>>>);

/// What one core knows of them.
pub(super) struct Met {
    names: RefCell<FxHashMap<String, Rc<str>>>,
    /// Whether these are all that there will be.
    complete: Cell<bool>,
    other: Rc<str>,
}

impl Default for Met {
    fn default() -> Self {
        Self {
            names: RefCell::default(),
            complete: Cell::new(false),
            other: OTHER_NAME.into(),
        }
    }
}

impl Met {
    /// The name of `url`, one of `all`, made with `redactor` if nobody has met it.
    pub fn name(&self, url: &str, all: &Names, redactor: impl FnOnce() -> Arc<Redactor>) -> Rc<str> {
        if let Some(name) = self.names.borrow().get(url) {
            return Rc::clone(name);
        }
        if !self.complete.get() {
            self.meet(url, all, redactor);
        }
        let names = self.names.borrow();
        Rc::clone(names.get(url).unwrap_or(&self.other))
    }

    /// Takes over the name of `url`, if it has one of its own; or all names, when there will be no more.
    #[cold]
    fn meet(&self, url: &str, all: &Names, redactor: impl FnOnce() -> Arc<Redactor>) {
        let mut all = all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST && !all.contains_key(url) {
            all.insert(url.to_owned(), redactor().line(url, LONGEST).into());
        }
        let mut names = self.names.borrow_mut();
        if all.len() < MOST {
            names.extend(all.get_key_value(url).map(own));
        } else {
            *names = all.iter().map(own).collect();
            self.complete.set(true);
        }
    }
}

fn own((url, name): (&String, &Arc<str>)) -> (String, Rc<str>) {
    (url.clone(), Rc::from(&**name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_agree_and_ids_do_not_fill_the_memory() {
        let (all, cores) = (Names::default(), [Met::default(), Met::default()]);
        let name = |core: usize, number: usize| {
            let redactor = || crate::script::secrets::Secrets::default().redactor();
            cores[core].name(&format!("/items/{number}"), &all, redactor)
        };
        // Each meets one half, and after that what the other has met.
        for number in 0..2 * MOST {
            let expected = if number < MOST {
                format!("/items/{number}")
            } else {
                OTHER_NAME.to_owned()
            };
            assert_eq!(*name(number % 2, number), *expected);
        }
        for number in 0..2 * MOST {
            assert_eq!(name(0, number), name(1, number), "{number}");
        }
        for core in &cores {
            assert_eq!((core.names.borrow().len(), core.complete.get()), (MOST, true));
        }
    }

    #[test]
    fn a_url_that_one_core_has_met_is_known_to_the_others() {
        let (all, cores) = (Names::default(), [Met::default(), Met::default()]);
        let first = cores[0].name("/a?password=p", &all, || {
            crate::script::secrets::Secrets::default().redactor()
        });
        let second = cores[1].name("/a?password=p", &all, || panic!("it has its name"));
        let again = cores[1].name("/a?password=p", &Names::default(), || panic!("it was met"));
        assert_eq!((&*first, &*second), (&*second, &*again));
    }
}
