//! Topics that a handler listens to.

use serde::{Deserialize, Serialize};
use ws_core::testkit::TestKit;
use ws_server::prelude::*;

use crate::journal::{Journal, ended, limits, quiet};

/// Tells its client what it hears.
struct Ear(Journal);

/// The mailbox type: what is heard on a `Topic<String>`.
struct Heard(String);

impl From<String> for Heard {
    fn from(text: String) -> Self {
        Heard(text)
    }
}

#[ws_handler]
impl Ear {
    fn init(journal: Journal) -> Self {
        Ear(journal)
    }

    fn info(&mut self, Heard(text): Heard) -> String {
        self.0.note(format!("heard {text}"));
        format!("heard {text}")
    }
}

fn news() -> Topic<String> {
    Topic::new("news")
}

#[tokio::test(start_paused = true)]
async fn listen_delivers_to_info_until_unlisten() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.knock::<Ear>(&kit).connect().await.unwrap();
    let socket = client.socket::<Ear>();
    assert!(!socket.unlisten(&news()));
    socket.listen(&news());
    socket.listen(&news());
    assert_eq!(kit.hub().publish(&news(), &"one".to_owned()), 1);
    assert_eq!(client.text().await, "heard one");
    assert!(!socket.unsubscribe(&news()), "the client is not subscribed");
    assert!(socket.unlisten(&news()));
    assert_eq!(kit.hub().publish(&news(), &"two".to_owned()), 0);
    quiet().await;
    assert_eq!(journal.lines(), ["heard one"]);
    assert_eq!(client.so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_follow_is_closed_with_1013() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let knock = journal.knock::<Ear>(&kit);
    let knock = knock.limits(limits(|limits| limits.mailbox = 2));
    let mut client = knock.connect().await.unwrap();
    let mut quick = journal.knock::<Ear>(&kit).connect().await.unwrap();
    for client in [&client, &quick] {
        client.socket::<Ear>().listen(&news());
    }
    let reached =
        ["one", "two", "three", "four"].map(|text| kit.hub().publish(&news(), &text.to_owned()));
    assert_eq!(reached, [2, 2, 1, 1], "how many took it");
    let closed = (CloseCode::TRY_AGAIN_LATER, "too slow".to_owned());
    assert_eq!(client.closed().await, closed);
    client.close(CloseCode::TRY_AGAIN_LATER, "").await;
    let reason = client.terminated().await;
    assert_eq!(
        (reason.cause, reason.code.get()),
        (CloseCause::Overflow, 1013)
    );
    for text in ["heard one", "heard two", "heard three", "heard four"] {
        assert_eq!(quick.text().await, text);
    }
}

/// A value that cannot be cloned, or converted, if it says so.
#[derive(Serialize, Deserialize)]
struct Touchy(String);

impl Clone for Touchy {
    fn clone(&self) -> Self {
        assert_ne!(self.0, "no clone", "it cannot be cloned");
        Touchy(self.0.clone())
    }
}

/// The mailbox type of [`Touched`].
struct Converted(String);

impl From<Touchy> for Converted {
    fn from(touchy: Touchy) -> Self {
        assert_ne!(touchy.0, "no conversion", "it cannot be converted");
        Converted(touchy.0)
    }
}

/// Publishes what it is told, and listens if it is told to.
struct Touched(Journal);

#[ws_handler]
impl Touched {
    fn init(journal: Journal, handshake: &Handshake, socket: &Socket<Self>) -> Self {
        match handshake.query() {
            Some("listen") => socket.listen(&touchy()),
            Some("subscribe") => socket.subscribe(&touchy()),
            _ => {}
        }
        Touched(journal)
    }

    fn message(&mut self, text: String, hub: &Hub) -> String {
        hub.publish(&touchy(), &Touchy(text)).to_string()
    }

    fn info(&mut self, Converted(text): Converted) -> String {
        text
    }

    fn terminate(self, reason: CloseReason) {
        let (cause, code) = (reason.cause, reason.code.get());
        self.0.note(format!("terminate {cause:?} {code}"));
    }
}

fn touchy() -> Topic<Touchy> {
    Topic::new("touchy")
}

#[tokio::test(start_paused = true)]
async fn a_panic_over_a_value_ends_the_listener_and_no_other() {
    for panics in ["no clone", "no conversion"] {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let knock = |query| Journal::new().knock::<Touched>(&kit).uri(query);
        let listener = journal.knock::<Touched>(&kit).uri("/?listen");
        let mut listener = listener.connect().await.unwrap();
        let mut subscriber = knock("/?subscribe").connect().await.unwrap();
        let mut speaker = knock("/").connect().await.unwrap();
        speaker.send(panics).await;
        assert_eq!(subscriber.text().await, format!("{panics:?}"));
        assert_eq!(speaker.text().await, "1", "the listener did not take it");
        let closed = (CloseCode::INTERNAL_ERROR, String::new());
        assert_eq!(listener.closed().await, closed);
        listener.close(CloseCode::INTERNAL_ERROR, "").await;
        ended(&listener, &journal, CloseCause::HookPanic, 1011, "").await;
        speaker.send("go on").await;
        assert_eq!(subscriber.text().await, r#""go on""#);
        assert_eq!(speaker.text().await, "1");
    }
}
