//! Events of a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::Value;

use crate::close::CloseCode;
use crate::wire::{self, ToPage};

/// An event of a page.
///
/// ```
/// use ws_server::testkit::{PageReceived, TestPage};
///
/// /// Whether the page gets the event `mail`, and nothing else.
/// async fn gets_mail(page: &mut TestPage) -> bool {
///     let received = page.received_so_far().await;
///     matches!(&received[..], [PageReceived::Event(name, _)] if name == "mail")
/// }
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum PageReceived {
    /// A push: its name and its data.
    Event(String, Value),
    /// A text message of the page's handler.
    Text(String),
    /// A binary message of the page's handler.
    Binary(Bytes),
    /// Messages are missing.
    Reset(ResetReason),
    /// A logon has given the visitor a new cookie.
    Renewed,
    /// The server has closed the connection, with this code and text.
    Closed(CloseCode, String),
    /// The connection is lost.
    Lost,
}

impl PageReceived {
    /// Whether the connection has ended.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::Closed(..) | Self::Lost)
    }
}

/// Why messages are missing: `why` of a `reset`.
///
/// ```
/// use ws_server::testkit::{ResetReason, TestPage};
///
/// /// The server has dropped what waited for the page, which must load its state again.
/// async fn has_missed_messages(page: &mut TestPage) {
///     assert_eq!(page.reset().await, ResetReason::Overflow);
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ResetReason {
    /// The epoch of the page is not that of the stream: the stream has ended since.
    Restart,
    /// The stream no longer has the messages after the page's offset.
    History,
    /// The messages that waited exceeded the limit of the stream, and were dropped.
    Overflow,
}

impl From<wire::Gap> for ResetReason {
    fn from(gap: wire::Gap) -> Self {
        match gap {
            wire::Gap::Restart => Self::Restart,
            wire::Gap::History => Self::History,
            wire::Gap::Overflow => Self::Overflow,
        }
    }
}

/// A message of the server.
pub(super) fn parse(text: &str) -> Result<ToPage, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in {text:?}"))
}

/// The meaning of a message for the page, and its offset if it comes from the queue.
pub(super) fn numbered(message: ToPage) -> Result<(u64, PageReceived), ToPage> {
    Ok(match message {
        ToPage::Event {
            offset,
            event,
            data,
            ..
        } => (offset, PageReceived::Event(event, data)),
        ToPage::Text { offset, data } => (offset, PageReceived::Text(data)),
        ToPage::Binary { offset, data } => {
            let data = BASE64.decode(data).expect("base64 of the server");
            (offset, PageReceived::Binary(data.into()))
        }
        other => return Err(other),
    })
}
