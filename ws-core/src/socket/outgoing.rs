//! Messages to the client: `send`, and a handle that can only send.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde::Serialize;

use super::{ConnectionShared, Sends, Socket};
use crate::close::{Close, CloseCause};
use crate::decode::Json;
use crate::error::{EncodeError, SendError};
use crate::id::ConnectionId;
use crate::limits::OnFull;
use crate::message::Message;
use crate::outbox::{DroppedPayloads, Frame, PushError};
use crate::topic::Recipient;

/// The argument of `send`: a message, or a value that can be converted to one.
///
/// ```
/// use ws_server::Message;
/// use ws_server::error::EncodeError;
/// use ws_server::socket::IntoMessage;
///
/// /// A temperature, sent as text with its unit.
/// struct Celsius(f32);
///
/// impl IntoMessage for Celsius {
///     type Value = String;
///
///     fn into_message(self) -> Result<Message, EncodeError> {
///         Ok(Message::text(format!("{} °C", self.0)))
///     }
/// }
/// assert_eq!(Celsius(20.5).into_message(), Ok(Message::text("20.5 °C")));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a client",
    label = "not a message",
    note = "send `String`, `&'static str`, `Bytes`, `Message`, or `Json(value)` for a value that is \
            `serde::Serialize`; or implement `IntoMessage` for another format"
)]
pub trait IntoMessage {
    /// The type of the message's content, as a handler declares it; see [`Sends`]. Your own type
    /// uses itself, or the value that it encodes.
    type Value: ?Sized;

    /// Converts the value to a message.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], with the encoder's error as its source.
    fn into_message(self) -> Result<Message, EncodeError>;
}

impl IntoMessage for Message {
    type Value = Self;

    fn into_message(self) -> Result<Message, EncodeError> {
        Ok(self)
    }
}

/// Texts, whose conversion cannot fail.
macro_rules! infallible {
    ($($type:ty),*) => {
        $(impl IntoMessage for $type {
            type Value = String;

            fn into_message(self) -> Result<Message, EncodeError> {
                Ok(Message::from(self))
            }
        })*
    };
}

infallible!(String, &'static str, Box<str>, Arc<str>, ByteString);

impl IntoMessage for Bytes {
    type Value = Self;

    fn into_message(self) -> Result<Message, EncodeError> {
        Ok(Message::from(self))
    }
}

impl IntoMessage for Cow<'static, str> {
    type Value = String;

    fn into_message(self) -> Result<Message, EncodeError> {
        Ok(match self {
            Cow::Borrowed(text) => Message::from(text),
            Cow::Owned(text) => Message::from(text),
        })
    }
}

impl<T: Serialize> IntoMessage for Json<T> {
    type Value = T;

    fn into_message(self) -> Result<Message, EncodeError> {
        serde_json::to_string(&self.0)
            .map(Message::text)
            .map_err(EncodeError::new)
    }
}

#[cfg(feature = "msgpack")]
impl<T: Serialize> IntoMessage for crate::decode::MsgPack<T> {
    type Value = Self;

    fn into_message(self) -> Result<Message, EncodeError> {
        rmp_serde::to_vec_named(&self.0)
            .map(Message::binary)
            .map_err(EncodeError::new)
    }
}

impl<H> Socket<H> {
    /// Sends one message to the client, without waiting.
    ///
    /// The message is written at once if nothing else waits and the socket accepts it; otherwise it
    /// waits in the outbox. Messages of one task arrive in the order in which it sent them.
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::SendError;
    /// use ws_server::socket::Sends;
    ///
    /// /// Sends a line, or keeps it for later on a route with `on_full: refuse`.
    /// fn send<H: Sends<String>>(socket: &Socket<H>, line: String, later: &mut Vec<Message>) {
    ///     match socket.send(line) {
    ///         Ok(()) => {}
    ///         Err(SendError::Full(line)) => later.push(line),
    ///         Err(error) => tracing::debug!(%error, "a line was not sent"),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection is closing or gone. If the outbox is full:
    /// [`SendError::Full`] on a route with `on_full: refuse`; on any other route the connection is
    /// closed with 1013, and the error is [`SendError::Closed`]. These errors return the message.
    /// [`SendError::Encode`] if the value cannot be encoded.
    pub fn send<M: IntoMessage>(&self, message: M) -> Result<(), SendError<Message>>
    where
        H: Sends<M::Value>,
    {
        self.shared.send(message.into_message()?)
    }

    /// Sends one message to the client, and waits for room in the outbox.
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::SendError;
    /// use ws_server::socket::Sends;
    ///
    /// /// Sends a file as fast as the client reads it.
    /// async fn download<H>(socket: Socket<H>, parts: Vec<Bytes>) -> Result<(), SendError<Message>>
    /// where
    ///     H: Sends<Bytes>,
    /// {
    ///     for part in parts {
    ///         socket.send_async(part).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Same as [`send`](Self::send), except for [`SendError::Full`].
    pub async fn send_async<M: IntoMessage>(&self, message: M) -> Result<(), SendError<Message>>
    where
        H: Sends<M::Value>,
    {
        let message = message.into_message()?;
        self.shared.send_async(message).await
    }
}

impl ConnectionShared {
    /// Sends a message. If the outbox is full, the route's `on_full` decides.
    pub(super) fn send(&self, message: Message) -> Result<(), SendError<Message>> {
        // Encoding shares a large payload and copies a small one, so the message can still be
        // returned.
        match self.outbox.push(&self.outbox.compress(Frame::of(&message))) {
            Ok(()) => Ok(()),
            Err(PushError::Closed) => Err(SendError::Closed(message)),
            Err(PushError::Full) => match self.limits().on_full {
                OnFull::Refuse => Err(SendError::Full(message)),
                OnFull::Close => {
                    self.overflow(&mut DroppedPayloads::default());
                    self.outbox.wake_all();
                    Err(SendError::Closed(message))
                }
            },
        }
    }

    /// Sends a message as soon as there is room.
    pub(super) async fn send_async(&self, message: Message) -> Result<(), SendError<Message>> {
        let frame = self.outbox.compress(Frame::of(&message));
        loop {
            let room = self.changed().notified();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.outbox.push(&frame) {
                Ok(()) => return Ok(()),
                Err(PushError::Closed) => return Err(SendError::Closed(message)),
                Err(PushError::Full) => room.await,
            }
        }
    }
}

/// A handle for sending to one client, independent of the type of its handler.
///
/// ```
/// use ws_server::socket::Sender;
///
/// fn greet(everybody: &[Sender]) {
///     for sender in everybody {
///         // One that is gone is no reason to stop.
///         let _ = sender.send("hello");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Sender {
    shared: Arc<ConnectionShared>,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

impl Sender {
    pub(super) fn new(shared: Arc<ConnectionShared>) -> Self {
        Self { shared }
    }

    /// Sends one message; see [`Socket::send`].
    ///
    /// # Errors
    ///
    /// Same as [`Socket::send`].
    pub fn send(&self, message: impl IntoMessage) -> Result<(), SendError<Message>> {
        self.shared.send(message.into_message()?)
    }

    /// Sends one message, and waits for room; see [`Socket::send_async`].
    ///
    /// # Errors
    ///
    /// Same as [`Socket::send_async`].
    pub async fn send_async(&self, message: impl IntoMessage) -> Result<(), SendError<Message>> {
        let message = message.into_message()?;
        self.shared.send_async(message).await
    }

    /// Closes the connection; see [`Socket::close`].
    pub fn close(&self, close: impl Into<Close>) {
        self.shared.close(&close.into(), CloseCause::ServerClosed);
    }

    /// Resolves when the client has closed or is gone; see [`Socket::closed`].
    pub async fn closed(&self) {
        self.shared.closed().await;
    }

    /// The id of the connection in its hub.
    pub fn id(&self) -> ConnectionId {
        self.shared.id
    }

    /// The address of the client, if the connection has one. Behind a trusted proxy it is the
    /// address that the proxy reports, with port 0 if the proxy does not report a port.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.shared.peer
    }

    /// Whether `send` still accepts messages.
    pub fn is_open(&self) -> bool {
        self.shared.outbox.is_open()
    }

    /// The bytes of frames that wait to be written to the client.
    pub fn buffered(&self) -> usize {
        self.shared.outbox.buffered()
    }
}

#[cfg(feature = "test-kit")]
impl Sender {
    /// Whether the client accepts compressed messages.
    pub(crate) fn is_deflated(&self) -> bool {
        self.shared.outbox().deflate().is_some()
    }

    /// Returns the handle with the type of the handler, which the test must know.
    pub(crate) fn socket<H>(&self) -> Socket<H> {
        Socket::new(self.shared.clone())
    }

    /// Resolves after `terminate`; returns why the connection ended.
    pub(crate) async fn finished(&self) -> crate::close::CloseReason {
        self.shared.finished().await
    }
}

impl<H> From<&Socket<H>> for Sender {
    fn from(socket: &Socket<H>) -> Self {
        socket.sender()
    }
}
