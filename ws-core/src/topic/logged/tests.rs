//! Logged topics: history, positions and refused publishes.

use std::num::NonZeroU32;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::*;
use crate::id::ConnectionId;
use crate::topic::{
    Declaration, DeclaredTopic, HasHistory, Logged, LoggedReceipt, NameWriter, Part, Receipt,
    ReceiptKind as _,
};

/// `room/{id: u64}`, with a history of three messages.
struct Room(u64);

const ROOM: &[Part] = &[Part::Text("room"), Part::Parameter];

impl DeclaredTopic for Room {
    type Value = String;

    const DECLARATION: &'static Declaration = &Declaration::new("room/{id: u64}", ROOM)
        .history(NonZeroU32::new(3).unwrap(), Duration::from_secs(600));

    fn write_name(&self, name: &mut NameWriter) {
        name.text("room/");
        name.param(&self.0);
    }
}

impl Logged for Room {}
impl HasHistory for Room {}

/// `room/{id: u64}` as another type, without options.
struct Hall;

impl DeclaredTopic for Hall {
    type Value = String;

    const DECLARATION: &'static Declaration =
        &Declaration::new("room/hall", &[Part::Text("room"), Part::Text("hall")]);

    fn write_name(&self, name: &mut NameWriter) {
        name.text("room/hall");
    }
}

impl Logged for Hall {}

/// A handler that records what it receives.
struct Recorder {
    listener: Option<Subscriber>,
    received: mpsc::Receiver<(String, Option<log::Position>)>,
}

impl Recorder {
    fn new() -> Self {
        let (sender, received) = mpsc::channel();
        let sender = Mutex::new(sender);
        let deliver = move |message: &Message, at| {
            let text = message.as_text().unwrap().to_owned();
            sender.lock().unwrap().send((text, at)).unwrap();
            None
        };
        let listener = Subscriber::Listener {
            id: ConnectionId::new(1),
            deliver: Box::new(deliver),
        };
        Self {
            listener: Some(listener),
            received,
        }
    }

    fn subscribe(
        &mut self,
        topics: &Topics,
        room: &Room,
        start: &Start,
    ) -> Result<Subscription, SinceError> {
        let listener = self.listener.take().unwrap();
        let added = topics.subscribe(&TopicRef::of(room), listener, start, || {
            ReplayCapacity::UNLIMITED
        })?;
        added.after_unlock.finish("room");
        Ok(added.subscription)
    }

    fn texts(&self) -> Vec<String> {
        self.received.try_iter().map(|(text, _)| text).collect()
    }
}

fn topics() -> Topics {
    Topics::new(16, 1 << 20)
}

fn publish(topics: &Topics, room: &Room, text: &str) -> LoggedReceipt {
    let published = topics.publish(TopicRef::of(room), &text.to_owned(), Exclude::default());
    LoggedReceipt::of(published)
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_followed_by_later_messages_of_the_same_topic() {
    let topics = topics();
    for text in ["1", "2", "3", "4"] {
        publish(&topics, &Room(7), text);
    }
    publish(&topics, &Room(8), "of another room");
    let mut recorder = Recorder::new();
    let replay = Start::Replay(2);
    let subscription = recorder.subscribe(&topics, &Room(7), &replay).unwrap();
    assert_eq!(recorder.texts(), ["3", "4"]);
    publish(&topics, &Room(8), "of another room");
    publish(&topics, &Room(7), "5");
    assert_eq!(recorder.texts(), ["5"]);
    drop(topics.unsubscribe(subscription));
    publish(&topics, &Room(7), "6");
    assert_eq!(recorder.texts(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_continues_behind_a_position_and_gets_positions() {
    let topics = topics();
    let first = publish(&topics, &Room(7), "1").await.unwrap();
    publish(&topics, &Room(7), "2");
    let mut recorder = Recorder::new();
    let since = Start::Since(first.clone());
    recorder.subscribe(&topics, &Room(7), &since).unwrap();
    let third = publish(&topics, &Room(7), "3").await.unwrap();
    let received: Vec<_> = recorder.received.try_iter().collect();
    let texts: Vec<_> = received.iter().map(|(text, _)| &**text).collect();
    assert_eq!(texts, ["2", "3"]);
    let key = TopicRef::of(&Room(7)).key;
    let last = topics.position(received[1].1.unwrap(), &key).unwrap();
    assert_eq!(last, third);
    assert_ne!(first, third);
    // The text of a position works as well.
    let text = first.to_string();
    let mut recorder = Recorder::new();
    let since = Start::Since(Position::from_text(&text).unwrap());
    recorder.subscribe(&topics, &Room(7), &since).unwrap();
    assert_eq!(recorder.texts(), ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_cannot_be_continued_does_not_subscribe() {
    let topics = topics();
    let first = publish(&topics, &Room(7), "1").await.unwrap();
    let of_another_room = publish(&topics, &Room(8), "1").await.unwrap();
    let text_of_another = Position::from_text(&of_another_room.to_string()).unwrap();
    let foreign = publish(&Topics::new(16, 0), &Room(7), "1").await.unwrap();
    let foreign_text = Position::from_text(&foreign.to_string()).unwrap();
    for text in ["2", "3", "4", "5"] {
        publish(&topics, &Room(7), text);
    }
    let expected = [
        (first, SinceError::Gap),
        (of_another_room, SinceError::OfAnotherTopic),
        (text_of_another, SinceError::OfAnotherTopic),
        (foreign, SinceError::Invalid),
        (foreign_text, SinceError::Invalid),
        (
            Position::from_text("nonsense").unwrap(),
            SinceError::Invalid,
        ),
    ];
    for (position, error) in expected {
        let mut recorder = Recorder::new();
        let since = Start::Since(position);
        let refused = recorder.subscribe(&topics, &Room(7), &since);
        assert_eq!(refused.map(|_| ()), Err(error));
        assert_eq!(topics.count(&TopicRef::of(&Room(7)).key), 0);
    }
    let long = Position::from_text(&"A".repeat(129));
    assert_eq!(long, Err(SinceError::Invalid));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_large_is_refused_and_counted_unless_awaited() {
    let topics = topics();
    let large = "x".repeat((1 << 20) + 1);
    let refused = publish(&topics, &Room(7), &large).await;
    assert_eq!(refused, Err(PublishError::TooLarge { len: 1_048_577 }));
    assert_eq!(topics.refused_publishes(), 0);
    assert_eq!(publish(&topics, &Room(7), &large).reached(), 0);
    assert_eq!(topics.refused_publishes(), 1);
    let mut recorder = Recorder::new();
    let replay = Start::Replay(9);
    recorder.subscribe(&topics, &Room(7), &replay).unwrap();
    assert_eq!(recorder.texts(), [""; 0]);
}

#[test]
fn declarations_that_name_one_topic_are_refused_when_they_are_used() {
    let topics = topics();
    publish(&topics, &Room(7), "1");
    let hall = || {
        let published = topics.publish(TopicRef::of(&Hall), &String::new(), Exclude::default());
        Receipt::of(published)
    };
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(hall)).unwrap_err();
    let expected = "the topics `room/{id: u64}` and `room/hall` both name \"room/hall\": change \
                    one pattern";
    assert_eq!(panic.downcast_ref::<String>().unwrap(), expected);
    assert_eq!(publish(&topics, &Room(7), "2").reached(), 0);
}

/// `blob`, with a history of one message.
struct Blob;

impl DeclaredTopic for Blob {
    type Value = Message;

    const DECLARATION: &'static Declaration = &Declaration::new("blob", &[Part::Text("blob")])
        .history(NonZeroU32::MIN, Duration::from_secs(600));

    fn write_name(&self, name: &mut NameWriter) {
        name.text("blob");
    }
}

impl Logged for Blob {}
impl HasHistory for Blob {}

/// The owner of a payload that publishes when it is dropped.
struct PublishOnDrop(Arc<Topics>);

impl AsRef<[u8]> for PublishOnDrop {
    fn as_ref(&self) -> &[u8] {
        b"payload"
    }
}

impl Drop for PublishOnDrop {
    fn drop(&mut self) {
        let farewell = Message::from("farewell");
        self.0
            .publish(TopicRef::of(&Blob), &farewell, Exclude::default());
    }
}

#[test]
fn a_payload_of_the_history_is_dropped_without_a_lock() {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        let topics = Arc::new(topics());
        let owner = PublishOnDrop(topics.clone());
        let payload = Message::Binary(bytes::Bytes::from_owner(owner));
        topics.publish(TopicRef::of(&Blob), &payload, Exclude::default());
        drop(payload);
        let next = Message::from("next");
        topics.publish(TopicRef::of(&Blob), &next, Exclude::default());
        let mut recorder = Recorder::new();
        let listener = recorder.listener.take().unwrap();
        let replay = Start::Replay(9);
        topics
            .subscribe(&TopicRef::of(&Blob), listener, &replay, || {
                ReplayCapacity::UNLIMITED
            })
            .unwrap();
        done.send(recorder.texts()).unwrap();
    });
    let texts = is_done.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(texts, ["farewell"]);
}

/// `room/live`, not logged.
struct Live;

impl DeclaredTopic for Live {
    type Value = String;

    const DECLARATION: &'static Declaration =
        &Declaration::new("room/live", &[Part::Text("room"), Part::Text("live")]).live();

    fn write_name(&self, name: &mut NameWriter) {
        name.text("room/live");
    }
}

#[test]
#[should_panic(expected = "the topics `room/{id: u64}` and `room/live` both name \"room/live\"")]
fn a_live_topic_is_compared_with_others_when_it_is_published_to() {
    let topics = topics();
    publish(&topics, &Room(7), "1");
    topics.publish(TopicRef::of(&Live), &String::new(), Exclude::default());
}
