//! Errors of the methods of a connection handle: `send`, `notify`, `spawn` and `try_enter`.

use crate::close::CloseCode;
use crate::limits::{MAX_MEMBER, MAX_MEMBER_KEY};

use super::EncodeError;

/// Why [`Socket::send`](crate::socket::Socket::send) did not accept a message.
///
/// ```
/// use ws_server::SendError;
///
/// assert_eq!(SendError::Full("again").into_inner(), Some("again"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError<T> {
    /// The outbox is full and the route has `on_full: refuse`; the error contains the message.
    #[error("the outbox is full; send again when the client has read some of it")]
    Full(T),
    /// The connection is closed or closing; the error contains the message.
    #[error("the connection is closed")]
    Closed(T),
    /// The value could not be encoded, so there is no message.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl<T> SendError<T> {
    /// The message that was not accepted; `None` if the value could not be encoded.
    pub fn into_inner(self) -> Option<T> {
        match self {
            Self::Full(message) | Self::Closed(message) => Some(message),
            Self::Encode(_) => None,
        }
    }

    /// The close code if the connection cannot continue without the message: 1013 if the outbox is
    /// full, 1011 if the value could not be encoded. A connection that is closed keeps its own
    /// code; the result is then 1001.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Full(_) => CloseCode::TRY_AGAIN_LATER,
            Self::Closed(_) => CloseCode::GOING_AWAY,
            Self::Encode(error) => error.close_code(),
        }
    }
}

/// Why [`Socket::notify`](crate::socket::Socket::notify) did not accept a value.
///
/// ```
/// use ws_server::NotifyError;
///
/// let error = NotifyError::Full("tick");
/// assert_eq!(error.close_code().get(), 1013);
/// assert_eq!(error.into_inner(), "tick");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError<T> {
    /// The mailbox is full, or all timers are in use; the error contains the value.
    #[error("the mailbox is full; notify again when the handler has processed some of it")]
    Full(T),
    /// The connection is closed; the error contains the value.
    #[error("the connection is closed")]
    Closed(T),
}

impl<T> NotifyError<T> {
    /// The value that was not accepted.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }

    /// The close code if the connection cannot continue without the value: 1013 if the mailbox is
    /// full. A connection that is closed keeps its own code; the result is then 1001.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Full(_) => CloseCode::TRY_AGAIN_LATER,
            Self::Closed(_) => CloseCode::GOING_AWAY,
        }
    }
}

/// Why [`Socket::spawn`](crate::socket::Socket::spawn) did not start a future.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::SpawnError;
///
/// # fn import(_: String) -> impl Future<Output = String> + Send { async { String::new() } }
/// fn start<H>(socket: &Socket<H>, file: String) -> Result<(), Close>
/// where
///     H: ws_server::socket::Sends<String>,
/// {
///     let started = socket.spawn(import(file));
///     started.map_err(|error| Close::new(error.close_code(), "no import now"))
/// }
/// assert_eq!(SpawnError::Full.close_code(), CloseCode::TRY_AGAIN_LATER);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// As many futures run for this connection as its `tasks` limit allows.
    #[error("the connection has as many tasks as its route allows; raise the option `tasks`")]
    Full,
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
}

impl SpawnError {
    /// The close code if the connection cannot continue without the task: 1013 if there are too
    /// many tasks. A connection that is closed keeps its own code; the result is then 1001.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Full => CloseCode::TRY_AGAIN_LATER,
            Self::Closed => CloseCode::GOING_AWAY,
        }
    }
}

/// Why [`Socket::try_enter`](crate::socket::Socket::try_enter) did not enter a member.
///
/// ```
/// use ws_server::EnterError;
/// use ws_server::close::CloseCode;
///
/// assert_eq!(EnterError::TopicFull.close_code(), CloseCode::TRY_AGAIN_LATER);
/// let error = EnterError::InvalidKey { len: 300 };
/// assert_eq!(error.to_string(), "the key of a member has 300 bytes; it must have 1 to 256");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// The key is empty or too long.
    #[error("the key of a member has {len} bytes; it must have 1 to {MAX_MEMBER_KEY}")]
    InvalidKey {
        /// The bytes of the key.
        len: usize,
    },
    /// The member is too large.
    #[error("a member has {len} bytes as JSON; at most {MAX_MEMBER} are allowed")]
    TooLarge {
        /// The bytes of the member as JSON.
        len: usize,
    },
    /// The topic has as many members as [`PresenceLimits`](crate::limits::PresenceLimits) allows.
    #[error("the topic has as many members as allowed; try again, or raise the limit `members`")]
    TopicFull,
    /// The members of all topics have as many bytes as
    /// [`PresenceLimits::bytes`](crate::limits::PresenceLimits::bytes) allows.
    #[error(
        "the members of all topics are as large as allowed; try again, or raise the limit `bytes`"
    )]
    ServerFull,
    /// The connection has entered as many members as
    /// [`PresenceLimits::per_connection`](crate::limits::PresenceLimits::per_connection) allows.
    #[error("the connection has entered too many members; try again, or raise `per_connection`")]
    TooManyMembers,
    /// The connection has as many subscriptions and members as its route allows.
    #[error("the connection has too many subscriptions; leave a topic, or raise `subscriptions`")]
    TooManySubscriptions,
    /// The connection is closed.
    #[error("the connection is closed")]
    Closed,
    /// The member could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl EnterError {
    /// The close code if the connection cannot continue without the member: 1013 if the topic or the
    /// server is full, or the connection has entered too many members, 1011 for the mistakes of the application. A connection that is closed keeps its own
    /// code; the result is then 1001.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::TopicFull | Self::ServerFull | Self::TooManyMembers => CloseCode::TRY_AGAIN_LATER,
            Self::Closed => CloseCode::GOING_AWAY,
            Self::InvalidKey { .. }
            | Self::TooLarge { .. }
            | Self::TooManySubscriptions
            | Self::Encode(_) => CloseCode::INTERNAL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_value_is_returned() {
        assert_eq!(SendError::Full(1).into_inner(), Some(1));
        assert_eq!(SendError::Closed(2).into_inner(), Some(2));
        let not_encoded: SendError<u8> = EncodeError::new("no JSON").into();
        assert_eq!(not_encoded.into_inner(), None);
        assert_eq!(NotifyError::Full(3).into_inner(), 3);
        assert_eq!(NotifyError::Closed(4).into_inner(), 4);
    }

    #[test]
    fn each_error_has_its_close_code() {
        let encode: SendError<()> = EncodeError::new("no JSON").into();
        let codes = [
            (SendError::Full(()).close_code(), 1013),
            (SendError::Closed(()).close_code(), 1001),
            (encode.close_code(), 1011),
            (NotifyError::Full(()).close_code(), 1013),
            (NotifyError::Closed(()).close_code(), 1001),
            (SpawnError::Full.close_code(), 1013),
            (SpawnError::Closed.close_code(), 1001),
            (EnterError::TopicFull.close_code(), 1013),
            (EnterError::ServerFull.close_code(), 1013),
            (EnterError::TooManyMembers.close_code(), 1013),
            (EnterError::Closed.close_code(), 1001),
            (EnterError::TooLarge { len: 5_000 }.close_code(), 1011),
        ];
        for (code, expected) in codes {
            assert_eq!(code.get(), expected);
        }
    }
}
