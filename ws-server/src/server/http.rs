//! HTTP/1.1 on one connection: hyper around the application's warp filter.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;

use futures::future::Either;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use warp::Reply;
use warp::reply::Response;
use ws_core::limits::ServerLimits;

use crate::filter::{PeerAddr, Target, WsFilter};

/// Least bytes that hyper may read ahead of the application; above the head's limit, so
/// that a body does not trickle.
const READ_BUFFER: usize = 64 * 1024;

/// hyper's settings for the connections of a server.
pub(super) fn builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Without a timer hyper has no time-outs.
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(READ_BUFFER))
        // A client that ends its half is gone: what runs for it, such as `init`, is dropped.
        .half_close(false);
    builder
}

/// Answers the requests of an application.
pub(super) fn service(filter: WsFilter) -> impl Application {
    TowerToHyperService::new(warp::service(filter))
}

/// A service that answers each request of each connection.
pub(super) trait Application:
    Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<A> Application for A where
    A: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// The application as one client sees it: each request carries the client's address.
#[derive(Clone, Debug)]
pub(super) struct ForPeer<A> {
    pub(super) application: A,
    pub(super) peer: SocketAddr,
}

impl<A: Application> Service<Request<Incoming>> for ForPeer<A> {
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Ready<Result<Response, Infallible>>, A::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if !has_path(&request) {
            return Either::Left(ready(Ok(no_path())));
        }
        let target = Target(request.uri().clone());
        request.extensions_mut().insert(target);
        request.extensions_mut().insert(PeerAddr(self.peer));
        Either::Right(self.application.call(request))
    }
}

/// `CONNECT host:80` and `GET host:80` have none, and warp's path filters panic on them.
fn has_path<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    path.starts_with('/') || (request.method() == Method::OPTIONS && path == "*")
}

fn no_path() -> Response {
    let body = "the target of the request has no path\n";
    warp::reply::with_status(body, StatusCode::BAD_REQUEST).into_response()
}
