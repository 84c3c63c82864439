//! A built server: runs by itself, or lends its filter to a warp application.

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
use super::alone::Alone;
use super::http::Filtered;
use super::listen::bind;
use super::signals::Signals;
use crate::client;
use crate::failure::Error;
use crate::filter::{self, WsFilter};
use crate::shared::Shared;
use crate::visitors::{self, Visit};

/// A server that is ready to serve. Clones are the same server.
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
/// Under warp's own server, whose graceful end does not know of WebSocket connections:
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
    pub(super) shared: Arc<Shared>,
}

impl Ws {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The routes as one warp filter; see [`WsFilter`].
    ///
    /// It matches what is left of the path, so `warp::path("api").and(ws.filter())` puts
    /// the whole table under `/api`; [`Server::base`](crate::Server::base) tells links and pages
    /// about it. Under plain `warp::serve` the limits on a request's
    /// head, on HTTP connections and the peer address are warp's.
    ///
    /// Under a server of your own, a connection may run over a stream that is no `TcpStream`, such
    /// as one of TLS. Its `poll_write`, `poll_write_vectored` and `poll_flush` are called under a
    /// lock of the connection and must not use a [`Socket`](crate::Socket), a
    /// [`Topic`](crate::Topic) or the [`Hub`](crate::Hub), or they can deadlock. If the stream
    /// logs, this holds for the layers of `tracing` too: one that sends log lines to sockets passes
    /// them to a task of its own, for example through a channel.
    #[must_use = "a filter does nothing before it is served"]
    pub fn filter(&self) -> WsFilter {
        filter::build(&self.shared)
    }

    /// The visitor's session, begun where there is none.
    ///
    /// It stands behind the filters for path and method, so that a session begins only for
    /// requests that are answered: `warp::path("cart").and(warp::get()).and(ws.session())`. A
    /// request that changes something (any method but GET, HEAD, OPTIONS and TRACE) must come
    /// from a page of this site, or of one of [`Server::origins`](crate::Server::origins).
    ///
    /// Take it once for a request: each time it is taken it begins a session where the request
    /// has none.
    ///
    /// It rejects with 403 what comes from elsewhere and, where sessions are the
    /// application's, who has none; with 429 where too many begin from one address; and with
    /// 503 where the store fails or has no room. See [`recover`](crate::recover) for other
    /// servers than this one.
    #[must_use = "a filter does nothing before it is served"]
    pub fn session(&self) -> BoxedFilter<(Visit,)> {
        visitors::session(&self.shared)
    }

    /// The visitor's session if there is one; none is begun.
    ///
    /// It rejects as [`session`](Self::session) does.
    #[must_use = "a filter does nothing before it is served"]
    pub fn current_session(&self) -> BoxedFilter<(Option<Session>,)> {
        visitors::current_session(&self.shared)
    }

    /// The visit of somebody who has a session; none is begun. For a logoff, which has nothing
    /// to do for anybody else.
    ///
    /// It rejects as [`session`](Self::session) does.
    #[must_use = "a filter does nothing before it is served"]
    pub fn current_visit(&self) -> BoxedFilter<(Option<Visit>,)> {
        visitors::current_visit(&self.shared)
    }

    /// The visitor's session, as [`session`](Self::session), and a new page of it: for every
    /// rendering of a page that opens a connection.
    #[must_use = "a filter does nothing before it is served"]
    pub fn page(&self) -> BoxedFilter<(Visit, Page)> {
        visitors::page(&self.shared)
    }

    /// Answers a POST with the id of a new page of the visitor, as `{"page":"…","epoch":"…"}`: for pages
    /// that are static files, and for clients that are a single page.
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

    /// Serves the client of page streams: the ES module that
    /// [`Page::stream_tag`](crate::Page::stream_tag) loads, under a name that changes with its
    /// content, so that browsers keep it; `client.js`, for scripts that import it; its types as
    /// `client.d.ts`; and fresh pages for tabs that need one. All of it is below
    /// [`client_path`](crate::Server::client_path). [`run`](Self::run) serves it beside the
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
        let Shared {
            base, client_path, ..
        } = &*self.shared;
        client::serve(base, client_path, &self.open_page())
    }

    /// The whole address of a route, for mails and applications: `wss://example.com/rooms/42`.
    /// `None` where the server was given no [`public_url`](crate::Server::public_url). Pages
    /// of the site itself need only the [`path`](Self::path).
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

    /// The path of a route as browsers see it, below the server's
    /// [`base`](crate::Server::base): `/live/rooms/42`. A typed URL by itself does not know the
    /// base.
    pub fn path(&self, url: &RouteUrl) -> String {
        url.under(self.shared.base.as_str())
    }

    /// What the connections of this server share.
    pub fn hub(&self) -> Hub {
        self.shared.hub.clone()
    }

    /// Closes every WebSocket connection and waits until its `terminate` has run, at most
    /// for so long. New handshakes get 503 from now on.
    pub fn shutdown(&self, deadline: Duration) -> impl Future<Output = ()> + Send + use<> {
        let hub = self.hub();
        async move { hub.shutdown(deadline).await }
    }

    /// Listens on this address and serves the routes alone, with 404 for everything else,
    /// until Ctrl-C or SIGTERM.
    ///
    /// The first signal ends the server in good order, within
    /// [`shutdown_timeout`](super::Server::shutdown_timeout): nothing new is accepted,
    /// requests under way are answered, WebSocket connections closed. The second ends it
    /// at once. The process keeps ignoring these signals afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] where the address cannot be listened on, and [`Error::Signal`].
    pub fn run<A>(&self, address: A) -> impl Future<Output = Result<(), Error>> + Send + use<A>
    where
        A: ToSocketAddrs<Future: Send> + Display + Send + Sync,
    {
        let ws = self.clone();
        async move { ws.run_listener(bind(address).await?).await }
    }

    /// As [`run`](Self::run), on a listener that is bound already.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`].
    pub fn run_listener(
        &self,
        listener: TcpListener,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let ws = self.clone();
        until_signalled(move |stop| ws.run_until(listener, stop))
    }

    /// Serves the routes alone on this listener until `stop` is ready, and then until the
    /// shutdown that it starts is over.
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
        let alone = Alone {
            shared: shared.clone(),
            rest: replying(self.client()),
        };
        async move { accept::serve(&shared, alone, listener, stop).await }
    }

    /// Listens on this address and serves this filter, which is usually
    /// [`filter`](Self::filter) and more, until Ctrl-C or SIGTERM as [`run`](Self::run) does.
    ///
    /// Replies and rejections become what warp makes of them.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
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

    /// As [`serve`](Self::serve), on a listener that is bound already.
    ///
    /// # Errors
    ///
    /// [`Error::Signal`].
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

    /// Serves this filter on this listener until `stop` is ready, and then until the
    /// shutdown that it starts is over.
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
        let application = Filtered(replying(filter));
        let shared = self.shared.clone();
        async move { accept::serve(&shared, application, listener, stop).await }
    }
}

/// Serves until a signal has come and the shutdown that it starts is over, or until a second one.
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

/// One type for every application, so that the server is compiled once.
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
