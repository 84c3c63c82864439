//! Subscribers that receive the messages of a topic as events: pages.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::IgnoredAny;

use super::key::TopicRef;
use super::start::{Plan, Start, Subscribable};
use super::value::is_bare_text;
use crate::id::ConnectionId;
use crate::log::Cursor;
use crate::message::Message;
use crate::wire::{LanePlace, Push};

/// A page.
pub(crate) trait PushRecipient: Send + Sync {
    /// Queues an event; nothing is written. Returns whether the page accepted it.
    fn enqueue(&self, event: &mut SharedEvent) -> bool;

    /// Writes what is queued. Called without any lock.
    fn flush(&self);

    /// The socket of the page, if it has one.
    fn connections(&self) -> Vec<ConnectionId>;

    /// Messages are missing: the pages get a reset. Called without any lock.
    #[cfg(feature = "cluster")]
    fn lose(&self);

    /// The first messages of a subscription come later: until the result is dropped, no place of an
    /// event shows what the page has received.
    #[cfg(feature = "cluster")]
    fn wait(&self) -> Option<EventsWait>;
}

/// The first messages of a subscription are not here yet.
#[cfg(feature = "cluster")]
pub(crate) type EventsWait = Box<dyn Send + Sync>;

/// What a topic guarantees to a page that was away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Continuity {
    /// Missed messages are lost.
    None,
    /// Its history has the missed messages.
    History,
    /// Missed messages do not matter: the topic is `relay: live`.
    BestEffort,
}

/// A subscription of pages, without the type of the values.
#[derive(Clone, Debug)]
pub(crate) struct EventPlan {
    pub(crate) topic: TopicRef<()>,
    pub(crate) start: Start,
    event: Arc<str>,
    is_bare_text: bool,
}

impl EventPlan {
    /// Subscribes to the messages of a topic as events of this name.
    pub(crate) fn new<S: Subscribable>(event: &str, topic: S) -> Self {
        let Plan { topic, start } = topic.plan();
        Self {
            topic: topic.untyped(),
            start,
            event: event.into(),
            is_bare_text: is_bare_text(TypeId::of::<S::Value>()),
        }
    }

    /// The same subscription for a recipient that comes later: it gets the replay of its own, but
    /// continues from no position.
    pub(crate) fn for_later(&self) -> Self {
        let mut later = self.clone();
        if let Start::Since(_) | Start::Behind(_) = later.start {
            later.start = Start::Now;
        }
        later
    }

    /// The same subscription, from the cursor of a page on.
    pub(crate) fn behind(&self, cursor: &Arc<Cursor>) -> Self {
        let mut behind = self.clone();
        behind.start = Start::Behind(cursor.clone());
        behind
    }

    /// Whether it begins with a part of the history.
    pub(crate) const fn is_replay(&self) -> bool {
        matches!(self.start, Start::Replay(_))
    }

    /// Whether a page that was away can get what it has missed.
    pub(crate) fn continuity(&self) -> Continuity {
        match self.topic.declared {
            Some(topic) if topic.kept().is_some() => Continuity::History,
            Some(topic) if !topic.is_logged() => Continuity::BestEffort,
            _ => Continuity::None,
        }
    }

    /// Whether other servers that share the log can continue it.
    #[cfg(feature = "cluster")]
    pub(crate) const fn is_declared(&self) -> bool {
        self.topic.declared.is_some()
    }

    /// Whether its messages are in a log that several servers share.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_logged(&self) -> bool {
        self.topic.declared.is_some_and(|topic| topic.is_logged())
    }

    /// The name of the events.
    pub(crate) const fn event(&self) -> &Arc<str> {
        &self.event
    }

    /// Subscribes to a topic that another node has declared.
    #[cfg(feature = "cluster")]
    pub(super) fn elsewhere(
        event: &str,
        topic: TopicRef<()>,
        start: Start,
        is_bare_text: bool,
    ) -> Self {
        Self {
            topic,
            start,
            event: event.into(),
            is_bare_text,
        }
    }

    /// Whether text of the topic is never JSON.
    #[cfg(feature = "cluster")]
    pub(super) const fn is_bare_text(&self) -> bool {
        self.is_bare_text
    }

    /// The subscriber with this recipient.
    pub(crate) fn subscriber(&self, recipient: Arc<dyn PushRecipient>) -> EventSubscriber {
        EventSubscriber {
            recipient,
            event: self.event.clone(),
            is_bare_text: self.is_bare_text,
        }
    }
}

/// A subscriber that receives each message as an event.
#[derive(Clone)]
pub(crate) struct EventSubscriber {
    recipient: Arc<dyn PushRecipient>,
    /// The name of the events.
    event: Arc<str>,
    is_bare_text: bool,
}

impl EventSubscriber {
    pub(super) const fn recipient(&self) -> &Arc<dyn PushRecipient> {
        &self.recipient
    }
}

/// An encoded event for any number of recipients.
pub(crate) struct SharedEvent {
    pub(crate) push: Push,
    /// Its place in the log, which it contains.
    pub(crate) place: Option<LanePlace>,
    /// What the recipients share besides; the first one sets it.
    pub(crate) shared: Option<Box<dyn Any>>,
}

/// The data of an event.
enum EventData {
    /// The text of the message itself.
    Message,
    Encoded(String),
}

/// The events of one message, each encoded once: subscribers with the same name of events share it.
#[derive(Default)]
pub(super) struct EncodedEvents {
    /// The data of all of them, once the first was encoded.
    data: Option<EventData>,
    /// The event that was used last.
    last: Option<(Arc<str>, SharedEvent)>,
    others: HashMap<Arc<str>, SharedEvent>,
}

impl EncodedEvents {
    /// Queues the message for a subscriber. Returns whether it was accepted.
    pub(super) fn enqueue(
        &mut self,
        message: &Message,
        place: Option<LanePlace>,
        subscriber: &EventSubscriber,
    ) -> bool {
        let name = &subscriber.event;
        let last = self.last.take();
        let (last, other) = match last {
            Some((known, event)) if known == *name => (Some((known, event)), None),
            other => (None, other),
        };
        self.others.extend(other);
        let mut event = last
            .or_else(|| self.others.remove_entry(name))
            .unwrap_or_else(|| (name.clone(), self.encode(message, place, subscriber)));
        let accepted = subscriber.recipient.enqueue(&mut event.1);
        self.last = Some(event);
        accepted
    }

    fn encode(
        &mut self,
        message: &Message,
        place: Option<LanePlace>,
        subscriber: &EventSubscriber,
    ) -> SharedEvent {
        let data =
            self.data
                .get_or_insert_with(|| match event_data(message, subscriber.is_bare_text) {
                    Cow::Borrowed(_) => EventData::Message,
                    Cow::Owned(data) => EventData::Encoded(data),
                });
        let data = match data {
            EventData::Message => message.as_text().unwrap_or_default(),
            EventData::Encoded(data) => data,
        };
        SharedEvent {
            push: Push::event_of_json(&subscriber.event, data, place),
            place,
            shared: None,
        }
    }
}

/// The JSON of a message: text that is JSON is unchanged, other text becomes a string, and bytes a
/// string in base64.
fn event_data(message: &Message, is_bare_text: bool) -> Cow<'_, str> {
    let string = |text: &str| serde_json::Value::from(text).to_string().into();
    match message {
        Message::Text(text) if is_bare_text => string(text),
        Message::Text(text) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(IgnoredAny) => Cow::Borrowed(&**text),
            Err(_) => string(text),
        },
        Message::Binary(bytes) => string(&BASE64.encode(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Topic;
    use super::super::value::TopicValue;
    use super::*;
    use crate::decode::Json;

    fn data<T: TopicValue>(value: &T) -> String {
        let message = value.to_message().unwrap();
        event_data(&message, is_bare_text(TypeId::of::<T>())).into_owned()
    }

    #[test]
    fn the_data_of_an_event_is_the_json_of_the_value() {
        assert_eq!(data(&7), "7");
        assert_eq!(data(&[Some("a"), None]), r#"["a",null]"#);
        assert_eq!(data(&"7".to_owned()), r#""7""#);
        assert_eq!(data(&"say \"hi\""), r#""say \"hi\"""#);
        assert_eq!(data(&Json("7".to_owned())), r#""7""#);
        assert_eq!(data(&Message::from("7")), r#""7""#);
        assert_eq!(data(&Message::binary(vec![1, 2, 255])), r#""AQL/""#);
    }

    /// A page that counts the messages that were encoded for it or for others before it.
    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl PushRecipient for Counter {
        fn enqueue(&self, event: &mut SharedEvent) -> bool {
            if event.shared.replace(Box::new(())).is_none() {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            true
        }

        fn flush(&self) {}

        fn connections(&self) -> Vec<ConnectionId> {
            Vec::new()
        }

        #[cfg(feature = "cluster")]
        fn lose(&self) {}

        #[cfg(feature = "cluster")]
        fn wait(&self) -> Option<EventsWait> {
            None
        }
    }

    #[test]
    fn an_event_is_encoded_once_for_each_name() {
        let encoded = Arc::new(Counter::default());
        let mut events = EncodedEvents::default();
        let message = Message::from(r#"{"n":1}"#);
        let topic: Topic<Json<u8>> = Topic::local("t");
        for name in ["a", "b", "a", "b", "a", "c", "b"] {
            let subscriber = EventPlan::new(name, topic.clone()).subscriber(encoded.clone());
            assert!(events.enqueue(&message, None, &subscriber));
        }
        assert_eq!(encoded.0.load(Ordering::Relaxed), 3);
    }

    /// A value with a format of its own.
    struct Own;

    impl TopicValue for Own {
        fn to_message(&self) -> Result<Message, crate::error::EncodeError> {
            Ok(Message::from("x=1"))
        }
    }

    #[test]
    fn text_that_is_not_json_becomes_a_string() {
        assert_eq!(data(&Own), r#""x=1""#);
    }
}
