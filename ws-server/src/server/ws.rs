//! A built server: it serves by itself, or provides a filter for a warp application.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use warp::filters::BoxedFilter;
use warp::{Filter, Rejection, Reply};
use ws_core::hub::Hub;
use ws_core::page::Page;
use ws_core::route::RouteUrl;
use ws_core::session::Session;

use super::accept;
use super::http::FilterApplication;
use super::listen::bind;
use super::routes_only::RoutesOnly;
use super::signals::Signals;
use crate::client;
use crate::failure::Error;
use crate::filter::{self, WsFilter};
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

    /// Returns the routes as one warp filter; see [`WsFilter`].
    ///
    /// It matches the rest of the path, so `warp::path("api").and(ws.filter())` mounts the whole
    /// table under `/api`; set [`Server::base`](crate::Server::base) so that links and pages
    /// contain that prefix. Under plain `warp::serve`, warp determines the limits on a request's
    /// head and on HTTP connections, and the peer address.
    ///
    /// Under a server of your own, a connection may run over a stream that is not a `TcpStream`,
    /// such as a TLS stream. Its `poll_write`, `poll_write_vectored` and `poll_flush` are called
    /// under a lock of the connection. They must not use a [`Socket`](crate::Socket), a
    /// [`Topic`](crate::Topic) or the [`Hub`](crate::Hub), or they can deadlock. If the stream
    /// logs, the same applies to the layers of `tracing`: a layer that sends log lines to sockets
    /// must pass them to a separate task, for example through a channel.
    #[must_use = "a filter does nothing before it is served"]
    pub fn filter(&self) -> WsFilter {
        filter::build(&self.shared)
    }

    /// Returns a filter that extracts the visitor's session, and begins one if there is none.
    ///
    /// Put it after the filters for path and method, so that a session begins only for requests
    /// to them: `warp::path("cart").and(warp::get()).and(ws.session())`. A request that may change something (any method but GET, HEAD, OPTIONS and TRACE) must come from a page of
    /// this site, or of one of [`Server::origins`](crate::Server::origins).
    ///
    /// Use it once for each request: if a request has no session, each use begins one.
    ///
    /// It rejects a request from another site with 403, and, if the application manages the
    /// sessions, also a visitor without a session. It rejects with 429 if too many sessions begin
    /// from one address, and with 503 if the store fails or is full. Under other servers than this
    /// one, see [`recover`](crate::recover).
    ///
    /// ```no_run
    /// # fn cart(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    /// use ws_server::Visit;
    ///
    /// warp::path!("cart").and(warp::get()).and(ws.session()).map(|visit: Visit| {
    ///     let items: u32 = visit.session().get("items").unwrap_or(0);
    ///     visit.reply(format!("{items} items"))
    /// })
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn session(&self) -> BoxedFilter<(Visit,)> {
        visitors::session(&self.shared)
    }

    /// Returns a filter that extracts the visitor's session, if there is one; it begins none.
    ///
    /// It rejects as [`session`](Self::session) does.
    ///
    /// ```no_run
    /// # fn status(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    /// use ws_server::Session;
    ///
    /// warp::path!("me").and(ws.current_session()).map(|session: Option<Session>| {
    ///     let user = session.as_ref().and_then(Session::user);
    ///     user.unwrap_or("guest").to_owned()
    /// })
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn current_session(&self) -> BoxedFilter<(Option<Session>,)> {
        visitors::current_session(&self.shared)
    }

    /// Returns a filter that extracts the visit of a visitor who has a session; it begins none. Use
    /// it for a logoff, which has no effect on visitors without a session.
    ///
    /// It rejects as [`session`](Self::session) does.
    #[must_use = "a filter does nothing before it is served"]
    pub fn current_visit(&self) -> BoxedFilter<(Option<Visit>,)> {
        visitors::current_visit(&self.shared)
    }

    /// Returns a filter that extracts the visitor's session, as [`session`](Self::session) does,
    /// and a new page of it. Use it for every rendering of a page that opens a connection.
    #[must_use = "a filter does nothing before it is served"]
    pub fn page(&self) -> BoxedFilter<(Visit, Page)> {
        visitors::page(&self.shared)
    }

    /// Returns a filter that responds to a POST with the id of a new page of the visitor, as
    /// `{"page":"…","epoch":"…"}`: for static pages, and for single-page applications.
    ///
    /// ```no_run
    /// # fn routes(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    ///
    /// let files = warp::fs::dir("static");
    /// ws.filter().or(warp::path!("page").and(ws.open_page())).or(files)
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn open_page(&self) -> WsFilter {
        visitors::open_page(&self.shared)
    }

    /// Returns a filter that serves the browser client: the ES module that
    /// [`Page::stream_tag`](crate::Page::stream_tag) loads, under a name that changes with its
    /// content, so that browsers cache it; `client.js`, for scripts that import it; its types as
    /// `client.d.ts`; and new pages for tabs that need one. All of them are below
    /// [`client_path`](crate::Server::client_path). [`run`](Self::run) serves them beside the
    /// routes.
    ///
    /// ```no_run
    /// # fn routes(ws: ws_server::Ws) -> impl warp::Filter {
    /// use warp::Filter;
    ///
    /// let home = warp::path::end().map(|| "the rest of the application");
    /// ws.filter().or(ws.client()).or(home)
    /// # }
    /// ```
    #[must_use = "a filter does nothing before it is served"]
    pub fn client(&self) -> WsFilter {
        let ServerShared {
            base, client_path, ..
        } = &*self.shared;
        client::serve(base, client_path, &self.open_page())
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
    /// this time. From now on, new handshakes are refused with 503.
    pub fn shutdown(&self, deadline: Duration) -> impl Future<Output = ()> + Send + use<> {
        let hub = self.hub();
        async move { hub.shutdown(deadline).await }
    }

    /// Listens on this address and serves only the routes, with 404 for everything else, until
    /// Ctrl-C or SIGTERM.
    ///
    /// The first signal starts a graceful shutdown, within
    /// [`shutdown_timeout`](super::Server::shutdown_timeout): the server accepts no new
    /// connections, completes requests in progress, and closes WebSocket connections. The second
    /// signal ends the server at once. The process keeps ignoring these signals afterwards.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Bind`] if the server cannot listen on the address, and [`Error::Signal`] if
    /// the system does not allow it to handle signals.
    pub fn run<A>(&self, address: A) -> impl Future<Output = Result<(), Error>> + Send + use<A>
    where
        A: ToSocketAddrs<Future: Send> + Display + Send + Sync,
    {
        let ws = self.clone();
        async move { ws.run_listener(bind(address).await?).await }
    }

    /// Does the same as [`run`](Self::run) on a listener that is already bound.
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
    /// Returns [`Error::Signal`] if the system does not allow the server to handle signals.
    pub fn run_listener(
        &self,
        listener: TcpListener,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let ws = self.clone();
        until_signalled(move |stop| ws.run_until(listener, stop))
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
    pub fn run_until<T>(
        &self,
        listener: TcpListener,
        stop: T,
    ) -> impl Future<Output = ()> + Send + use<T>
    where
        T: Future<Output = ()> + Send,
    {
        let shared = self.shared.clone();
        let routes_only = RoutesOnly {
            shared: shared.clone(),
            fallback: replying(self.client()),
        };
        async move { accept::serve(&shared, routes_only, listener, stop).await }
    }

    /// Listens on this address and serves this filter, which usually combines
    /// [`filter`](Self::filter) with others, until Ctrl-C or SIGTERM, as [`run`](Self::run) does.
    ///
    /// warp turns replies and rejections into responses.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`run`](Self::run).
    pub fn serve<F, R, A>(
        &self,
        filter: F,
        address: A,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<F, R, A>
    where
        F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
        R: Reply + 'static,
        A: ToSocketAddrs<Future: Send> + Display + Send + Sync,
    {
        let ws = self.clone();
        let filter = replying(filter);
        async move { ws.serve_listener(filter, bind(address).await?).await }
    }

    /// Does the same as [`serve`](Self::serve) on a listener that is already bound.
    ///
    /// ```no_run
    /// # async fn start(ws: ws_server::Ws) -> Result<(), Box<dyn std::error::Error>> {
    /// use tokio::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?; // any free port
    /// println!("http://{}/", listener.local_addr()?);
    /// ws.serve_listener(ws.filter(), listener).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::Signal`] if the system does not allow the server to handle signals.
    pub fn serve_listener<F, R>(
        &self,
        filter: F,
        listener: TcpListener,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<F, R>
    where
        F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
        R: Reply + 'static,
    {
        let ws = self.clone();
        let filter = replying(filter);
        until_signalled(move |stop| ws.serve_until(filter, listener, stop))
    }

    /// Serves this filter on this listener until `stop` is ready, and then until the shutdown that
    /// it starts has finished.
    ///
    /// ```no_run
    /// # use std::io;
    /// # async fn run(ws: ws_server::Ws, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
    /// use warp::Filter;
    ///
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:3030").await?;
    /// let api = warp::path!("status").map(|| "fine");
    /// ws.serve_until(ws.filter().or(api), listener, stop).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_until<F, R, T>(
        &self,
        filter: F,
        listener: TcpListener,
        stop: T,
    ) -> impl Future<Output = ()> + Send + use<F, R, T>
    where
        F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
        R: Reply + 'static,
        T: Future<Output = ()> + Send,
    {
        let application = FilterApplication(replying(filter));
        let shared = self.shared.clone();
        async move { accept::serve(&shared, application, listener, stop).await }
    }
}

/// Serves until a signal arrives and the shutdown that it starts has finished, or until a second
/// signal.
async fn until_signalled<S>(
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
    }
    tracing::info!("shutting down; a second signal ends the server at once");
    tokio::select! {
        () = serving => {}
        () = signals.next() => tracing::warn!("ended at once by a second signal"),
    }
    Ok(())
}

/// Boxes the filter to one type for every application, so that the server is compiled once.
fn replying<F, R>(filter: F) -> WsFilter
where
    F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
    R: Reply + 'static,
{
    filter
        .map(|reply: R| reply.into_response())
        .boxed()
        .or_else(async |rejection| {
            let response = visitors::recover(rejection).await?;
            Ok::<_, Rejection>((response,))
        })
        .boxed()
}
