//! Traces: the spans of connections and hooks, and their relation to the request.

use std::sync::{Arc, Mutex};

use tracing::span::{Attributes, Id};
use tracing::{Event, Instrument, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use ws_core::testkit::TestKit;
use ws_server::prelude::*;

use crate::journal::secs;

/// What a subscriber sees: new spans with their parents, links, events with their spans, and ends.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn record(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    /// Takes everything recorded so far.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let span = cx.span(id).unwrap();
        let parent = span.parent().map_or("none", |parent| parent.name());
        self.record(format!("new {} in {parent}", span.name()));
    }

    fn on_follows_from(&self, span: &Id, follows: &Id, cx: Context<'_, S>) {
        let name = |id| cx.span(id).unwrap().name();
        self.record(format!("{} follows from {}", name(span), name(follows)));
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        if event.metadata().target() == module_path!() {
            let spans: Vec<_> = cx
                .event_scope(event)
                .into_iter()
                .flat_map(|scope| scope.from_root().map(|span| span.name()))
                .collect();
            self.record(format!("event in {}", spans.join("/")));
        }
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        self.record(format!("end of {}", cx.span(&id).unwrap().name()));
    }
}

/// Logs in each hook, before and after a wait.
struct Waiting;

#[ws_handler]
impl Waiting {
    async fn init() -> Self {
        tracing::info!("in init");
        Waiting
    }

    async fn message(&mut self, _: String) -> &'static str {
        tracing::info!("begins");
        tokio::time::sleep(secs(1)).await;
        tracing::info!("ends");
        "done"
    }

    async fn terminate(self) {
        tokio::time::sleep(secs(1)).await;
        tracing::info!("in terminate");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_request_ends_with_the_request_and_each_call_of_a_hook_has_a_span() {
    let recorder = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(recorder.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let request = tracing::info_span!("request");
    let kit = TestKit::new();
    let opening = kit.handler::<Waiting>().connect();
    let mut client = opening.instrument(request).await.unwrap();
    let lines = recorder.take();
    let expected = [
        "new request in none",
        "new websocket in none",
        "websocket follows from request",
        "new hook in websocket",
        "event in websocket/hook",
        "end of hook",
        "end of request",
    ];
    assert_eq!(lines, expected);

    client.send("?").await;
    assert_eq!(client.text().await, "done");
    let expected = [
        "new hook in websocket",
        "event in websocket/hook",
        "event in websocket/hook",
        "end of hook",
    ];
    assert_eq!(recorder.take(), expected);

    client.end().await;
    client.terminated().await;
    drop(client);
    let expected = [
        "new hook in websocket",
        "event in websocket/hook",
        "end of hook",
        "end of websocket",
    ];
    assert_eq!(recorder.take(), expected);
}
