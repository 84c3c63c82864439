//! The routes and the browser client as a service of hyper and tower.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Body;
use hyper::upgrade::OnUpgrade;
use ws_core::error::Refusal;

use crate::body::{FallbackBody, WsBody, chunks};
use crate::client::{self, ClientResource};
use crate::handshake::{self, Arrival, FoundRoute};
use crate::page_posts::{self, FoundStream};
use crate::peer::OverTls;
use crate::shared::ServerShared;
use crate::visitors;

/// The service of [`Ws::service`](crate::Ws::service): the routes and the browser client. Clones
/// share the same server.
///
/// It is a service of tower and of hyper, for requests with any body, and its responses are those
/// that axum accepts. It responds to every request: with 404 if the path is neither that of a route
/// nor below [`client_path`](crate::Server::client_path). See [`fallback`](Self::fallback).
#[derive(Clone, Debug)]
pub struct WsService {
    shared: Arc<ServerShared>,
}

/// The future of a response.
pub type WsFuture<B = WsBody, E = Infallible> =
    Pin<Box<dyn Future<Output = Result<Response<B>, E>> + Send>>;

impl WsService {
    pub(crate) const fn new(shared: Arc<ServerShared>) -> Self {
        Self { shared }
    }

    /// Leaves the other requests to this service: those of other paths, those of a route's path
    /// with a method other than GET, except for the POSTs of
    /// [`Server::http_fallback`](crate::Server::http_fallback), and, with
    /// [`Server::only_upgrades`](crate::Server::only_upgrades), those that request no upgrade.
    ///
    /// With axum, the page `/chat` and the route `/chat` share their path by
    /// `get_service(ws.service().fallback(page.into_service()))`, and a whole application becomes
    /// the fallback by `ws.service().fallback(router)`.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use http::{Request, Response};
    /// # use hyper::service::Service;
    /// # use ws_server::prelude::*;
    /// # async fn call(ws: Ws) {
    /// # #[derive(Clone)]
    /// # struct Application;
    /// # impl tower_service::Service<Request<String>> for Application {
    /// #     type Response = Response<String>;
    /// #     type Error = Infallible;
    /// #     type Future = std::future::Ready<Result<Response<String>, Infallible>>;
    /// #     fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
    /// #         std::task::Poll::Ready(Ok(()))
    /// #     }
    /// #     fn call(&mut self, _: Request<String>) -> Self::Future {
    /// #         std::future::ready(Ok(Response::new("application".to_owned())))
    /// #     }
    /// # }
    /// let service = ws.service().fallback(Application);
    /// # let _ = service;
    /// # }
    /// ```
    #[must_use = "a service does nothing before it is served"]
    pub const fn fallback<S>(self, fallback: S) -> WithFallback<S> {
        WithFallback { ws: self, fallback }
    }

    fn respond<B>(&self, resource: Resource, request: Request<B>) -> WsFuture
    where
        B: Body<Data: Send> + Send + 'static,
    {
        let (parts, body) = request.into_parts();
        let shared = self.shared.clone();
        Box::pin(async move { Ok(respond(&shared, resource, parts, body).await) })
    }
}

/// The part of the server that a request belongs to.
enum Resource {
    Route(FoundRoute),
    /// A POST of a page stream.
    Stream(FoundStream),
    Client(ClientResource),
    Missing,
}

/// Finds the resource of a request with this method and target.
fn find(shared: &ServerShared, method: &Method, uri: &Uri) -> Resource {
    let path = shared.base.strip(uri.path());
    if let Some(found) = handshake::find(shared, path) {
        return match page_posts::find(shared, method, found) {
            Ok(stream) => Resource::Stream(stream),
            Err(found) => Resource::Route(found),
        };
    }
    client::find(&shared.client_path, path).map_or(Resource::Missing, Resource::Client)
}

/// Only a POST of a page stream has a body; that of any other request is dropped.
async fn respond<B>(
    shared: &Arc<ServerShared>,
    resource: Resource,
    mut parts: Parts,
    body: B,
) -> Response<WsBody>
where
    B: Body<Data: Send> + Send + 'static,
{
    let on_upgrade = parts.extensions.remove::<OnUpgrade>();
    match resource {
        Resource::Route(found) => {
            let arrival = arrival(shared, parts, on_upgrade.is_some());
            handshake::respond_and_upgrade(shared, found, arrival, on_upgrade).await
        }
        Resource::Stream(found) => {
            let arrival = arrival(shared, parts, false);
            page_posts::respond(shared, found, arrival, chunks(body)).await
        }
        Resource::Client(resource) => respond_client(shared, resource, &parts).await,
        Resource::Missing => without_path(&parts.method, &parts.uri).unwrap_or_else(|| {
            let mut response = Response::new(WsBody::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }),
    }
}

fn arrival(shared: &ServerShared, parts: Parts, can_upgrade: bool) -> Arrival {
    Arrival {
        peer: shared.peer(&parts.extensions),
        over_tls: parts.extensions.get::<OverTls>().is_some(),
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        can_upgrade,
    }
}

/// Returns the response to a request for a resource of the browser client.
async fn respond_client(
    shared: &Arc<ServerShared>,
    resource: ClientResource,
    parts: &Parts,
) -> Response<WsBody> {
    match resource {
        ClientResource::File(file) => file.respond(&parts.method, &parts.headers),
        ClientResource::NewPage if parts.method == Method::POST => {
            let page = visitors::new_page(shared, parts).await;
            page.unwrap_or_else(handshake::refused)
        }
        ClientResource::NewPage => client::method_not_allowed(HeaderValue::from_static("POST")),
    }
}

/// The response to a request whose target has no path: `CONNECT host:80` and `GET host:80`.
pub(crate) fn without_path(method: &Method, uri: &Uri) -> Option<Response<WsBody>> {
    let path = uri.path();
    let has_path = path.starts_with('/') || (*method == Method::OPTIONS && path == "*");
    let refusal = Refusal::BAD_REQUEST.body("the target of the request has no path");
    (!has_path).then(|| handshake::refused(refusal))
}

impl<B> tower_service::Service<Request<B>> for WsService
where
    B: Body<Data: Send> + Send + 'static,
{
    type Response = Response<WsBody>;
    type Error = Infallible;
    type Future = WsFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> WsFuture {
        let resource = find(&self.shared, request.method(), request.uri());
        self.respond(resource, request)
    }
}

impl<B> hyper::service::Service<Request<B>> for WsService
where
    B: Body<Data: Send> + Send + 'static,
{
    type Response = Response<WsBody>;
    type Error = Infallible;
    type Future = WsFuture;

    fn call(&self, request: Request<B>) -> WsFuture {
        let resource = find(&self.shared, request.method(), request.uri());
        self.respond(resource, request)
    }
}

/// A [`WsService`] in front of another service, as of [`WsService::fallback`].
#[derive(Clone)]
pub struct WithFallback<S> {
    ws: WsService,
    fallback: S,
}

impl<S> fmt::Debug for WithFallback<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithFallback")
            .field("ws", &self.ws)
            .finish_non_exhaustive()
    }
}

impl<B, S, R> tower_service::Service<Request<B>> for WithFallback<S>
where
    B: Body<Data: Send> + Send + 'static,
    S: tower_service::Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<FallbackBody<R>>;
    type Error = S::Error;
    type Future = WsFuture<FallbackBody<R>, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.fallback.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match claim(&self.ws.shared, &request) {
            Claim::Ours(resource) => {
                let response = self.ws.respond(resource, request);
                Box::pin(async move {
                    let Ok(response) = response.await;
                    Ok(response.map(FallbackBody::ours))
                })
            }
            Claim::Refused(response) => {
                Box::pin(async move { Ok(response.map(FallbackBody::ours)) })
            }
            Claim::Fallback => {
                let response = self.fallback.call(request);
                Box::pin(async move { Ok(response.await?.map(FallbackBody::fallback)) })
            }
        }
    }
}

/// The receiver of a request that a server shares with an application.
enum Claim {
    Ours(Resource),
    /// A page asks why its recent handshake was refused.
    Refused(Response<WsBody>),
    Fallback,
}

fn claim<B>(shared: &ServerShared, request: &Request<B>) -> Claim {
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let resource = find(shared, method, uri);
    match resource {
        Resource::Stream(_) if !page_posts::is_of_page(headers) => Claim::Fallback,
        Resource::Route(_) if *method != Method::GET => Claim::Fallback,
        Resource::Route(_) if handshake::falls_through(shared, headers) => {
            let peer = shared.peer(request.extensions());
            let refused = handshake::recent_refusal(shared, peer, uri, headers);
            refused.map_or(Claim::Fallback, Claim::Refused)
        }
        Resource::Client(ClientResource::NewPage) if *method != Method::POST => Claim::Fallback,
        Resource::Missing => Claim::Fallback,
        Resource::Route(_) | Resource::Stream(_) | Resource::Client(_) => Claim::Ours(resource),
    }
}
