//! Who may connect: the decision on a handshake, made before anything is answered.
//!
//! The steps are types, so that none can be left out or taken out of order: [`route`]
//! is step 1; [`knock`] the request's own form and the origin (2 and 3);
//! [`Knock::identify`] the session (4); [`Known::enter`] the limits and the subprotocol
//! (5 and 6). What comes out is an [`Entry`], for which `init` may run. Nothing here
//! waits, reads or writes: whoever holds the request looks sessions up and counts places.
//!
//! A plain GET goes through the same steps and then gets 426, never a place: browsers do
//! not say why a handshake failed, but a client can ask the same URL and read the answer.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};

use crate::error::Refusal;
use crate::extract::{Params, Visitor};
use crate::hub::Full;
use crate::route::{Lookup, Origins, Route};

mod origin;
mod protocols;
#[cfg(test)]
mod tests;
mod upgrade;

pub use origin::{AllowedOrigins, Origin, OriginError};
use upgrade::Wish;

/// Seconds after which a client may try again where the server has no room.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

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
    /// The address of the client, where the connection has one.
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
    /// not `Host`, is what a request's origin must be.
    pub public_url: Option<Origin>,
}

/// What a route says about who may connect.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Name of the route, for logs.
    pub name: &'static str,
    /// Whether a connection needs a session.
    pub require_session: bool,
    /// Whether a connection needs a page besides its session.
    pub require_page: bool,
    /// The origins of the route's own option, which wins over the server's.
    pub origins: Option<Origins>,
    /// The subprotocols that the route speaks, the most wanted first.
    pub protocols: &'static [&'static str],
}

impl From<&Route> for Door {
    fn from(route: &Route) -> Self {
        Self {
            name: route.spec.name,
            require_session: route.require_session(),
            require_page: route.require_page(),
            origins: route.origins(),
            protocols: route.protocols(),
        }
    }
}

/// Step 1: the route of a request. `None`: no route has this path, and it is somebody
/// else's request.
///
/// # Errors
///
/// 400 for a path whose percent-encoding is broken.
pub fn route(lookup: Lookup<'_>) -> Option<Result<(&Arc<Route>, Params), Refusal>> {
    match lookup {
        Lookup::Missing => None,
        Lookup::Malformed => Some(Err(
            Refusal::BAD_REQUEST.body("the path is not valid: its percent-encoding is broken")
        )),
        Lookup::Found(route, params) => Some(Ok((route, params))),
    }
}

/// Steps 2 and 3: the form of the request and its origin, at the door of a route.
///
/// # Errors
///
/// 405, 426 or 400 for a request that is no opening handshake (RFC 6455, section 4.2.1);
/// 400 without a usable `Host`; 403 for an origin that may not connect.
pub fn knock(door: Door, request: &Request<'_>, policy: &Policy) -> Result<Knock, Refusal> {
    let wish = upgrade::wish(request)?;
    origin::check(door, request, policy)?;
    Ok(Knock {
        wish,
        wanted: door.wanted(),
        protocol: protocols::choose(door, request.headers),
    })
}

impl Door {
    /// What step 4 has to look up.
    const fn wanted(&self) -> Option<Wanted> {
        match (self.require_session, self.require_page) {
            (false, _) => None,
            (true, false) => Some(Wanted::Session),
            (true, true) => Some(Wanted::Page),
        }
    }
}

/// Who a route wants at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// Somebody with a live session.
    Session,
    /// Somebody with a live session and a page that was issued to it.
    Page,
}

/// The store of sessions could not be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, thiserror::Error)]
#[error("the session store does not answer")]
pub struct SessionLookupError;

/// The future of a [`SessionLookup`].
pub type Visits<'a> =
    Pin<Box<dyn Future<Output = Result<Visitor, SessionLookupError>> + Send + 'a>>;

/// Finds the session of a request, and its page where one is wanted.
///
/// It is asked only for routes that require a session, and it creates none. What it does
/// not find it leaves out of the [`Visitor`].
pub trait SessionLookup: Send + Sync + 'static {
    /// Who sent this request.
    fn visitor<'a>(&'a self, request: &'a Request<'a>, wanted: Wanted) -> Visits<'a>;
}

/// A server without sessions: nobody has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoSessions;

impl SessionLookup for NoSessions {
    fn visitor<'a>(&'a self, _: &'a Request<'a>, _: Wanted) -> Visits<'a> {
        Box::pin(std::future::ready(Ok(Visitor::default())))
    }
}

/// A request that has passed steps 1 to 3.
#[derive(Debug)]
pub struct Knock {
    wish: Wish,
    wanted: Option<Wanted>,
    /// Decided from the headers at once, told in its turn.
    protocol: Result<Option<&'static str>, Refusal>,
}

impl Knock {
    /// What has to be looked up for step 4. Without a session to require, nothing is.
    pub const fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    /// Step 4: takes what was looked up, `Visitor::default()` where nothing was wanted.
    ///
    /// # Errors
    ///
    /// 403 without the session or page that the route requires; 503 where the store does
    /// not answer.
    pub fn identify(self, visitor: Result<Visitor, SessionLookupError>) -> Result<Known, Refusal> {
        let visitor = visitor.map_err(|_| unavailable("sessions are not available now"))?;
        let known = match self.wanted {
            None => true,
            Some(Wanted::Session) => visitor.session.is_some(),
            Some(Wanted::Page) => visitor.session.is_some() && visitor.page.is_some(),
        };
        if !known {
            return Err(Refusal::FORBIDDEN.body("this endpoint needs a session of this site"));
        }
        Ok(Known {
            wish: self.wish,
            protocol: self.protocol,
            visitor,
        })
    }
}

/// A request that has passed steps 1 to 4.
#[derive(Debug)]
pub struct Known {
    wish: Wish,
    protocol: Result<Option<&'static str>, Refusal>,
    visitor: Visitor,
}

impl Known {
    /// Steps 5 and 6: `take` asks for a place among the server's connections.
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
        take: impl FnOnce() -> Result<S, Full>,
    ) -> Result<Entry<S>, Refusal> {
        if closing {
            return Err(unavailable("the server is shutting down"));
        }
        let slot = take().map_err(|full| match full {
            Full::Server => unavailable("the server has no room for another connection"),
            Full::Address => Refusal::TOO_MANY_REQUESTS.body("too many connections from here"),
        })?;
        let accept = self.wish.accept()?;
        Ok(Entry {
            visitor: self.visitor,
            protocol: self.protocol?,
            slot,
            accept,
        })
    }
}

/// A handshake that is admitted: `init` may run for it.
#[derive(Debug)]
pub struct Entry<S> {
    /// Who is at the other end.
    pub visitor: Visitor,
    /// The subprotocol: the first of the route's that the client offered.
    pub protocol: Option<&'static str>,
    /// The place among the server's connections.
    pub slot: S,
    /// The answer to the client's key.
    pub accept: Accept,
}

/// The answer to the key of a handshake: `Sec-WebSocket-Accept` (RFC 6455, section 4.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accept(HeaderValue);

impl Accept {
    /// The 101 that opens the connection, with this subprotocol if one was chosen.
    pub fn response(self, protocol: Option<&'static str>) -> Response<()> {
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
        response
    }
}

/// 503 with the time after which trying again makes sense.
fn unavailable(body: &'static str) -> Refusal {
    Refusal::SERVICE_UNAVAILABLE
        .header(header::RETRY_AFTER, RETRY_AFTER)
        .body(body)
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
