//! Measurements and health of a server.

use std::time::Duration;

use http::Method;
use warp::path::Tail;
use warp::{Filter, Rejection, Reply};

use super::{Server, Ws};
use crate::filter::WsFilter;
use crate::operations::OperationsService;

impl<S, G> Server<S, G> {
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
    /// Returns a filter that responds with the [`Stats`](crate::stats::Stats) of the hub, in the
    /// text format of Prometheus: to every GET that gets there, so put a path before it. The
    /// measurements concern only the operator: do not serve them to the public.
    ///
    /// ```no_run
    /// # fn routes(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    ///
    /// ws.filter().or(warp::path!("metrics").and(ws.metrics()))
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn metrics(&self) -> WsFilter {
        let service = self.metrics_service();
        let respond = move |method: Method| {
            let response = service.respond(&method, "");
            async move { response.await.into_response() }
        };
        read_method().then(respond).boxed()
    }

    /// Returns the service with the same responses as [`metrics`](Self::metrics), for axum, tower
    /// and hyper.
    #[must_use = "a service does nothing before it is served"]
    pub fn metrics_service(&self) -> OperationsService {
        OperationsService::metrics(self.shared.clone())
    }

    /// Returns a filter for health checks:
    ///
    /// * `/livez`: 200 as long as the process responds.
    /// * `/readyz`: 200, or 503 if the server should get no new requests: from the start of a
    ///   shutdown, while the server cannot accept connections (as it has too many open files), and
    ///   while the session store does not answer.
    ///
    /// ```no_run
    /// # fn routes(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    ///
    /// ws.filter().or(ws.health())
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn health(&self) -> WsFilter {
        let service = self.health_service();
        let probes = warp::path::tail().and_then(async |path: Tail| match path.as_str() {
            "livez" | "readyz" => Ok(format!("/{}", path.as_str())),
            _ => Err(warp::reject::not_found()),
        });
        let respond = move |path: String, method: Method| {
            let response = service.respond(&method, &path);
            async move { response.await.into_response() }
        };
        probes.and(read_method()).then(respond).boxed()
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

/// Extracts the method of a GET or a HEAD; all others are rejected with 405.
fn read_method() -> impl Filter<Extract = (Method,), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify().and(warp::method())
}
