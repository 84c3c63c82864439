//! HTTP/1.1 on one connection: hyper around what a server serves.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;

use futures::future::Either;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
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

/// What a server serves on its connections.
pub(super) trait Application: Clone + Send + 'static {
    /// Speaks HTTP on one connection until it closes or becomes something else. It takes no
    /// further request once `draining` is ready.
    fn serve(
        self,
        builder: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        draining: impl Future<Output = ()> + Send,
    ) -> impl Future<Output = hyper::Result<()>> + Send;
}

/// A warp filter, which may upgrade connections to whatever it likes.
#[derive(Clone, Debug)]
pub(super) struct Filtered(pub(super) WsFilter);

impl Application for Filtered {
    async fn serve(
        self,
        builder: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        draining: impl Future<Output = ()> + Send,
    ) -> hyper::Result<()> {
        let service = ForPeer::new(self.0, peer);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection.with_upgrades());
        tokio::select! {
            ended = &mut connection => ended,
            () = draining => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }
}

/// A filter as one client sees it: each request carries the client's address.
#[derive(Clone, Debug)]
pub(super) struct ForPeer<A> {
    application: A,
    peer: SocketAddr,
}

impl ForPeer<()> {
    pub(super) fn new(
        filter: WsFilter,
        peer: SocketAddr,
    ) -> ForPeer<
        impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send,
    > {
        let application = TowerToHyperService::new(warp::service(filter));
        ForPeer { application, peer }
    }
}

impl<A> Service<Request<Incoming>> for ForPeer<A>
where
    A: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
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
