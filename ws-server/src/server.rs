//! The server: its configuration, and what is built of it.

use std::time::Duration;

use ws_core::extract::NoState;
use ws_core::hub::Hub;
use ws_core::limits::{LimitOptions, ServerLimits};
use ws_core::route::Table;
use ws_core::session::Sessions;

use crate::client;
use crate::failure::Error;
use crate::refused::Refused;
use crate::shared::{Hints, Shared};

mod accept;
mod alone;
mod http;
mod listen;
mod mounting;
mod pages;
mod places;
mod sessions;
mod settings;
mod signals;
#[cfg(feature = "test-kit")]
mod testing;
mod ws;

use settings::{Origins, Settings};
pub use ws::Ws;

/// The configuration of a server; [`build`](Self::build) makes a [`Ws`] of it.
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
#[derive(Debug)]
#[must_use = "a configuration does nothing until it is built"]
pub struct Server<S, G = Stateless> {
    table: Table<S>,
    given: G,
    settings: Settings,
}

/// No state was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stateless;

/// The state that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Given<S>(S);

/// Says that what was given to a server is the state that its table names.
///
/// A table without `state: …;` needs none.
#[diagnostic::on_unimplemented(
    message = "the table names a state of type `{S}`, and the server was given none",
    label = "no `.state(…)` before this",
    note = "write `Server::new(Routes::table()).state(app).build()?`"
)]
pub trait StateFor<S> {
    /// The state.
    #[doc(hidden)]
    fn into_state(self) -> S;
}

impl StateFor<NoState> for Stateless {
    fn into_state(self) -> NoState {
        NoState
    }
}

impl<S> StateFor<S> for Given<S> {
    fn into_state(self) -> S {
        self.0
    }
}

impl<S> Server<S> {
    /// A server for this table, with the defaults of the library.
    pub fn new(table: Table<S>) -> Self {
        Self {
            table,
            given: Stateless,
            settings: Settings::default(),
        }
    }

    /// Gives the state that the table names with `state: App;`.
    pub fn state(self, state: S) -> Server<S, Given<S>> {
        Server {
            table: self.table,
            given: Given(state),
            settings: self.settings,
        }
    }
}

impl<S, G> Server<S, G> {
    /// Sets what routes leave open of the limits of their connections; a route's own
    /// option wins.
    pub const fn limits(mut self, limits: LimitOptions) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Sets all limits of the server itself at once.
    pub const fn server_limits(mut self, limits: ServerLimits) -> Self {
        self.settings.server_limits = limits;
        self
    }

    /// Sets how many WebSocket connections there may be; past it the answer is 503.
    /// By default there is no such limit.
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.connections = connections.into();
        self
    }

    /// Sets how many WebSocket connections one address may have (an IPv6 address counts
    /// as its /64); past it the answer is 429. `None` lifts the limit, and that of
    /// [`http_per_address`](Self::http_per_address); the default is 256.
    ///
    /// Behind a proxy all clients have one address until the proxy is named in
    /// [`trusted_proxies`](Self::trusted_proxies).
    pub fn per_address(mut self, connections: impl Into<Option<usize>>) -> Self {
        let limits = &mut self.settings.server_limits;
        limits.per_address = connections.into();
        if limits.per_address.is_none() {
            limits.http_per_address = None;
        }
        self
    }

    /// Sets how many HTTP connections that are no WebSocket connections there may be at
    /// one time. Past it, the one that has been silent longest after an answer is closed for a new
    /// one; if all have something to do, new ones wait. The default is 16,384.
    pub const fn http_connections(mut self, connections: usize) -> Self {
        self.settings.server_limits.http_connections = connections;
        self
    }

    /// Sets the size of a request's head in bytes, at least 1,024; past it the answer is
    /// 431. The default is 16 KiB.
    pub const fn head(mut self, bytes: usize) -> Self {
        self.settings.server_limits.head = bytes;
        self
    }

    /// Sets how many of these HTTP connections one address may have (an IPv6 address counts as its
    /// /64); past it one of its silent connections is closed, and if there is none, the new one
    /// is refused with 429. `None` lifts the limit; the default is 1,024.
    ///
    /// The addresses of [`trusted_proxies`](Self::trusted_proxies) are exempt: a proxy carries the
    /// connections of all its clients.
    pub fn http_per_address(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.http_per_address = connections.into();
        self
    }

    /// Sets how long the head of a request may take to arrive, from the beginning of the
    /// connection, and of a later request from its first byte; then the connection is closed. The
    /// default is 10 s.
    pub const fn head_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.head_timeout = timeout;
        self
    }

    /// Sets how long an HTTP connection is kept after an answer if the client sends nothing. The
    /// default is 75 s: balancers reuse connections for up to 60 s, and turn an earlier end
    /// into a 502.
    ///
    /// If [`http_connections`](Self::http_connections) are in use, the connection that has been
    /// silent longest is closed for a new one.
    pub const fn keep_alive(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.keep_alive = timeout;
        self
    }

    /// Sets how many requests one HTTP connection may have; the answer to the last closes it. The
    /// default is 1,000.
    ///
    /// So no client keeps a connection, and what it has allocated, for good.
    pub const fn requests_per_connection(mut self, requests: u64) -> Self {
        self.settings.server_limits.requests_per_connection = requests;
        self
    }

    /// Sets how long a client may keep the server waiting for more of a request's body that the
    /// application reads, or for room to write an answer; then the connection is closed. The
    /// default is 30 s.
    ///
    /// Only time in which bytes wait for the client counts, not the time in which the application
    /// works on an answer or has nothing to send: a long poll takes as long as it likes. See
    /// [`body_rate`](Self::body_rate).
    ///
    /// The server sees an answer proceed only in steps of up to 64 KiB (on most networks about
    /// 32 KiB), since systems report room for more only then. A client that reads steadily must
    /// read one step in this time, or it may be closed: with 30 s, about 2.2 kB/s.
    pub const fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.body_timeout = timeout;
        self
    }

    /// Sets the least rate in bytes per second at which a client must send the body of a request
    /// and read an answer while bytes wait; below it, the connection is closed when
    /// [`body_timeout`](Self::body_timeout) is used up. `None`: any progress will do. The
    /// default is 256. For an answer, the rate that `body_timeout` needs to see progress is higher
    /// at the defaults.
    pub fn body_rate(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings.server_limits.body_rate = bytes.into();
        self
    }

    /// Sets how many subscribers one publish writes to by itself; a task does the rest.
    /// The default is 1,024.
    pub const fn publish_inline(mut self, subscribers: usize) -> Self {
        self.settings.server_limits.publish_inline = subscribers;
        self
    }

    /// Sets how many bytes of one connection the system keeps before it sends them (Linux:
    /// `TCP_NOTSENT_LOWAT`), at least 1; a client that takes bytes fast gets 32 times as much. More
    /// waits in the connection's queue, so that a ping goes before it and the client's progress can
    /// be seen. The default is 64 KiB.
    pub const fn unsent(mut self, bytes: usize) -> Self {
        self.settings.server_limits.unsent = bytes;
        self
    }

    /// Sets how long the shutdown may take that a signal starts. The default is 10 s.
    pub const fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.settings.server_limits.shutdown = timeout;
        self
    }

    /// Sets the origins whose pages may connect besides the server's own, on routes without an
    /// `origins` option: `["https://example.com"]`.
    ///
    /// `https://*.preview.example` stands for every host with exactly one label before
    /// `.preview.example`. `file://` and `null` are the origins that `WebView`s give to pages of an
    /// application. Any page on the web can also have the origin `null`, in a sandboxed frame: so
    /// [`build`](Self::build) refuses it if a route without an `origins` option requires a session,
    /// and otherwise such a page counts as one of another site.
    ///
    /// Browsers send the session's cookie from pages of the same site only, such as those of
    /// another subdomain; a page of another site that is listed here connects to routes that
    /// require no session.
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.settings.origins = Origins::Listed(origins.into_iter().map(O::into).collect());
        self
    }

    /// Lets pages of every origin connect, on routes that say nothing of origins and
    /// require no session.
    ///
    /// Routes that require a session trust cookies, and a page anywhere on the web could act
    /// with those of its visitors: such routes still take the server's own origin alone,
    /// unless they say `origins: any` themselves.
    pub fn any_origin(mut self) -> Self {
        self.settings.origins = Origins::Any;
        self
    }

    /// Sets the address under which browsers see this server, without a path:
    /// `https://example.com`.
    ///
    /// Where it is not set, the server's own origin is the host that a request was sent to,
    /// by either scheme; a server that is reached by its address alone, as in a home, should
    /// set it, or a page whose name leads to that address counts as its own (DNS rebinding). It is needed behind a proxy that changes `Host` and is not named in
    /// [`trusted_proxies`](Self::trusted_proxies), and it lets the server tell `http` from
    /// `https`. It counts for more than what any proxy says; a site with several names
    /// leaves it unset.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.settings.public_url = Some(url.into());
        self
    }

    /// Names the proxies in front of this server, by address or network:
    /// `["127.0.0.1", "10.0.0.0/8", "fd00::/8"]`. By default there are none.
    ///
    /// On requests that such a proxy sends, `Forwarded` (RFC 7239) or `X-Forwarded-For`,
    /// `-Proto` and `-Host` count: the limits per address, `peer_addr` and logs see the
    /// client's address, and the server's own origin is the forwarded host, under the
    /// forwarded scheme. A chain of proxies is followed from the right while each is named
    /// here; a client may have written anything further to the left. If a proxy names no
    /// port, the client's is 0.
    ///
    /// The proxies must set or remove these headers, not pass on what a client sent; in a chain
    /// each must add its element to a list, or replace the list. A malformed `Forwarded` is
    /// refused with 400, since an unfinished quote of the client could hide the element that the
    /// proxy added. If `Forwarded` and `X-Forwarded-For` name different clients, neither counts,
    /// and the request counts as one of the proxy itself, whose address has the same limits as
    /// any other. Name only proxies: every machine in these networks can claim to be any client.
    pub fn trusted_proxies<N: Into<String>>(
        mut self,
        networks: impl IntoIterator<Item = N>,
    ) -> Self {
        self.settings.trusted_proxies = networks.into_iter().map(N::into).collect();
        self
    }

    /// Builds the server. Nothing listens yet.
    ///
    /// Where the table names a state, it does not compile without one:
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
    /// An [`Error`] that names the value that cannot work: a limit, an origin, the
    /// public URL, a proxy, or what the table's routes say.
    pub fn build(self) -> Result<Ws, Error>
    where
        G: StateFor<S>,
        S: Send + Sync + 'static,
    {
        let limits = self.settings.server_limits.bounded();
        limits.check()?;
        let policy = self.settings.policy()?;
        self.settings.sessions.check()?;
        let client_path = self.settings.client_path()?;
        let base = self.settings.base()?;
        let plain_gets = self.settings.plain_gets;
        let hub = Hub::with_sessions(limits, Sessions::new(self.settings.sessions));
        client::places(&base, &client_path).install(&hub);
        let router =
            self.table
                .into_router(self.given.into_state(), &hub, &self.settings.limits)?;
        mounting::check_null_origin(&policy, &router)?;
        Ok(Ws::new(Shared {
            router: router.into(),
            hub,
            policy,
            limits,
            hints: Hints::default(),
            refused: Refused::default(),
            client_path,
            base,
            plain_gets,
        }))
    }
}
