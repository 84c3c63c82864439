//! A built server: it serves by itself, or provides a service for an application.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Body;
use tokio::net::ToSocketAddrs;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tower_service::Service;
use ws_core::error::Refusal;
use ws_core::hub::Hub;
use ws_core::route::RouteUrl;

use super::accept;
use super::http::{RequestBody, ServiceApplication};
use super::listen::bind;
use super::routes_only::RoutesOnly;
use super::signals::Signals;
use crate::failure::Error;
use crate::listener::Listener;
use crate::service::WsService;
use crate::shared::ServerShared;
use crate::visitors::{self, Visit};

/// A server that is ready to serve. Clones share the same server.
///
/// By itself:
///
/// ```no_run
/// # async fn run(ws: ws_server::Ws) -> Result<(), ws_server::Error> {
/// ws.run("127.0.0.1:3030").await
/// # }
/// ```
///
/// Beside the rest of a warp application:
///
/// ```no_run
/// # async fn run(ws: ws_server::Ws) -> Result<(), ws_server::Error> {
/// use warp::Filter;
///
/// let api = warp::path("status").map(|| "fine");
/// ws.serve(ws.filter().or(api), "127.0.0.1:3030").await
/// # }
/// ```
///
/// Under warp's own server, whose graceful shutdown does not include WebSocket connections:
///
/// ```no_run
/// # use std::time::Duration;
/// # async fn run(ws: ws_server::Ws, stop: impl Future<Output = ()> + Send + 'static) {
/// warp::serve(ws.filter()).bind(([127, 0, 0, 1], 3030)).await.graceful(stop).run().await;
/// ws.shutdown(Duration::from_secs(10)).await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Ws {
    pub(super) shared: Arc<ServerShared>,
}

impl Ws {
    pub(super) fn new(shared: ServerShared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns the routes and the browser client as a service of tower and hyper, which axum mounts;
    /// see [`WsService`].
    ///
    /// The service gets the client's address from [`PeerAddr`](crate::PeerAddr) or
    /// [`Server::peer_addr`](crate::Server::peer_addr). If it is mounted below a path, as by
    /// `Router::nest_service("/live", ws.service())`, set [`Server::base`](crate::Server::base). The
    /// limits on a request's head and on HTTP connections are those of the server that calls it.
    /// That server does not wait for WebSocket connections: when it stops, call
    /// [`shutdown`](Self::shutdown).
    ///
    /// A connection may run over a stream that is not a `TcpStream`, such as a TLS stream. Its
    /// `poll_write`, `poll_write_vectored` and `poll_flush` are called under a lock of the
    /// connection. They must not use a [`Socket`](crate::Socket), a [`Topic`](crate::Topic) or the
    /// [`Hub`](crate::Hub), or they can deadlock. If the stream logs, the same applies to the layers
    /// of `tracing`: a layer that sends log lines to sockets must pass them to a separate task, for
    /// example through a channel.
    ///
    /// Under hyper's server:
    ///
    /// ```no_run
    /// # async fn run(ws: ws_server::Ws) -> std::io::Result<()> {
    /// use hyper::server::conn::http1;
    /// use hyper_util::rt::TokioIo;
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3030").await?;
    /// loop {
    ///     let (stream, _) = listener.accept().await?;
    ///     let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), ws.service());
    ///     tokio::spawn(connection.with_upgrades());
    /// }
    /// # }
    /// ```
    #[must_use = "a service does nothing before it is served"]
    pub fn service(&self) -> WsService {
        WsService::new(self.shared.clone())
    }

    /// Returns the visit of this request, and begins a session if there is none.
    ///
    /// Call it once for each request: if a request has no session, each call begins one. A request
    /// that may change something (any method but GET, HEAD, OPTIONS and TRACE) must come from a page
    /// of this site, or of one of [`Server::origins`](crate::Server::origins).
    ///
    /// ```
    /// use http::Response;
    /// use http::request::Parts;
    /// use ws_server::{Refusal, Ws};
    ///
    /// async fn home(ws: &Ws, parts: &Parts) -> Result<Response<String>, Refusal> {
    ///     let mut visit = ws.visit(parts).await?;
    ///     let page = visit.open_page().map_err(Refusal::from)?;
    ///     let mut response = Response::new(page.stream_tag("/stream").to_string());
    ///     visit.apply(response.headers_mut());
    ///     Ok(response)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 403 for a request from another site, and, if the application manages the sessions, also for
    /// a visitor without a session; 429 if too many sessions begin from one address; 503 if the
    /// store fails or is full.
    pub async fn visit(&self, parts: &Parts) -> Result<Visit, Refusal> {
        visitors::begin(&self.shared, parts).await
    }

    /// Returns the visit of this request if the visitor has a session; begins none. Use it for a
    /// logoff, and for requests that only read.
    ///
    /// # Errors
    ///
    /// As [`visit`](Self::visit) does.
    pub async fn find_visit(&self, parts: &Parts) -> Result<Option<Visit>, Refusal> {
        visitors::find(&self.shared, parts).await
    }

    /// Returns the full URL of a route, for mails and native applications:
    /// `wss://example.com/rooms/42`. Returns `None` if [`public_url`](crate::Server::public_url) is
    /// not set. Pages of the site itself need only the [`path`](Self::path).
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// # struct Room;
    /// # #[ws_handler]
    /// # impl Room {
    /// #     fn init() -> Self { Room }
    /// # }
    /// dispatch! {
    ///     struct Routes;
    ///
    ///     room: "/rooms/{id: u64}" => Room;
    /// }
    ///
    /// # fn main() -> Result<(), ws_server::Error> {
    /// let ws = Server::new(Routes::table()).public_url("https://example.com").build()?;
    /// let link = ws.link(&Routes::room(42));
    /// assert_eq!(link.as_deref(), Some("wss://example.com/rooms/42"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn link(&self, url: &RouteUrl) -> Option<String> {
        let site = self.shared.policy.public_url.as_ref()?.to_string();
        // `http` becomes `ws`, `https` becomes `wss` (RFC 6455, section 3).
        let site = site.strip_prefix("http")?;
        Some(format!("ws{site}{}", self.path(url)))
    }

    /// Returns the path of a route as browsers see it, below the server's
    /// [`base`](crate::Server::base): `/live/rooms/42`. A typed URL alone does not contain the
    /// base.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # struct Room;
    /// # #[ws_handler]
    /// # impl Room { fn init() -> Self { Room } }
    /// # dispatch! { struct Routes; room: "/rooms/{id: u64}" => Room; }
    /// # fn main() -> Result<(), ws_server::Error> {
    /// let ws = Server::new(Routes::table()).base("/live").build()?;
    /// assert_eq!(ws.path(&Routes::room(42)), "/live/rooms/42");
    /// # Ok(())
    /// # }
    /// ```
    pub fn path(&self, url: &RouteUrl) -> String {
        url.with_base(self.shared.base.as_str())
    }

    /// Returns the hub, which the connections of this server share.
    pub fn hub(&self) -> Hub {
        self.shared.hub.clone()
    }

    /// Closes every WebSocket connection and waits until `terminate` has run for each, at most for
    /// this time. From now on, new handshakes are refused with 503. If several servers share a log,
    /// see also [`Hub::shutdown`].
    pub fn shutdown(&self, deadline: Duration) -> impl Future<Output = ()> + Send + use<> {
        let hub = self.hub();
        async move { hub.shutdown(deadline).await }
    }

    /// Listens on this address and serves only the routes, with 404 for everything else, until
    /// Ctrl-C or SIGTERM.
    ///
    /// The first signal starts a graceful shutdown: after
    /// [`drain_delay`](super::Server::drain_delay), the server accepts no new connections, completes
    /// requests in progress, and closes WebSocket connections, over
    /// [`drain_over`](super::Server::drain_over) if that is set.
    /// [`shutdown_timeout`](super::Server::shutdown_timeout) bounds the rest. The second signal ends
    /// the server at once. The process ignores further signals of these kinds.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Bind`] if the server cannot listen on the address, and [`Error::Signal`] if
    /// the system does not allow it to handle signals. A server that shares a log returns `Error::Log`
    /// if, before it is ready, the log cannot be used for a reason that only an operator can correct.
    /// If the log is only unavailable, the server waits for it.
    pub fn run<A>(&self, address: A) -> impl Future<Output = Result<(), Error>> + Send + use<A>
    where
        A: ToSocketAddrs<Future: Send> + Display + Send + Sync,
    {
        let ws = self.clone();
        async move { ws.run_listener(bind(address).await?).await }
    }

    /// Does the same as [`run`](Self::run) on a [`Listener`]: one that is already bound, a Unix
    /// socket, or TLS.
    ///
    /// ```no_run
    /// # async fn run(ws: ws_server::Ws) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// println!("listening on {}", listener.local_addr()?);
    /// ws.run_listener(listener).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`run`](Self::run), except for [`Error::Bind`].
    pub fn run_listener<L: Listener>(
        &self,
        listener: L,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<L> {
        let ws = self.clone();
        until_signalled(self.hub(), move |stop| ws.run_until(listener, stop))
    }

    /// Serves only the routes on this listener until `stop` is ready, and then until the shutdown
    /// that it starts has finished.
    ///
    /// ```no_run
    /// # async fn run(ws: ws_server::Ws) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3030").await?;
    /// let one_hour = tokio::time::sleep(std::time::Duration::from_secs(3600));
    /// ws.run_until(listener, one_hour).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_until<L, T>(
        &self,
        listener: L,
        stop: T,
    ) -> impl Future<Output = ()> + Send + use<L, T>
    where
        L: Listener,
        T: Future<Output = ()> + Send,
    {
        let shared = self.shared.clone();
        let routes_only = RoutesOnly(shared.clone());
        async move { accept::serve(&shared, routes_only, listener, stop).await }
    }

    /// Listens on this address and serves this service until Ctrl-C or SIGTERM, as
    /// [`run`](Self::run) does: usually [`service`](Self::service) in front of an application, as in
    /// `ws.serve_service(ws.service().fallback(router), address)` with a `Router` of axum.
    ///
    /// All limits and timeouts of the server apply to the application's connections, the shutdown
    /// includes WebSocket connections, and each request has the extension
    /// [`PeerAddr`](crate::PeerAddr).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`run`](Self::run).
    pub fn serve_service<S, B, A>(
        &self,
        service: S,
        address: A,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<S, B, A>
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
        A: ToSocketAddrs<Future: Send> + Display + Send + Sync,
    {
        let ws = self.clone();
        async move {
            let listener = bind(address).await?;
            let hub = ws.hub();
            until_signalled(hub, move |stop| {
                ws.serve_service_until(service, listener, stop)
            })
            .await
        }
    }

    /// Serves this service on this listener until `stop` is ready, and then until the shutdown that
    /// it starts has finished.
    ///
    /// ```no_run
    /// # async fn run(ws: ws_server::Ws, stop: impl Future<Output = ()> + Send) -> std::io::Result<()> {
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3030").await?;
    /// ws.serve_service_until(ws.service(), listener, stop).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_service_until<S, B, L, T>(
        &self,
        service: S,
        listener: L,
        stop: T,
    ) -> impl Future<Output = ()> + Send + use<S, B, L, T>
    where
        L: Listener,
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + 'static,
        T: Future<Output = ()> + Send,
    {
        let shared = self.shared.clone();
        let application = ServiceApplication(service);
        async move { accept::serve(&shared, application, listener, stop).await }
    }
}

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves until a signal arrives and the shutdown that it starts has finished, until a second signal,
/// or until it is clear that the server can never be ready.
pub(super) async fn until_signalled<S>(
    hub: Hub,
    serve: impl FnOnce(WaitForCancellationFutureOwned) -> S + Send,
) -> Result<(), Error>
where
    S: Future<Output = ()> + Send,
{
    let mut signals = Signals::listen()?;
    let stop = CancellationToken::new();
    let serving = serve(stop.clone().cancelled_owned());
    tokio::pin!(serving);
    tokio::select! {
        () = &mut serving => return Ok(()),
        () = signals.next() => stop.cancel(),
        error = never_ready(&hub) => return Err(error),
    }
    tracing::info!("shutting down; a second signal ends the server at once");
    tokio::select! {
        () = serving => {}
        () = signals.next() => tracing::warn!("ended at once by a second signal"),
    }
    Ok(())
}

/// Waits for the reason why the server can never be ready.
async fn never_ready(hub: &Hub) -> Error {
    #[cfg(feature = "cluster")]
    return Error::Log(hub.unusable_log().await);
    #[cfg(not(feature = "cluster"))]
    {
        let _ = hub;
        std::future::pending().await
    }
}
