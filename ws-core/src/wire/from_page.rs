//! Messages from a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::LARGEST_NUMBER;
use crate::message::Message;

/// A message of a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum FromPage {
    /// Acknowledges everything up to this offset.
    Ack(u64),
    /// A message for the page's handler, with its id.
    Message(u64, Message),
    /// Requests a sign of life.
    Ping,
    /// The page is closed for good.
    Bye,
}

/// The text is not a message of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct InvalidPageMessage;

/// The members that a message of a page may have. Others are ignored.
#[derive(Serialize, Deserialize)]
struct MessageMembers {
    r#type: MessageType,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MessageType {
    Ack,
    Text,
    Binary,
    Ping,
    Bye,
}

impl FromPage {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPageMessage> {
        let members: MessageMembers = serde_json::from_str(text).map_err(|_| InvalidPageMessage)?;
        let number = |number: Option<u64>| {
            number
                .filter(|it| *it <= LARGEST_NUMBER)
                .ok_or(InvalidPageMessage)
        };
        let id = || {
            number(members.id).and_then(|id| {
                if id == 0 {
                    Err(InvalidPageMessage)
                } else {
                    Ok(id)
                }
            })
        };
        Ok(match members.r#type {
            MessageType::Ack => Self::Ack(number(members.offset)?),
            MessageType::Text => {
                let id = id()?;
                let text = ByteString::from(members.data.ok_or(InvalidPageMessage)?);
                Self::Message(id, Message::Text(text))
            }
            MessageType::Binary => {
                let data = BASE64.decode(members.data.as_deref().ok_or(InvalidPageMessage)?);
                Self::Message(
                    id()?,
                    Message::binary(data.map_err(|_| InvalidPageMessage)?),
                )
            }
            MessageType::Ping => Self::Ping,
            MessageType::Bye => Self::Bye,
        })
    }
}

#[cfg(any(test, fuzzing, feature = "test-kit"))]
impl FromPage {
    /// Encodes the message as a page does.
    pub(crate) fn to_text(&self) -> String {
        let none = MessageMembers {
            r#type: MessageType::Ping,
            offset: None,
            id: None,
            data: None,
        };
        let members = match self {
            Self::Ack(offset) => MessageMembers {
                r#type: MessageType::Ack,
                offset: Some(*offset),
                ..none
            },
            Self::Message(id, message) => {
                let (r#type, data) = match message {
                    Message::Text(text) => (MessageType::Text, text.to_string()),
                    Message::Binary(data) => (MessageType::Binary, BASE64.encode(data)),
                };
                let (id, data) = (Some(*id), Some(data));
                MessageMembers {
                    r#type,
                    id,
                    data,
                    ..none
                }
            }
            Self::Ping => none,
            Self::Bye => MessageMembers {
                r#type: MessageType::Bye,
                ..none
            },
        };
        super::json(&members)
    }
}

/// Checks that a message of a page, if the text is one, is unchanged by encoding and parsing.
#[cfg(any(test, fuzzing))]
pub(crate) fn check_round_trip(text: &str) {
    if let Ok(message) = FromPage::parse(text) {
        assert_eq!(FromPage::parse(&message.to_text()), Ok(message));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_message_is_unchanged_by_encoding_and_parsing(
            kind in "ack|text|binary|ping|bye|other",
            number in any::<Option<u64>>(),
            data in "[a-zA-Z0-9+/=\\\\\"\n]{0,12}",
        ) {
            let number = number.unwrap_or(7) >> 11;
            let data = serde_json::to_string(&data).unwrap();
            check_round_trip(&format!(
                r#"{{"type":"{kind}","offset":{number},"id":{number},"data":{data}}}"#
            ));
            check_round_trip(&data);
        }
    }

    #[test]
    fn messages_of_a_page_are_encoded_and_parsed() {
        for (message, expected) in [
            (FromPage::Ack(41), r#"{"type":"ack","offset":41}"#),
            (
                FromPage::Message(7, Message::text("a\n")),
                r#"{"type":"text","id":7,"data":"a\n"}"#,
            ),
            (
                FromPage::Message(1, Message::binary(vec![0xfb, 0xff, 1])),
                r#"{"type":"binary","id":1,"data":"+/8B"}"#,
            ),
            (FromPage::Ping, r#"{"type":"ping"}"#),
            (FromPage::Bye, r#"{"type":"bye"}"#),
        ] {
            assert_eq!(message.to_text(), expected);
            assert_eq!(FromPage::parse(expected), Ok(message));
        }
    }

    #[test]
    fn messages_of_a_page_are_parsed() {
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
    fn other_text_is_malformed() {
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
            assert_eq!(FromPage::parse(text), Err(InvalidPageMessage), "{text}");
        }
    }
}
