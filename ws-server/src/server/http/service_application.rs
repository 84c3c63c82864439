//! A service of the application: hyper calls it for each request of a connection.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1::{self, UpgradeableConnection};
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use super::bodies::RequestBody;
use super::{Activity, Application, HttpConnection, ResponseBody, ResponseFuture, Timeouts};
use crate::body::FallbackBody;
use crate::exchange::{Exchange, Target};
use crate::peer::Peer;
use crate::service::without_path;

/// A service of tower, which may upgrade connections to any protocol.
#[derive(Clone, Debug)]
pub(in crate::server) struct ServiceApplication<S>(pub(in crate::server) S);

impl<S, B> Application for ServiceApplication<S>
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin + Send + 'static,
{
    #[cfg(feature = "http2")]
    type Service = S;
    #[cfg(feature = "http2")]
    type Body = B;

    async fn serve<I>(
        self,
        builder: &http1::Builder,
        stream: I,
        peer: Peer,
        timeouts: Timeouts<'_, impl Future<Output = ()> + Send>,
    ) -> hyper::Result<()>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = PeerService::new(self.0, peer, timeouts.activity().clone());
        // hyper gets the bare stream, so that the code that upgrades the connection can take it
        // out.
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = connection.with_upgrades();
        timeouts.enforce(&mut connection).await.map(|_| ())
    }

    #[cfg(feature = "http2")]
    fn into_service(self) -> S {
        self.0
    }
}

impl<I, S, B> HttpConnection for UpgradeableConnection<I, S>
where
    I: Read + Write + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Future::poll(Pin::new(self), cx)
    }

    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// The service for one client: each request carries the client's address.
#[derive(Clone, Debug)]
pub(in crate::server) struct PeerService<S> {
    service: TowerToHyperService<S>,
    peer: Peer,
    activity: Arc<Activity>,
}

impl<S> PeerService<S> {
    pub(in crate::server) fn new(service: S, peer: Peer, activity: Arc<Activity>) -> Self {
        let service = TowerToHyperService::new(service);
        Self {
            service,
            peer,
            activity,
        }
    }
}

impl<S, B> Service<Request<Incoming>> for PeerService<S>
where
    S: tower_service::Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<ResponseBody<FallbackBody<B>>>;
    type Error = Infallible;
    type Future = ResponseFuture<FallbackBody<B>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let (number, activity) = (self.activity.begin(), self.activity.clone());
        // warp's path filters panic on a target without a path.
        if let Some(response) = without_path(request.method(), request.uri()) {
            return Box::pin(async move {
                let response = response.map(FallbackBody::ours);
                Ok(ResponseBody::of(number, response, &activity))
            });
        }
        let exchange = Exchange::default();
        let target = Target {
            #[cfg(feature = "warp")]
            uri: request.uri().clone(),
            exchange: exchange.clone(),
        };
        request.extensions_mut().insert(target);
        self.peer.extend(request.extensions_mut());
        let request = request.map(|body| RequestBody::new(body, &self.activity));
        let response = self.service.call(request);
        Box::pin(async move {
            let response = response.await;
            exchange.end();
            let response = response.map(|response| response.map(FallbackBody::fallback));
            response.map(|response| ResponseBody::of(number, response, &activity))
        })
    }
}
