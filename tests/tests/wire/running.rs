//! Servers that run inside a test, and handlers that report their events to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use warp::{Filter, Reply};
use ws_server::WsFilter;
use ws_server::listener::Listener;
use ws_server::prelude::*;

use crate::client::{Client, close, upgrade, within};

/// A server on a port of its own. When it is dropped, its connections are cut.
pub(crate) struct Running {
    pub address: SocketAddr,
    pub ws: Ws,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<()>,
}

impl Running {
    /// Serves the routes alone.
    pub(crate) async fn start(ws: Ws) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::start_on(ws, listener)
    }

    /// Serves the routes alone on this listener.
    pub(crate) fn start_on(ws: Ws, listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        Self::listen(ws, address, listener)
    }

    /// Serves the routes alone on any listener. The address is that of the TCP listener below, if
    /// there is one.
    pub(crate) fn listen(ws: Ws, address: SocketAddr, listener: impl Listener) -> Self {
        let (stop, stopped) = stopping();
        let served = tokio::spawn(ws.run_until(listener, stopped));
        Self {
            address,
            ws,
            stop: Some(stop),
            served,
        }
    }

    /// Serves a filter on the server's own accept loop.
    pub(crate) async fn serve<F, R>(ws: Ws, filter: F) -> Self
    where
        F: Filter<Extract = (R,), Error = warp::Rejection> + Send + Sync + 'static,
        R: Reply + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stopping();
        let served = tokio::spawn(ws.serve_until(filter, listener, stopped));
        Self {
            address,
            ws,
            stop: Some(stop),
            served,
        }
    }

    /// Serves the filter under warp's own server.
    pub(crate) async fn under_warp(ws: Ws, filter: WsFilter) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stopping();
        let server = warp::serve(filter).incoming(listener).graceful(stopped);
        Self {
            address,
            ws,
            stop: Some(stop),
            served: tokio::spawn(server.run()),
        }
    }

    /// Serves an application of axum under axum's own server.
    pub(crate) async fn under_axum(ws: Ws, application: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stopping();
        let application = application.into_make_service_with_connect_info::<SocketAddr>();
        let server = axum::serve(listener, application).with_graceful_shutdown(stopped);
        Self {
            address,
            ws,
            stop: Some(stop),
            served: tokio::spawn(async { server.await.unwrap() }),
        }
    }

    /// Serves an application of axum behind the server's routes, on the server's own accept loop.
    pub(crate) async fn serve_axum(ws: Ws, application: axum::Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = stopping();
        let service = ws.service().fallback(application);
        let served = tokio::spawn(ws.serve_service_until(service, listener, stopped));
        Self {
            address,
            ws,
            stop: Some(stop),
            served,
        }
    }

    pub(crate) async fn open(&self, path: &str) -> Client {
        Client::open(self.address, path).await
    }

    /// The status of a handshake with these additional header lines.
    pub(crate) async fn status(&self, path: &str, lines: &[&str]) -> u16 {
        let (head, _) = Client::ask(self.address, &upgrade(path, lines)).await;
        head.status
    }

    /// Starts the shutdown; [`stopped`](Self::stopped) waits for its end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn stopped(&mut self) {
        self.stop();
        within("the server ends", &mut self.served).await.unwrap();
    }

    /// Stops a server that does not know of WebSocket connections: an open one outlives it, until
    /// `shutdown` closes it.
    pub(crate) async fn ends_before_a_connection(mut self, path: &str, mut reports: Reports) {
        let mut client = self.open(path).await;
        reports.next().await;
        self.stopped().await;
        client.send_text("still open").await;
        assert_eq!(client.text().await, "still open");
        let shutdown = tokio::spawn(self.ws.shutdown(Duration::from_secs(20)));
        assert_eq!(client.close_frame().await.0, 1001);
        client.send(close(1001, "")).await;
        client.end().await;
        shutdown.await.unwrap();
        assert_eq!(reports.received(), ["Shutdown 1001"]);
    }
}

/// The signal that stops a server.
pub(crate) fn stopping() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        let _ = stopped.await;
    };
    (stop, stopped)
}

/// Reports the events of the connections of one test.
#[derive(Clone)]
pub(crate) struct Reporter {
    sender: mpsc::UnboundedSender<String>,
    open: Arc<AtomicUsize>,
}

/// The receiving end of [`Reporter`].
pub(crate) struct Reports(mpsc::UnboundedReceiver<String>);

impl Reporter {
    pub(crate) fn new() -> (Self, Reports) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let open = Arc::default();
        (Self { sender, open }, Reports(receiver))
    }

    pub(crate) fn report(&self, what: impl Into<String>) {
        // A test that has ended no longer receives.
        let _ = self.sender.send(what.into());
    }

    /// The number of handlers that were made and not yet terminated.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn terminated(&self, reason: &CloseReason) {
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.report(format!("{:?} {}", reason.cause, reason.code.get()));
    }
}

impl Reports {
    /// The next event.
    pub(crate) async fn next(&mut self) -> String {
        let event = within("an event of a handler", self.0.recv()).await;
        event.expect("a handler is still alive")
    }

    /// All events so far.
    pub(crate) fn received(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}
