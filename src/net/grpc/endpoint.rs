//! A server as one core reaches it, and what all cores share of it: connections and the cap on calls in flight.

use std::rc::Rc;

use super::{Options, OptionsError};
use crate::net::Shared;

/// A server under some options; one for each core.
pub struct Endpoint {
    options: Options,
}

impl Endpoint {
    /// The endpoint of `address` on the core of `shared`, made once for equal options. `hosts`, `dns` and `local_addrs` are
    /// those of `shared`.
    ///
    /// # Errors
    /// Those of [`Options::check`].
    pub fn of(shared: &Shared, address: &str, options: &Options) -> Result<Rc<Self>, OptionsError> {
        let _ = (shared, address, options);
        unimplemented!()
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Calls in flight now, over all cores; zero without a cap.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        unimplemented!()
    }
}
