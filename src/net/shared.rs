//! What the virtual users of one core thread share. No connections: those belong to a VU.

use std::rc::Rc;

use super::config::{ConfigError, HttpConfig};

/// Resolver cache, TLS configuration and options of one core thread.
pub struct Shared {
    pub(super) config: HttpConfig,
}

impl Shared {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn new(config: HttpConfig) -> Result<Rc<Self>, ConfigError> {
        Ok(Rc::new(Self { config }))
    }

    /// The options.
    #[must_use]
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }
}
