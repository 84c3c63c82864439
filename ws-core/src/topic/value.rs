//! Converts values to messages of a topic, and back.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(feature = "msgpack")]
use crate::decode::MsgPack;
use crate::decode::{DecodeError, FromMessage, Json};
use crate::error::EncodeError;
use crate::message::Message;

/// A value that can be published to a topic.
///
/// | type | published as |
/// |---|---|
/// | `String`, `&'static str`, `Box<str>`, `Arc<str>`, `Cow<'static, str>`, [`ByteString`] | text, bare |
/// | [`Bytes`] | binary, bare |
/// | [`Message`] | text or binary, as it is |
/// | `MsgPack<T>`, with the feature `msgpack` | binary, `MessagePack` |
/// | [`Json<T>`](Json), and every other `T: Serialize` | text, JSON |
///
/// The same types are bare in replies and in `send`; there, JSON requires `Json`. A `Vec<u8>` is a
/// list of numbers, like every `Vec`: use [`Bytes`] for binary data. For the JSON of a text, with
/// its quotes, use a `Topic<Json<String>>`.
///
/// A type that is not `Serialize` may implement this trait to use its own format.
///
/// ```
/// use ws_server::Message;
/// use ws_server::error::EncodeError;
/// use ws_server::topic::TopicValue;
///
/// /// A position, published as eight bytes.
/// struct Position { x: f32, y: f32 }
///
/// impl TopicValue for Position {
///     fn to_message(&self) -> Result<Message, EncodeError> {
///         Ok(Message::concat_bytes([self.x.to_le_bytes(), self.y.to_le_bytes()]))
///     }
/// }
/// assert_eq!(Position { x: 1.0, y: 2.0 }.to_message().unwrap().len(), 8);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published to a topic",
    label = "neither `Serialize` nor a `Message`",
    note = "derive `serde::Serialize` for it, or use a `Topic<Message>`"
)]
pub trait TopicValue: 'static {
    /// Encodes the message that every subscriber receives.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], with the encoder's error as its source.
    fn to_message(&self) -> Result<Message, EncodeError>;
}

impl<T: Serialize + 'static> TopicValue for T {
    fn to_message(&self) -> Result<Message, EncodeError> {
        bare(self).map_or_else(|| json(self), Ok)
    }
}

impl TopicValue for Message {
    fn to_message(&self) -> Result<Message, EncodeError> {
        Ok(self.clone())
    }
}

impl<T: Serialize + 'static> TopicValue for Json<T> {
    fn to_message(&self) -> Result<Message, EncodeError> {
        json(&self.0)
    }
}

#[cfg(feature = "msgpack")]
impl<T: Serialize + 'static> TopicValue for MsgPack<T> {
    fn to_message(&self) -> Result<Message, EncodeError> {
        rmp_serde::to_vec_named(&self.0)
            .map(Message::binary)
            .map_err(EncodeError::new)
    }
}

/// A value that a handler can [listen](crate::socket::Socket::listen) for: it can be published, and
/// deserialized from the message.
///
/// Every `T: DeserializeOwned` is read in the format that [`TopicValue`] writes: text and bytes
/// bare, others from JSON. A [`Message`] is passed unchanged.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_server::Message;
/// use ws_server::topic::{FromTopic, TopicValue};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct Price { cents: u32 }
///
/// let message = Price { cents: 250 }.to_message().unwrap();
/// assert_eq!(message, Message::text(r#"{"cents":250}"#));
/// assert_eq!(Price::from_topic(message), Ok(Price { cents: 250 }));
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot listen to a topic of `{Self}`",
    label = "neither `DeserializeOwned` nor a `Message`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or use a `Topic<Message>`"
)]
pub trait FromTopic: TopicValue + Sized {
    /// Decodes a value from a published message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the message has the wrong kind or cannot be decoded.
    fn from_topic(message: Message) -> Result<Self, DecodeError>;
}

impl<T: Serialize + DeserializeOwned + 'static> FromTopic for T {
    fn from_topic(message: Message) -> Result<Self, DecodeError> {
        match read_bare(message) {
            Ok(read) => read,
            Err(message) => from_json(&message),
        }
    }
}

impl FromTopic for Message {
    fn from_topic(message: Message) -> Result<Self, DecodeError> {
        Ok(message)
    }
}

impl<T: Serialize + DeserializeOwned + 'static> FromTopic for Json<T> {
    fn from_topic(message: Message) -> Result<Self, DecodeError> {
        from_json(&message).map(Self)
    }
}

#[cfg(feature = "msgpack")]
impl<T: Serialize + DeserializeOwned + 'static> FromTopic for MsgPack<T> {
    fn from_topic(message: Message) -> Result<Self, DecodeError> {
        Self::from_message((&message).into())
    }
}

fn json<T: Serialize>(value: &T) -> Result<Message, EncodeError> {
    serde_json::to_string(value)
        .map(Message::text)
        .map_err(EncodeError::new)
}

fn from_json<T: DeserializeOwned>(message: &Message) -> Result<T, DecodeError> {
    Json::from_message(message.into()).map(|Json(value)| value)
}

/// The text types. Each can be created from a `ByteString`, and copied to one.
macro_rules! texts {
    ($then:ident $args:tt) => {
        $then! { $args String, Box<str>, Arc<str>, Cow<'static, str> }
    };
}

/// Whether the values of this type are published as text that is not JSON.
pub(super) fn is_bare_text(of: TypeId) -> bool {
    macro_rules! any_of {
        ([] $($text:ty),*) => { [$(TypeId::of::<$text>()),*].contains(&of) };
    }
    let others = [
        TypeId::of::<&'static str>(),
        TypeId::of::<ByteString>(),
        TypeId::of::<Message>(),
    ];
    texts!(any_of []) || others.contains(&of)
}

/// The message of a value that is text or bytes. The types are known at compile time, so the
/// compiler removes all other branches.
fn bare<T: 'static>(value: &T) -> Option<Message> {
    let value: &dyn Any = value;
    macro_rules! copy {
        ([] $($text:ty),*) => {
            $(if let Some(text) = value.downcast_ref::<$text>() {
                return Some(Message::text(&**text));
            })*
        };
    }
    texts!(copy []);
    if let Some(text) = value.downcast_ref::<&'static str>() {
        return Some(Message::from(*text));
    }
    if let Some(text) = value.downcast_ref::<ByteString>() {
        return Some(Message::Text(text.clone()));
    }
    value
        .downcast_ref::<Bytes>()
        .map(|bytes| Message::Binary(bytes.clone()))
}

/// The value of a bare message if `T` is text or bytes; otherwise returns the message.
fn read_bare<T: 'static>(message: Message) -> Result<Result<T, DecodeError>, Message> {
    let mut read: Result<T, DecodeError> = Err(DecodeError::ExpectedText);
    let target: &mut dyn Any = &mut read;
    let text = |message: Message| match message {
        Message::Text(text) => Ok(text),
        Message::Binary(_) => Err(DecodeError::ExpectedText),
    };
    macro_rules! assign {
        ([] $($text:ty),*) => {
            $(if let Some(target) = target.downcast_mut::<Result<$text, DecodeError>>() {
                *target = text(message).map(|text| String::from(text).into());
                return Ok(read);
            })*
        };
    }
    texts!(assign []);
    if let Some(target) = target.downcast_mut::<Result<ByteString, DecodeError>>() {
        *target = text(message);
        return Ok(read);
    }
    if let Some(target) = target.downcast_mut::<Result<Bytes, DecodeError>>() {
        *target = match message {
            Message::Binary(bytes) => Ok(bytes),
            Message::Text(_) => Err(DecodeError::ExpectedBinary),
        };
        return Ok(read);
    }
    Err(message)
}
