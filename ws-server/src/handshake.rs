//! From a request to the connection it asks for, or to the answer it gets instead.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::ORIGIN;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use hyper::upgrade::OnUpgrade;
use warp::Reply;
use ws_core::admit::{self, Entry, Request};
use ws_core::driver::Opened;
use ws_core::error::Refusal;
use ws_core::extract::{Handshake, Params};
use ws_core::route::Route;

use crate::connection;
use crate::shared::Shared;

/// Where a request goes: the route and its parameters, or the answer to a broken path.
pub(crate) type Found = Result<(Arc<Route>, Params), Refusal>;

/// The rest of a request whose path belongs to a route.
pub(crate) struct Arrival {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// The client's address, or that of a proxy before it.
    pub(crate) peer: Option<SocketAddr>,
    /// What hyper turns the HTTP connection into, where it can.
    pub(crate) on_upgrade: Option<OnUpgrade>,
}

impl Arrival {
    /// What admission looks at.
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            // hyper offers no upgrade to HTTP/1.0, and warp does not show the version.
            version: None,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
            can_upgrade: self.on_upgrade.is_some(),
        }
    }
}

/// The answer to a request: 101 and a connection, or why not.
///
/// Where the client leaves while `init` runs, hyper drops this future, and `init` with it.
pub(crate) async fn answer(
    shared: &Shared,
    found: Found,
    arrival: Arrival,
) -> warp::reply::Response {
    let client = shared.policy.client(arrival.peer, &arrival.headers);
    let asked = shared
        .refused
        .name(client.address(), &arrival.uri, &arrival.headers);
    let by_browser = arrival.headers.contains_key(ORIGIN);
    let name = found
        .as_ref()
        .map_or("(none)", |(route, _)| route.spec.name);
    match connect(shared, found, arrival).await {
        Ok(response) => response.map(|()| "").into_response(),
        Err(refused) => {
            let now = Instant::now();
            let refusal = match refused {
                RefusedBy::Init(refusal) => {
                    if by_browser {
                        shared.refused.keep(asked, refusal.clone(), now);
                    }
                    refusal
                }
                // A plain GET, perhaps of a page that asks why.
                RefusedBy::Admission(refusal)
                    if refusal.status() == StatusCode::UPGRADE_REQUIRED =>
                {
                    shared.refused.take(asked, now).unwrap_or(refusal)
                }
                RefusedBy::Admission(refusal) => refusal,
            };
            tracing::debug!(
                route = name,
                peer = ?client.peer,
                status = refusal.status().as_u16(),
                "refused"
            );
            refusal.into_response().into_response()
        }
    }
}

/// Who has refused a request.
enum RefusedBy {
    Admission(Refusal),
    Init(Refusal),
}

impl From<Refusal> for RefusedBy {
    fn from(refusal: Refusal) -> Self {
        Self::Admission(refusal)
    }
}

async fn connect(
    shared: &Shared,
    found: Found,
    arrival: Arrival,
) -> Result<Response<()>, RefusedBy> {
    let (route, params) = found?;
    let Entry {
        client,
        visitor,
        protocol,
        deflate,
        slot,
        accept,
    } = admit::admit(&shared.hub, &shared.policy, &route, &arrival.request()).await?;
    let Some(on_upgrade) = arrival.on_upgrade else {
        // Admission lets nobody in who cannot be upgraded.
        return Err(Refusal::BAD_REQUEST.into());
    };
    let handshake = Handshake::new(arrival.uri, arrival.headers)
        .with_peer(client.peer)
        .with_protocol(protocol.map(str::to_owned))
        .with_deflate(deflate)
        .with_params(params)
        .with_visitor(visitor)
        .with_slot(slot);
    let opened = route.open(handshake).await.map_err(RefusedBy::Init)?;
    tokio::spawn(upgrade(on_upgrade, opened));
    Ok(accept.response(protocol, deflate))
}

/// Waits until hyper has written the 101, then lets the connection run in a task of its
/// own: this one still holds what belongs to HTTP.
async fn upgrade(on_upgrade: OnUpgrade, opened: Box<dyn Opened>) {
    match on_upgrade.await {
        Ok(upgraded) => {
            let (transport, early): (_, Bytes) = connection::open(upgraded);
            opened.start(transport, early);
        }
        Err(error) => {
            tracing::debug!(%error, "the client left before the connection was open");
            drop(opened);
        }
    }
}
