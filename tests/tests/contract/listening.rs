//! Topics that a handler listens to.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use ws_core::testkit::TestKit;
use ws_server::CloseCause;
use ws_server::prelude::*;

use crate::journal::{Journal, assert_ended, limits, settle};

/// Forwards the messages of its topic to its client.
struct Ear(Journal);

/// The mailbox type: a message of a `Topic<String>`.
struct Received(String);

impl From<String> for Received {
    fn from(text: String) -> Self {
        Received(text)
    }
}

#[ws_handler]
impl Ear {
    fn init(journal: Journal) -> Self {
        Ear(journal)
    }

    fn info(&mut self, Received(text): Received) -> String {
        self.0.note(format!("received {text}"));
        format!("received {text}")
    }
}

fn news() -> Topic<String> {
    Topic::local("news")
}

#[tokio::test(start_paused = true)]
async fn listen_delivers_to_info_until_unlisten() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Ear>(&kit).connect().await.unwrap();
    let socket = client.socket::<Ear>();
    assert!(!socket.unlisten(news()));
    socket.listen(news());
    socket.listen(news());
    assert_eq!(kit.hub().publish(news(), &"one".to_owned()).reached(), 1);
    assert_eq!(client.text().await, "received one");
    assert!(!socket.unsubscribe(news()), "the client is not subscribed");
    assert!(socket.unlisten(news()));
    assert_eq!(kit.hub().publish(news(), &"two".to_owned()).reached(), 0);
    settle().await;
    assert_eq!(journal.lines(), ["received one"]);
    assert_eq!(client.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_is_closed_with_1013() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Ear>(&kit);
    let builder = builder.limits(limits(|limits| limits.mailbox = 2));
    let mut client = builder.connect().await.unwrap();
    let mut quick = journal.client::<Ear>(&kit).connect().await.unwrap();
    for client in [&client, &quick] {
        client.socket::<Ear>().listen(news());
    }
    let publish = |text: &str| kit.hub().publish(news(), &text.to_owned()).reached();
    let reached = ["one", "two", "three", "four"].map(publish);
    assert_eq!(reached, [2, 2, 1, 1], "how many took it");
    let closed = (CloseCode::TRY_AGAIN_LATER, "too slow".to_owned());
    assert_eq!(client.closed().await, closed);
    client.close(CloseCode::TRY_AGAIN_LATER, "").await;
    let reason = client.terminated().await;
    assert_eq!(
        (reason.cause, reason.code.get()),
        (CloseCause::Overflow, 1013)
    );
    for text in [
        "received one",
        "received two",
        "received three",
        "received four",
    ] {
        assert_eq!(quick.text().await, text);
    }
}

/// A value whose text can make its decoding or its conversion fail.
#[derive(Serialize)]
struct Touchy(String);

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert_ne!(text, "panics when read", "it cannot be read");
        if text == "unreadable" {
            return Err(D::Error::custom("it cannot be read"));
        }
        Ok(Touchy(text))
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

/// Publishes the client's messages, and listens if the handshake asks for it.
struct Touched(Journal);

#[ws_handler]
impl Touched {
    fn init(journal: Journal, handshake: &Handshake, socket: &Socket<Self>) -> Self {
        match handshake.query() {
            Some("listen") => socket.listen(touchy()),
            Some("subscribe") => socket.subscribe(touchy()),
            _ => {}
        }
        Touched(journal)
    }

    fn message(&mut self, text: String, hub: &Hub) -> String {
        hub.publish(touchy(), &Touchy(text)).reached().to_string()
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
    Topic::local("touchy")
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_decoded_closes_only_its_listener() {
    for (value, cause) in [
        ("panics when read", CloseCause::HookPanic),
        ("no conversion", CloseCause::HookPanic),
        ("unreadable", CloseCause::HookError),
    ] {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = |query| Journal::new().client::<Touched>(&kit).uri(query);
        let listener = journal.client::<Touched>(&kit).uri("/?listen");
        let mut listener = listener.connect().await.unwrap();
        let mut subscriber = builder("/?subscribe").connect().await.unwrap();
        let mut speaker = builder("/").connect().await.unwrap();
        speaker.send(value).await;
        assert_eq!(subscriber.text().await, format!("{value:?}"));
        assert_eq!(speaker.text().await, "2", "it waited in the mailbox");
        let closed = (CloseCode::INTERNAL_ERROR, String::new());
        assert_eq!(listener.closed().await, closed);
        listener.close(CloseCode::INTERNAL_ERROR, "").await;
        assert_ended(&listener, &journal, cause, 1011, "").await;
        speaker.send("go on").await;
        assert_eq!(subscriber.text().await, r#""go on""#);
        assert_eq!(speaker.text().await, "1");
    }
}

/// Collects the messages of topics of every kind, in the order of publication.
struct Anything(Vec<String>);

enum Arrived {
    Text(String),
    Bytes(Bytes),
    Message(Message),
    Number(u64),
}

macro_rules! arrived {
    ($($type:ty => $variant:ident;)*) => {
        $(impl From<$type> for Arrived {
            fn from(value: $type) -> Self {
                Arrived::$variant(value.into())
            }
        })*
    };
}

arrived! {
    String => Text;
    Box<str> => Text;
    Cow<'static, str> => Text;
    Bytes => Bytes;
    Message => Message;
    u64 => Number;
}

impl From<Json<String>> for Arrived {
    fn from(Json(text): Json<String>) -> Self {
        Arrived::Text(text)
    }
}

#[ws_handler]
impl Anything {
    fn init() -> Self {
        Anything(Vec::new())
    }

    fn info(&mut self, arrived: Arrived) -> Option<String> {
        self.0.push(match arrived {
            Arrived::Text(text) => text,
            Arrived::Bytes(bytes) => format!("{bytes:?}"),
            Arrived::Message(message) => format!("{:?}", message.as_bytes()),
            Arrived::Number(number) => number.to_string(),
        });
        (self.0.len() == 7).then(|| self.0.join(" "))
    }
}

/// Topics of different types with the same name.
fn any<T>() -> Topic<T> {
    Topic::local("any")
}

#[tokio::test(start_paused = true)]
async fn text_and_bytes_are_published_unchanged_and_listeners_get_them_back() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Anything>().connect().await.unwrap();
    let mut reader = Journal::new().client::<Ear>(&kit).connect().await.unwrap();
    let (socket, reads) = (client.socket::<Anything>(), reader.socket::<Ear>());
    macro_rules! published {
        ($($value:expr => $type:ty, $message:expr;)*) => {
            $(
                socket.listen::<_, Arrived>(any::<$type>());
                reads.subscribe(any::<$type>());
                let value: $type = $value;
                assert_eq!(kit.hub().publish(&any::<$type>(), &value).reached(), 2);
                assert_eq!(reader.message().await, $message, stringify!($type));
            )*
        };
    }
    published! {
        "ann joined.".to_owned() => String, Message::text("ann joined.");
        "box".into() => Box<str>, Message::text("box");
        "cow".into() => Cow<'static, str>, Message::text("cow");
        Bytes::from_static(b"\0\x01") => Bytes, Message::binary(&b"\0\x01"[..]);
        Message::binary(vec![2]) => Message, Message::binary(vec![2]);
        7 => u64, Message::text("7");
        Json("quotes".to_owned()) => Json<String>, Message::text("\"quotes\"");
    }
    assert_eq!(
        client.text().await,
        r#"ann joined. box cow b"\0\x01" [2] 7 quotes"#
    );
    reads.subscribe(any::<&'static str>());
    assert_eq!(
        kit.hub()
            .publish(any::<&'static str>(), &"static")
            .reached(),
        1
    );
    assert_eq!(reader.text().await, "static");
    // Binary data is `Bytes`. A `Vec` is a JSON list, whatever its items are.
    reads.subscribe(any::<Vec<u8>>());
    assert_eq!(
        kit.hub().publish(any::<Vec<u8>>(), &vec![1, 2]).reached(),
        1
    );
    assert_eq!(reader.text().await, "[1,2]");
}

#[test]
fn every_listener_gets_all_messages_in_one_order() {
    let kit = TestKit::new();
    let (threads, each) = (4, 200_u64);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let journals = [Journal::new(), Journal::new()];
    runtime.block_on(async {
        let mut clients = Vec::new();
        for journal in &journals {
            let builder = journal
                .client::<Ear>(&kit)
                .limits(limits(|it| it.mailbox = 1000));
            let client = builder.connect().await.unwrap();
            client.socket::<Ear>().listen(news());
            clients.push(client);
        }
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let hub = kit.hub();
                scope.spawn(move || {
                    for number in 0..each {
                        let receipt = hub.publish(news(), &format!("{thread} {number:03}"));
                        assert_eq!(receipt.reached(), 2);
                    }
                });
            }
        });
        for client in &mut clients {
            for _ in 0..threads * each {
                client.text().await;
            }
        }
    });
    let [first, second] = journals.map(|journal| journal.lines());
    assert_eq!(first.len() as u64, threads * each);
    assert_eq!(first, second, "one order for all");
    for thread in 0..threads {
        let own = first
            .iter()
            .filter(|line| line.starts_with(&format!("received {thread} ")));
        let expected = (0..each).map(|number| format!("received {thread} {number:03}"));
        assert!(
            own.eq(&expected.collect::<Vec<_>>()),
            "in the order of its publisher"
        );
    }
}
