//! Settings for the location of a server: below a path, beside an application, behind a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Extensions;
use ws_core::admit::{AdmissionPolicy, AllowedOrigin, AllowedOrigins, ForwardedPort};
use ws_core::route::Router;

use super::Server;
use crate::failure::Error;
use crate::peer::PeerSource;
use crate::shared::PlainGets;

impl<S, G> Server<S, G> {
    /// Sets the path below which browsers find all URLs of this server, such as `/live`: it begins
    /// with a slash and does not end with one. By default there is none.
    ///
    /// [`Ws::link`](crate::Ws::link), [`Ws::path`](crate::Ws::path),
    /// [`Page::stream_tag`](crate::Page::stream_tag) and the requests of the browser client then
    /// begin with it. Patterns of routes and [`client_path`](Self::client_path) do not contain it.
    ///
    /// Services and filters work wherever they are mounted: `nest_service("/live", ws.service())` of
    /// axum and `warp::path("live").and(ws.filter())`, or at the root, where they match below the
    /// base. [`Ws::run`](crate::Ws::run) also serves everything below the base. All of them also
    /// accept a path without it, because many proxies remove the prefix before they forward a
    /// request. So no route may begin with the base itself.
    ///
    /// Cookies keep `Path=/`: their prefix `__Host-` requires it, and pages outside of the base
    /// have the same session.
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
    /// use warp::Filter;
    ///
    /// let server = Server::new(Routes::table()).base("/live").public_url("https://example.com");
    /// let ws = server.build()?;
    /// let link = ws.link(&Routes::room(42));
    /// assert_eq!(link.as_deref(), Some("wss://example.com/live/rooms/42"));
    /// let application = warp::path("live").and(ws.filter().or(ws.client()));
    /// # let _ = application;
    /// # Ok(())
    /// # }
    /// ```
    pub fn base(mut self, path: impl Into<String>) -> Self {
        self.settings.base = Some(path.into());
        self
    }

    /// Leaves a GET of a route's path that requests no upgrade to the application, which may serve
    /// a page at the same URL: `ws.filter().or(page)`, or `ws.service().fallback(page)`. By default
    /// the response is a readable 426.
    ///
    /// A request with `Sec-WebSocket-Key` or `-Version` counts as a request for an upgrade, even if
    /// a proxy has removed `Upgrade`. If a page sends a GET to ask why a recent handshake was
    /// refused, it gets that refusal, unless the GET accepts `text/html`. If there is no
    /// application, as under [`Ws::run`](crate::Ws::run) or in a service without a fallback, the
    /// response is still 426.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn routes<S: Send + Sync + 'static>(table: ws_server::route::Table<S>, app: S)
    /// #     -> Result<impl warp::Filter, ws_server::Error> {
    /// use warp::Filter;
    ///
    /// let ws = Server::new(table).state(app).only_upgrades().build()?;
    /// // A browser that opens `/chat` gets the page, its script connects to the same URL.
    /// let page = warp::path("chat").map(|| warp::reply::html("<script src=chat.js></script>"));
    /// let routes = ws.filter().or(page);
    /// # Ok(routes)
    /// # }
    /// ```
    pub const fn only_upgrades(mut self) -> Self {
        self.settings.plain_gets = PlainGets::FallThrough;
        self
    }

    /// Offers page streams over HTTP too, for pages whose network blocks WebSockets. By default they
    /// need a WebSocket.
    ///
    /// The browser client uses HTTP only if handshakes are not answered, delivers every message once
    /// all the same, and returns to a WebSocket when it can. Routes to
    /// [`PageStream`](crate::PageStream) and handlers with `attach: page` then also respond
    /// to POSTs of the type `application/vnd.ws-server.page.v1`, of pages of this site. Sessions,
    /// limits and hooks are the same; `PAGE-PROTOCOL.md` describes the requests.
    ///
    /// A response of this kind lasts as long as its page: it counts among the
    /// [connections](Self::max_connections), and also among the [HTTP
    /// connections](Self::http_connections). A proxy must not buffer it. It is not offered by
    /// default because it makes the routes respond to one more kind of request.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn built<S: Send + Sync + 'static>(table: ws_server::route::Table<S>, app: S)
    /// #     -> Result<Ws, ws_server::Error> {
    /// let ws = Server::new(table).state(app).http_fallback().build()?;
    /// # Ok(ws)
    /// # }
    /// ```
    pub fn http_fallback(mut self) -> Self {
        self.settings.over_http = Some(Arc::default());
        self
    }

    /// Sets a function that finds the client's address in the extensions of a request, for
    /// [`Ws::service`](crate::Ws::service) and [`Ws::visit`](crate::Ws::visit) under another server.
    ///
    /// Under axum, serve the application with `into_make_service_with_connect_info::<SocketAddr>()`,
    /// and read its `ConnectInfo`:
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # use std::net::SocketAddr;
    /// # #[derive(Clone)]
    /// # struct ConnectInfo<T>(T);
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// server.peer_addr(|extensions| {
    ///     let info = extensions.get::<ConnectInfo<SocketAddr>>();
    ///     info.map(|ConnectInfo(address)| *address)
    /// })
    /// # }
    /// ```
    ///
    /// The address must be that of the connection, never that of a header: headers of
    /// [`trusted_proxies`](Self::trusted_proxies) count as usual. The extension
    /// [`PeerAddr`](crate::PeerAddr) takes precedence. Without an address the limits per address
    /// have no effect, and the first such request is logged at `warn`; `|_| None` states that there
    /// is none, as behind a Unix socket.
    pub fn peer_addr(
        mut self,
        read: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        self.settings.peer = PeerSource::new(read);
        self
    }

    /// Takes the port of the server's own origin from the `X-Forwarded-Port` of [trusted
    /// proxies](Self::trusted_proxies), if neither `X-Forwarded-Host` nor `Host` has one.
    ///
    /// By default the header is ignored: behind a load balancer, some proxies send the port that
    /// they listen on instead of the port that browsers use.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// server.trusted_proxies(["10.0.0.0/8"]).forwarded_port()
    /// # }
    /// ```
    pub const fn forwarded_port(mut self) -> Self {
        self.settings.forwarded_port = ForwardedPort::Read;
        self
    }
}

/// Checks that no route that trusts cookies would accept the origin `null`. The server's list
/// applies to routes without one of their own. Any page on the web can have the origin `null`, so
/// none of these routes may trust cookies.
///
/// # Errors
///
/// Returns [`Error::NullOrigin`] with the first route that does.
pub(super) fn check_null_origin(policy: &AdmissionPolicy, router: &Router) -> Result<(), Error> {
    let AllowedOrigins::Listed(listed) = &policy.origins else {
        return Ok(());
    };
    if !listed.contains(&AllowedOrigin::Null) {
        return Ok(());
    }
    let trusting = router
        .routes()
        .find(|route| route.origins().is_none() && route.require_session());
    trusting.map_or(Ok(()), |route| {
        Err(Error::NullOrigin {
            route: route.spec.name,
            path: route.path.clone(),
        })
    })
}
