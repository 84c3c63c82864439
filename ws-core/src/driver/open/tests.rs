//! Connections that begin while a shutdown begins: each is closed, and the shutdown waits for it.

use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::extract::{AnyRoute, AnyState, NoState};
use crate::hub::Hub;
use crate::limits::Limits;

type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

fn shutdown_of(hub: Hub) -> Shutdown {
    Box::pin(async move { hub.shutdown(Duration::from_secs(10)).await })
}

fn endpoint_of(hub: &Hub) -> Arc<Endpoint> {
    let state = AnyState::new(NoState);
    let endpoint = Endpoint::new("test", "/test", hub.clone(), state, Limits::DEFAULT);
    Arc::new(endpoint)
}

/// Begins the shutdown when the span of a connection is made: in the middle of its registration.
struct ShutdownAtSpan {
    hub: Hub,
    begun: Mutex<Option<Shutdown>>,
}

impl Subscriber for ShutdownAtSpan {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        if span.metadata().name() == "websocket" {
            let mut shutdown = shutdown_of(self.hub.clone());
            let waits = shutdown.as_mut().now_or_never().is_none();
            assert!(waits, "the shutdown does not wait for this connection");
            *self.begun.lock().unwrap() = Some(shutdown);
        }
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_begins_during_the_registration_closes_that_connection_too() {
    let hub = Hub::default();
    let endpoint = endpoint_of(&hub);
    let begun = Mutex::default();
    let subscriber = Arc::new(ShutdownAtSpan {
        hub: hub.clone(),
        begun,
    });
    // While another thread registers the callsite of the span, tracing may not report the span.
    let (pending, mut shutdown) = loop {
        let pending = tracing::subscriber::with_default(subscriber.clone(), || {
            PendingConnection::register(endpoint.clone(), &Handshake::default(), None)
        });
        if let Some(shutdown) = subscriber.begun.lock().unwrap().take() {
            break (pending, shutdown);
        }
    };
    let deadlines = pending.shared.take_external_deadlines().unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    assert_eq!(deadlines.shutdown.map(|times| times.end), Some(end));
    assert_eq!(shutdown.as_mut().now_or_never(), None);
    let start = Instant::now();
    drop(pending);
    shutdown.await;
    assert_eq!(
        (start.elapsed(), hub.connection_count()),
        (Duration::ZERO, 0)
    );
}

struct Unit;

impl Handler<AnyRoute> for Unit {
    async fn init(_: &Opening<Self>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_connection_between_init_and_its_task() {
    let hub = Hub::default();
    let connecting = connect::<Unit, AnyRoute>(endpoint_of(&hub), Handshake::default().into());
    let ready = connecting.run().await.unwrap();
    let mut shutdown = shutdown_of(hub.clone());
    assert_eq!(shutdown.as_mut().now_or_never(), None);
    let start = Instant::now();
    // The upgrade fails, and the connection gets a task for `terminate`.
    drop(ready);
    shutdown.await;
    assert_eq!(
        (start.elapsed(), hub.connection_count()),
        (Duration::ZERO, 0)
    );
    // An `init` that ends now is refused.
    let connecting = connect::<Unit, AnyRoute>(endpoint_of(&hub), Handshake::default().into());
    let refused = connecting.run().await.map(drop).unwrap_err();
    assert_eq!(refused.status(), 503);
}
