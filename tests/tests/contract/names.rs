//! What names a topic, and what a publish returns; and what the log shows of an error.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use tracing::Level;
use ws_core::testkit::TestKit;
use ws_server::decode::DecodeError;
use ws_server::prelude::*;
use ws_server::session::StoreError;
use ws_server::{SessionError, topic};
use ws_tests::Captured;

use crate::journal::Journal;
use crate::probe::Probe;

static NEWS: LazyLock<Topic<String>> = LazyLock::new(|| Topic::local("news"));

/// A type of the application that leads to a topic.
struct Room {
    topic: Topic<String>,
}

impl Deref for Room {
    type Target = Topic<String>;

    fn deref(&self) -> &Topic<String> {
        &self.topic
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_leads_to_a_topic_names_it() {
    let kit = TestKit::new();
    let builder = Journal::new().client::<Probe>(&kit);
    let mut client = builder.connect().await.unwrap();
    let socket = client.socket::<Probe>();
    let hub = kit.hub();
    let topic = Topic::local("news");
    let room = Room {
        topic: topic.clone(),
    };
    socket.subscribe(topic.clone());
    // The same subscription, by other names.
    socket.subscribe(&NEWS);
    socket.subscribe(&room);
    assert_eq!(hub.subscriber_count(Arc::new(topic.clone())), 1);
    let text = |text: &str| text.to_owned();
    let receipts = [
        hub.publish(&topic, &text("by reference")),
        hub.publish(topic.clone(), &text("by value")),
        hub.publish(Arc::new(topic.clone()), &text("shared")),
        hub.publish(&NEWS, &text("static")),
        hub.publish_volatile(&room, &text("by a type of ours")),
        // A value may be behind a pointer too.
        hub.publish(&topic, &Arc::new(text("a shared value"))),
        hub.publish_except(&room, &text("nobody"), &socket),
    ];
    assert_eq!(receipts.map(|it| it.reached()), [1, 1, 1, 1, 1, 1, 0]);
    for expected in [
        "by reference",
        "by value",
        "shared",
        "static",
        "by a type of ours",
        "a shared value",
    ] {
        assert_eq!(client.text().await, expected);
    }
    assert!(socket.unsubscribe(Box::new(topic)));
    assert!(!socket.unsubscribe(&room));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_outlives_all_that_it_was_made_with() {
    let receipt: topic::Receipt = {
        let (kit, topic) = (TestKit::new(), Topic::local("news"));
        let builder = Journal::new().client::<Probe>(&kit);
        let client = builder.connect().await.unwrap();
        client.socket::<Probe>().subscribe(&topic);
        kit.hub().publish(&topic, &"news".to_owned())
    };
    let reached = std::thread::spawn(move || receipt.reached());
    assert_eq!(reached.join().unwrap(), 1);
}

#[test]
fn the_log_has_the_causes_of_an_error_but_not_what_a_client_has_sent() {
    let (captured, _guard) = Captured::begin();
    let failed: SessionError = StoreError::failed("connection refused").into();
    let failed: Result<(), _> = Err(failed);
    assert_eq!(failed.or_close(), Err(Close::internal()));
    let malformed: Result<(), _> = Err(DecodeError::malformed("a secret"));
    assert_eq!(malformed.or_refuse(), Err(Refusal::INTERNAL_SERVER_ERROR));
    let lines = captured.of(Level::ERROR);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let cause = "the session store failed: connection refused";
    assert!(lines[0].contains(cause), "{lines:?}");
    assert!(
        lines[1].contains("the payload could not be decoded"),
        "{lines:?}"
    );
    assert!(!lines[1].contains("a secret"), "{lines:?}");
}
