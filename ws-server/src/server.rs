//! The server: its configuration, and the built [`Ws`].

use std::time::Duration;

use ws_core::admit::RequestLog;
use ws_core::limits::{LimitOptions, ServerLimits};
use ws_core::route::Table;

use crate::client;
use crate::failure::Error;
use crate::readiness::Readiness;
use crate::recent_refusals::RecentRefusals;
use crate::shared::{OperatorHints, ServerShared};

mod accept;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "warp")]
mod filters;
mod http;
#[cfg(feature = "http2")]
mod http2;
mod listen;
mod mounting;
mod operations;
mod pages;
mod permits;
mod presence;
mod routes_only;
mod sessions;
mod settings;
mod signals;
mod state;
#[cfg(feature = "test-kit")]
mod testing;
mod ws;

pub use http::RequestBody;
use settings::{Origins, Settings};
pub use state::{StateFor, Stateless, WithState};
pub use ws::Ws;

/// The configuration of a server; [`build`](Self::build) creates a [`Ws`] from it.
///
/// ```no_run
/// # use ws_server::prelude::*;
/// # use ws_server::route::Table;
/// # use std::time::Duration;
/// # async fn run<S: Send + Sync + 'static>(table: Table<S>, app: S) -> Result<(), ws_server::Error> {
/// let ws = Server::new(table)
///     .state(app)
///     .public_url("https://example.com")
///     .max_connections(50_000)
///     .build()?;
/// ws.run("127.0.0.1:3030").await
/// # }
/// ```
///
/// Each limit and timeout has a setter. A small server behind a proxy:
///
/// ```
/// # use ws_server::prelude::*;
/// # use std::time::Duration;
/// # fn configured<S>(server: Server<S>) -> Server<S> {
/// server
///     .trusted_proxies(["127.0.0.1"])
///     .max_connections(2_000)
///     .per_address(64)
///     .handshakes(200)
///     .http_connections(500)
///     .http_per_address(None)
///     .head(8 * 1024)
///     .head_timeout(Duration::from_secs(5))
///     .keep_alive(Duration::from_secs(75))
///     .requests_per_connection(10_000)
///     .body_timeout(Duration::from_secs(20))
///     .body_rate(1_024)
///     .shutdown_timeout(Duration::from_secs(30))
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a configuration does nothing until it is built"]
pub struct Server<S, G = Stateless> {
    table: Table<S>,
    state: G,
    settings: Settings,
}

impl<S> Server<S> {
    /// Creates a server for this table, with the default settings.
    pub fn new(table: Table<S>) -> Self {
        Self {
            table,
            state: Stateless,
            settings: Settings::default(),
        }
    }

    /// Sets the state that the table requires with `state: App;`.
    pub fn state(self, state: S) -> Server<S, WithState<S>> {
        Server {
            table: self.table,
            state: WithState(state),
            settings: self.settings,
        }
    }
}

impl<S, G> Server<S, G> {
    /// Sets the limits of connections on routes that do not set them; an option of the route takes
    /// precedence.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use ws_server::limits::LimitOptions;
    ///
    /// server.limits(LimitOptions::NONE.max_message(1024 * 1024).ping(None))
    /// # }
    /// ```
    pub const fn limits(mut self, limits: LimitOptions) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets all limits of the server at once.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use ws_server::limits::ServerLimits;
    ///
    /// server.server_limits(ServerLimits::DEFAULT.max_connections(Some(50_000)).unsent(32 * 1024))
    /// # }
    /// ```
    pub const fn server_limits(mut self, limits: ServerLimits) -> Self {
        self.settings.server_limits = limits;
        self
    }

    /// Sets the maximum number of WebSocket connections; above it, handshakes are refused with 503.
    /// By default there is no such limit.
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.max_connections = connections.into();
        self
    }

    /// Sets the maximum number of WebSocket connections per address (an IPv6 address counts as its
    /// /64); above it, handshakes are refused with 429. `None` removes this limit and that of
    /// [`http_per_address`](Self::http_per_address). The default is 256.
    ///
    /// Behind a proxy, all clients have the proxy's address unless
    /// [`trusted_proxies`](Self::trusted_proxies) lists the proxy.
    pub fn per_address(mut self, connections: impl Into<Option<usize>>) -> Self {
        let limits = &mut self.settings.server_limits;
        limits.per_address = connections.into();
        if limits.per_address.is_none() {
            limits.http_per_address = None;
        }
        self
    }

    /// Sets [`ServerLimits::handshakes`](crate::limits::ServerLimits::handshakes): WebSocket
    /// handshakes per second; above it, clients get 503 with a `Retry-After` of 1 to 5 seconds. By
    /// default there is no limit, but 2,000 on a server that shares its log with others.
    pub fn handshakes(mut self, per_second: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.handshakes = per_second.into();
        self
    }

    /// Sets the maximum number of concurrent HTTP connections, not counting WebSocket connections.
    /// Above it, the server evicts the connection that has been silent longest after a response; if
    /// all are busy, new connections wait. The default is 16,384.
    pub const fn http_connections(mut self, connections: usize) -> Self {
        self.settings.server_limits.http_connections = connections;
        self
    }

    /// Sets the maximum size of a request's head in bytes, at least 1,024; a larger head is refused
    /// with 431. The default is 16 KiB.
    pub const fn head(mut self, bytes: usize) -> Self {
        self.settings.server_limits.head = bytes;
        self
    }

    /// Sets the maximum number of concurrent HTTP connections per address, not counting WebSocket
    /// connections (an IPv6 address counts as its /64). Above it, the server evicts one of the
    /// address's silent connections; if there is none, it refuses the new connection with 429.
    /// `None` removes the limit. The default is 1,024.
    ///
    /// The addresses of [`trusted_proxies`](Self::trusted_proxies) are exempt: a proxy carries the
    /// connections of all its clients.
    pub fn http_per_address(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.http_per_address = connections.into();
        self
    }

    /// Sets the time within which the head of a request must arrive. It starts with the connection,
    /// and for a later request with its first byte. After this time, the connection is closed. The
    /// default is 10 s.
    pub const fn head_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.head_timeout = timeout;
        self
    }

    /// Sets how long an HTTP connection is kept open after a response if the client sends nothing.
    /// The default is 75 s: load balancers reuse connections for up to 60 s, and turn an earlier
    /// close into a 502.
    ///
    /// If all [`http_connections`](Self::http_connections) are in use, the connection that has been
    /// silent longest is evicted for a new one.
    pub const fn keep_alive(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.keep_alive = timeout;
        self
    }

    /// Sets the maximum number of requests on one HTTP connection; the response to the last one
    /// closes it. The default is 1,000.
    ///
    /// This limit prevents a client from keeping a connection and its allocations forever.
    pub const fn requests_per_connection(mut self, requests: u64) -> Self {
        self.settings.server_limits.requests_per_connection = requests;
        self
    }

    /// Sets how long the server waits for the client: for more of a request's body that the
    /// application reads, or for capacity to write a response. When this time is over, the
    /// connection is closed. The default is 30 s.
    ///
    /// The time counts only while bytes wait for the client, not while the application works on a
    /// response or has nothing to send, so a long poll may take any time. See
    /// [`body_rate`](Self::body_rate).
    ///
    /// The server sees the progress of a response only in steps of up to 64 KiB (on most networks
    /// about 32 KiB), because systems report free capacity only then. A client that reads steadily
    /// must read one step in this time, or the connection may be closed: with 30 s, about 2.2 kB/s.
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.body_timeout = timeout;
        self
    }

    /// Sets the minimum rate in bytes per second at which a client must send the body of a request
    /// and read a response while bytes wait; below it, the connection is closed when
    /// [`body_timeout`](Self::body_timeout) is used up. With `None`, any progress is enough. The
    /// default is 256. For a response, the default `body_timeout` requires a higher rate in practice,
    /// about 2.2 kB/s, because progress is visible only in steps.
    pub fn body_rate(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.body_rate = bytes.into();
        self
    }

    /// Sets [`ServerLimits::history`](crate::limits::ServerLimits::history). The default is 64 MiB.
    pub const fn history(mut self, bytes: usize) -> Self {
        self.settings.server_limits.history = bytes;
        self
    }

    /// Sets how many unsent bytes of one connection the system buffers (Linux:
    /// `TCP_NOTSENT_LOWAT`), at least 1; a client that reads fast gets 32 times as much. Further
    /// bytes wait in the connection's queue, so that a ping can overtake them and the server can
    /// see the client's progress. The default is 64 KiB.
    pub const fn unsent(mut self, bytes: usize) -> Self {
        self.settings.server_limits.unsent = bytes;
        self
    }

    /// Sets the origins whose pages may connect in addition to the server's own, on routes without
    /// an `origins` option: `["https://example.com"]`.
    ///
    /// `https://*.preview.example` matches every host with exactly one label before
    /// `.preview.example`. `file://` and `null` are the origins that `WebView`s assign to pages of
    /// an application. Any page on the web can also have the origin `null`, in a sandboxed frame.
    /// So [`build`](Self::build) refuses it if a route without an `origins` option requires a
    /// session; otherwise such a page counts as a page of another site.
    ///
    /// Browsers send the session's cookie only from pages of the same site, such as those of
    /// another subdomain. A page of another site that is listed here can connect only to routes
    /// that require no session.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// server.origins(["https://www.example.com", "https://*.preview.example"])
    /// # }
    /// ```
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.settings.origins = Origins::Listed(origins.into_iter().map(O::into).collect());
        self
    }

    /// Allows pages of every origin to connect to routes without an `origins` option that require
    /// no session.
    ///
    /// Routes that require a session trust cookies, and a page anywhere on the web could act with
    /// those of its visitors. Such routes still accept only the server's own origin, unless they
    /// have the option `origins: any`.
    pub fn any_origin(mut self) -> Self {
        self.settings.origins = Origins::Any;
        self
    }

    /// Sets the address under which browsers see this server, without a path:
    /// `https://example.com`.
    ///
    /// If it is not set, the server's own origin is the host of the request, with either scheme.
    /// Set it if browsers reach the server only by its IP address, as in a home network: otherwise
    /// a page whose name resolves to that address counts as the server's own (DNS rebinding). It is
    /// required behind a proxy that changes `Host` and is not listed in
    /// [`trusted_proxies`](Self::trusted_proxies), and it lets the server distinguish `http` from
    /// `https`. It takes precedence over the headers of any proxy. For a site with several names,
    /// leave it unset.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Sets the trusted proxies in front of this server, by address or network: `["127.0.0.1",
    /// "10.0.0.0/8", "fd00::/8"]`. By default there are none.
    ///
    /// On requests from such a proxy, `Forwarded` (RFC 7239) or `X-Forwarded-For`, `-Proto` and
    /// `-Host` count: the limits per address, `peer_addr` and logs use the client's address, and
    /// the server's own origin is the forwarded host with the forwarded scheme. A chain of proxies
    /// is followed from the right as long as each is listed here; the client may have forged
    /// everything further to the left. If a proxy sends no port, the client's port is 0.
    ///
    /// The proxies must set or remove these headers, not pass on those of a client; in a chain,
    /// each must add its element to a list, or replace the list. A malformed `Forwarded` is refused
    /// with 400, because an unclosed quote of the client could hide the element that the proxy
    /// added. If `Forwarded` and `X-Forwarded-For` name different clients, neither counts, and the
    /// request counts as the proxy's own, with the same limits as any other address. List only
    /// proxies: every machine in these networks can claim to be any client. `"unix:"` is every peer
    /// without an address, such as a proxy at a Unix socket.
    pub fn trusted_proxies<N: Into<String>>(
        mut self,
        networks: impl IntoIterator<Item = N>,
    ) -> Self {
        self.settings.trusted_proxies = networks.into_iter().map(N::into).collect();
        self
    }

    /// Builds the server, which does not listen yet.
    ///
    /// If the table requires a state, this does not compile without one:
    ///
    /// ```compile_fail,E0277
    /// # use ws_server::prelude::*;
    /// # struct App;
    /// # fn build(table: ws_server::route::Table<App>) {
    /// let ws = Server::new(table).build();
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] that contains the invalid value: a limit, an origin, the public URL, a
    /// proxy, or an option of the table's routes. With an engine or Redis, also if there are no secrets
    /// or no runtime.
    pub fn build(mut self) -> Result<Ws, Error>
    where
        G: StateFor<S>,
        S: Send + Sync + 'static,
    {
        let limits = self.settings.server_limits.clamped();
        limits.check()?;
        let mut policy = self.settings.policy()?;
        self.settings.sessions.check()?;
        let cookies = self.settings.sessions.cookie_options();
        sessions::check_cookies(cookies, policy.public_url.as_ref())?;
        let client_path = self.settings.client_path()?;
        let base = self.settings.base()?;
        let (plain_gets, http2) = (self.settings.plain_gets, self.settings.http2);
        let hub = self.settings.create_hub(&limits)?;
        policy.request_log = RequestLog::of(&hub);
        let over_http = self.settings.over_http;
        client::urls(&base, &client_path, over_http.is_some()).install(&hub);
        let router =
            self.table
                .into_router(self.state.into_state(), &hub, &self.settings.limits)?;
        mounting::check_null_origin(&policy, &router)?;
        Ok(Ws::new(ServerShared {
            router: router.into(),
            hub,
            policy,
            limits,
            hints: OperatorHints::default(),
            recent_refusals: RecentRefusals::default(),
            client_path,
            base,
            plain_gets,
            over_http,
            http2,
            readiness: Readiness::default(),
            peer: self.settings.peer,
        }))
    }
}
