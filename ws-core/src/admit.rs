//! Admission: the decision on a handshake, made before the server sends any response.
//!
//! The steps are types, so none can be left out or run out of order: [`route`] is step 1; [`knock`]
//! checks the form of the request and its origin (2 and 3); [`Knock::identify`] the session (4);
//! [`Known::enter`] the limits and the subprotocol (5 and 6). The result is an [`Entry`], for which
//! `init` may run. No step waits, reads or writes: [`admit`] runs them for a server, looks up the
//! session in between and takes a permit.
//!
//! A plain GET passes through the same steps and then gets 426, never a permit: browsers do not
//! show why a handshake failed, but a developer can request the same URL and read the response.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};

use crate::error::Refusal;
use crate::extract::{Params, Visitor};
use crate::hub::Full;
use crate::protocol::Deflate;
use crate::route::{Lookup, Origins, Route};
use crate::session::{NoSession, SessionError};

mod allowed;
mod entry;
mod forwarded;
mod host;
mod notices;
mod origin;
mod protocols;
mod sender;
#[cfg(test)]
mod tests;
mod upgrade;
mod visitor;

pub use allowed::{AllowedOrigin, AllowedOriginError, AllowedOrigins};
pub use entry::Welcome;
pub use forwarded::{
    Client, ForwardedError, ForwardedPort, Network, NetworkError, Scheme, TrustedProxies,
};
pub use host::Host;
pub use notices::Notices;
pub use origin::{Origin, OriginError};
pub use sender::same_site;
use upgrade::Wish;
pub use upgrade::asks_for_upgrade;
pub use visitor::{Found, Missing, admit, visitor};

/// The parts of a request that admission looks at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The method; only GET connects.
    pub method: &'a Method,
    /// The version of HTTP, if it is known. Below 1.1 no upgrade is possible.
    pub version: Option<Version>,
    /// The target. An authority in it takes precedence over `Host` (RFC 9112, section 3.2.2).
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The address of the direct peer, if the connection has one: a client or a proxy.
    pub peer: Option<SocketAddr>,
    /// Whether the HTTP connection can be upgraded.
    pub can_upgrade: bool,
}

/// Shows no secrets: neither the query nor a header.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("path", &self.uri.path())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// The server's settings for admission, added to the options of its routes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// The origins that may connect to routes without an `origins` option.
    pub origins: AllowedOrigins,
    /// The origin under which browsers see this server, if it is known. A request's origin is then
    /// compared with it instead of with `Host`. It takes precedence over anything that proxies
    /// forward.
    pub public_url: Option<Origin>,
    /// The proxies that may forward a client's address, and the scheme and host of its request.
    pub trusted_proxies: TrustedProxies,
    /// Whether these proxies may also forward the port.
    pub forwarded_port: ForwardedPort,
    /// Throttles the log lines that clients can cause: a few are logged at `warn`, the others at
    /// `debug`.
    pub notices: Notices,
}

/// The options of a route that decide which requests may connect.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the route by itself"
)]
pub struct Door {
    /// Name of the route, for logs.
    pub name: &'static str,
    /// Whether a connection needs a session.
    pub require_session: bool,
    /// Whether a connection needs a page besides its session.
    pub require_page: bool,
    /// Whether the handler takes the session or the page even if the route does not require it.
    pub asks_visitor: bool,
    /// The origins of the route's own option, which overrides the server's.
    pub origins: Option<Origins>,
    /// The subprotocols of the route, the preferred one first.
    pub protocols: &'static [&'static str],
    /// Whether messages are compressed if the client offers it.
    pub deflate: bool,
}

impl From<&Route> for Door {
    fn from(route: &Route) -> Self {
        Self {
            name: route.spec.name,
            require_session: route.require_session(),
            require_page: route.require_page(),
            asks_visitor: route.asks_visitor,
            origins: route.origins(),
            protocols: route.protocols(),
            deflate: route.deflate(),
        }
    }
}

/// Step 1: the route of a request. Returns `None` if no route has this path; the request then
/// belongs to another part of the application.
///
/// # Errors
///
/// 400 for a path whose percent-encoding is broken.
pub fn route<'r>(lookup: Lookup<'r, '_>) -> Option<Result<(&'r Arc<Route>, Params), Refusal>> {
    match lookup {
        Lookup::Missing => None,
        Lookup::Malformed => Some(Err(
            Refusal::BAD_REQUEST.body("the path is not valid: its percent-encoding is broken")
        )),
        Lookup::Found(route, captures) => Some(Ok((route, captures.into_params()))),
    }
}

/// Steps 2 and 3: checks the form of the request and its origin, for this route.
///
/// # Errors
///
/// 405, 426 or 400 if the request is not an opening handshake (RFC 6455, section 4.2.1); 400 if a
/// trusted proxy sent a malformed `Forwarded`, or if there is no usable `Host`; 403 if the origin
/// may not connect.
pub fn knock(door: Door, request: &Request<'_>, policy: &Policy) -> Result<Knock, Refusal> {
    let wish = upgrade::wish(request, &policy.notices)?;
    let client = client(request, policy)?;
    let cross_site = sender::check(door, request, &client, policy)?;
    Ok(Knock {
        route: door.name,
        wish,
        wanted: door.wanted(),
        protocol: protocols::choose(door, request.headers),
        deflate: door
            .deflate
            .then(|| Deflate::negotiate(request.headers))
            .flatten(),
        client,
        cross_site,
    })
}

/// Returns the client of a request.
///
/// # Errors
///
/// 400 if a trusted proxy sent a malformed `Forwarded`.
pub fn client(request: &Request<'_>, policy: &Policy) -> Result<Client, Refusal> {
    match policy.seen(request.peer, request.headers) {
        Ok((client, contradiction)) => {
            if contradiction {
                policy.notices.contradiction(request.peer);
            }
            Ok(client)
        }
        Err(error) => {
            policy.notices.malformed(request.peer, error);
            let body = format!("the header `Forwarded` is malformed: {error}");
            Err(Refusal::new(error.status()).body(body))
        }
    }
}

impl Door {
    /// What step 4 must look up.
    const fn wanted(&self) -> Option<Wanted> {
        match (self.require_session, self.require_page) {
            (false, _) if self.asks_visitor => Some(Wanted::Anybody),
            (false, _) => None,
            (true, false) => Some(Wanted::Session),
            (true, true) => Some(Wanted::Page),
        }
    }
}

/// The session and the page that a route requires, or that its handler takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Nothing is required: the handler takes `Option<Session>` or `Option<Page>`.
    Anybody,
    /// A live session.
    Session,
    /// A live session and a page that was issued to it.
    Page,
}

/// A request that has passed steps 1 to 3.
#[derive(Debug)]
pub struct Knock {
    route: &'static str,
    wish: Wish,
    wanted: Option<Wanted>,
    /// Negotiated from the headers at once; an error is reported only in step 6.
    protocol: Result<Option<&'static str>, Refusal>,
    deflate: Option<Deflate>,
    client: Client,
    cross_site: bool,
}

impl Knock {
    /// What step 4 must look up; `None` if neither the route nor its handler needs a session.
    pub const fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    /// The client of the request, as far as it is known.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the request comes from a page of another site, and passed only because the route
    /// allows every origin. Its cookies identify the visitor, but do not prove the visitor's
    /// intent.
    pub const fn cross_site(&self) -> bool {
        self.cross_site
    }

    /// Step 4: takes the result of the look-up, or `Visitor::default()` if nothing was looked up.
    ///
    /// # Errors
    ///
    /// 403 if the session or page that the route requires is missing, with a body that names it;
    /// 503 if the store is not available.
    pub fn identify(self, found: Result<impl Into<Found>, SessionError>) -> Result<Known, Refusal> {
        let Found { visitor, missing } = found
            .map(Into::into)
            .map_err(|_| Refusal::unavailable("sessions are not available now"))?;
        let needs = match self.wanted {
            Some(Wanted::Session | Wanted::Page) if visitor.session.is_none() => Some("session"),
            Some(Wanted::Page) if visitor.page.is_none() => Some("page"),
            _ => None,
        };
        if let Some(needs) = needs {
            let missing = missing.unwrap_or(Missing::Session(NoSession::NoCookie));
            tracing::debug!(
                route = self.route,
                missing = needs,
                why = %missing,
                "no visitor that the route requires"
            );
            let body = format!("this endpoint needs a {needs} of this site: {missing}");
            return Err(Refusal::new(missing.status()).body(body));
        }
        Ok(Known {
            wish: self.wish,
            protocol: self.protocol,
            deflate: self.deflate,
            client: self.client,
            visitor,
        })
    }
}

/// A request that has passed steps 1 to 4.
#[derive(Debug)]
pub struct Known {
    wish: Wish,
    protocol: Result<Option<&'static str>, Refusal>,
    deflate: Option<Deflate>,
    client: Client,
    visitor: Visitor,
}

impl Known {
    /// Steps 5 and 6: calls `take` for a permit among the server's connections, for this client.
    ///
    /// If a later step refuses the request, the permit is released at once (dropped).
    ///
    /// # Errors
    ///
    /// 503 if the server is closing or full, 429 if the address has reached its limit; then 426 for
    /// a plain GET, and 400 if the list of subprotocols is malformed.
    pub fn enter<S>(
        self,
        closing: bool,
        take: impl FnOnce(&Client) -> Result<S, Full>,
    ) -> Result<Entry<S>, Refusal> {
        if closing {
            return Err(Refusal::unavailable("the server is shutting down"));
        }
        let permit = take(&self.client).map_err(|full| match full {
            Full::Server => Refusal::unavailable("the server has no room for another connection"),
            Full::Address => Refusal::TOO_MANY_REQUESTS.body("too many connections from here"),
        })?;
        let accept = self.wish.accept()?;
        Ok(Entry {
            client: self.client,
            visitor: self.visitor,
            protocol: self.protocol?,
            deflate: self.deflate,
            permit,
            accept,
        })
    }
}

/// A handshake that is admitted: `init` may run for it.
#[derive(Debug)]
pub struct Entry<S> {
    /// The client, for limits, for logs and for the handler.
    pub client: Client,
    /// The visitor: the session and the page.
    pub visitor: Visitor,
    /// The subprotocol: the first of the route's list that the client offered.
    pub protocol: Option<&'static str>,
    /// The parameters of compression: the client's first offer that the server accepts.
    pub deflate: Option<Deflate>,
    /// The permit for one of the server's connections.
    pub permit: S,
    /// The response to the client's key.
    pub accept: Accept,
}

/// The response to the key of a handshake: `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accept(HeaderValue);

impl Accept {
    /// The 101 response that opens the connection, with the chosen subprotocol, if any, and the
    /// negotiated compression, if any.
    pub fn response(
        self,
        protocol: Option<&'static str>,
        deflate: Option<Deflate>,
    ) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.0);
        // The client offered the protocol in a header, so it is valid in one.
        if let Some(Ok(protocol)) = protocol.map(HeaderValue::from_str) {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        if let Some(deflate) = deflate {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, deflate.answer());
        }
        response
    }
}

/// The value of a header that may appear only once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Several> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (value, None) => Ok(value),
        _ => Err(Several),
    }
}

/// A header that may appear only once appears several times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Several;
