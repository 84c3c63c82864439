//! HTTP/1.1 on one connection: hyper with the application of a server.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use warp::Reply;
use warp::reply::Response;
use ws_core::limits::ServerLimits;

use crate::exchange::Exchange;
use crate::filter::{PeerAddr, Target, WsFilter};

mod activity;
mod allowance;
mod bodies;
#[cfg(test)]
mod tests;
mod timeouts;

pub(super) use activity::Activity;
use bodies::RequestBody;
pub(super) use bodies::ResponseBody;
pub(super) use timeouts::{HttpConnection, HttpEnd, Timeouts};

/// The body of warp's responses, which has no public name.
type Body = <Response as HasBody>::Body;

/// Names the body of a response.
pub(super) trait HasBody {
    /// The body.
    type Body;
}

impl<B> HasBody for http::Response<B> {
    type Body = B;
}

/// A response whose body reports its progress.
pub(super) type HttpResponse = http::Response<ResponseBody<Body>>;

/// The future of a response, as hyper polls it.
pub(super) type ResponseFuture =
    Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

/// The minimum number of bytes that hyper may read ahead of the application. It is larger than the
/// limit of the head, so that a body is not read in small pieces.
const READ_BUFFER: usize = 64 * 1024;

/// hyper's settings for the connections of a server.
pub(super) fn builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The timeouts in `timeouts` replace it: hyper would also count the silence before a head.
        .header_read_timeout(None)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(READ_BUFFER))
        // A client that closes its write half counts as gone: its futures, such as `init`, are
        // dropped.
        .half_close(false);
    builder
}

/// The service that a server provides on its connections.
pub(super) trait Application: Clone + Send + 'static {
    /// Serves HTTP on one connection until it closes, is upgraded, or is ended by a timeout.
    fn serve(
        self,
        builder: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        timeouts: Timeouts<'_, impl Future<Output = ()> + Send>,
    ) -> impl Future<Output = hyper::Result<()>> + Send;
}

/// A warp filter, which may upgrade connections to any protocol.
#[derive(Clone, Debug)]
pub(super) struct FilterApplication(pub(super) WsFilter);

impl Application for FilterApplication {
    async fn serve(
        self,
        builder: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        timeouts: Timeouts<'_, impl Future<Output = ()> + Send>,
    ) -> hyper::Result<()> {
        let service = PeerService::new(self.0, peer, timeouts.activity().clone());
        // hyper gets the bare stream, so that the code that upgrades the connection can take it
        // out.
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = connection.with_upgrades();
        timeouts.enforce(&mut connection).await.map(|_| ())
    }
}

impl<I, S> HttpConnection for UpgradeableConnection<I, S>
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = HttpResponse, Error = Infallible>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Future::poll(Pin::new(self), cx)
    }

    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// A filter for one client: each request carries the client's address.
#[derive(Clone, Debug)]
pub(super) struct PeerService<A> {
    application: A,
    peer: SocketAddr,
    activity: Arc<Activity>,
}

impl PeerService<()> {
    pub(super) fn new(
        filter: WsFilter,
        peer: SocketAddr,
        activity: Arc<Activity>,
    ) -> PeerService<
        impl Service<
            Request<RequestBody<Incoming>>,
            Response = Response,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send,
    > {
        let application = TowerToHyperService::new(warp::service(filter));
        PeerService {
            application,
            peer,
            activity,
        }
    }
}

impl<A> Service<Request<Incoming>> for PeerService<A>
where
    A: Service<Request<RequestBody<Incoming>>, Response = Response, Error = Infallible>,
    A::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, mut request: Request<Incoming>) -> ResponseFuture {
        let number = self.activity.begin();
        if !has_path(&request) {
            return Box::pin(ready(Ok(ResponseBody::of(
                number,
                no_path(),
                &self.activity,
            ))));
        }
        let exchange = Exchange::default();
        let target = Target {
            uri: request.uri().clone(),
            exchange: exchange.clone(),
        };
        request.extensions_mut().insert(target);
        request.extensions_mut().insert(PeerAddr(self.peer));
        let request = request.map(|body| RequestBody::new(body, &self.activity));
        let (response, activity) = (self.application.call(request), self.activity.clone());
        Box::pin(async move {
            let response = response.await;
            exchange.end();
            response.map(|response| ResponseBody::of(number, response, &activity))
        })
    }
}

/// Whether the target has a path. `CONNECT host:80` and `GET host:80` have none, and warp's path
/// filters panic on them.
fn has_path<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    path.starts_with('/') || (request.method() == Method::OPTIONS && path == "*")
}

fn no_path() -> Response {
    let body = "the target of the request has no path\n";
    warp::reply::with_status(body, StatusCode::BAD_REQUEST).into_response()
}
