//! Decodes a whole message into the payload of a `message` hook.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]

use std::error::Error;

use bytes::Bytes;
use bytestring::ByteString;
use serde::de::DeserializeOwned;

use crate::close::{Close, CloseCode};
use crate::error::Cause;
use crate::message::Message;
use crate::protocol::{BinaryData, Incoming, TextData};

/// Why a message did not decode.
///
/// The text of a decoder's error describes the client's data, so the library neither sends nor logs
/// it. That error is the source of this one, and not part of its text.
///
/// ```
/// use ws_server::Message;
/// use ws_server::decode::{DecodeError, FromMessage, Json};
///
/// let binary = Message::binary(&b"7"[..]);
/// let error = Json::<u8>::from_message((&binary).into()).unwrap_err();
/// assert_eq!(error, DecodeError::ExpectedText);
/// assert_eq!(error.close_code().get(), 1003);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A binary message was received, but only text is accepted: 1003.
    #[error("received a binary message, but text is expected")]
    ExpectedText,
    /// A text message was received, but only binary is accepted: 1003.
    #[error("received a text message, but binary is expected")]
    ExpectedBinary,
    /// The payload does not decode: 1007. The source is the error of the decoder.
    #[error("the payload could not be decoded")]
    Malformed(#[source] Cause),
}

impl DecodeError {
    /// The payload does not decode, for this reason: the error of a decoder, or a text.
    ///
    /// ```
    /// use std::error::Error;
    /// use ws_server::decode::DecodeError;
    ///
    /// let error = DecodeError::malformed("x".parse::<u8>().unwrap_err());
    /// assert!(error.source().unwrap().is::<std::num::ParseIntError>());
    /// assert_eq!(error.to_string(), "the payload could not be decoded");
    /// ```
    pub fn malformed(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Malformed(Cause::new(reason))
    }

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

/// JSON: as a payload, a text message decoded as a `T`; as a reply, a `T` sent as text.
///
/// ```
/// use serde::Deserialize;
/// use ws_server::decode::Json;
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

/// `MessagePack`: as a payload, a binary message decoded as a `T`; as a reply, a `T` sent as
/// binary.
///
/// Structs are encoded with their field names.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_server::decode::MsgPack;
///
/// #[derive(Serialize, Deserialize)]
/// struct Reading { celsius: f32 }
///
/// fn message(MsgPack(reading): MsgPack<Reading>) -> MsgPack<Reading> {
///     MsgPack(Reading { celsius: reading.celsius + 0.5 })
/// }
/// # assert_eq!(message(MsgPack(Reading { celsius: 20.0 })).0.celsius, 20.5);
/// ```
#[cfg(feature = "msgpack")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct MsgPack<T>(pub T);

/// One whole message from the client, for the decoder of your own payload type: see
/// [`FromMessage`].
///
/// If the message is complete in the read buffer, the payload borrows it: reading it copies
/// nothing, and keeping it copies it once. If the message arrived in several reads or fragments,
/// the payload owns it, and keeping it copies nothing.
///
/// ```
/// use ws_server::Message;
/// use ws_server::decode::{DecodeError, Payload};
///
/// let message = Message::text("käse");
/// let payload = Payload::from(&message);
/// assert_eq!((payload.is_text(), payload.len()), (true, 5));
/// assert_eq!(payload.text(), Ok("käse"));
/// assert_eq!(payload.binary(), Err(DecodeError::ExpectedBinary));
/// assert_eq!(payload.as_bytes(), "käse".as_bytes());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payload<'m>(Incoming<'m>);

impl<'m> Payload<'m> {
    #[inline(always)]
    pub(crate) fn new(incoming: Incoming<'m>) -> Self {
        Self(incoming)
    }

    /// Whether it is a text message; otherwise it is a binary one.
    pub fn is_text(&self) -> bool {
        matches!(self.0, Incoming::Text(_))
    }

    /// The text of a text message.
    ///
    /// # Errors
    ///
    /// [`DecodeError::ExpectedText`] if it is binary.
    pub fn text(&self) -> Result<&str, DecodeError> {
        match &self.0 {
            Incoming::Text(text) => Ok(text.as_str()),
            Incoming::Binary(_) => Err(DecodeError::ExpectedText),
        }
    }

    /// The bytes of a binary message.
    ///
    /// # Errors
    ///
    /// [`DecodeError::ExpectedBinary`] if it is text.
    pub fn binary(&self) -> Result<&[u8], DecodeError> {
        match &self.0 {
            Incoming::Binary(data) => Ok(data.as_slice()),
            Incoming::Text(_) => Err(DecodeError::ExpectedBinary),
        }
    }

    /// The bytes of a message of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Incoming::Text(text) => text.as_str().as_bytes(),
            Incoming::Binary(data) => data.as_slice(),
        }
    }

    /// The size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the message is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'m> From<&'m Message> for Payload<'m> {
    fn from(message: &'m Message) -> Self {
        Self(match message {
            Message::Text(text) => Incoming::Text(TextData::Borrowed(text)),
            Message::Binary(bytes) => Incoming::Binary(BinaryData::Borrowed(bytes)),
        })
    }
}

/// A type that the first argument of `message` may have.
///
/// | type | takes |
/// |---|---|
/// | `String`, [`ByteString`] | text |
/// | [`Bytes`] | binary |
/// | [`Message`] | both |
/// | [`Json<T>`](Json) | text |
/// | `MsgPack<T>`, with the feature `msgpack` | binary |
/// | `Result<P, DecodeError>` | the same as `P`; the hook gets the error if it does not decode |
///
/// If the message is of another kind, the connection is closed with 1003; if it does not decode,
/// with 1007. A hook that takes a `Result` receives the error instead.
///
/// # Types of your own
///
/// To support a format of your own, implement this trait for a type, and also [`IntoReply`] if it
/// is sent:
///
/// ```
/// use ws_server::decode::{DecodeError, FromMessage, Payload};
/// use ws_server::prelude::*;
/// use ws_server::reply::{IntoReply, Reply};
///
/// /// A value as CBOR, in a binary message.
/// struct Cbor<T>(T);
///
/// impl<T: serde::de::DeserializeOwned> FromMessage for Cbor<T> {
///     fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
///         ciborium::from_reader(payload.binary()?)
///             .map(Cbor)
///             .map_err(DecodeError::malformed)
///     }
/// }
///
/// impl<T: serde::Serialize> IntoReply for Cbor<T> {
///     type Value = T;
///
///     fn into_reply(self) -> Reply {
///         let mut bytes = Vec::new();
///         // An error is logged, and closes the connection with 1011.
///         let encoded = ciborium::into_writer(&self.0, &mut bytes).or_close();
///         encoded.map(|()| Message::binary(bytes)).into_reply()
///     }
/// }
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Reading { celsius: f32 }
///
/// struct Thermometer;
///
/// #[ws_handler]
/// impl Thermometer {
///     fn init() -> Self {
///         Thermometer
///     }
///
///     fn message(&mut self, Cbor(reading): Cbor<Reading>) -> Cbor<Reading> {
///         Cbor(Reading { celsius: reading.celsius + 0.5 })
///     }
/// }
/// ```
///
/// A type can also choose a decoder by the kind of the message. This handler takes commands as JSON
/// text, and an upload as raw binary messages:
///
/// ```
/// use ws_server::decode::{DecodeError, FromMessage, Payload};
/// use ws_server::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// enum Command { Begin { name: String }, End }
///
/// enum Input { Command(Command), Chunk(Bytes) }
///
/// impl FromMessage for Input {
///     fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
///         if payload.is_text() {
///             Json::from_message(payload).map(|Json(command)| Input::Command(command))
///         } else {
///             Bytes::from_message(payload).map(Input::Chunk)
///         }
///     }
/// }
///
/// #[derive(Default)]
/// struct Upload { name: String, size: usize }
///
/// #[ws_handler]
/// impl Upload {
///     fn init() -> Self {
///         Upload::default()
///     }
///
///     fn message(&mut self, input: Input) -> Option<String> {
///         match input {
///             Input::Command(Command::Begin { name }) => *self = Upload { name, size: 0 },
///             Input::Chunk(chunk) => self.size += chunk.len(),
///             Input::Command(Command::End) => {
///                 return Some(format!("{} has {} bytes", self.name, self.size));
///             }
///         }
///         None
///     }
/// }
/// ```
///
/// [`IntoReply`]: crate::reply::IntoReply
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of `message`",
    label = "not a payload",
    note = "the payload comes first: `String`, `Bytes`, `Message`, `Json<T>`, or \
            `Result<Json<T>, DecodeError>` to handle decoding errors",
    note = "for a type of your own, derive `serde::Deserialize` and take `Json<T>`, or implement \
            `FromMessage` for another format"
)]
pub trait FromMessage: Sized {
    /// Decodes a whole message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the message is of the wrong kind or does not decode.
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError>;
}

impl FromMessage for String {
    #[inline(always)]
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        match payload.0 {
            Incoming::Text(text) => Ok(text.into_string()),
            Incoming::Binary(_) => Err(DecodeError::ExpectedText),
        }
    }
}

impl FromMessage for ByteString {
    #[inline(always)]
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        String::from_message(payload).map(Self::from)
    }
}

impl FromMessage for Bytes {
    #[inline(always)]
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        match payload.0 {
            Incoming::Binary(bytes) => Ok(bytes.into_bytes()),
            Incoming::Text(_) => Err(DecodeError::ExpectedBinary),
        }
    }
}

impl FromMessage for Message {
    #[inline(always)]
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        Ok(match payload.0 {
            Incoming::Text(text) => Self::text(text.into_string()),
            Incoming::Binary(bytes) => Self::Binary(bytes.into_bytes()),
        })
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        serde_json::from_str(payload.text()?)
            .map(Self)
            .map_err(DecodeError::malformed)
    }
}

#[cfg(feature = "msgpack")]
impl<T: DeserializeOwned> FromMessage for MsgPack<T> {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        rmp_serde::from_slice(payload.binary()?)
            .map(Self)
            .map_err(DecodeError::malformed)
    }
}

impl<P: FromMessage> FromMessage for Result<P, DecodeError> {
    fn from_message(payload: Payload<'_>) -> Result<Self, DecodeError> {
        Ok(P::from_message(payload))
    }
}
