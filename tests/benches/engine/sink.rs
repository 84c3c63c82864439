//! Connections to clients that accept everything and send nothing.

use std::hint::black_box;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::buf::Limit;
use http::{HeaderMap, Uri};
use tokio::runtime::{Builder, Runtime};
use ws_core::driver::connect;
use ws_core::extract::{Admitted, AnyRoute, AnyState, Endpoint, NoState};
use ws_core::handler::Handler;
use ws_core::hub::Hub;
use ws_core::limits::Limits;
use ws_core::outbox::{DirectWrite, Transport};
use ws_core::socket::Sender;

/// A stream whose other end accepts everything.
#[derive(Clone, Copy)]
pub(crate) struct Sink {
    /// Whether tasks other than the connection's own may write to it.
    pub direct: bool,
}

fn accept_all(slices: &[IoSlice<'_>]) -> usize {
    black_box(slices).iter().map(|slice| slice.len()).sum()
}

impl Transport for Sink {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_read_buf(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(accept_all(slices)))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        self.direct.then(|| Arc::new(*self) as Arc<dyn DirectWrite>)
    }
}

impl DirectWrite for Sink {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(accept_all(slices))
    }
}

/// Idle connections on a runtime that runs only on demand.
pub(crate) struct Connections {
    pub runtime: Runtime,
    pub senders: Vec<Sender>,
}

impl Connections {
    pub(crate) fn open<H: Handler<AnyRoute>>(hub: &Hub, count: usize, sink: Sink) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let state = AnyState::new(NoState);
        // No client answers pings.
        let limits = Limits::DEFAULT.ping(None).idle(None);
        let endpoint = Arc::new(Endpoint::new("bench", "/", hub.clone(), state, limits));
        let senders = runtime.block_on(async {
            let mut senders = Vec::new();
            for _ in 0..count {
                let admitted = Admitted::unchecked(Uri::from_static("/"), HeaderMap::new());
                let connected = connect::<H, AnyRoute>(endpoint.clone(), admitted)
                    .run()
                    .await;
                let connection = connected.unwrap();
                senders.push(connection.sender());
                connection.start(Box::new(sink).into(), &[]);
                // The connection runs until it waits.
                tokio::task::yield_now().await;
            }
            senders
        });
        Self { runtime, senders }
    }
}
