//! The routes of a server without an application: the shortest path from a request to its
//! connection.
//!
//! No other code on such a connection can request an upgrade. So hyper returns the stream unchanged
//! when its work is done, without a box around it and without a task that waits for it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::http::{
    Activity, Application, HttpConnection, HttpEnd, RequestBody, ResponseBody, ResponseFuture,
    Timeouts,
};
use crate::body::{WsBody, chunks};
use crate::connection;
use crate::handshake::{self, Arrival};
use crate::page_posts;
use crate::peer::{Peer, canonical};
use crate::service::WsService;
use crate::shared::ServerShared;

/// The routes and the browser client.
#[derive(Clone)]
pub(super) struct RoutesOnly(pub(super) Arc<ServerShared>);

impl Application for RoutesOnly {
    #[cfg(feature = "http2")]
    type Service = WsService;
    #[cfg(feature = "http2")]
    type Body = WsBody;

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
        let Self(shared) = self;
        let unsent = shared.limits.unsent;
        let activity = timeouts.activity().clone();
        let service = RoutesService {
            shared,
            peer,
            activity: activity.clone(),
        };
        let mut connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut until_upgrade = UntilUpgrade {
            connection: &mut connection,
            activity: &activity,
            is_closing: false,
        };
        // If the connection was cut, the 101 may not be fully written.
        if timeouts.enforce(&mut until_upgrade).await? == HttpEnd::Finished
            && let Some(opened) = activity.take_opened()
        {
            drop(until_upgrade);
            let parts = connection.into_parts();
            let io = parts.io.into_inner();
            let (transport, early) = connection::own(io, &parts.read_buf, unsent);
            opened.start(transport, &early);
        }
        Ok(())
    }

    /// A stream of HTTP/2 is never recovered, so nothing is shorter than the service.
    #[cfg(feature = "http2")]
    fn into_service(self) -> WsService {
        WsService::new(self.0)
    }
}

/// A connection whose stream is recovered when it has become a WebSocket connection.
struct UntilUpgrade<'c, I> {
    connection: &'c mut http1::Connection<TokioIo<I>, RoutesService>,
    activity: &'c Activity,
    /// HTTP has ended without an upgrade.
    is_closing: bool,
}

impl<I> Drop for UntilUpgrade<'_, I> {
    /// A task that holds the body of a request holds the activity too, and may do so for longer.
    fn drop(&mut self) {
        drop(self.activity.take_opened());
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> HttpConnection for UntilUpgrade<'_, I> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if !self.is_closing {
            ready!(self.connection.poll_without_shutdown(cx))?;
            if self.activity.has_opened() {
                return Poll::Ready(Ok(()));
            }
            // Without an upgrade, hyper shuts the stream down: responses may still wait to be
            // written.
            self.is_closing = true;
        }
        Future::poll(Pin::new(&mut *self.connection), cx)
    }

    fn finish(&mut self) {
        Pin::new(&mut *self.connection).graceful_shutdown();
    }
}

/// Serves the requests of one client.
struct RoutesService {
    shared: Arc<ServerShared>,
    peer: Peer,
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for RoutesService {
    type Response = http::Response<ResponseBody<WsBody>>;
    type Error = Infallible;
    type Future = ResponseFuture<WsBody>;

    fn call(&self, mut request: Request<Incoming>) -> ResponseFuture<WsBody> {
        let number = self.activity.begin();
        let path = self.shared.base.strip(request.uri().path());
        let Some(found) = handshake::find(&self.shared, path) else {
            self.peer.extend(request.extensions_mut());
            let other = WsService::new(self.shared.clone()).call(request);
            let activity = self.activity.clone();
            return Box::pin(async move {
                let Ok(response) = other.await;
                Ok(ResponseBody::of(number, response, &activity))
            });
        };
        let found = page_posts::find(&self.shared, request.method(), found);
        let (head, body) = request.into_parts();
        let arrival = Arrival {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            peer: self.peer.address.map(canonical),
            over_tls: self.peer.over_tls,
            can_upgrade: head.extensions.get::<OnUpgrade>().is_some(),
        };
        let (shared, activity) = (self.shared.clone(), self.activity.clone());
        let found = match found {
            Err(found) => found,
            Ok(stream) => {
                let body = chunks(RequestBody::new(body, &activity));
                return Box::pin(async move {
                    let response = page_posts::respond(&shared, stream, arrival, body).await;
                    Ok(ResponseBody::of(number, response, &activity))
                });
            }
        };
        Box::pin(async move {
            let response = handshake::respond(&shared, found, arrival).await;
            if let Some(opened) = response.opened {
                activity.open(opened);
            }
            Ok(ResponseBody::of(number, response.response, &activity))
        })
    }
}
