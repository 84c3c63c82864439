//! The return values of hooks: messages for the client, a Close, or nothing.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use crate::close::Close;
use crate::decode::Json;
use crate::hook;
use crate::message::Message;

mod never;

pub use never::ReplyOrNever;
#[doc(hidden)]
pub use never::Returns;

/// Messages for the client in order, optionally followed by a Close.
///
/// Every return type of a hook is converted to a `Reply`. It waits for room in the outbox message
/// by message, and nothing is read from the client in the meantime.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::reply::{IntoReply, Reply};
///
/// fn message(text: String) -> Reply {
///     match &*text {
///         "" => Reply::NONE,
///         "bye" => ("see you", Close::NORMAL).into_reply(),
///         text => vec![format!("you said: {text}"), "what else?".to_owned()].into_reply(),
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct Reply {
    pub(crate) messages: Messages,
    pub(crate) end: ReplyEnd,
}

/// The messages of a reply; one is the common case and needs no allocation.
#[derive(Debug, Default)]
pub(crate) enum Messages {
    #[default]
    None,
    One(Message),
    Many(VecDeque<Message>),
}

/// The end of a reply. Few replies have one, and all replies are moved, so a Close is boxed.
#[derive(Debug, Default)]
pub(crate) enum ReplyEnd {
    #[default]
    KeepOpen,
    /// The handler closes the connection.
    Close(Box<Close>),
    /// The handler failed: it returned an `Err`, or a value could not be encoded.
    Error(Box<Close>),
    /// The handler cannot decode the client's message.
    Undecodable(Box<Close>),
}

impl Messages {
    /// Removes and returns the first message.
    pub(crate) fn next(&mut self) -> Option<Message> {
        match self {
            Self::None => None,
            Self::One(_) => match std::mem::take(self) {
                Self::One(message) => Some(message),
                _ => None,
            },
            Self::Many(messages) => messages.pop_front(),
        }
    }

    /// The size of the first message's payload in bytes.
    pub(crate) fn first_len(&self) -> usize {
        let first = match self {
            Self::None => None,
            Self::One(message) => Some(message),
            Self::Many(messages) => messages.front(),
        };
        first.map_or(0, Message::len)
    }

    /// Puts a message back at the front.
    pub(crate) fn put_back(&mut self, message: Message) {
        match self {
            Self::None => *self = Self::One(message),
            Self::One(_) => {
                let second = self.next();
                *self = Self::Many([message].into_iter().chain(second).collect());
            }
            Self::Many(messages) => messages.push_front(message),
        }
    }

    fn append(&mut self, mut later: Self) {
        let mut all = VecDeque::new();
        while let Some(message) = self.next() {
            all.push_back(message);
        }
        while let Some(message) = later.next() {
            all.push_back(message);
        }
        *self = Self::Many(all);
    }
}

impl Reply {
    /// A reply without messages.
    pub const NONE: Self = Self {
        messages: Messages::None,
        end: ReplyEnd::KeepOpen,
    };

    /// The reply for a value that could not be encoded: a server error, closed with 1011.
    fn encode_failed(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(hook = hook::current_name(), %error, "a reply could not be encoded");
        Self {
            messages: Messages::None,
            end: ReplyEnd::Error(Box::new(Close::internal())),
        }
    }

    /// The reply for a message of the client that could not be decoded.
    pub(crate) fn undecodable(close: Close) -> Self {
        Self {
            messages: Messages::None,
            end: ReplyEnd::Undecodable(Box::new(close)),
        }
    }

    fn then(mut self, next: Self) -> Self {
        // After the end of the connection no message can be sent, so `next` is dropped.
        if !matches!(self.end, ReplyEnd::KeepOpen) {
            return self;
        }
        match (&self.messages, &next.messages) {
            (_, Messages::None) => {}
            (Messages::None, _) => self.messages = next.messages,
            _ => self.messages.append(next.messages),
        }
        self.end = next.end;
        self
    }
}

/// The value of a reply that sends no message: `()`, [`Close`], and `!`.
///
/// ```
/// use ws_server::reply::{IntoReply, Nothing, Reply};
///
/// /// A line for the log, not for the client.
/// struct Log(String);
///
/// impl IntoReply for Log {
///     type Value = Nothing;
///
///     fn into_reply(self) -> Reply {
///         tracing::info!("{}", self.0);
///         Reply::NONE
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nothing {}

/// The return type of a hook.
///
/// | type | meaning |
/// |---|---|
/// | `()` | nothing |
/// | `String`, `&'static str`, `Cow<'static, str>`, `Box<str>`, `Arc<str>`, [`ByteString`] | one text message |
/// | [`Bytes`] | one binary message |
/// | [`Json<T>`](Json) | one text message of JSON |
/// | [`Answer<R, E>`](crate::call::Answer) | one text message: the answer to a call |
/// | [`Message`] | one message of either kind |
/// | `Option<R>` | `R`, or nothing |
/// | `Vec<R>` | many messages, in order |
/// | [`Close`] | closes the connection after the messages in the outbox |
/// | `(R, Close)` | `R`, then the Close |
/// | `Result<R, E>` with `E: Into<Close>` | `R`, or the Close of the error |
///
/// Implement this trait for a format of your own; [`FromMessage`](crate::decode::FromMessage) has
/// an example. To pass the type to `send` too, implement
/// [`IntoMessage`](crate::socket::IntoMessage).
///
/// ```
/// use ws_server::Message;
/// use ws_server::reply::{IntoReply, Reply};
///
/// /// A temperature, sent as text with its unit.
/// struct Celsius(f32);
///
/// impl IntoReply for Celsius {
///     type Value = String;
///
///     fn into_reply(self) -> Reply {
///         Message::text(format!("{} °C", self.0)).into_reply()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as the reply of a hook",
    label = "not a reply",
    note = "a hook returns `()`, `String`, `&'static str`, `Bytes`, `Message`, `Json<T>`, \
            `Answer<R, E>`, `Close`, or `Option`, `Vec`, `Result<_, impl Into<Close>>` or \
            `(_, Close)` of these",
    note = "to send a value of your own, derive `serde::Serialize` for it and return `Json(value)`, \
            or implement `IntoReply` for another format"
)]
pub trait IntoReply {
    /// The type of the reply's content, as a handler declares it; see
    /// [`Sends`](crate::socket::Sends). Your own type uses itself, or the value that it encodes, or
    /// [`Nothing`] if it sends no message.
    type Value: ?Sized;

    /// Converts the value to messages and an end.
    fn into_reply(self) -> Reply;
}

impl IntoReply for Reply {
    type Value = Message;

    fn into_reply(self) -> Reply {
        self
    }
}

impl IntoReply for () {
    type Value = Nothing;

    fn into_reply(self) -> Reply {
        Reply::NONE
    }
}

impl IntoReply for Message {
    type Value = Self;

    fn into_reply(self) -> Reply {
        Reply {
            messages: Messages::One(self),
            end: ReplyEnd::KeepOpen,
        }
    }
}

/// Replies of one message, with the type of its content.
macro_rules! one_message {
    ($($type:ty, $value:ty => $make:expr;)*) => {
        $(impl IntoReply for $type {
            type Value = $value;

            fn into_reply(self) -> Reply {
                let make: fn($type) -> Message = $make;
                make(self).into_reply()
            }
        })*
    };
}

one_message! {
    String, String => Message::text;
    &'static str, String => Message::from;
    Cow<'static, str>, String => |text| match text {
        Cow::Borrowed(text) => Message::from(text),
        Cow::Owned(text) => Message::from(text),
    };
    Box<str>, String => Message::text;
    Arc<str>, String => |text| Message::text(&*text);
    ByteString, String => Message::Text;
    Bytes, Bytes => Message::Binary;
}

impl<T: Serialize> IntoReply for Json<T> {
    type Value = T;

    fn into_reply(self) -> Reply {
        match serde_json::to_string(&self.0) {
            Ok(text) => text.into_reply(),
            Err(error) => Reply::encode_failed(&error),
        }
    }
}

#[cfg(feature = "msgpack")]
impl<T: Serialize> IntoReply for crate::decode::MsgPack<T> {
    type Value = Self;

    fn into_reply(self) -> Reply {
        match rmp_serde::to_vec_named(&self.0) {
            Ok(bytes) => Bytes::from(bytes).into_reply(),
            Err(error) => Reply::encode_failed(&error),
        }
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    type Value = R::Value;

    fn into_reply(self) -> Reply {
        self.map_or(Reply::NONE, IntoReply::into_reply)
    }
}

impl<R: IntoReply> IntoReply for Vec<R> {
    type Value = R::Value;

    fn into_reply(self) -> Reply {
        let mut messages = VecDeque::with_capacity(self.len());
        let mut end = ReplyEnd::KeepOpen;
        for reply in self {
            let mut reply = reply.into_reply();
            while let Some(message) = reply.messages.next() {
                messages.push_back(message);
            }
            end = reply.end;
            if !matches!(end, ReplyEnd::KeepOpen) {
                break;
            }
        }
        Reply {
            messages: Messages::Many(messages),
            end,
        }
    }
}

impl IntoReply for Close {
    type Value = Nothing;

    fn into_reply(self) -> Reply {
        Reply {
            messages: Messages::None,
            end: ReplyEnd::Close(Box::new(self)),
        }
    }
}

impl<R: IntoReply> IntoReply for (R, Close) {
    type Value = R::Value;

    fn into_reply(self) -> Reply {
        self.0.into_reply().then(self.1.into_reply())
    }
}

impl<R: IntoReply, E: IntoClose> IntoReply for Result<R, E> {
    type Value = R::Value;

    fn into_reply(self) -> Reply {
        match self {
            Ok(reply) => reply.into_reply(),
            Err(error) => Reply {
                messages: Messages::None,
                end: ReplyEnd::Error(Box::new(error.into_close())),
            },
        }
    }
}

/// An error that ends a connection: a type that implements `Into<Close>`.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::reply::IntoClose;
///
/// struct TooFast;
///
/// impl From<TooFast> for Close {
///     fn from(_: TooFast) -> Self {
///         Close::policy("slow down")
///     }
/// }
///
/// fn message(text: String) -> Result<String, TooFast> {
///     if text.len() > 1_000 { Err(TooFast) } else { Ok(text) }
/// }
/// assert_eq!(TooFast.into_close().code(), CloseCode::POLICY);
/// # assert!(matches!(message("x".repeat(2_000)), Err(TooFast)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an error that a hook cannot close with",
    label = "not a `Close`",
    note = "to close with 1011 and log the error, return `Result<_, Close>` and call \
            `.or_close()?` on \
            the result that may fail",
    note = "to choose the code, return an error of your own, and write `impl From<MyError> for Close`"
)]
pub trait IntoClose {
    /// Converts the error to a Close.
    fn into_close(self) -> Close;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Close>> IntoClose for E {
    fn into_close(self) -> Close {
        self.into()
    }
}
