//! Admission: the decision on a handshake, made before the server sends any response.
//!
//! The steps are types, so none can be left out or run out of order: [`route`] is step 1;
//! [`check_request`] checks the form of the request and its origin (2 and 3);
//! [`CheckedRequest::identify`] the session (4); [`IdentifiedRequest::admit`] the limits and the
//! subprotocol (5 and 6). The result is an [`Admission`], for which `init` may run. No step waits,
//! reads or writes: [`admit`] runs them for a server, looks up the session in between, takes a
//! permit, and issues a fresh page to a client without one.
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
use crate::hub::NoPermit;
use crate::page::FreshPage;
use crate::protocol::Deflate;
use crate::route::{Lookup, Origins, Route};
use crate::session::SessionError;

mod admission;
mod allowed;
mod counting;
mod forwarded;
mod host;
mod origin;
mod page_post;
mod protocols;
mod request_log;
mod request_origin;
#[cfg(test)]
mod tests;
mod upgrade;
mod visitor;

pub use admission::UpgradeResponse;
pub use allowed::{AllowedOrigin, AllowedOriginError, AllowedOrigins};
pub use counting::{count_refusal, count_response};
pub use forwarded::{
    Client, ForwardedError, ForwardedPort, Network, NetworkError, Scheme, TrustedProxies,
};
pub use host::Host;
pub use origin::{Origin, OriginError};
pub use page_post::{AdmittedPost, admit_page_post};
pub use request_log::RequestLog;
pub use request_origin::same_site;
pub use upgrade::asks_for_upgrade;
use upgrade::{Methods, UpgradeRequest};
use visitor::required_visitor;
pub use visitor::{FoundVisitor, MissingVisitor, QueryParameter, admit, parameter, visitor};

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
    /// Whether the connection of the direct peer is encrypted, as far as the server knows.
    pub over_tls: bool,
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

/// The server's settings for admission; they complement the options of its routes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AdmissionPolicy {
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
    /// Whether routes with page streams also take [their POSTs](admit_page_post).
    pub page_posts: bool,
    /// Throttles the log lines that clients can cause: a few are logged at `warn`, the others at
    /// `debug`.
    pub request_log: RequestLog,
}

/// The options of a route that decide which requests may connect.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the route by itself"
)]
pub struct RouteAccess {
    /// Name of the route, for logs.
    pub name: &'static str,
    /// Whether a connection needs a session.
    pub require_session: bool,
    /// Whether a connection needs a page besides its session.
    pub require_page: bool,
    /// Whether the handler lives as long as a page.
    pub attach_page: bool,
    /// Whether the handler takes the session or the page even if the route does not require it.
    pub needs_visitor: bool,
    /// The origins of the route's own option, which overrides the server's.
    pub origins: Option<Origins>,
    /// The subprotocols of the route, the preferred one first.
    pub protocols: &'static [&'static str],
    /// Whether messages are compressed if the client offers it.
    pub deflate: bool,
    /// Whether the route carries page streams.
    pub page_stream: bool,
}

impl From<&Route> for RouteAccess {
    fn from(route: &Route) -> Self {
        Self {
            name: route.spec.name,
            require_session: route.require_session(),
            require_page: route.require_page(),
            attach_page: route.spec.options.attach_page,
            needs_visitor: route.needs_visitor,
            origins: route.origins(),
            protocols: route.protocols(),
            deflate: route.deflate(),
            page_stream: route.is_page_stream(),
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
pub fn check_request(
    access: RouteAccess,
    request: &Request<'_>,
    policy: &AdmissionPolicy,
) -> Result<CheckedRequest, Refusal> {
    let methods = if access.page_stream && policy.page_posts {
        Methods::GetAndPost
    } else {
        Methods::Get
    };
    let upgrade = upgrade::check(request, methods, &policy.request_log)?;
    let client = client(request, policy)?;
    let cross_site = request_origin::check(access, request, &client, policy)?;
    Ok(CheckedRequest {
        route: access.name,
        upgrade,
        lookup: access.lookup(),
        protocol: protocols::choose(access, request.headers),
        deflate: access
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
pub fn client(request: &Request<'_>, policy: &AdmissionPolicy) -> Result<Client, Refusal> {
    match policy.resolve_client(request.peer, request.headers) {
        Ok((mut client, contradiction)) => {
            // A proxy that forwards its client also forwards the scheme, or it is unknown.
            if request.over_tls && client.scheme.is_none() && !client.forwarded {
                client.scheme = Some(Scheme::Https);
            }
            if contradiction {
                policy.request_log.contradicting_forwarded(request.peer);
            }
            Ok(client)
        }
        Err(error) => {
            policy.request_log.malformed_forwarded(request.peer, error);
            let body = format!("the header `Forwarded` is malformed: {error}");
            Err(Refusal::new(error.status()).body(body))
        }
    }
}

impl RouteAccess {
    /// Returns what step 4 must look up, if anything.
    const fn lookup(&self) -> Option<VisitorLookup> {
        match (self.require_session, self.require_page) {
            (false, _) if self.attach_page => Some(VisitorLookup::AnyPage),
            (false, _) if self.needs_visitor => Some(VisitorLookup::Optional),
            (false, _) => None,
            (true, false) => Some(VisitorLookup::Session),
            (true, true) => Some(VisitorLookup::Page),
        }
    }
}

/// The session and the page that a route requires, or that its handler takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VisitorLookup {
    /// Nothing is required: the handler takes `Option<Session>` or `Option<Page>`.
    Optional,
    /// A live session.
    Session,
    /// A live session and a page that was issued to it.
    Page,
    /// A page, which may have no session. A client without a valid id gets a fresh page.
    AnyPage,
}

/// A request that has passed steps 1 to 3.
#[derive(Debug)]
pub struct CheckedRequest {
    route: &'static str,
    upgrade: UpgradeRequest,
    lookup: Option<VisitorLookup>,
    /// Negotiated from the headers at once; an error is reported only in step 6.
    protocol: Result<Option<&'static str>, Refusal>,
    deflate: Option<Deflate>,
    client: Client,
    cross_site: bool,
}

impl CheckedRequest {
    /// Returns what step 4 must look up; `None` if neither the route nor its handler needs a
    /// session.
    pub const fn lookup(&self) -> Option<VisitorLookup> {
        self.lookup
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
    pub fn identify(
        self,
        found: Result<impl Into<FoundVisitor>, SessionError>,
    ) -> Result<IdentifiedRequest, Refusal> {
        let FoundVisitor { visitor, fresh, .. } = required_visitor(self.route, self.lookup, found)?;
        Ok(IdentifiedRequest {
            upgrade: self.upgrade,
            protocol: self.protocol,
            deflate: self.deflate,
            client: self.client,
            visitor,
            fresh,
        })
    }
}

/// Step 5: takes a permit for one more connection of this client.
///
/// # Errors
///
/// 503 if the server is closing or full, 429 if the address has reached its limit.
fn permit<P>(
    client: &Client,
    closing: bool,
    take_permit: impl FnOnce(&Client) -> Result<P, NoPermit>,
) -> Result<P, Refusal> {
    if closing {
        return Err(Refusal::unavailable("the server is shutting down"));
    }
    take_permit(client).map_err(|full| match full {
        NoPermit::Server => Refusal::unavailable("the server has reached its limit of connections"),
        NoPermit::Address => {
            Refusal::TOO_MANY_REQUESTS.body("too many connections from this address")
        }
    })
}

/// A request that has passed steps 1 to 4.
#[derive(Debug)]
pub struct IdentifiedRequest {
    upgrade: UpgradeRequest,
    protocol: Result<Option<&'static str>, Refusal>,
    deflate: Option<Deflate>,
    client: Client,
    visitor: Visitor,
    fresh: Option<FreshPage>,
}

impl IdentifiedRequest {
    /// Steps 5 and 6: calls `take` for a permit among the server's connections, for this client.
    ///
    /// If a later step refuses the request, the permit is released at once (dropped).
    ///
    /// # Errors
    ///
    /// 503 if the server is closing or full, 429 if the address has reached its limit; then 426 for
    /// a plain GET, and 400 if the list of subprotocols is malformed.
    pub fn admit<P>(
        self,
        closing: bool,
        take_permit: impl FnOnce(&Client) -> Result<P, NoPermit>,
    ) -> Result<Admission<P>, Refusal> {
        let permit = permit(&self.client, closing, take_permit)?;
        let accept = self.upgrade.accept()?;
        Ok(Admission {
            client: self.client,
            visitor: self.visitor,
            fresh: self.fresh,
            protocol: self.protocol?,
            deflate: self.deflate,
            permit,
            accept,
        })
    }
}

/// A handshake that is admitted: `init` may run for it.
#[derive(Debug)]
pub struct Admission<P> {
    /// The client, for limits, for logs and for the handler.
    pub client: Client,
    /// The visitor: the session and the page.
    pub visitor: Visitor,
    /// Set if the client needs a fresh page without a session.
    pub fresh: Option<FreshPage>,
    /// The subprotocol: the first of the route's list that the client offered.
    pub protocol: Option<&'static str>,
    /// The parameters of compression: the client's first offer that the server accepts.
    pub deflate: Option<Deflate>,
    /// The permit for one of the server's connections.
    pub permit: P,
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
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, deflate.response_header());
        }
        response
    }
}

/// The value of a header that may appear only once.
fn single_value<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, RepeatedHeader> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (value, None) => Ok(value),
        _ => Err(RepeatedHeader),
    }
}

/// A header that may appear only once appears several times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct RepeatedHeader;
