//! From a request to the connection that it opens, or to a refusal.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, ORIGIN};
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use ws_core::admit::{self, Client, Request};
use ws_core::driver::ReadyConnection;
use ws_core::error::Refusal;
use ws_core::extract::Params;
use ws_core::fields::elements;
use ws_core::route::Route;

use crate::body::WsBody;
use crate::connection;
use crate::recent_refusals::RequestKey;
use crate::shared::{PlainGets, ServerShared};
use crate::watchdog;

/// The route of a request and its parameters, or the refusal of an invalid path.
pub(crate) type FoundRoute = Result<(Arc<Route>, Params), Refusal>;

/// Finds the route of a request with this path; `None` if no route matches. The asterisk of
/// `OPTIONS *` is not a path.
pub(crate) fn find(shared: &ServerShared, path: &str) -> Option<FoundRoute> {
    if !path.starts_with('/') {
        return None;
    }
    let found = admit::route(shared.router.find(path))?;
    Some(found.map(|(route, params)| (route.clone(), params)))
}

/// The parts of a request whose path belongs to a route.
pub(crate) struct Arrival {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The client's address, or that of a proxy in front of it.
    pub(crate) peer: Option<SocketAddr>,
    /// Whether that connection is encrypted.
    pub(crate) over_tls: bool,
    /// Whether hyper can upgrade the HTTP connection.
    pub(crate) can_upgrade: bool,
}

impl Arrival {
    /// The view of the request that admission checks.
    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            // hyper offers no upgrade to HTTP/1.0, and warp does not show the version.
            version: None,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
            over_tls: self.over_tls,
            can_upgrade: self.can_upgrade,
        }
    }

    /// Identifies the request, for a page that asks why it was refused.
    fn request_key(&self, shared: &ServerShared, client: &Client) -> RequestKey {
        shared
            .recent_refusals
            .key(client.address(), &self.uri, &self.headers)
    }
}

/// The response to a request, and the connection that it opens if the response is a 101.
pub(crate) struct HandshakeResponse {
    pub(crate) response: Response<WsBody>,
    /// Waits for its transport.
    pub(crate) opened: Option<ReadyConnection>,
}

/// Admits a request and runs `init`, or refuses it.
///
/// If the client leaves while `init` runs, hyper drops this future, and `init` with it.
pub(crate) async fn respond(
    shared: &ServerShared,
    found: FoundRoute,
    arrival: Arrival,
) -> HandshakeResponse {
    watchdog::start();
    let route = found.as_ref().ok().map(|(route, _)| route.clone());
    let response = respond_on(shared, route.as_deref(), found, arrival).await;
    let status = response.response.status().as_u16();
    admit::count_response(&shared.hub, route.as_deref(), status);
    response
}

async fn respond_on(
    shared: &ServerShared,
    route: Option<&Route>,
    found: FoundRoute,
    arrival: Arrival,
) -> HandshakeResponse {
    match connect(shared, found, arrival).await {
        Ok(response) => response,
        Err(FailedHandshake { refusal, peer }) => {
            let status = refusal.status().as_u16();
            let route = route.map_or("(none)", |route| route.spec.name);
            tracing::debug!(route, ?peer, status, "refused");
            HandshakeResponse {
                response: refused(refusal),
                opened: None,
            }
        }
    }
}

/// Does the same as [`respond`] under any server. The connection opens as soon as that server has
/// upgraded the stream.
pub(crate) async fn respond_and_upgrade(
    shared: &ServerShared,
    found: FoundRoute,
    arrival: Arrival,
    on_upgrade: Option<OnUpgrade>,
) -> Response<WsBody> {
    let HandshakeResponse { response, opened } = respond(shared, found, arrival).await;
    if let (Some(opened), Some(on_upgrade)) = (opened, on_upgrade) {
        tokio::spawn(upgrade(on_upgrade, opened, shared.limits.unsent));
    }
    response
}

/// The response that a refusal describes.
pub(crate) fn refused(refusal: Refusal) -> Response<WsBody> {
    refusal.into_response().map(WsBody::from)
}

/// Whether a request is left to the application although its path belongs to a route: a GET without
/// an upgrade, if the server handles only upgrades.
pub(crate) fn falls_through(shared: &ServerShared, headers: &HeaderMap) -> bool {
    shared.plain_gets == PlainGets::FallThrough && !admit::asks_for_upgrade(headers)
}

/// Returns the refusal of a recent handshake to a page that asks for it by a GET, on a server that
/// leaves such a GET to the application. A browser that loads a page never gets it.
pub(crate) fn recent_refusal(
    shared: &ServerShared,
    peer: Option<SocketAddr>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Response<WsBody>> {
    let is_navigation = elements(headers, &ACCEPT)
        .any(|kind| kind.len() >= HTML.len() && kind[..HTML.len()].eq_ignore_ascii_case(HTML));
    if is_navigation {
        return None;
    }
    let client = shared.policy.client(peer, headers).ok()?;
    let key = shared.recent_refusals.key(client.address(), uri, headers);
    let refusal = shared.recent_refusals.take(key, Instant::now())?;
    Some(refused(refusal))
}

/// The type that browsers accept when they load a page.
const HTML: &[u8] = b"text/html";

/// A refused request, and its origin.
struct FailedHandshake {
    refusal: Refusal,
    peer: Option<SocketAddr>,
}

async fn connect(
    shared: &ServerShared,
    found: FoundRoute,
    arrival: Arrival,
) -> Result<HandshakeResponse, FailedHandshake> {
    let (route, params) =
        found.map_err(|refusal| with_recent_refusal(shared, &arrival, refusal))?;
    let admitted = admit::admit(&shared.hub, &shared.policy, &route, &arrival.request()).await;
    let entry = admitted.map_err(|refusal| with_recent_refusal(shared, &arrival, refusal))?;
    let peer = entry.client.peer;
    // Browsers do not show a script the refusal of a handshake.
    let by_browser = arrival.headers.contains_key(ORIGIN);
    let key = by_browser.then(|| arrival.request_key(shared, &entry.client));
    let (admitted, upgrade) = entry.handshake(arrival.uri, arrival.headers, params);
    let opened = match route.open(admitted) {
        Ok(connecting) => connecting.run().await,
        Err(refusal) => Err(refusal),
    };
    match opened {
        Ok(opened) => Ok(HandshakeResponse {
            response: upgrade.response().map(|()| WsBody::default()),
            opened: Some(opened),
        }),
        Err(refusal) => {
            if let Some(key) = key {
                let now = Instant::now();
                shared.recent_refusals.insert(key, refusal.clone(), now);
            }
            Err(FailedHandshake { refusal, peer })
        }
    }
}

/// Handles a refusal before `init`. A plain GET may come from a page that asks for the refusal of a
/// recent `init`: then that refusal is the response.
fn with_recent_refusal(
    shared: &ServerShared,
    arrival: &Arrival,
    refusal: Refusal,
) -> FailedHandshake {
    // Without a known client, the peer is the proxy; admission has logged the reason.
    let client = shared.policy.client(arrival.peer, &arrival.headers);
    let Ok(client) = client else {
        let peer = arrival.peer;
        return FailedHandshake { refusal, peer };
    };
    // If plain GETs are left to the application, a GET that asks for the reason would not get here.
    if shared.plain_gets == PlainGets::FallThrough && arrival.headers.contains_key(ORIGIN) {
        let key = arrival.request_key(shared, &client);
        shared
            .recent_refusals
            .insert(key, refusal.clone(), Instant::now());
    }
    let earlier = (refusal.status() == StatusCode::UPGRADE_REQUIRED)
        .then(|| arrival.request_key(shared, &client))
        .and_then(|key| shared.recent_refusals.take(key, Instant::now()));
    FailedHandshake {
        refusal: earlier.unwrap_or(refusal),
        peer: client.peer,
    }
}

/// Waits until hyper has written the 101, then runs the connection in a separate task, because this
/// task still holds the state of HTTP.
async fn upgrade(on_upgrade: OnUpgrade, opened: ReadyConnection, unsent: usize) {
    match on_upgrade.await {
        Ok(upgraded) => {
            let (transport, early): (_, Bytes) = connection::open(upgraded, unsent);
            opened.start(transport, &early);
        }
        Err(error) => {
            tracing::debug!(%error, "the client left before the connection was open");
            drop(opened);
        }
    }
}
