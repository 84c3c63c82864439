//! From a whole message to the payload that a `message` hook asks for.

#![expect(
    clippy::inline_always,
    reason = "calls for each message of a burst, which the compiler keeps apart by itself"
)]

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::DeserializeOwned;

use crate::close::{Close, CloseCode};
use crate::message::Message;
use crate::protocol::Incoming;

/// Why a message did not become the payload that the hook asks for.
///
/// The text of a decoder's error describes the client's data: it goes to the log at
/// `debug`, never back to the client.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A binary message came where only text is taken: 1003.
    #[error("a binary message where text is expected")]
    ExpectedText,
    /// A text message came where only binary is taken: 1003.
    #[error("a text message where binary is expected")]
    ExpectedBinary,
    /// The payload is not what it should be: 1007.
    #[error("not decodable: {0}")]
    Malformed(String),
}

impl DecodeError {
    /// The close code of this error (RFC 6455, section 7.4.1).
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::ExpectedText | Self::ExpectedBinary => CloseCode::UNSUPPORTED_DATA,
            Self::Malformed(_) => CloseCode::INVALID_PAYLOAD,
        }
    }
}

impl From<DecodeError> for Close {
    fn from(error: DecodeError) -> Self {
        let text = match error {
            DecodeError::ExpectedText => "text expected",
            DecodeError::ExpectedBinary => "binary expected",
            DecodeError::Malformed(_) => "undecodable payload",
        };
        Close::new(error.close_code(), text)
    }
}

/// JSON: as a payload, a text message read as a `T`; as a reply, a `T` sent as text.
///
/// ```
/// use serde::Deserialize;
/// use ws_core::decode::Json;
///
/// #[derive(Deserialize)]
/// struct Say { text: String }
///
/// fn message(Json(say): Json<Say>) -> String {
///     say.text
/// }
/// # message(Json(Say { text: String::new() }));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Json<T>(pub T);

/// `MessagePack`: as a payload, a binary message read as a `T`; as a reply, a `T` sent as binary.
///
/// Structs are sent with the names of their fields.
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MsgPack<T>(pub T);

/// What the first argument of `message` may be.
///
/// `String` and [`ByteString`] take text, [`Bytes`] takes binary, [`Message`] takes
/// both, [`Json`] takes text. `Result<P, DecodeError>` takes everything and lets the
/// hook see what could not be decoded; without it the connection is closed with the
/// code of the error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no payload of `message`",
    label = "not a payload",
    note = "the payload comes first: `String`, `Bytes`, `Message`, `Json<T>`, or \
            `Result<Json<T>, DecodeError>` to see what does not decode",
    note = "for a type of your own, derive `serde::Deserialize` and take `Json<T>`"
)]
pub trait FromMessage: Sized {
    /// Decodes a whole message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] where the message is of the wrong kind or does not decode.
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError>;
}

impl FromMessage for String {
    #[inline(always)]
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        match incoming {
            Incoming::Text(text) => Ok(text.into_string()),
            Incoming::Binary(_) => Err(DecodeError::ExpectedText),
        }
    }
}

impl FromMessage for ByteString {
    #[inline(always)]
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        String::from_message(incoming).map(Self::from)
    }
}

impl FromMessage for Bytes {
    #[inline(always)]
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        match incoming {
            Incoming::Binary(bytes) => Ok(bytes.into_bytes()),
            Incoming::Text(_) => Err(DecodeError::ExpectedBinary),
        }
    }
}

impl FromMessage for Message {
    #[inline(always)]
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        Ok(match incoming {
            Incoming::Text(text) => Self::text(text.into_string()),
            Incoming::Binary(bytes) => Self::Binary(bytes.into_bytes()),
        })
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        match incoming {
            Incoming::Text(text) => match serde_json::from_str(text.as_str()) {
                Ok(value) => Ok(Self(value)),
                Err(error) => Err(DecodeError::Malformed(error.to_string())),
            },
            Incoming::Binary(_) => Err(DecodeError::ExpectedText),
        }
    }
}

#[cfg(feature = "msgpack")]
impl<T: DeserializeOwned> FromMessage for MsgPack<T> {
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        match incoming {
            Incoming::Binary(bytes) => match rmp_serde::from_slice(bytes.as_slice()) {
                Ok(value) => Ok(Self(value)),
                Err(error) => Err(DecodeError::Malformed(error.to_string())),
            },
            Incoming::Text(_) => Err(DecodeError::ExpectedBinary),
        }
    }
}

impl<P: FromMessage> FromMessage for Result<P, DecodeError> {
    fn from_message(incoming: Incoming<'_>) -> Result<Self, DecodeError> {
        Ok(P::from_message(incoming))
    }
}
