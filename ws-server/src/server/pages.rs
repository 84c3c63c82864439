//! Settings for pages.

use ws_core::limits::PageLimits;

use super::Server;

impl<S, G> Server<S, G> {
    /// Sets how many sockets one push to pages, the end of one burst of publishes, or one publish
    /// outside of the server's tasks writes to by itself; a separate task writes to the others. The
    /// default is 1,024.
    pub const fn publish_inline(mut self, subscribers: usize) -> Self {
        self.settings.server_limits.publish_inline = subscribers;
        self
    }

    /// Sets the limits of pages: how long a page lives without a connection, and how much may be
    /// queued for it.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use std::time::Duration;
    /// use ws_server::limits::PageLimits;
    ///
    /// server.page_limits(PageLimits::DEFAULT.grace(Duration::from_secs(2 * 60)))
    /// # }
    /// ```
    pub const fn page_limits(mut self, limits: PageLimits) -> Self {
        self.settings.server_limits.pages = limits;
        self
    }

    /// Sets the path below which [`Ws::client`](crate::Ws::client) serves the browser client, as
    /// browsers see it. The default is `/ws-server`.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// server.client_path("/assets/ws")
    /// # }
    /// ```
    pub fn client_path(mut self, path: impl Into<String>) -> Self {
        self.settings.client_path = Some(path.into());
        self
    }
}
