//! Messages to a page.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A message to a page. Messages of its queue are a [`Push`](super::Push), which is encoded once
/// for all pages; this enum describes their format for readers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum ToPage {
    /// The first message of a connection.
    Welcome {
        epoch: String,
        offset: u64,
        seen: u64,
        /// The new base of the page's cursor, if the page needs one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
        /// Set if the epoch is new and no message is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        continued: Option<bool>,
        /// The id of the page, if that was issued in this handshake.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
        /// Milliseconds within which the page tries to return after an abrupt end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spread: Option<u32>,
    },
    /// Messages are missing.
    Reset { why: Gap, offset: u64 },
    /// A push of the application.
    Event {
        offset: u64,
        event: String,
        data: Value,
        /// The place in the log of a message of a logged topic.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// A text message of the page's handler.
    Text { offset: u64, data: String },
    /// A binary message of the page's handler, in base64.
    Binary { offset: u64, data: String },
    /// Confirms the page's messages up to this id.
    Seen { id: u64 },
    /// The answer to a ping of the page; or without one, only for its places.
    Pong {
        /// Places in the log up to which the page has received everything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
        /// Replaces that of `welcome`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spread: Option<u32>,
    },
    /// Replaces the base of the page's cursor.
    Base {
        /// `None` if the page has no cursor any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<String>,
    },
    /// A logon has replaced the visitor's session.
    Renewed,
    /// A message of a later version.
    #[serde(other)]
    Unknown,
}

/// Why messages are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Gap {
    /// The page knows another epoch.
    Restart,
    /// Messages that the page has not received are no longer kept.
    History,
    /// The queue exceeded its limits.
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Push, json};

    #[test]
    fn messages_to_a_page_have_the_names_of_the_protocol() {
        let welcome = ToPage::Welcome {
            epoch: "00000000000000ff".to_owned(),
            offset: 41,
            seen: 7,
            base: None,
            continued: None,
            page: None,
            spread: None,
        };
        let continued = ToPage::Welcome {
            epoch: "ff".to_owned(),
            offset: 0,
            seen: 0,
            base: Some("AQ".to_owned()),
            continued: Some(true),
            page: None,
            spread: Some(5_000),
        };
        let fresh = ToPage::Welcome {
            epoch: "ff".to_owned(),
            offset: 0,
            seen: 0,
            base: None,
            continued: None,
            page: Some("AQ".to_owned()),
            spread: None,
        };
        let reset = |why| ToPage::Reset { why, offset: 42 };
        for (message, expected) in [
            (
                welcome,
                r#"{"type":"welcome","epoch":"00000000000000ff","offset":41,"seen":7}"#,
            ),
            (
                continued,
                r#"{"type":"welcome","epoch":"ff","offset":0,"seen":0,"base":"AQ","continued":true,"spread":5000}"#,
            ),
            (
                fresh,
                r#"{"type":"welcome","epoch":"ff","offset":0,"seen":0,"page":"AQ"}"#,
            ),
            (
                reset(Gap::Restart),
                r#"{"type":"reset","why":"restart","offset":42}"#,
            ),
            (
                reset(Gap::History),
                r#"{"type":"reset","why":"history","offset":42}"#,
            ),
            (
                reset(Gap::Overflow),
                r#"{"type":"reset","why":"overflow","offset":42}"#,
            ),
            (ToPage::Seen { id: 9 }, r#"{"type":"seen","id":9}"#),
            (ToPage::Base { base: None }, r#"{"type":"base"}"#),
            (ToPage::Renewed, r#"{"type":"renewed"}"#),
        ] {
            assert_eq!(json(&message), expected);
            assert_eq!(serde_json::from_str::<ToPage>(expected).unwrap(), message);
        }
    }

    #[test]
    fn a_pong_has_the_names_of_the_protocol() {
        for (message, expected) in [
            (
                ToPage::Pong {
                    at: None,
                    spread: None,
                },
                r#"{"type":"pong"}"#,
            ),
            (
                ToPage::Pong {
                    at: None,
                    spread: Some(1_000),
                },
                r#"{"type":"pong","spread":1000}"#,
            ),
            (
                ToPage::Pong {
                    at: Some("0.1.2.3-4".to_owned()),
                    spread: None,
                },
                r#"{"type":"pong","at":"0.1.2.3-4"}"#,
            ),
        ] {
            assert_eq!(json(&message), expected);
            assert_eq!(serde_json::from_str::<ToPage>(expected).unwrap(), message);
        }
    }

    #[test]
    fn a_push_parses_as_a_message_to_a_page() {
        let read = |push: &Push| serde_json::from_str::<ToPage>(&push.with_offset(7)).unwrap();
        let data = Value::from(vec![1, 2]);
        let (offset, event) = (7, "count".to_owned());
        assert_eq!(
            read(&Push::event("count", &[1, 2]).unwrap()),
            ToPage::Event {
                offset,
                event,
                data,
                at: None
            }
        );
        let data = "one\n".to_owned();
        assert_eq!(read(&Push::text("one\n")), ToPage::Text { offset, data });
        let data = "+/8B".to_owned();
        let binary = Push::binary(&[0xfb, 0xff, 1]);
        assert_eq!(read(&binary), ToPage::Binary { offset, data });
    }

    #[test]
    fn types_and_members_of_later_versions_are_ignored() {
        let read = |text| serde_json::from_str::<ToPage>(text).unwrap();
        assert_eq!(read(r#"{"type":"later","id":[]}"#), ToPage::Unknown);
        let more = r#"{"type":"seen","id":1,"more":{}}"#;
        assert_eq!(read(more), ToPage::Seen { id: 1 });
    }
}
