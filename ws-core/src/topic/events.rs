//! Subscribers that receive the messages of a topic as events: pages.

use std::any::{Any, TypeId};
use std::borrow::Cow;
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

/// A page, or the pages of a session.
pub(crate) trait PushRecipient: Send + Sync {
    /// Queues an event; nothing is written. Returns whether a page accepted it.
    fn enqueue(&self, event: &mut SharedEvent) -> bool;

    /// Writes what is queued. Called without any lock.
    fn flush(&self);

    /// The sockets of the pages.
    fn connections(&self) -> Vec<ConnectionId>;

    /// Messages are missing: the pages get a reset. Called without any lock.
    #[cfg(feature = "cluster")]
    fn lose(&self);
}

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
        match self.topic.declared.map(|declared| declared.declaration) {
            Some(topic) if topic.kept().is_some() => Continuity::History,
            Some(topic) if !topic.is_logged() => Continuity::BestEffort,
            _ => Continuity::None,
        }
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

    /// Encodes a message as an event.
    fn encode(&self, message: &Message, place: Option<LanePlace>) -> Push {
        Push::event_of_json(&self.event, &event_data(message, self.is_bare_text), place)
    }
}

/// An encoded event for any number of recipients.
pub(crate) struct SharedEvent {
    pub(crate) push: Push,
    /// What the recipients share besides; the first one sets it.
    pub(crate) shared: Option<Box<dyn Any>>,
}

/// The last encoded event: subscribers with the same name of events share it.
#[derive(Default)]
pub(super) struct EncodedEvent(Option<(Arc<str>, SharedEvent)>);

impl EncodedEvent {
    /// Queues the message for a subscriber. Returns whether it was accepted.
    pub(super) fn enqueue(
        &mut self,
        message: &Message,
        place: Option<LanePlace>,
        subscriber: &EventSubscriber,
    ) -> bool {
        let known = self
            .0
            .take()
            .filter(|(event, _)| *event == subscriber.event);
        let encode = || {
            let push = subscriber.encode(message, place);
            (subscriber.event.clone(), SharedEvent { push, shared: None })
        };
        let (_, event) = self.0.insert(known.unwrap_or_else(encode));
        subscriber.recipient.enqueue(event)
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

    /// A value with a format of its own.
    struct Own;

    impl TopicValue for Own {
        fn to_message(&self) -> Result<Message, crate::error::EncodeError> {
            Ok(Message::from("x=1"))
        }
    }

    #[test]
    fn text_that_is_no_json_becomes_a_string() {
        assert_eq!(data(&Own), r#""x=1""#);
    }
}
