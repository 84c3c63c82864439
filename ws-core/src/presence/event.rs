//! The events that watchers of a topic's members get.

use serde::{Deserialize, Serialize};

use super::record::{Key, Value};
use crate::message::Message;

/// The members of a topic, and their changes: what the client gets after
/// [`Socket::watch`](crate::socket::Socket::watch), and a handler after
/// [`Socket::listen_members`](crate::socket::Socket::listen_members).
///
/// `M` is the type of members that the topic declares. The client gets it as a JSON text message,
/// with the event in `presence`. Lists of members are pairs of key and member, in the order of
/// their keys: in JavaScript, `new Map(event.members)`.
///
/// ```text
/// {"presence":"snapshot","topic":"room/7","members":[["ada",{"name":"Ada"}]]}
/// {"presence":"changes","topic":"room/7","entered":[["bob",{"name":"Bob"}]],"changed":[],"left":["ada"]}
/// {"presence":"count","topic":"room/7","count":501}
/// ```
///
/// While the server cannot read the log that it shares with others, the members may be out of date.
/// Watchers are notified by an event with `"stale":true`, and all events have it until the server
/// has read the log again; see [`is_stale`](Self::is_stale).
///
/// A watcher gets a snapshot at once. Changes follow, at most once in each
/// [`tick`](crate::limits::PresenceLimits::tick); none is missing, and none is contained in the
/// snapshot already. While the topic has more than [`list`](crate::limits::PresenceLimits::list)
/// members, watchers get only their count, and
/// [`Hub::members_page`](crate::hub::Hub::members_page) has the members. When few enough are left,
/// a snapshot follows again: it replaces all that was known before.
///
/// ```
/// use std::collections::BTreeMap;
/// use ws_server::topic::MembersEvent;
///
/// /// Keeps the members of one topic up to date.
/// fn apply(members: &mut BTreeMap<String, u32>, event: MembersEvent<u32>) {
///     match event {
///         MembersEvent::Snapshot { members: all, .. } => *members = all.into_iter().collect(),
///         MembersEvent::Changes { entered, changed, left, .. } => {
///             members.extend(entered.into_iter().chain(changed));
///             members.retain(|key, _| !left.contains(key));
///         }
///         // There are too many to show.
///         MembersEvent::Count { .. } => members.clear(),
///         _ => {}
///     }
/// }
///
/// let mut members = BTreeMap::new();
/// let json = r#"{"presence":"snapshot","topic":"lobby","members":[["ada",1],["bob",2]]}"#;
/// apply(&mut members, serde_json::from_str(json).unwrap());
/// let json = r#"{"presence":"changes","topic":"lobby","entered":[["eve",3]],"changed":[],"left":["bob"]}"#;
/// apply(&mut members, serde_json::from_str(json).unwrap());
/// assert_eq!(members, BTreeMap::from([("ada".to_owned(), 1), ("eve".to_owned(), 3)]));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "presence", rename_all = "snake_case")]
#[serde(try_from = "Fields<M>", bound(deserialize = "M: Deserialize<'de>"))]
#[non_exhaustive]
pub enum MembersEvent<M> {
    /// All members.
    Snapshot {
        /// The name of the topic.
        topic: String,
        /// The keys and the members.
        members: Vec<(String, M)>,
        /// Whether they may be out of date.
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
    },
    /// The members that have changed since the event before.
    Changes {
        /// The name of the topic.
        topic: String,
        /// The members that are new.
        entered: Vec<(String, M)>,
        /// The members that have another value, with that value.
        changed: Vec<(String, M)>,
        /// The keys of the members that have left.
        left: Vec<String>,
        /// Whether the members may be out of date. An event without changes only updates this.
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
    },
    /// The number of members, while there are too many to send them.
    Count {
        /// The name of the topic.
        topic: String,
        /// The number of members.
        count: usize,
        /// Whether it may be out of date.
        #[serde(default, skip_serializing_if = "is_false")]
        stale: bool,
    },
}

impl<M> MembersEvent<M> {
    /// The name of the topic.
    pub fn topic(&self) -> &str {
        match self {
            Self::Snapshot { topic, .. }
            | Self::Changes { topic, .. }
            | Self::Count { topic, .. } => topic,
        }
    }

    /// Whether the members may be out of date as of this event: the server has not read the whole
    /// log that it shares with others for three seconds. Members of other servers may have left,
    /// entered or changed meanwhile. Always false in one process.
    ///
    /// ```
    /// use ws_server::topic::MembersEvent;
    ///
    /// let json = r#"{"presence":"changes","topic":"t","entered":[],"changed":[],"left":[],"stale":true}"#;
    /// let event: MembersEvent<u32> = serde_json::from_str(json).unwrap();
    /// assert!(event.is_stale());
    /// ```
    pub const fn is_stale(&self) -> bool {
        match self {
            Self::Snapshot { stale, .. }
            | Self::Changes { stale, .. }
            | Self::Count { stale, .. } => *stale,
        }
    }
}

/// The fields of all events. A tagged enum that is derived would first be read into serde's own
/// representation, which not every type of members supports.
#[derive(Deserialize)]
struct Fields<M> {
    presence: EventKind,
    topic: String,
    members: Option<Vec<(String, M)>>,
    #[serde(default = "Vec::new")]
    entered: Vec<(String, M)>,
    #[serde(default = "Vec::new")]
    changed: Vec<(String, M)>,
    #[serde(default)]
    left: Vec<String>,
    count: Option<usize>,
    #[serde(default)]
    stale: bool,
}

/// Only for `skip_serializing_if`, which passes a reference.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum EventKind {
    Snapshot,
    Changes,
    Count,
}

impl<M> TryFrom<Fields<M>> for MembersEvent<M> {
    type Error = &'static str;

    fn try_from(fields: Fields<M>) -> Result<Self, Self::Error> {
        let (topic, stale) = (fields.topic, fields.stale);
        Ok(match fields.presence {
            EventKind::Snapshot => Self::Snapshot {
                topic,
                members: fields.members.ok_or("missing field `members`")?,
                stale,
            },
            EventKind::Changes => Self::Changes {
                topic,
                entered: fields.entered,
                changed: fields.changed,
                left: fields.left,
                stale,
            },
            EventKind::Count => Self::Count {
                topic,
                count: fields.count.ok_or("missing field `count`")?,
                stale,
            },
        })
    }
}

/// Whether a node has read the whole log recently.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Freshness {
    /// It has.
    #[default]
    Current,
    /// It has not. The members of other nodes may have changed.
    Stale,
}

/// A member: its key, and its JSON.
pub(super) type Pair<'v> = (&'v Key, &'v Value);

/// Writes the JSON of an event. The members are JSON already.
struct EventWriter(String);

impl EventWriter {
    fn new(kind: &str, topic: &str) -> Self {
        let mut writer = Self(format!(r#"{{"presence":"{kind}","topic":"#));
        writer.string(topic);
        writer
    }

    fn string(&mut self, text: &str) {
        let json = serde_json::to_string(text).expect("a text can be encoded");
        self.0.push_str(&json);
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        put: impl Fn(&mut Self, T),
    ) {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            put(self, item);
        }
        self.0.push(']');
    }

    fn pair(&mut self, (key, value): Pair<'_>) {
        self.0.push('[');
        self.string(key);
        self.0.push(',');
        self.0.push_str(value);
        self.0.push(']');
    }

    fn finish(mut self, freshness: Freshness) -> Message {
        if freshness == Freshness::Stale {
            self.0.push_str(",\"stale\":true");
        }
        self.0.push('}');
        Message::text(self.0)
    }
}

/// The bytes of a pair in the JSON of an event, with the comma before it.
pub(super) fn pair_len((key, value): Pair<'_>) -> usize {
    let escaped = key.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\x08' | b'\t' | b'\n' | b'\x0c' | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    escaped.sum::<usize>() + value.len() + r#",["",]"#.len()
}

/// Encodes [`MembersEvent::Snapshot`].
pub(super) fn snapshot<'v>(
    topic: &str,
    members: impl IntoIterator<Item = Pair<'v>>,
    freshness: Freshness,
) -> Message {
    let mut writer = EventWriter::new("snapshot", topic);
    writer.list("members", members, EventWriter::pair);
    writer.finish(freshness)
}

/// Encodes [`MembersEvent::Changes`].
pub(super) fn changes(
    topic: &str,
    entered: Vec<Pair<'_>>,
    changed: Vec<Pair<'_>>,
    left: Vec<&Key>,
    freshness: Freshness,
) -> Message {
    let mut writer = EventWriter::new("changes", topic);
    writer.list("entered", entered, EventWriter::pair);
    writer.list("changed", changed, EventWriter::pair);
    writer.list("left", left, |writer, key| writer.string(key));
    writer.finish(freshness)
}

/// Encodes [`MembersEvent::Count`].
pub(super) fn count(topic: &str, count: usize, freshness: Freshness) -> Message {
    let mut writer = EventWriter::new("count", topic);
    writer.0.push_str(",\"count\":");
    writer.0.push_str(&count.to_string());
    writer.finish(freshness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(message: &Message, event: &MembersEvent<u32>) {
        let json = message.as_text().unwrap();
        assert_eq!(serde_json::to_string(event).unwrap(), json);
        assert_eq!(
            &serde_json::from_str::<MembersEvent<u32>>(json).unwrap(),
            event
        );
        assert_eq!(event.topic(), "a \"room\"");
    }

    #[test]
    fn events_are_encoded_as_serde_does() {
        for (freshness, stale) in [(Freshness::Current, false), (Freshness::Stale, true)] {
            let topic = || "a \"room\"".to_owned();
            let [ada, bob]: [Key; 2] = ["ada \u{1}".into(), "böb".into()];
            let [one, two]: [Value; 2] = ["1".into(), "2".into()];
            let members = vec![("ada \u{1}".to_owned(), 1), ("böb".to_owned(), 2)];
            let pairs = || vec![(&ada, &one), (&bob, &two)];
            let event = MembersEvent::Snapshot {
                topic: topic(),
                members: members.clone(),
                stale,
            };
            check(&snapshot(&topic(), pairs(), freshness), &event);
            let event = MembersEvent::Changes {
                topic: topic(),
                entered: members.clone(),
                changed: members,
                left: vec!["ada \u{1}".to_owned(), "böb".to_owned()],
                stale,
            };
            let left = vec![&ada, &bob];
            let encoded = changes(&topic(), pairs(), pairs(), left, freshness);
            check(&encoded, &event);
            let event = MembersEvent::Changes {
                topic: topic(),
                entered: vec![],
                changed: vec![],
                left: vec![],
                stale,
            };
            let encoded = changes(&topic(), vec![], vec![], vec![], freshness);
            check(&encoded, &event);
            let event = MembersEvent::Count {
                topic: topic(),
                count: 501,
                stale,
            };
            check(&count(&topic(), 501, freshness), &event);
            assert_eq!(event.is_stale(), stale);
        }
    }

    #[test]
    fn an_event_that_lacks_its_content_is_not_read() {
        for (json, error) in [
            (
                r#"{"presence":"snapshot","topic":"t"}"#,
                "missing field `members`",
            ),
            (
                r#"{"presence":"count","topic":"t"}"#,
                "missing field `count`",
            ),
            (
                r#"{"presence":"gone","topic":"t"}"#,
                "unknown variant `gone`",
            ),
        ] {
            let read = serde_json::from_str::<MembersEvent<u32>>(json);
            assert!(read.unwrap_err().to_string().starts_with(error));
        }
    }

    /// Members whose types serde cannot buffer are read too.
    #[test]
    fn members_of_any_type_are_read() {
        let large = u128::MAX;
        let json = format!(r#"{{"presence":"snapshot","topic":"t","members":[["ada",{large}]]}}"#);
        let members = vec![("ada".to_owned(), large)];
        let event = MembersEvent::Snapshot {
            topic: "t".to_owned(),
            members,
            stale: false,
        };
        assert_eq!(
            serde_json::from_str::<MembersEvent<u128>>(&json).unwrap(),
            event
        );
    }
}
