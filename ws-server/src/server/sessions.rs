//! Settings for sessions.

use ws_core::limits::SessionLimits;
use ws_core::session::{SessionSource, SessionStore};

use super::Server;

impl<S, G> Server<S, G> {
    /// Sets the limits of sessions and pages: how long they live, and how many there may be.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use std::time::Duration;
    /// use ws_server::limits::SessionLimits;
    ///
    /// let limits = SessionLimits::DEFAULT
    ///     .idle(Duration::from_secs(20 * 60))
    ///     .lifetime(Duration::from_secs(12 * 60 * 60));
    /// server.session_limits(limits)
    /// # }
    /// ```
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.settings.sessions = self.settings.sessions.limits(limits);
        self
    }

    /// Keeps sessions in this store. By default they are kept in memory, and lost when the process
    /// ends.
    pub fn session_store(mut self, store: impl SessionStore) -> Self {
        self.settings.sessions = self.settings.sessions.store(store);
        self
    }

    /// Takes sessions from the application, which has cookies of its own: routes with
    /// `require_session` require those. The server then sets no session cookies, only the page's.
    pub fn session_source(mut self, source: impl SessionSource) -> Self {
        self.settings.sessions = self.settings.sessions.source(source);
        self
    }

    /// Sets the name of the cookie that holds the session's token; the default is `z_sid`. Over
    /// TLS, the name gets the prefix `__Host-`.
    pub fn session_cookie(mut self, name: impl Into<String>) -> Self {
        self.settings.sessions = self.settings.sessions.session_cookie(name);
        self
    }

    /// Sets the name of the cookie that holds the page's id, and of the query parameter; the
    /// default is `z_pid`. Over TLS, the cookie's name gets the prefix `__Host-`.
    pub fn page_cookie(mut self, name: impl Into<String>) -> Self {
        self.settings.sessions = self.settings.sessions.page_cookie(name);
        self
    }
}
