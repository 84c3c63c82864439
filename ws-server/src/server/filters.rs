//! A server inside a warp application.

use std::fmt::Display;
use std::future::Future;

use http::Method;
use tokio::net::ToSocketAddrs;
use warp::filters::BoxedFilter;
use warp::path::Tail;
use warp::{Filter, Rejection, Reply};
use ws_core::page::Page;
use ws_core::session::Session;

use super::listen::bind;
use super::ws::{Ws, until_signalled};
use crate::failure::Error;
use crate::filter::{self, WsFilter};
use crate::listener::Listener;
use crate::visitors::{self, Visit};

impl Ws {
    /// Returns the routes as one warp filter; see [`WsFilter`].
    ///
    /// It matches the rest of the path, so `warp::path("api").and(ws.filter())` mounts the whole
    /// table under `/api`; set [`Server::base`](crate::Server::base) so that links and pages
    /// contain that prefix. Under plain `warp::serve`, warp determines the limits on a request's
    /// head and on HTTP connections, and the peer address.
    ///
    /// Under a server of your own, a connection may run over a stream that is not a `TcpStream`: see
    /// [`service`](Self::service).
    #[must_use = "a filter does nothing before it is served"]
    pub fn filter(&self) -> WsFilter {
        filter::build(&self.shared)
    }

    /// Returns a filter that extracts the visitor's session, and begins one if there is none.
    ///
    /// Put it after the filters for path and method, so that a session begins only for requests
    /// to them: `warp::path("cart").and(warp::get()).and(ws.session())`. A request that may change
    /// something (any method but GET, HEAD, OPTIONS and TRACE) must come from a page of this site, or
    /// of one of [`Server::origins`](crate::Server::origins).
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
    /// `{"page":"…","epoch":"…","base":"…"}`: for static pages, and for single-page applications.
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
        filter::client(&self.shared, self.open_page())
    }

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

    /// Returns a filter for health checks:
    ///
    /// * `/livez`: 200 as long as the process responds.
    /// * `/readyz`: 200, or 503 if the server should get no new requests: from the start of a
    ///   shutdown, while the server cannot accept connections (as it has too many open files), until
    ///   the session store has answered once, and until the server has read the log that it shares
    ///   with others. The body has a line for each server of Redis that holds the log.
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

    /// Does the same as [`serve`](Self::serve) on a [`Listener`].
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
    /// Returns the errors of [`run`](Self::run), except for [`Error::Bind`].
    pub fn serve_listener<F, R, L>(
        &self,
        filter: F,
        listener: L,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<F, R, L>
    where
        L: Listener,
        F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
        R: Reply + 'static,
    {
        let ws = self.clone();
        let filter = replying(filter);
        until_signalled(self.hub(), move |stop| {
            ws.serve_until(filter, listener, stop)
        })
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
    pub fn serve_until<F, R, L, T>(
        &self,
        filter: F,
        listener: L,
        stop: T,
    ) -> impl Future<Output = ()> + Send + use<F, R, L, T>
    where
        L: Listener,
        F: Filter<Extract = (R,), Error: Into<Rejection>> + Send + Sync + 'static,
        R: Reply + 'static,
        T: Future<Output = ()> + Send,
    {
        self.serve_service_until(warp::service(replying(filter)), listener, stop)
    }
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

/// Extracts the method of a GET or a HEAD; all others are rejected with 405.
fn read_method() -> impl Filter<Extract = (Method,), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify().and(warp::method())
}
