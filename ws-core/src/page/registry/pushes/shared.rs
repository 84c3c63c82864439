//! Pushes through a log that several servers share: an entry for all of them.
//!
//! The address of a push is a topic whose name no declaration can have, because it begins with `#`.
//! All of them are in the first lane, so that the pushes of one task keep their order, whatever their
//! addresses. The text is the number of logons that the sender knows, and the tail of the event.

use std::sync::Arc;

use bytestring::ByteString;

use super::{Pages, PushTo};
use crate::log::shared::{AfterLane, LoggedMessage};
use crate::log::{Position, TopicName};
use crate::message::Message;
use crate::page::queue::{Loss, QueuedPush};
use crate::page::stream::{Stream, logon_close};
use crate::session::SessionId;
use crate::topic::{Pushed, SharedLog};
use crate::wire::Push;

const PAGE: &str = "#page/";
const SESSION: &str = "#session/";
const USER: &str = "#user/";
const ALL: &str = "#all";

/// Bytes of the shortest user in an address that may have been shortened.
const SHORTENED_USER: usize = 200;

impl PushTo<'_> {
    /// The topic of this address.
    pub(in crate::page::registry) fn topic(self) -> TopicName {
        TopicName::new(match self {
            Self::Page(id) => format!("{PAGE}{id}"),
            Self::Session(id) => format!("{SESSION}{id}"),
            Self::User(user) => format!("{USER}{user}"),
            Self::All => ALL.to_owned(),
        })
    }
}

impl Pages {
    /// Queues a push for the log; `renewals` is the number of logons of the page's session.
    pub(super) fn push_shared(
        &self,
        shared: &SharedLog,
        to: PushTo<'_>,
        renewals: u32,
        push: &Push,
    ) -> Pushed {
        let mut text = renewals.to_string().into_bytes();
        text.extend_from_slice(push.tail());
        let text = ByteString::try_from(text).expect("events are JSON");
        let topic = to.topic();
        let message = LoggedMessage {
            topic: topic.clone(),
            message: Message::Text(text),
            history: None,
            except: None,
            is_volatile: false,
        };
        let reached = || self.count_of(to);
        Pushed::logged(self.topics.append(shared, topic, Ok(message), reached))
    }

    /// Queues a push that was read from the log. Its pages are written after the lane is unlocked.
    pub(crate) fn push_read(&self, message: &LoggedMessage, at: Position) -> AfterLane {
        let mut streams = self.streams_of_topic(&message.topic);
        if streams.is_empty() {
            return None;
        }
        let Read { renewals, push } = read(&message.message)?;
        let place = at.place();
        let queued = QueuedPush::for_many(&push.at(place), &self.queued);
        // A page that returns with its cursor gets it from the log.
        let queued = queued.with_loss(Loss::IsHarmless);
        let mut outdated = Vec::new();
        streams.retain(|stream| {
            // Pushed after a logon that the page does not know: its socket may be another visitor's.
            if stream.session().renewals() < renewals {
                outdated.push(stream.clone());
                return false;
            }
            stream.enqueue(queued.clone(), Some(place))
        });
        if streams.is_empty() && outdated.is_empty() {
            return None;
        }
        let pages = self.weak_self.upgrade()?;
        Some(Box::new(move || {
            for stream in &outdated {
                pages.end(stream, &logon_close());
            }
            for stream in &streams {
                stream.pump();
            }
            pages.relieve();
        }))
    }

    /// The streams of an address.
    fn streams_of_topic(&self, topic: &TopicName) -> Vec<Arc<Stream>> {
        let name = topic.as_str();
        if name == ALL {
            return self.streams(PushTo::All);
        }
        if let Some(id) = name.strip_prefix(PAGE) {
            return self.streams(PushTo::Page(id));
        }
        if let Some(id) = name.strip_prefix(SESSION) {
            let id = SessionId::parse(id);
            return id.map_or_else(Vec::new, |id| self.streams(PushTo::Session(id)));
        }
        let Some(user) = name.strip_prefix(USER) else {
            return Vec::new();
        };
        match self.long_user(topic) {
            Some(user) => self.streams(PushTo::User(&user)),
            None => self.streams(PushTo::User(user)),
        }
    }

    /// The user of an address that was shortened because the name is long.
    fn long_user(&self, topic: &TopicName) -> Option<Box<str>> {
        let len = topic.as_str().len();
        if len < USER.len() + SHORTENED_USER {
            return None;
        }
        let index = self.index();
        let mut users = index
            .users
            .keys()
            .filter(|user| user.len() + USER.len() > len);
        users
            .find(|user| PushTo::User(user).topic() == *topic)
            .cloned()
    }
}

/// A push that was read.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::page::registry) struct Read {
    /// The number of logons that the sender knows; 0 if it does not matter.
    pub(in crate::page::registry) renewals: u32,
    pub(in crate::page::registry) push: Push,
}

/// Reads the message of a push.
pub(in crate::page::registry) fn read(message: &Message) -> Option<Read> {
    let Message::Text(text) = message else {
        return None;
    };
    let comma = text.find(',')?;
    let renewals = text[..comma].parse().ok()?;
    let tail = text.as_bytes().slice(comma..);
    let push = Push::event_of_tail(tail);
    Some(Read { renewals, push })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_read_as_it_was_written_and_other_text_is_not() {
        let push = Push::event("said", &["a,b"]).unwrap();
        let tail = std::str::from_utf8(push.tail()).unwrap();
        let written = Message::text(format!("3{tail}"));
        assert_eq!(read(&written), Some(Read { renewals: 3, push }));
        for text in ["", "3", "x,\"event\":1}", "-1,}"] {
            assert_eq!(read(&Message::text(text)), None, "{text}");
        }
        assert_eq!(read(&Message::binary(b"3,}".to_vec())), None);
    }

    #[test]
    fn addresses_differ_even_if_names_are_long() {
        let long = |last| format!("{}{last}", "x".repeat(300));
        let (a, b) = (long('a'), long('b'));
        let topics = [
            PushTo::User(&a).topic(),
            PushTo::User(&b).topic(),
            PushTo::User("page/1").topic(),
            PushTo::Page("1").topic(),
            PushTo::All.topic(),
        ];
        for (at, topic) in topics.iter().enumerate() {
            assert!(topic.is_address());
            assert!(!topics[at + 1..].contains(topic));
        }
    }
}
