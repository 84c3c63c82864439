//! Changes of members, and their form in the log.
//!
//! In an entry of the log, the records of presence are kinds beside those of messages:
//!
//! | part | bytes |
//! |---|---|
//! | kind | 1, before the length of the content: entered, changed, left |
//! | length of the topic's name | 2 |
//! | topic | 1 to 256 |
//! | length of the key | 2 |
//! | key | 1 to [`MAX_MEMBER_KEY`] |
//! | member | the rest: JSON of at most [`MAX_MEMBER`] bytes; nothing if the member has left |

use std::str;
use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::limits::{MAX_MEMBER, MAX_MEMBER_KEY};
use crate::log::EntryId;

/// Bytes of the longest name of a topic.
const MAX_TOPIC: usize = 256;

/// Identifies a member of a topic. Cloning is cheap.
pub type Key = Arc<str>;

/// The JSON of a member. Cloning is cheap.
pub type Value = Arc<str>;

/// A change of one member on one node: its first connection there has entered, its value has
/// changed, or its last connection there has left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The member.
    pub key: Key,
    /// The change.
    pub change: Change,
}

/// The change of a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The member is new on the node.
    Entered(Value),
    /// The member has another value.
    Changed(Value),
    /// The member has left the node.
    Left,
}

/// The place of a record in the log, as far as rosters compare it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct RecordPosition {
    /// Counts the resets of a log that several nodes share.
    pub(super) epoch: u64,
    pub(super) entry: EntryId,
    /// The number of records of the entry up to this one.
    pub(super) index: u16,
}

/// A record cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the record of a member is malformed")]
pub struct MalformedRecord;

impl Record {
    /// The first kind of presence; two more follow it.
    pub const FIRST_KIND: u8 = 2;

    /// The kind of this record in the log.
    pub const fn kind(&self) -> u8 {
        Self::FIRST_KIND
            + match self.change {
                Change::Entered(_) => 0,
                Change::Changed(_) => 1,
                Change::Left => 2,
            }
    }

    /// Appends the content of the record. The name of the topic and the key must be within their
    /// limits.
    pub fn put(&self, topic: &str, to: &mut Vec<u8>) {
        put_short(to, topic);
        put_short(to, &self.key);
        match &self.change {
            Change::Entered(value) | Change::Changed(value) => {
                to.extend_from_slice(value.as_bytes());
            }
            Change::Left => {}
        }
    }

    /// Reads the content of a record of this kind: the name of the topic, and the record.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord`] if the content has another form or exceeds a limit.
    pub fn get(kind: u8, content: &[u8]) -> Result<(&str, Self), MalformedRecord> {
        let (topic, content) = get_short(content, MAX_TOPIC)?;
        let (key, content) = get_short(content, MAX_MEMBER_KEY)?;
        let value = || {
            let value = str::from_utf8(content).map_err(|_| MalformedRecord)?;
            let is_json = serde_json::from_str::<IgnoredAny>(value).is_ok();
            // Members are inserted into the JSON of events, so anything else would break those.
            if is_json && value.len() <= MAX_MEMBER {
                Ok(Value::from(value))
            } else {
                Err(MalformedRecord)
            }
        };
        let change = match kind.checked_sub(Self::FIRST_KIND) {
            Some(0) => Change::Entered(value()?),
            Some(1) => Change::Changed(value()?),
            Some(2) if content.is_empty() => Change::Left,
            _ => return Err(MalformedRecord),
        };
        let key = key.into();
        Ok((topic, Self { key, change }))
    }
}

fn put_short(to: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names and keys are limited to 256 bytes");
    to.extend_from_slice(&len.to_be_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// Reads a text of 1 to `longest` bytes; returns it with the rest.
fn get_short(from: &[u8], longest: usize) -> Result<(&str, &[u8]), MalformedRecord> {
    let (len, rest) = from.split_first_chunk().ok_or(MalformedRecord)?;
    let len = usize::from(u16::from_be_bytes(*len));
    if len == 0 || len > longest {
        return Err(MalformedRecord);
    }
    let (text, rest) = rest.split_at_checked(len).ok_or(MalformedRecord)?;
    let text = str::from_utf8(text).map_err(|_| MalformedRecord)?;
    Ok((text, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(topic: &str, record: &Record) -> Vec<u8> {
        let mut content = Vec::new();
        record.put(topic, &mut content);
        content
    }

    fn record(key: &str, change: Change) -> Record {
        let key = key.into();
        Record { key, change }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let json = || Value::from(r#"{"name":"Ada"}"#);
        let key = "ü".repeat(128);
        for change in [
            Change::Entered(json()),
            Change::Changed(json()),
            Change::Left,
        ] {
            let record = record(&key, change);
            let content = encoded("room/7", &record);
            let read = Record::get(record.kind(), &content);
            assert_eq!(read, Ok(("room/7", record)));
        }
        let left = record("ada", Change::Left);
        assert_eq!(left.kind(), 4);
        assert_eq!(encoded("r", &left), b"\0\x01r\0\x03ada");
    }

    #[test]
    fn a_record_cut_at_any_byte_is_not_read() {
        let entered = record("ada", Change::Entered(r#"{"n":1}"#.into()));
        let content = encoded("room/7", &entered);
        for cut in 0..content.len() {
            let read = Record::get(entered.kind(), &content[..cut]);
            assert_eq!(read, Err(MalformedRecord), "{cut} bytes");
        }
    }

    #[test]
    fn what_exceeds_a_limit_or_is_no_json_is_not_read() {
        let long = "k".repeat(MAX_MEMBER_KEY + 1);
        let large = format!("\"{}\"", "m".repeat(MAX_MEMBER - 1));
        for (topic, key, value) in [
            ("", "ada", "1"),
            (&*"t".repeat(MAX_TOPIC + 1), "ada", "1"),
            ("room", "", "1"),
            ("room", &long, "1"),
            ("room", "ada", &large),
            ("room", "ada", "1,2"),
            ("room", "ada", ""),
        ] {
            let entered = record(key, Change::Entered(value.into()));
            let content = encoded(topic, &entered);
            assert_eq!(Record::get(entered.kind(), &content), Err(MalformedRecord));
        }
        let left = encoded("room", &record("ada", Change::Left));
        for kind in [0, 1, 5, u8::MAX] {
            assert_eq!(Record::get(kind, &left), Err(MalformedRecord));
        }
        let more = [&*left, b"1"].concat();
        assert_eq!(Record::get(4, &more), Err(MalformedRecord));
        let not_utf8 = b"\0\x01r\0\x01\xff";
        assert_eq!(Record::get(4, not_utf8), Err(MalformedRecord));
    }
}
