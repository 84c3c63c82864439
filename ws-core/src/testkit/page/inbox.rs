//! What reaches a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::close::CloseCode;

/// What reached a page.
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
    Reset(Gap),
    /// A logon has given the visitor another cookie.
    Renewed,
    /// The server has closed the connection, with this code and text.
    Closed(CloseCode, String),
    /// The connection is lost.
    Lost,
}

impl PageReceived {
    /// Whether the connection is over.
    pub(super) const fn is_end(&self) -> bool {
        matches!(self, Self::Closed(..) | Self::Lost)
    }
}

/// Why messages are missing: `why` of a `reset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Gap {
    /// The epoch of the page is not that of the stream: the stream has ended since.
    Restart,
    /// The stream no longer has what follows the offset of the page.
    History,
    /// More was waiting than the stream may hold, and was dropped.
    Overflow,
}

/// A message of the server. Members and types that are not known are passed over.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum FromServer {
    Welcome {
        epoch: String,
        offset: u64,
        seen: u64,
    },
    Reset {
        why: Gap,
        offset: u64,
    },
    Event {
        offset: u64,
        event: String,
        data: Value,
    },
    Text {
        offset: u64,
        data: String,
    },
    Binary {
        offset: u64,
        data: String,
    },
    Seen {
        id: u64,
    },
    Pong,
    Renewed,
    #[serde(other)]
    Unknown,
}

impl FromServer {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("{error} in {text:?}"))
    }

    /// What it is to the page, and its offset, if it is a message of the queue.
    pub(super) fn numbered(self) -> Result<(u64, PageReceived), Self> {
        Ok(match self {
            Self::Event {
                offset,
                event,
                data,
            } => (offset, PageReceived::Event(event, data)),
            Self::Text { offset, data } => (offset, PageReceived::Text(data)),
            Self::Binary { offset, data } => {
                let data = BASE64.decode(data).expect("base64 of the server");
                (offset, PageReceived::Binary(data.into()))
            }
            other => return Err(other),
        })
    }
}
