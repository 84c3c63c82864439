//! The subscriptions of pages and sessions, as they are in the log: JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::log::TopicName;
use crate::session::{Session, SessionId};
use crate::topic::SharedPlan;

/// What is subscribed: a page, or all pages of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Owner {
    Page(Box<str>),
    Session(SessionId),
}

/// Identifies a subscription.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub(super) owner: Owner,
    pub(super) topic: TopicName,
}

impl Key {
    /// The key under which nodes that start later find it.
    pub(super) fn to_bytes(&self) -> Bytes {
        // Neither ids nor names of topics contain a line feed.
        let topic = self.topic.as_str();
        match &self.owner {
            Owner::Page(page) => format!("page\n{page}\n{topic}").into(),
            Owner::Session(session) => format!("session\n{session}\n{topic}").into(),
        }
    }
}

/// A subscription, and the visitor for whom it was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct SharedSubscription {
    pub(super) plan: SharedPlan,
    /// The number of logons of the session: pages from before do not get it.
    pub(super) renewals: u32,
    /// The user who was logged on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<Box<str>>,
    /// The server that has made it had the page.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) with_page: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl SharedSubscription {
    /// Whether a page of this session gets it.
    pub(super) fn is_for(&self, session: &Session) -> bool {
        let is_for_user = self.user.is_none() || self.user.as_deref() == session.user();
        self.renewals <= session.renewals() && is_for_user
    }
}

/// A change of a subscription.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// It is new, or it is written again so that it does not expire.
    Added(SharedSubscription),
    Removed,
    /// Its page has ended on the author. Without effect if another node has written the subscription
    /// since: the page continues there.
    Ended,
}

/// A record of a subscription. A later version may add members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Record {
    owner: Owner,
    topic: String,
    change: Change,
}

/// The form in the log.
pub(super) fn write(key: &Key, change: &Change) -> Bytes {
    let record = Record {
        owner: key.owner.clone(),
        topic: key.topic.as_str().to_owned(),
        change: change.clone(),
    };
    serde_json::to_vec(&record)
        .expect("texts and numbers are JSON")
        .into()
}

/// Reads the form in the log; `None` if a later version has written it.
pub(super) fn read(content: &[u8]) -> Option<(Key, Change)> {
    let record: Record = serde_json::from_slice(content).ok()?;
    let topic = TopicName::new(record.topic);
    let is_valid = !topic.as_str().is_empty() && !topic.is_address();
    let key = Key {
        owner: record.owner,
        topic,
    };
    is_valid.then_some((key, record.change))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn subscription(event: &str, user: Option<&str>) -> SharedSubscription {
        let json = format!(r#"{{"event":"{event}","logged":true}}"#);
        SharedSubscription {
            plan: serde_json::from_str(&json).unwrap(),
            renewals: 1,
            user: user.map(Into::into),
            with_page: false,
        }
    }

    pub(in super::super) fn page(id: &str, topic: &str) -> Key {
        Key {
            owner: Owner::Page(id.into()),
            topic: TopicName::new(topic.to_owned()),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let session = Key {
            owner: Owner::Session(SessionId::from_bytes([7; 16])),
            topic: TopicName::new("room/7".to_owned()),
        };
        for key in [page("abc", "room/7"), session] {
            for change in [
                Change::Added(subscription("said", Some("ada"))),
                Change::Added(subscription("said", None)),
                Change::Removed,
                Change::Ended,
            ] {
                let content = write(&key, &change);
                assert_eq!(read(&content), Some((key.clone(), change)));
            }
        }
    }

    #[test]
    fn the_form_stays_readable_and_others_are_not_read() {
        let content = write(
            &page("abc", "room/7"),
            &Change::Added(subscription("said", None)),
        );
        let expected = r#"{"owner":{"page":"abc"},"topic":"room/7","change":{"added":{"plan":{"event":"said","logged":true},"renewals":1}}}"#;
        assert_eq!(content, expected);
        for other in [
            "",
            r#"{"owner":{"page":"abc"},"topic":"room/7","change":"muted"}"#,
            r#"{"owner":{"planet":"mars"},"topic":"room/7","change":"removed"}"#,
            r##"{"owner":{"page":"abc"},"topic":"#all","change":"removed"}"##,
            r#"{"owner":{"page":"abc"},"topic":"","change":"removed"}"#,
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
    }
}
