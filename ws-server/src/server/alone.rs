//! The routes of a server with no application around them: the shortest way from a request to
//! its connection.
//!
//! Nothing else on such a connection can ask for an upgrade, so hyper gives the stream back as it
//! was when its work is done, without a box around it and without a task that waits for it.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use ws_core::driver::Opened;

use super::http::{Activity, Answer, Answering, Application, Connection, End, ForPeer, Timeouts};
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
        timeouts: Timeouts<'_, impl Future<Output = ()> + Send>,
    ) -> hyper::Result<()> {
        let opened = Waiting::default();
        let unsent = self.shared.limits.unsent;
        let service = Requests {
            shared: self.shared,
            rest: self.rest,
            peer,
            opened: opened.clone(),
            activity: timeouts.activity().clone(),
        };
        let mut direct = Direct {
            connection: builder.serve_connection(TokioIo::new(stream), service),
            opened,
            is_closing: false,
        };
        // Of a connection that was cut, the 101 may not be written to its end.
        if timeouts.enforce(&mut direct).await? == End::Finished
            && let Some(opened) = direct.opened.take()
        {
            let parts = direct.connection.into_parts();
            let io = parts.io.into_inner();
            let (transport, early) = connection::tcp(io, &parts.read_buf, unsent);
            opened.start(transport, early);
        }
        Ok(())
    }
}

/// A connection whose stream is taken back when it has become a WebSocket connection.
struct Direct {
    connection: http1::Connection<TokioIo<TcpStream>, Requests>,
    opened: Waiting,
    /// HTTP is over, without an upgrade.
    is_closing: bool,
}

impl Connection for Direct {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if !self.is_closing {
            ready!(self.connection.poll_without_shutdown(cx))?;
            if !self.opened.is_empty() {
                return Poll::Ready(Ok(()));
            }
            // Without an upgrade the shutdown is hyper's: answers may still wait to be written.
            self.is_closing = true;
        }
        Future::poll(Pin::new(&mut self.connection), cx)
    }

    fn finish(&mut self) {
        Pin::new(&mut self.connection).graceful_shutdown();
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
    activity: Arc<Activity>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let path = self.shared.base.strip(request.uri().path());
        let Some(found) = handshake::find(&self.shared, path) else {
            let rest = ForPeer::new(self.rest.clone(), self.peer, self.activity.clone());
            return rest.call(request);
        };
        let number = self.activity.begin();
        let (head, _) = request.into_parts();
        let arrival = Arrival {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            peer: Some(canonical(self.peer)),
            can_upgrade: head.extensions.get::<OnUpgrade>().is_some(),
        };
        let (shared, opened) = (self.shared.clone(), self.opened.clone());
        let activity = self.activity.clone();
        Box::pin(async move {
            let answer = handshake::answer(&shared, found, arrival).await;
            opened.put(answer.opened);
            Ok(activity.answer(number, answer.response))
        })
    }
}
