//! What operators ask a server: its measurements and its health.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::prometheus;
use crate::readiness::{Fault, NotReady};
use crate::shared::ServerShared;

/// What the service responds with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Report {
    Metrics,
    Health,
}

/// The service of [`Ws::metrics_service`](crate::Ws::metrics_service) and
/// [`Ws::health_service`](crate::Ws::health_service). Clones share the same server.
///
/// It is a service of tower and of hyper, for requests with any body, and its responses are those
/// that axum accepts.
///
/// ```no_run
/// use ws_server::{OperationsService, Ws};
///
/// /// The service for a port that only the monitoring reaches.
/// fn monitoring(ws: &Ws) -> OperationsService {
///     ws.metrics_service()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct OperationsService {
    shared: Arc<ServerShared>,
    report: Report,
}

/// The future of a response.
type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

impl OperationsService {
    pub(crate) const fn metrics(shared: Arc<ServerShared>) -> Self {
        let report = Report::Metrics;
        Self { shared, report }
    }

    pub(crate) const fn health(shared: Arc<ServerShared>) -> Self {
        let report = Report::Health;
        Self { shared, report }
    }

    /// Responds to a request with this method and path.
    pub(crate) fn respond(
        &self,
        method: &Method,
        path: &str,
    ) -> impl Future<Output = Response<String>> + Send + use<> {
        let shared = self.shared.clone();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let probe = path.rsplit_once('/').map(|(_, name)| match name {
            "livez" => Some(Probe::Live),
            "readyz" => Some(Probe::Ready),
            _ => None,
        });
        let (report, probe) = (self.report, probe.flatten());
        async move {
            match (report, probe) {
                _ if !is_read => method_not_allowed(),
                (Report::Metrics, _) => metrics(&shared),
                (Report::Health, Some(Probe::Live)) => text(StatusCode::OK, "live"),
                (Report::Health, Some(Probe::Ready)) => ready(&shared).await,
                (Report::Health, None) => text(StatusCode::NOT_FOUND, "use /livez or /readyz"),
            }
        }
    }
}

/// The question of a health check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Probe {
    /// Whether the process runs.
    Live,
    /// Whether it should get new requests.
    Ready,
}

fn metrics(shared: &ServerShared) -> Response<String> {
    let mut response = Response::new(prometheus::render(&shared.hub.stats()));
    let kind = HeaderValue::from_static(prometheus::CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn ready(shared: &ServerShared) -> Response<String> {
    let log = log_health(&shared.hub);
    let (status, line) = match shared.readiness.check(&shared.hub).await {
        Ok(fault) => (StatusCode::OK, fault.to_string()),
        // A server that has read the log of Redis was connected to it.
        Err(NotReady::SessionStore) if !log.is_empty() => {
            (StatusCode::OK, Fault::SessionStore.to_string())
        }
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    };
    text(status, &format!("{line}{log}"))
}

/// A line for each server of a shared log, without its address: anybody may ask. Others for lanes that
/// are not read, and that take no entries.
#[cfg(feature = "cluster")]
fn log_health(hub: &ws_core::hub::Hub) -> String {
    let all = hub.log_health().into_iter().zip(1..);
    let servers = all.map(|(health, number)| format!("\nlog server {number}: {health}"));
    let mut body: String = servers.collect();
    let Some(view) = hub.cluster() else {
        return body;
    };
    for (what, lanes) in [
        ("read", view.stale_lanes),
        ("written", view.unwritable_lanes),
    ] {
        let lanes: Vec<_> = lanes.iter().map(|lane| lane.0.to_string()).collect();
        if !lanes.is_empty() {
            for part in ["\nlanes that cannot be ", what, ": ", &lanes.join(", ")] {
                body.push_str(part);
            }
        }
    }
    body
}

#[cfg(not(feature = "cluster"))]
const fn log_health(_: &ws_core::hub::Hub) -> String {
    String::new()
}

fn method_not_allowed() -> Response<String> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET");
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn text(status: StatusCode, line: &str) -> Response<String> {
    let mut response = Response::new(format!("{line}\n"));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    let cache = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, cache);
    response
}

impl<B> tower_service::Service<Request<B>> for OperationsService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let response = self.respond(request.method(), request.uri().path());
        Box::pin(async move { Ok(response.await) })
    }
}

impl<B> hyper::service::Service<Request<B>> for OperationsService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<B>) -> ResponseFuture {
        let response = self.respond(request.method(), request.uri().path());
        Box::pin(async move { Ok(response.await) })
    }
}
