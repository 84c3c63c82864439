//! Who may connect: the decision on a handshake, made before anything is answered.
//!
//! The steps are types, so that none can be left out or taken out of order: [`route`]
//! is step 1; [`knock`] the request's own form and the origin (2 and 3);
//! [`Knock::identify`] the session (4); [`Known::enter`] the limits and the subprotocol
//! (5 and 6). What comes out is an [`Entry`], for which `init` may run. None of them waits,
//! reads or writes: [`admit`] walks through them for a server, looks sessions up in between
//! and takes a place.
//!
//! A plain GET goes through the same steps and then gets 426, never a place: browsers do
//! not say why a handshake failed, but a client can ask the same URL and read the answer.

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
    /// The version of HTTP, where it is known. Below 1.1 nothing can be upgraded.
    pub version: Option<Version>,
    /// The target. An authority in it counts for more than `Host` (RFC 9112, section 3.2.2).
    pub uri: &'a Uri,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The address of whoever sent the request, where the connection has one: of the client,
    /// or of a proxy.
    pub peer: Option<SocketAddr>,
    /// Whether the HTTP connection can become something else.
    pub can_upgrade: bool,
}

/// Nothing secret: neither the query nor a header.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("path", &self.uri.path())
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

/// What the server adds at run time to what its routes say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// Origins that may connect to routes that say nothing of origins.
    pub origins: AllowedOrigins,
    /// The origin under which browsers see this server, where it is known. Then it, and
    /// not `Host`, is what a request's origin must be. It counts for more than anything
    /// that proxies forward.
    pub public_url: Option<Origin>,
    /// The proxies that may name a client's address, and the scheme and host it asked for.
    pub trusted_proxies: TrustedProxies,
    /// Whether they may also name the port.
    pub forwarded_port: ForwardedPort,
    /// Throttles the log: a few of the lines that clients can cause are at `warn`, the others at
    /// `debug`.
    pub notices: Notices,
}

/// What a route says about who may connect.
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
    /// Whether the handler wants to know who comes also where nothing is required.
    pub asks_visitor: bool,
    /// The origins of the route's own option, which wins over the server's.
    pub origins: Option<Origins>,
    /// The subprotocols that the route speaks, the most wanted first.
    pub protocols: &'static [&'static str],
    /// Whether messages are compressed with clients that offer it.
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

/// Step 1: the route of a request. `None`: no route has this path, and it is somebody
/// else's request.
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

/// Steps 2 and 3: the form of the request and its origin, at the door of a route.
///
/// # Errors
///
/// 405, 426 or 400 for a request that is no opening handshake (RFC 6455, section 4.2.1);
/// 400 for a malformed `Forwarded` of a trusted proxy, or without a usable `Host`; 403 for an
/// origin that may not connect.
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

/// The client of a request.
///
/// # Errors
///
/// 400 for a malformed `Forwarded` of a trusted proxy.
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
    /// What step 4 has to look up.
    const fn wanted(&self) -> Option<Wanted> {
        match (self.require_session, self.require_page) {
            (false, _) if self.asks_visitor => Some(Wanted::Anybody),
            (false, _) => None,
            (true, false) => Some(Wanted::Session),
            (true, true) => Some(Wanted::Page),
        }
    }
}

/// Who a route wants at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Whoever it is: the handler asks for `Option<Session>` or `Option<Page>`.
    Anybody,
    /// Somebody with a live session.
    Session,
    /// Somebody with a live session and a page that was issued to it.
    Page,
}

/// A request that has passed steps 1 to 3.
#[derive(Debug)]
pub struct Knock {
    route: &'static str,
    wish: Wish,
    wanted: Option<Wanted>,
    /// Decided from the headers at once, told in its turn.
    protocol: Result<Option<&'static str>, Refusal>,
    deflate: Option<Deflate>,
    client: Client,
    cross_site: bool,
}

impl Knock {
    /// What has to be looked up for step 4. Without a session to require, nothing is.
    pub const fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    /// Who knocks, as far as it is known.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the request is from a page of another site, which is let in only because the
    /// route takes every origin: its cookies say who the visitor is, not what he wants.
    pub const fn cross_site(&self) -> bool {
        self.cross_site
    }

    /// Step 4: takes what was looked up, `Visitor::default()` if nothing was wanted.
    ///
    /// # Errors
    ///
    /// 403 without the session or page that the route requires, with a body that names what is
    /// missing; 503 if the store does not answer.
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
    /// Steps 5 and 6: `take` asks for a place among the server's connections, for this
    /// client.
    ///
    /// A place is given back at once (dropped) where a later step refuses.
    ///
    /// # Errors
    ///
    /// 503 while the server closes or where it is full, 429 where the address has its
    /// share; then 426 for a plain GET, and 400 for a malformed list of subprotocols.
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
    /// Where it is: what is counted, logged and told to the handler.
    pub client: Client,
    /// Who is at the other end.
    pub visitor: Visitor,
    /// The subprotocol: the first of the route's that the client offered.
    pub protocol: Option<&'static str>,
    /// How messages may be compressed: the first offer of the client that can be taken.
    pub deflate: Option<Deflate>,
    /// The place among the server's connections.
    pub permit: S,
    /// The answer to the client's key.
    pub accept: Accept,
}

/// The answer to the key of a handshake: `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accept(HeaderValue);

impl Accept {
    /// The 101 that opens the connection, with this subprotocol if one was chosen, and with what
    /// was agreed on about compression.
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
        // A protocol was offered in a header, so it can stand in one.
        if let Some(Ok(protocol)) = protocol.map(HeaderValue::from_str) {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        if let Some(deflate) = deflate {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, deflate.answer());
        }
        response
    }
}

/// The value of a header that may stand only once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Several> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (value, None) => Ok(value),
        _ => Err(Several),
    }
}

/// A header that may stand only once stands there again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Several;
