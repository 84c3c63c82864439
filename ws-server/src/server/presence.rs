//! Settings for the members of topics.

use ws_core::limits::PresenceLimits;

use super::Server;

impl<S, G> Server<S, G> {
    /// Sets the limits of the members of topics: how many there may be, and how soon watchers learn
    /// of a change.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use std::time::Duration;
    /// use ws_server::limits::PresenceLimits;
    ///
    /// server.presence_limits(PresenceLimits::DEFAULT.linger(Duration::from_secs(10)))
    /// # }
    /// ```
    pub const fn presence_limits(mut self, limits: PresenceLimits) -> Self {
        self.settings.server_limits.presence = limits;
        self
    }
}
