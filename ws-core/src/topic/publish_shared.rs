//! Publishes through the queue of a shared log, and deliveries of what was read from there.

use tokio::sync::oneshot;

use super::key::{Declared, TopicKey};
use super::publish::PublishedMessage;
use super::receipt::{LoggedOutcome, LoggedResult, PublishError, PublishOutcome};
use super::shared::SharedLog;
use super::{Exclude, Topics};
use crate::error::EncodeError;
use crate::id::ConnectionId;
use crate::log::shared::{AfterLane, AppendError, Author, LoggedMessage};
use crate::log::{HistoryLimits, Position, TopicName};
use crate::message::Message;

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full => Self::Full,
            AppendError::TooLarge { len } => Self::TooLarge { len },
            AppendError::Unavailable => Self::Unavailable,
            AppendError::Unconfirmed => Self::Unconfirmed,
        }
    }
}

/// A copy that has no owner of the application: the log drops it under its locks.
fn detached(message: &Message) -> Message {
    match message {
        Message::Text(text) => Message::text(text.to_string()),
        Message::Binary(bytes) => Message::binary(bytes.to_vec()),
    }
}

fn logged_message(
    topic: TopicName,
    message: &Message,
    history: Option<HistoryLimits>,
    exclude: Exclude,
) -> LoggedMessage {
    LoggedMessage {
        topic,
        message: detached(message),
        history,
        except: exclude.connection.map(ConnectionId::get),
        is_volatile: exclude.volatile,
    }
}

impl Topics {
    /// Uses a log that other nodes use too, from now on.
    pub(crate) fn share(&self, shared: SharedLog) {
        assert!(
            self.log.shared.set(shared).is_ok(),
            "a hub has one log for its whole life"
        );
    }

    /// The log that this hub shares with other nodes, if it does.
    pub(crate) fn shared(&self) -> Option<&SharedLog> {
        self.log.shared.get()
    }

    /// Publishes through the shared log: only queues. The subscribers of this node get the message
    /// when it was read from there, in the order of the log.
    pub(super) fn publish_shared(
        &self,
        shared: &SharedLog,
        name: TopicName,
        declared: Declared,
        message: Result<Message, EncodeError>,
        exclude: Exclude,
    ) -> PublishOutcome {
        let message = message.map_err(PublishError::Encode).map(|message| {
            let history = declared.kept();
            logged_message(name.clone(), &message, history, exclude)
        });
        let key = TopicKey::Declared(name.clone());
        self.append(shared, name, message, || self.count(&key))
    }

    /// Queues a message for the shared log; `count` counts those of this node who will get it.
    pub(crate) fn append(
        &self,
        shared: &SharedLog,
        name: TopicName,
        message: Result<LoggedMessage, PublishError>,
        count: impl FnOnce() -> usize,
    ) -> PublishOutcome {
        let context = self.log.context.clone();
        let queued = message.and_then(|message| {
            let (sender, outcome) = oneshot::channel();
            let (topic, context) = (name.clone(), context.clone());
            let ticket = Box::new(move |outcome: Result<Position, AppendError>| {
                // Without a receiver nothing awaits the receipt.
                if let Err(Err(error)) = sender.send(outcome.map_err(PublishError::from)) {
                    context.report(&topic, &error);
                }
            });
            let queued = shared.node.publish(message, ticket);
            queued.map(|()| outcome).map_err(|(_, error)| error.into())
        });
        let reached = match &queued {
            Ok(_) => count(),
            Err(_) => 0,
        };
        let result = match queued {
            Ok(outcome) => LoggedResult::Pending(outcome),
            Err(error) => LoggedResult::Done(Err(error)),
        };
        PublishOutcome {
            reached,
            logged: Some(LoggedOutcome {
                topic: name,
                context,
                result,
            }),
        }
    }

    /// Publishes to a topic with `relay: live`: to the subscribers of this node at once, to those
    /// of other nodes at best effort.
    #[inline(never)]
    pub(super) fn publish_live(
        &self,
        name: TopicName,
        message: Result<Message, EncodeError>,
        exclude: Exclude,
    ) -> PublishOutcome {
        PublishOutcome {
            reached: self.deliver_live(name, message, exclude),
            logged: None,
        }
    }

    fn deliver_live(
        &self,
        name: TopicName,
        message: Result<Message, EncodeError>,
        exclude: Exclude,
    ) -> usize {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                let (topic, error) = (name.as_str(), format_args!("{error:#}"));
                tracing::error!(topic, %error, "a value could not be encoded");
                return 0;
            }
        };
        let relayed = logged_message(name.clone(), &message, None, exclude);
        let key = TopicKey::Declared(name);
        let mut reached = 0;
        if let Some(channel) = self.find(&key) {
            let published = PublishedMessage { message, at: None };
            let (accepted, after_unlock) = self.deliver_to_all(&key, channel, published, exclude);
            after_unlock.finish(key.name());
            reached = accepted;
        }
        if let Some(shared) = self.shared() {
            shared.node.relay(relayed);
        }
        reached
    }

    /// Delivers a message that was read from the shared log, with its position if it is logged.
    pub(crate) fn deliver_read(
        &self,
        message: &LoggedMessage,
        at: Option<Position>,
        author: Author,
    ) -> AfterLane {
        let key = TopicKey::Declared(message.topic.clone());
        let channel = self.find(&key)?;
        // The other nodes have other connections with the same numbers.
        let except = message.except.filter(|_| author == Author::This);
        let exclude = Exclude {
            connection: except.map(ConnectionId::new),
            volatile: message.is_volatile,
        };
        let message = message.message.clone();
        let published = PublishedMessage { message, at };
        let (_, after_unlock) = self.deliver_to_all(&key, channel, published, exclude);
        Some(Box::new(move || after_unlock.finish(key.name())))
    }
}
