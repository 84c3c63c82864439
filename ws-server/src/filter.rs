//! The routes of a server as one warp filter.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Method, Uri};
use hyper::upgrade::OnUpgrade;
use warp::filters::BoxedFilter;
use warp::path::{FullPath, Tail};
use warp::{Filter, Rejection};

use crate::exchange::Exchange;
use crate::handshake::{self, Arrival};
use crate::shared::ServerShared;

/// The filter of [`Ws::filter`](crate::Ws::filter).
///
/// The filter replies to every GET on the path of a route. It rejects other requests, so that
/// filters behind `or` can handle them: an unknown path is rejected with warp's own "not found",
/// and any other method as by `warp::get()`, which is 405 if no other filter accepts it. With
/// [`Server::only_upgrades`](crate::Server::only_upgrades) it also rejects a GET that does not
/// request an upgrade.
///
/// ```no_run
/// use warp::Filter;
/// use ws_server::{Ws, WsFilter};
///
/// fn below_api(ws: &Ws) -> WsFilter {
///     warp::path("api").and(ws.filter()).boxed()
/// }
/// ```
pub type WsFilter = BoxedFilter<(warp::reply::Response,)>;

/// The address of the client, as an extension of a request.
///
/// The server's own accept loop sets it. If another loop drives [`Ws::filter`](crate::Ws::filter)
/// through `warp::service`, set it there. Without it the filter knows only the address that warp
/// provides, which is none outside of `warp::serve`, and the limits per address have no effect.
///
/// ```
/// use std::net::SocketAddr;
/// use ws_server::PeerAddr;
///
/// /// Called by an accept loop of your own for each request.
/// fn accepted<B>(mut request: http::Request<B>, client: SocketAddr) -> http::Request<B> {
///     request.extensions_mut().insert(PeerAddr(client));
///     request
/// }
/// # let client = ([192, 0, 2, 1], 80).into();
/// # let request = accepted(http::Request::new(()), client);
/// # assert_eq!(request.extensions().get(), Some(&PeerAddr(client)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a name for its one field")]
pub struct PeerAddr(pub SocketAddr);

/// An extension that the server's own accept loop sets: the target of the request, of which warp
/// shows filters only parts, and the exchange of the request.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) exchange: Exchange,
}

/// Builds the filter: it finds the route first, and extracts the rest of the request only if there
/// is one.
pub(crate) fn build(shared: &Arc<ServerShared>) -> WsFilter {
    let router = shared.clone();
    let serving = shared.clone();
    path()
        .and_then(move |path: PathAndTail| std::future::ready(find(&router, path.as_ref())))
        .untuple_one()
        .and(warp::get())
        .and(warp::header::headers_cloned())
        .and(query())
        .and(warp::ext::optional::<Target>())
        .and(peer())
        .and(warp::ext::optional::<OnUpgrade>())
        .and_then(
            move |found,
                  path: String,
                  headers,
                  query,
                  target: Option<Target>,
                  peer,
                  on_upgrade: Option<OnUpgrade>| {
                let uri = target.map_or_else(|| uri(path, query), |target| target.uri);
                let arrival = Arrival {
                    method: Method::GET,
                    uri,
                    headers,
                    peer,
                    can_upgrade: on_upgrade.is_some(),
                };
                let shared = serving.clone();
                async move {
                    if handshake::falls_through(&shared, &arrival) {
                        let refusal = handshake::recent_refusal(&shared, &arrival);
                        return refusal.ok_or_else(warp::reject::not_found);
                    }
                    let response = handshake::respond(&shared, found, arrival).await;
                    if let (Some(opened), Some(on_upgrade)) = (response.opened, on_upgrade) {
                        let unsent = shared.limits.unsent;
                        tokio::spawn(handshake::upgrade(on_upgrade, opened, unsent));
                    }
                    Ok::<_, Rejection>(response.response)
                }
            },
        )
        .boxed()
}

/// The path of a request, and the part of it that remains below the mount point of the filter.
type PathAndTail = Option<(FullPath, Tail)>;

/// Extracts `None` if nothing of the path remains. `path::end` comes first because warp's other
/// path filters panic on a target that has no path at all (`CONNECT`, `GET host:80`); for such a
/// target, as for `/`, nothing remains.
fn path() -> impl Filter<Extract = (PathAndTail,), Error = Infallible> + Clone {
    let nothing_left = warp::path::end().map(|| None);
    let something_left = warp::path::full()
        .and(warp::path::tail())
        .map(|full, tail| Some((full, tail)));
    nothing_left.or(something_left).unify()
}

/// The route or a refusal, and the whole path.
type FilterMatch = (handshake::FoundRoute, String);

fn find(shared: &ServerShared, path: Option<&(FullPath, Tail)>) -> Result<FilterMatch, Rejection> {
    let (whole, rest) = match path {
        None => ("/", "/"),
        Some((full, tail)) => (full.as_str(), with_slash(full.as_str(), tail.as_str())),
    };
    // A filter at the root sees the base path; one that is mounted below it does not.
    let rest = if rest.len() == whole.len() {
        shared.base.strip(rest)
    } else {
        rest
    };
    match handshake::find(shared, rest) {
        None => Err(warp::reject::not_found()),
        Some(found) => Ok((found, whole.to_owned())),
    }
}

/// Returns the rest of a path, with the slash that warp counts as part of the prefix.
fn with_slash<'p>(whole: &'p str, tail: &'p str) -> &'p str {
    let start = (whole.len() - tail.len()).saturating_sub(1);
    whole.get(start..).unwrap_or(tail)
}

/// The query of the request, if it has one.
fn query() -> impl Filter<Extract = (Option<String>,), Error = Infallible> + Copy {
    warp::query::raw()
        .map(Some)
        .or_else(|_| std::future::ready(Ok((None,))))
}

/// The client's address from our extension, or else from warp.
pub(crate) fn peer() -> impl Filter<Extract = (Option<SocketAddr>,), Error = Infallible> + Copy {
    warp::ext::optional::<PeerAddr>()
        .and(warp::addr::remote())
        .map(|ours: Option<PeerAddr>, warps: Option<SocketAddr>| {
            ours.map(|PeerAddr(address)| address)
                .or(warps)
                .map(canonical)
        })
}

/// Maps an IPv4-mapped IPv6 address back to IPv4: otherwise all IPv4 clients of an IPv6 listener
/// would share one /64.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The target of the request as far as warp shows it. It was parsed before, so parsing it again
/// succeeds.
fn uri(path: String, query: Option<String>) -> Uri {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    target.parse().unwrap_or_default()
}
