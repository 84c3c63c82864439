//! Entries of a lane: up to 64 records that are appended together, and their binary form.
//!
//! | part | bytes |
//! |---|---|
//! | magic | `WL` |
//! | version | 1 |
//! | kind | 1: messages, empty, heartbeat, marker |
//! | incarnation | 8 |
//! | number | 1 to 10 |
//! | the entry behind which every copy is: time, sequence | 2 to 20 |
//! | body | see [`Body`] |
//!
//! All versions have the parts above the body in common, and heartbeats, markers and empty entries have
//! version 1 for ever: every node must read them. Records have the highest version that all living
//! nodes read.
//!
//! A record is a kind (1 byte), the length of its content, and the content. That of a message:
//!
//! | part | bytes |
//! |---|---|
//! | flags | 1: 1 for `except`, 2 for volatile, 4 for a history |
//! | except | the number of a connection of the author, if flagged |
//! | history | number of messages, and how many milliseconds each is kept, if flagged |
//! | length of the topic's name, name | 2 to 258 |
//! | payload | the rest |

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;

use crate::log::codec::{Input, Malformed, put_bytes, put_number};
use crate::log::history::HistoryLimits;
use crate::log::local::MAX_MESSAGE;
use crate::log::name::{MAX_NAME, TopicName};
use crate::log::position::{EntryId, Generation};
use crate::log::random;
use crate::message::Message;

/// Records of one entry.
pub(crate) const MAX_RECORDS: usize = 64;

/// Bytes of records after which an entry gets no further record. A larger message has an entry of
/// its own.
pub(crate) const FULL_ENTRY: usize = 64 * 1024;

/// Bytes of the largest entry that is read.
pub const MAX_ENTRY: usize = MAX_MESSAGE + 2 * FULL_ENTRY;

mod heartbeat;
mod notice;

pub(crate) use heartbeat::{Heartbeat, Versions};
pub(crate) use notice::NoticeKind;

const MAGIC: [u8; 2] = *b"WL";

/// The version that every node reads.
pub(crate) const FIRST_VERSION: u8 = 1;

/// The versions of entries that this program reads and writes.
pub(crate) const VERSIONS: Versions = Versions {
    from: FIRST_VERSION,
    to: 1,
};

const RECORDS: u8 = 0;
const EMPTY: u8 = 1;
const HEARTBEAT: u8 = 2;
const MARKER: u8 = 3;

/// The kinds of records. Those of members are defined by presence.
const TEXT: u8 = 0;
const BINARY: u8 = 1;
pub(crate) const MEMBER_KINDS: std::ops::RangeInclusive<u8> = 2..=4;
const CLEARED: u8 = 5;
const RECALL: u8 = 6;
const DIED: u8 = 7;

const EXCEPT: u8 = 1;
const VOLATILE: u8 = 2;
const HISTORY: u8 = 4;

/// A life of a node: a node that starts again, or finds its own death in the log, takes another
/// one. Random, so that no two nodes have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation(pub u64);

impl Incarnation {
    /// The author of markers: no node.
    pub(crate) const NONE: Self = Self(0);

    /// Creates a new incarnation.
    ///
    /// # Panics
    ///
    /// Panics if the operating system provides no random numbers.
    pub(crate) fn random() -> Self {
        Self(random::number().max(1))
    }
}

/// An entry of a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) incarnation: Incarnation,
    /// The number of the entry within its incarnation and lane, from 1. A repeated entry has the
    /// same number.
    pub(crate) number: u64,
    /// The last entry of the lane that the author had read before it has sent this one. Every copy
    /// of the entry is behind it.
    pub(crate) behind: EntryId,
    pub(crate) body: Body,
}

/// The content of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Body {
    /// 1 to [`MAX_RECORDS`] records.
    Records(Vec<Record>),
    /// The number is used up, and its messages were reported as unconfirmed. If the entry with the
    /// messages arrives later, readers skip it.
    Empty,
    /// A node lives.
    Heartbeat(Heartbeat),
    /// The first entry of a generation.
    Marker(Generation),
}

/// A part of an entry. One of a kind that this version does not know keeps its index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Record {
    Message(LoggedMessage),
    /// A member of a topic has changed: the kind and the content, which presence can read.
    Member {
        kind: u8,
        content: Bytes,
    },
    /// Something that every node applies.
    Notice {
        kind: NoticeKind,
        content: Bytes,
    },
    /// All members that the author has entered in this lane before have left.
    Cleared,
    /// Every node clears its members in this lane and enters them again: a reader may have missed
    /// some.
    Recall,
    /// The author has taken this node for dead, and has read a heartbeat of it since. Now it is dead
    /// for all readers: also for those that had missed entries, such as the node itself.
    Died(Incarnation),
    Unknown,
}

/// A message of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LoggedMessage {
    pub(crate) topic: TopicName,
    pub(crate) message: Message,
    /// What the topic keeps, if it has a history.
    pub(crate) history: Option<HistoryLimits>,
    /// The connection of the author that does not get it.
    pub(crate) except: Option<u64>,
    /// Clients with a backlog do not get it.
    pub(crate) is_volatile: bool,
}

/// Why an entry cannot be read. A reader skips and counts it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum EntryError {
    #[error("the entry was not written by ws-server")]
    Foreign,
    #[error("the entry has version {version}; this node reads up to {highest}")]
    Newer { version: u8, highest: u8 },
    #[error("the entry has {len} bytes; at most {MAX_ENTRY} are read")]
    TooLarge { len: usize },
    #[error("the entry is malformed")]
    Malformed,
}

impl From<Malformed> for EntryError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// The first entry of a generation, for engines: the marker that
/// [`Engine::open`](super::Engine::open) writes.
pub fn marker(generation: Generation) -> Bytes {
    let marker = Entry {
        incarnation: Incarnation::NONE,
        number: 0,
        behind: EntryId::ZERO,
        body: Body::Marker(generation),
    };
    marker.encode()
}

impl Entry {
    /// The binary form in the version that every node reads.
    pub(crate) fn encode(&self) -> Bytes {
        self.encode_as(FIRST_VERSION)
    }

    /// The binary form, with records of this version.
    pub(crate) fn encode_as(&self, version: u8) -> Bytes {
        let size = match &self.body {
            Body::Records(records) => records.iter().map(Record::size).sum(),
            Body::Empty | Body::Marker(_) => 8,
            Body::Heartbeat(heartbeat) => 10 * heartbeat.accepted.len() + 28,
        };
        let mut to = Vec::with_capacity(48 + size);
        to.extend_from_slice(&MAGIC);
        to.push(match self.body {
            Body::Records(_) => version,
            Body::Empty | Body::Heartbeat(_) | Body::Marker(_) => FIRST_VERSION,
        });
        to.push(match self.body {
            Body::Records(_) => RECORDS,
            Body::Empty => EMPTY,
            Body::Heartbeat(_) => HEARTBEAT,
            Body::Marker(_) => MARKER,
        });
        to.extend_from_slice(&self.incarnation.0.to_be_bytes());
        put_number(&mut to, self.number);
        put_number(&mut to, self.behind.time);
        put_number(&mut to, self.behind.sequence);
        match &self.body {
            Body::Records(records) => {
                put_number(&mut to, records.len() as u64);
                for record in records {
                    record.put(&mut to);
                }
            }
            Body::Empty => {}
            Body::Heartbeat(heartbeat) => heartbeat.put(&mut to),
            Body::Marker(generation) => to.extend_from_slice(&generation.0.to_be_bytes()),
        }
        to.into()
    }

    /// Same as [`decode_up_to`](Self::decode_up_to) the latest version.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, EntryError> {
        Self::decode_up_to(bytes, VERSIONS.to)
    }

    /// Reads the binary form, if it has a version up to this one. Names and payloads share its
    /// memory.
    ///
    /// # Errors
    ///
    /// [`EntryError`] if it cannot be read.
    pub(crate) fn decode_up_to(bytes: Bytes, highest: u8) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLarge { len: bytes.len() });
        }
        let mut input = Input::new(bytes);
        if input.array() != Ok(MAGIC) {
            return Err(EntryError::Foreign);
        }
        let version = input.byte()?;
        if version > highest {
            return Err(EntryError::Newer { version, highest });
        }
        let kind = input.byte()?;
        let incarnation = Incarnation(input.u64()?);
        let number = input.number()?;
        let behind = EntryId::new(input.number()?, input.number()?);
        let body = match kind {
            RECORDS => {
                let count = input.size(MAX_RECORDS)?;
                let records = (0..count).map(|_| Record::get(&mut input));
                Body::Records(records.collect::<Result<_, _>>()?)
            }
            EMPTY => Body::Empty,
            HEARTBEAT => Body::Heartbeat(Heartbeat::get(&mut input)?),
            MARKER => Body::Marker(Generation(input.u64()?)),
            _ => return Err(EntryError::Malformed),
        };
        // Only markers have no author, and numbers start at 1.
        let is_marker = matches!(body, Body::Marker(_));
        let has_author = incarnation != Incarnation::NONE && number > 0;
        if version == 0 || !input.is_empty() || is_marker == has_author {
            return Err(EntryError::Malformed);
        }
        Ok(Self {
            incarnation,
            number,
            behind,
            body,
        })
    }
}

impl Record {
    /// Bytes that it takes in an entry, up to a few bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Message(message) => message.topic.as_str().len() + message.message.len() + 8,
            Self::Member { content, .. } | Self::Notice { content, .. } => content.len() + 4,
            Self::Died(_) => 10,
            Self::Cleared | Self::Recall | Self::Unknown => 2,
        }
    }

    /// Appends the kind and the length, so that earlier versions can skip later kinds, and the
    /// content.
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Message(message) => {
                to.push(if message.message.is_text() {
                    TEXT
                } else {
                    BINARY
                });
                let mut head = Vec::with_capacity(32 + message.topic.as_str().len());
                message.put_head(&mut head);
                let payload = message.message.as_bytes();
                put_number(to, (head.len() + payload.len()) as u64);
                to.extend_from_slice(&head);
                to.extend_from_slice(payload);
            }
            Self::Member { kind, content } => {
                to.push(*kind);
                put_bytes(to, content);
            }
            Self::Notice { kind, content } => {
                to.push(kind.number());
                put_bytes(to, content);
            }
            Self::Cleared => to.extend_from_slice(&[CLEARED, 0]),
            Self::Recall => to.extend_from_slice(&[RECALL, 0]),
            Self::Died(node) => {
                to.push(DIED);
                put_bytes(to, &node.0.to_be_bytes());
            }
            // It is never written.
            Self::Unknown => {}
        }
    }

    fn get(input: &mut Input) -> Result<Self, Malformed> {
        let kind = input.byte()?;
        let len = input.size(MAX_ENTRY)?;
        let content = input.bytes(len)?;
        Ok(match kind {
            TEXT | BINARY => {
                let message = LoggedMessage::get(kind, &mut Input::new(content))?;
                message.map_or(Self::Unknown, Self::Message)
            }
            kind if MEMBER_KINDS.contains(&kind) => Self::Member { kind, content },
            CLEARED if content.is_empty() => Self::Cleared,
            RECALL if content.is_empty() => Self::Recall,
            DIED => <[u8; 8]>::try_from(&content[..]).map_or(Self::Unknown, |node| {
                Self::Died(Incarnation(u64::from_be_bytes(node)))
            }),
            kind => match NoticeKind::of(kind) {
                Some(kind) => Self::Notice { kind, content },
                None => Self::Unknown,
            },
        })
    }
}

impl LoggedMessage {
    /// Everything but the payload.
    fn put_head(&self, to: &mut Vec<u8>) {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        to.push(
            flag(self.except.is_some(), EXCEPT)
                | flag(self.is_volatile, VOLATILE)
                | flag(self.history.is_some(), HISTORY),
        );
        if let Some(connection) = self.except {
            put_number(to, connection);
        }
        if let Some(limits) = self.history {
            put_number(to, limits.messages.get().into());
            let keep = limits.keep.as_millis();
            put_number(to, u64::try_from(keep).unwrap_or(u64::MAX));
        }
        put_bytes(to, self.topic.as_str().as_bytes());
    }

    /// `None` if it has flags of a later version.
    fn get(kind: u8, input: &mut Input) -> Result<Option<Self>, Malformed> {
        let flags = input.byte()?;
        if flags & !(EXCEPT | VOLATILE | HISTORY) != 0 {
            return Ok(None);
        }
        let has = |flag| flags & flag != 0;
        let except = has(EXCEPT).then(|| input.number()).transpose()?;
        let history = has(HISTORY).then(|| get_limits(input)).transpose()?;
        let len = input.size(input.len().min(MAX_NAME))?;
        let name = text(input.bytes(len)?)?;
        if name.is_empty() {
            return Err(Malformed);
        }
        let payload = input.rest();
        let message = if kind == TEXT {
            Message::Text(text(payload)?)
        } else {
            Message::Binary(payload)
        };
        Ok(Some(Self {
            topic: TopicName::new(name.into()),
            message,
            history,
            except,
            is_volatile: has(VOLATILE),
        }))
    }
}

fn get_limits(input: &mut Input) -> Result<HistoryLimits, Malformed> {
    let messages = u32::try_from(input.number()?).map_err(|_| Malformed)?;
    let messages = NonZeroU32::new(messages).ok_or(Malformed)?;
    let keep = Duration::from_millis(input.number()?);
    Ok(HistoryLimits { messages, keep })
}

fn text(bytes: Bytes) -> Result<ByteString, Malformed> {
    ByteString::try_from(bytes).map_err(|_| Malformed)
}

/// Checks that an entry, if the bytes are one, is read again from the form in which it is written.
#[cfg(fuzzing)]
pub(in crate::log) fn check_round_trip(bytes: &[u8]) {
    let Ok(mut entry) = Entry::decode(bytes.to_vec().into()) else {
        return;
    };
    if let Body::Records(records) = &mut entry.body {
        // Records of later versions are skipped, and never written.
        records.retain(|record| *record != Record::Unknown);
    }
    assert_eq!(Entry::decode(entry.encode()), Ok(entry));
}

#[cfg(test)]
mod tests;
