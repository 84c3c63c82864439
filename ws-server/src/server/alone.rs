//! The routes of a server with no application around them: the shortest way from a request to
//! its connection.
//!
//! Nothing else on such a connection can ask for an upgrade, so hyper gives the stream back as it
//! was when its work is done, without a box around it and without a task that waits for it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use warp::reply::Response;
use ws_core::driver::Opened;

use super::http::{Application, ForPeer};
use crate::connection;
use crate::filter::{WsFilter, canonical};
use crate::handshake::{self, Arrival};
use crate::shared::Shared;

/// The routes, and this filter for everything else.
#[derive(Clone)]
pub(super) struct Alone {
    pub(super) shared: Arc<Shared>,
    pub(super) rest: WsFilter,
}

impl Application for Alone {
    async fn serve(
        self,
        builder: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        draining: impl Future<Output = ()> + Send,
    ) -> hyper::Result<()> {
        let opened = Waiting::default();
        let service = Requests {
            shared: self.shared,
            rest: self.rest,
            peer,
            opened: opened.clone(),
        };
        let mut connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => ended,
            () = draining => {
                // A 101 that is half written is written to its end: that connection closes by
                // itself.
                if opened.is_empty() {
                    Pin::new(&mut connection).graceful_shutdown();
                }
                poll_fn(|cx| connection.poll_without_shutdown(cx)).await
            }
        }?;
        let Some(opened) = opened.take() else {
            // Without an upgrade the shutdown is hyper's: answers may still wait to be written.
            return connection.await;
        };
        let parts = connection.into_parts();
        let (transport, early) = connection::tcp(parts.io.into_inner(), &parts.read_buf);
        opened.start(transport, early);
        Ok(())
    }
}

/// The connection that a request has opened, until the 101 is written. Where that does not come
/// to pass, it is dropped, and ends.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<Option<Box<dyn Opened>>>>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Opened>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, opened: Option<Box<dyn Opened>>) {
        *self.lock() = opened;
    }

    fn is_empty(&self) -> bool {
        self.lock().is_none()
    }

    fn take(&self) -> Option<Box<dyn Opened>> {
        self.lock().take()
    }
}

/// Answers the requests of one client.
struct Requests {
    shared: Arc<Shared>,
    rest: WsFilter,
    peer: SocketAddr,
    opened: Waiting,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Some(found) = handshake::find(&self.shared, request.uri().path()) else {
            return Box::pin(ForPeer::new(self.rest.clone(), self.peer).call(request));
        };
        let (head, _) = request.into_parts();
        let arrival = Arrival {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            peer: Some(canonical(self.peer)),
            can_upgrade: head.extensions.get::<OnUpgrade>().is_some(),
        };
        let (shared, opened) = (self.shared.clone(), self.opened.clone());
        Box::pin(async move {
            let answer = handshake::answer(&shared, found, arrival).await;
            opened.put(answer.opened);
            Ok(answer.response)
        })
    }
}
