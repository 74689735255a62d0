//! Which names polls and flows have taken. Both make metrics of their name, some of them the same ones, so that one name
//! is one or the other in a run. The metrics themselves are declared where they are recorded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What waits under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// `kt.poll`.
    Poll,
    /// `kt.flow`.
    Flow,
}

impl Wait {
    fn name(self) -> &'static str {
        match self {
            Self::Poll => "a poll",
            Self::Flow => "a flow",
        }
    }
}

/// The name is the other one's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is the name of {} already; their metrics would mix, so choose another name for one of them", .taken.name())]
pub struct Taken {
    name: String,
    taken: Wait,
}

/// The names of a run. Asked once for each name and VM.
#[derive(Debug, Default)]
pub struct Waits(Mutex<HashMap<String, Wait>>);

impl Waits {
    /// Takes a name, again and again if need be.
    ///
    /// # Errors
    /// [`Taken`] when the other one has it.
    pub fn take(&self, name: &str, wait: Wait) -> Result<(), Taken> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(&taken) if taken != wait => Err(Taken {
                name: name.to_owned(),
                taken,
            }),
            Some(_) => Ok(()),
            None => {
                names.insert(name.to_owned(), wait);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_poll_or_a_flow() {
        let waits = Waits::default();
        assert_eq!(waits.take("a", Wait::Poll), Ok(()));
        assert_eq!(waits.take("a", Wait::Poll), Ok(()));
        assert_eq!(waits.take("b", Wait::Flow), Ok(()));
        let refused = waits.take("a", Wait::Flow).unwrap_err().to_string();
        assert!(refused.starts_with("`a` is the name of a poll already"), "{refused}");
        let refused = waits.take("b", Wait::Poll).unwrap_err().to_string();
        assert!(refused.starts_with("`b` is the name of a flow already"), "{refused}");
    }
}
