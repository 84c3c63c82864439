//! Messages of a page's queue, encoded once for all pages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Serialize;

use super::LanePlace;
use crate::error::EncodeError;

/// The kind of a message to a page, in the page protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PushKind {
    /// Pushed by the application.
    Event,
    /// Text of the page's handler.
    Text,
    /// Bytes of the page's handler.
    Binary,
}

impl PushKind {
    /// The message up to its offset.
    const fn opening(self) -> &'static str {
        match self {
            Self::Event => r#"{"type":"event","offset":"#,
            Self::Text => r#"{"type":"text","offset":"#,
            Self::Binary => r#"{"type":"binary","offset":"#,
        }
    }
}

/// A message to pages, without the offset, which differs between them. Clones share the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Push {
    kind: PushKind,
    /// Everything after the offset.
    tail: Bytes,
}

impl Push {
    /// Encodes an event of this name.
    pub(crate) fn event<T: Serialize + ?Sized>(
        name: &str,
        data: &T,
    ) -> Result<Self, serde_json::Error> {
        let mut tail = br#","event":"#.to_vec();
        serde_json::to_writer(&mut tail, name)?;
        tail.extend_from_slice(br#","data":"#);
        serde_json::to_writer(&mut tail, data)?;
        Ok(Self::finish(PushKind::Event, tail))
    }

    /// Encodes an event of this name with data that is JSON already, and its place in the log if it
    /// has one.
    pub(crate) fn event_of_json(name: &str, data: &str, at: Option<LanePlace>) -> Self {
        let mut tail = br#","event":"#.to_vec();
        serde_json::to_writer(&mut tail, name).expect("a string can be encoded as JSON");
        tail.extend_from_slice(br#","data":"#);
        tail.extend_from_slice(data.as_bytes());
        if let Some(at) = at {
            tail.extend_from_slice(format!(r#","at":"{at}""#).as_bytes());
        }
        Self::finish(PushKind::Event, tail)
    }

    /// An event with the tail of another one.
    #[cfg(feature = "cluster")]
    pub(crate) const fn event_of_tail(tail: Bytes) -> Self {
        let kind = PushKind::Event;
        Self { kind, tail }
    }

    /// The same event with its place in the log.
    #[cfg(feature = "cluster")]
    pub(crate) fn at(&self, place: LanePlace) -> Self {
        let members = self.tail.strip_suffix(b"}").unwrap_or(&self.tail);
        let mut tail = members.to_vec();
        tail.extend_from_slice(format!(r#","at":"{place}""#).as_bytes());
        Self::finish(self.kind, tail)
    }

    /// The same event, at an unknown place of the lane.
    pub(crate) fn without_place(&self, at: LanePlace) -> Self {
        let place = |at: LanePlace| format!(r#","at":"{at}"}}"#);
        let Some(members) = self.tail.strip_suffix(place(at).as_bytes()) else {
            return self.clone();
        };
        let unknown = LanePlace { place: None, ..at };
        Self {
            kind: self.kind,
            tail: [members, place(unknown).as_bytes()].concat().into(),
        }
    }

    /// Same as [`event`](Self::event), but if the value cannot be encoded, logs that and returns
    /// `None`.
    pub(crate) fn event_or_log<T: Serialize + ?Sized>(name: &str, data: &T) -> Option<Self> {
        let push = Self::event(name, data);
        let log = |error: &serde_json::Error| {
            tracing::error!(event = name, %error, "a value could not be encoded");
        };
        push.inspect_err(log).ok()
    }

    /// Same as [`event`](Self::event), with the error of a publish.
    pub(crate) fn encode<T: Serialize + ?Sized>(name: &str, data: &T) -> Result<Self, EncodeError> {
        Self::event(name, data).map_err(EncodeError::new)
    }

    /// Encodes a text message.
    pub(crate) fn text(text: &str) -> Self {
        let mut tail = br#","data":"#.to_vec();
        serde_json::to_writer(&mut tail, text).expect("a string can be encoded as JSON");
        Self::finish(PushKind::Text, tail)
    }

    /// Encodes a binary message.
    pub(crate) fn binary(data: &[u8]) -> Self {
        let mut tail = String::from(r#","data":""#);
        BASE64.encode_string(data, &mut tail);
        tail.push('"');
        Self::finish(PushKind::Binary, tail.into_bytes())
    }

    fn finish(kind: PushKind, mut tail: Vec<u8>) -> Self {
        tail.push(b'}');
        Self {
            kind,
            tail: tail.into(),
        }
    }

    /// The message up to its tail, with this offset.
    pub(crate) fn head(&self, offset: u64) -> String {
        format!("{}{offset}", self.kind.opening())
    }

    /// The message with this offset.
    #[cfg(test)]
    pub(super) fn with_offset(&self, offset: u64) -> String {
        let tail = std::str::from_utf8(&self.tail).unwrap();
        format!("{}{tail}", self.head(offset))
    }

    /// The message after its offset.
    pub(crate) const fn tail(&self) -> &Bytes {
        &self.tail
    }
}

#[cfg(test)]
mod tests {
    use super::super::EntryPlace;
    use super::*;

    #[test]
    fn messages_have_the_format_of_the_protocol() {
        let event = Push::event("a \"b\"", &[1, 2]).unwrap();
        assert_eq!(Push::event_of_json("a \"b\"", "[1,2]", None), event);
        let at = LanePlace {
            lane: 3,
            place: None,
        };
        let with_place = Push::event_of_json("a", "1", Some(at));
        let expected = r#"{"type":"event","offset":7,"event":"a","data":1,"at":"3"}"#;
        assert_eq!(with_place.with_offset(7), expected);
        let known = LanePlace {
            place: Some(EntryPlace {
                time: 5,
                sequence: 1,
                index: 2,
            }),
            ..at
        };
        let with_known = Push::event_of_json("a", "1", Some(known));
        assert_eq!(with_known.without_place(known), with_place);
        assert_eq!(event.without_place(known), event, "it has none");
        let expected = r#"{"type":"event","offset":7,"event":"a \"b\"","data":[1,2]}"#;
        assert_eq!(event.with_offset(7), expected);
        let text = Push::text("one\n\u{1f600}");
        let expected = "{\"type\":\"text\",\"offset\":7,\"data\":\"one\\n\u{1f600}\"}";
        assert_eq!(text.with_offset(7), expected);
        let binary = Push::binary(&[0xfb, 0xff, 1]);
        let expected = r#"{"type":"binary","offset":7,"data":"+/8B"}"#;
        assert_eq!(binary.with_offset(7), expected);
    }

    #[test]
    fn a_value_that_json_cannot_encode_is_an_error() {
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = Push::event("map", &keys).unwrap_err();
        assert_eq!(error.to_string(), "key must be a string");
        assert_eq!(Push::event_or_log("map", &keys), None);
    }
}
