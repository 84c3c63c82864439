//! The page protocol, as bytes: `PAGE-PROTOCOL.md` says what it means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;

use super::queue::Gap;
use crate::message::Message;
use crate::outbox::Frame;
use crate::push::LARGEST_NUMBER;

/// The subprotocol (RFC 6455, section 1.9) that page streams speak.
pub const PAGE_PROTOCOL: &str = "page.v1";

/// What a page sends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FromPage {
    /// It has everything up to this offset.
    Ack(u64),
    /// A message for the page's handler, with its id.
    Message(u64, Message),
    /// It asks for a sign of life.
    Ping,
    /// It is closed for good.
    Bye,
}

/// Not a message of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

/// Members that a message of a page may have. Others are passed over.
#[derive(Deserialize)]
struct Members {
    r#type: Type,
    offset: Option<u64>,
    id: Option<u64>,
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Ack,
    Text,
    Binary,
    Ping,
    Bye,
}

impl FromPage {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let members: Members = serde_json::from_str(text).map_err(|_| Malformed)?;
        let number =
            |number: Option<u64>| number.filter(|it| *it <= LARGEST_NUMBER).ok_or(Malformed);
        let id = || number(members.id).and_then(|id| if id == 0 { Err(Malformed) } else { Ok(id) });
        Ok(match members.r#type {
            Type::Ack => Self::Ack(number(members.offset)?),
            Type::Text => {
                let id = id()?;
                let text = ByteString::from(members.data.ok_or(Malformed)?);
                Self::Message(id, Message::Text(text))
            }
            Type::Binary => {
                let data = BASE64.decode(members.data.as_deref().ok_or(Malformed)?);
                Self::Message(id()?, Message::binary(data.map_err(|_| Malformed)?))
            }
            Type::Ping => Self::Ping,
            Type::Bye => Self::Bye,
        })
    }
}

/// The first message to a page. An epoch has no character that JSON escapes.
pub(super) fn welcome(epoch: &str, offset: u64, seen: u64) -> Frame {
    text(&format!(
        r#"{{"type":"welcome","epoch":"{epoch}","offset":{offset},"seen":{seen}}}"#
    ))
}

/// Messages are missing.
pub(super) fn reset(why: Gap, offset: u64) -> Frame {
    let why = why.word();
    text(&format!(
        r#"{{"type":"reset","why":"{why}","offset":{offset}}}"#
    ))
}

/// A logon has given the visitor another session.
pub(super) fn renewed() -> Frame {
    text(r#"{"type":"renewed"}"#)
}

/// The page's messages up to this id are accepted.
pub(crate) fn seen(id: u64) -> String {
    format!(r#"{{"type":"seen","id":{id}}}"#)
}

/// As [`seen`], as a frame.
pub(super) fn seen_frame(id: u64) -> Frame {
    text(&seen(id))
}

/// The answer to a ping of the page.
pub(crate) const PONG: &str = r#"{"type":"pong"}"#;

fn text(text: &str) -> Frame {
    Frame::joined(text.as_bytes(), &Bytes::new())
}

/// The largest message that carries a payload of so many bytes: JSON writes a control
/// character as six, and the other members take little.
pub(crate) const fn envelope(max_message: usize) -> usize {
    max_message.saturating_mul(6).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_page_are_read() {
        let read = |text| FromPage::parse(text).unwrap();
        assert_eq!(read(r#"{"type":"ack","offset":0}"#), FromPage::Ack(0));
        assert_eq!(
            read(r#"{"id":7,"type":"text","data":"a\n\u0000"}"#),
            FromPage::Message(7, Message::text("a\n\0"))
        );
        assert_eq!(
            read(r#"{"type":"binary","id":1,"data":"+/8B"}"#),
            FromPage::Message(1, Message::binary(vec![0xfb, 0xff, 1]))
        );
        assert_eq!(read(r#"{"type":"ping","more":[]}"#), FromPage::Ping);
        assert_eq!(read(r#"{"type":"bye"}"#), FromPage::Bye);
    }

    #[test]
    fn what_is_no_message_of_the_protocol_is_malformed() {
        for text in [
            "",
            "hello",
            "[]",
            "7",
            r#"{"type":"hello"}"#,
            r#"{"type":7}"#,
            r#"{"offset":1}"#,
            r#"{"type":"ack"}"#,
            r#"{"type":"ack","offset":-1}"#,
            r#"{"type":"ack","offset":1.5}"#,
            r#"{"type":"ack","offset":"1"}"#,
            r#"{"type":"ack","offset":9007199254740992}"#,
            r#"{"type":"ack","offset":1}{}"#,
            r#"{"type":"text","data":"x"}"#,
            r#"{"type":"text","id":0,"data":"x"}"#,
            r#"{"type":"text","id":1}"#,
            r#"{"type":"text","id":1,"data":{}}"#,
            r#"{"type":"binary","id":1,"data":"*"}"#,
            r#"{"type":"binary","id":1,"data":"+/8"}"#,
            r#"{"type":"ping","type":"ping"}"#,
        ] {
            assert_eq!(FromPage::parse(text), Err(Malformed), "{text}");
        }
    }

    #[test]
    fn the_envelope_of_any_text_fits_its_limit() {
        let worst = serde_json::to_string(&"\u{1}".repeat(100)).unwrap();
        assert!(worst.len() + 64 < envelope(100));
    }
}
