//! The routes of a server as one warp filter, and the browser client as another.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Context;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, stream};
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use hyper::upgrade::OnUpgrade;
use warp::filters::BoxedFilter;
use warp::path::{FullPath, Tail};
use warp::{Filter, Rejection, Reply};

use crate::body::{BodyLost, Content, WsBody};
use crate::client::{self, ClientResource};
use crate::exchange::Target;
use crate::handshake::{self, Arrival, FoundRoute};
use crate::page_posts;
use crate::peer::{OverTls, PeerAddr, canonical};
use crate::shared::ServerShared;

/// The filter of [`Ws::filter`](crate::Ws::filter).
///
/// The filter replies to every GET on the path of a route. It rejects other requests, so that
/// filters behind `or` can handle them: an unknown path is rejected with warp's own "not found",
/// and any other method as by `warp::get()`, which is 405 if no other filter accepts it. With
/// [`Server::only_upgrades`](crate::Server::only_upgrades) it also rejects a GET that does not
/// request an upgrade. With [`Server::http_fallback`](crate::Server::http_fallback) it also replies
/// to the POSTs of page streams.
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

/// Builds the filter of all routes.
pub(crate) fn build(shared: &Arc<ServerShared>) -> WsFilter {
    let handshakes = handshakes(shared);
    if shared.over_http.is_none() {
        return handshakes;
    }
    handshakes.or(page_posts(shared)).unify().boxed()
}

/// Builds the filter of the POSTs of page streams. It takes the body of a request only if no other
/// filter needs it.
fn page_posts(shared: &Arc<ServerShared>) -> WsFilter {
    let (router, serving) = (shared.clone(), shared.clone());
    path()
        .and_then(move |path: PathAndTail| std::future::ready(find(&router, path.as_ref())))
        .untuple_one()
        .and(warp::post())
        .and(parts())
        .and_then(move |found: FoundRoute, path: String, parts: Parts| {
            let (shared, is_of_page) = (serving.clone(), page_posts::is_of_page(&parts.headers));
            let found = page_posts::find(&shared, &parts.method, found);
            let claimed = found.ok().filter(|_| is_of_page);
            let claimed = claimed.map(|found| (shared, found, path, parts));
            std::future::ready(claimed.ok_or_else(warp::reject::not_found))
        })
        .untuple_one()
        .and(query())
        .and(peer())
        .and(warp::body::stream())
        .and_then(
            |shared: Arc<ServerShared>, found, path, parts: Parts, query, peer, body| async move {
                let target = parts.extensions.get::<Target>();
                let arrival = Arrival {
                    uri: target.map_or_else(|| uri(path, query), |target| target.uri.clone()),
                    method: parts.method,
                    headers: parts.headers,
                    peer,
                    over_tls: parts.extensions.get::<OverTls>().is_some(),
                    can_upgrade: false,
                };
                let response = page_posts::respond(&shared, found, arrival, bytes_of(body)).await;
                Ok::<_, Rejection>(reply(response))
            },
        )
        .boxed()
}

/// Converts the body that warp extracts.
fn bytes_of(
    body: impl Stream<Item = Result<impl Buf, warp::Error>>,
) -> impl Stream<Item = Result<Bytes, BodyLost>> {
    body.map(|chunk| {
        let mut chunk = chunk.map_err(|_| BodyLost)?;
        let all = chunk.remaining();
        Ok(chunk.copy_to_bytes(all))
    })
}

/// Builds the filter of handshakes: it finds the route first, and extracts the rest of the request
/// only if there is one.
fn handshakes(shared: &Arc<ServerShared>) -> WsFilter {
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
        .and(warp::ext::optional::<OverTls>())
        .and(warp::ext::optional::<OnUpgrade>())
        .and_then(
            move |found,
                  path: String,
                  headers,
                  query,
                  target: Option<Target>,
                  peer,
                  over_tls: Option<OverTls>,
                  on_upgrade: Option<OnUpgrade>| {
                let uri = target.map_or_else(|| uri(path, query), |target| target.uri);
                let arrival = Arrival {
                    method: Method::GET,
                    uri,
                    headers,
                    peer,
                    over_tls: over_tls.is_some(),
                    can_upgrade: on_upgrade.is_some(),
                };
                let shared = serving.clone();
                async move {
                    let Arrival { uri, headers, .. } = &arrival;
                    if handshake::falls_through(&shared, headers) {
                        let refusal = handshake::recent_refusal(&shared, peer, uri, headers);
                        return refusal.map(reply).ok_or_else(warp::reject::not_found);
                    }
                    let response =
                        handshake::respond_and_upgrade(&shared, found, arrival, on_upgrade);
                    Ok::<_, Rejection>(reply(response.await))
                }
            },
        )
        .boxed()
}

/// Builds the filter of the browser client, with the filter of new pages.
pub(crate) fn client(shared: &Arc<ServerShared>, new_page: WsFilter) -> WsFilter {
    let (files, pages) = (shared.clone(), shared.clone());
    let file = path()
        .and_then(move |path: PathAndTail| {
            let found = match find_client(&files, path.as_ref()) {
                Some(ClientResource::File(file)) => Ok(file),
                _ => Err(warp::reject::not_found()),
            };
            std::future::ready(found)
        })
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .map(|file: client::CachedFile, method, headers| reply(file.respond(&method, &headers)));
    let page = path()
        .and_then(move |path: PathAndTail| {
            let found = match find_client(&pages, path.as_ref()) {
                Some(ClientResource::NewPage) => Ok(()),
                _ => Err(warp::reject::not_found()),
            };
            std::future::ready(found)
        })
        .untuple_one();
    file.or(page.and(new_page)).unify().boxed()
}

fn find_client(shared: &ServerShared, path: Option<&(FullPath, Tail)>) -> Option<ClientResource> {
    let (_, rest) = whole_and_rest(shared, path);
    client::find(&shared.client_path, rest)
}

/// The parts of a request that warp shows.
pub(crate) fn parts() -> impl Filter<Extract = (Parts,), Error = Infallible> + Clone {
    warp::method()
        .and(warp::ext::optional::<Target>())
        .and(warp::header::headers_cloned())
        .and(peer())
        .and(warp::ext::optional::<OverTls>())
        .map(
            |method, target: Option<Target>, headers, peer, over_tls: Option<OverTls>| {
                let (mut parts, ()) = Request::new(()).into_parts();
                parts.method = method;
                parts.headers = headers;
                if let Some(peer) = peer {
                    parts.extensions.insert(PeerAddr(peer));
                }
                if let Some(over_tls) = over_tls {
                    parts.extensions.insert(over_tls);
                }
                if let Some(target) = target {
                    // Only the authority matters here, and warp provides none.
                    parts.uri = target.uri.clone();
                    parts.extensions.insert(target);
                }
                parts
            },
        )
}

/// Converts a response for warp.
pub(crate) fn reply(response: Response<WsBody>) -> warp::reply::Response {
    response.map(|body| match body.into_content() {
        Content::Bytes(bytes) => bytes.into(),
        Content::Lines(lines) => {
            let next = move |cx: &mut Context<'_>| lines.poll_next(cx);
            let lines = stream::poll_fn(next).map(Ok::<_, Infallible>);
            warp::reply::stream(lines).into_response().into_body()
        }
    })
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
    let (whole, rest) = whole_and_rest(shared, path);
    match handshake::find(shared, rest) {
        None => Err(warp::reject::not_found()),
        Some(found) => Ok((found, whole.to_owned())),
    }
}

/// Returns the whole path, and the part of it below the mount point and below the base.
fn whole_and_rest<'p>(
    shared: &ServerShared,
    path: Option<&'p (FullPath, Tail)>,
) -> (&'p str, &'p str) {
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
    (whole, rest)
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
fn peer() -> impl Filter<Extract = (Option<SocketAddr>,), Error = Infallible> + Copy {
    warp::ext::optional::<PeerAddr>()
        .and(warp::addr::remote())
        .map(|ours: Option<PeerAddr>, warps: Option<SocketAddr>| {
            ours.map(|PeerAddr(address)| address)
                .or(warps)
                .map(canonical)
        })
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
