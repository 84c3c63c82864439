//! Measurements and health of a server.

use std::time::Duration;

use super::{Server, Ws};
use crate::operations::OperationsService;

impl<S, G> Server<S, G> {
    /// Sets the deadline of a shutdown that a signal starts. The default is 10 s.
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.shutdown = timeout;
        self
    }

    /// Sets how long the server still accepts connections and serves requests after the signal that
    /// stops it, while [`/readyz`](Ws::health) already responds with 503: as long as load balancers
    /// need to notice that. By default it stops accepting at once.
    pub const fn drain_delay(mut self, delay: Duration) -> Self {
        self.settings.server_limits.drain_delay = delay;
        self
    }

    /// Sets the time over which a shutdown closes connections, one by one, so that the servers to
    /// which their clients reconnect are not overrun; see [`Hub::drain`](crate::Hub::drain). By
    /// default all are closed at once.
    ///
    /// A shutdown takes at most the sum of [`drain_delay`](Self::drain_delay), this time and
    /// [`shutdown_timeout`](Self::shutdown_timeout).
    pub const fn drain_over(mut self, time: Duration) -> Self {
        self.settings.server_limits.drain_over = time;
        self
    }
}

impl Ws {
    /// Returns the service with the same responses as [`metrics`](Self::metrics), for axum, tower
    /// and hyper.
    #[must_use = "a service does nothing before it is served"]
    pub fn metrics_service(&self) -> OperationsService {
        OperationsService::metrics(self.shared.clone())
    }

    /// Returns the service with the same responses as [`health`](Self::health), for axum, tower and
    /// hyper. It looks only at the last part of the path.
    ///
    /// ```ignore
    /// Router::new().route_service("/livez", ws.health_service())
    ///     .route_service("/readyz", ws.health_service())
    /// ```
    #[must_use = "a service does nothing before it is served"]
    pub fn health_service(&self) -> OperationsService {
        OperationsService::health(self.shared.clone())
    }
}
