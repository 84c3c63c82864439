//! Positions of messages, which a handler may give to its client.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::close::{Close, CloseCode};
use crate::error::Refusal;
use crate::log::{self, MAX_TEXT, SealError, Sealer, TopicName};

/// The position of a message of a declared topic.
///
/// A handler can give it to its client, in the client's own protocol, and continue from there later
/// with [`since`](super::DeclaredTopic::since). As text (`Display`, serde) it is sealed: about 60
/// characters that a client can neither read nor change, and that are valid for one topic of one
/// server, or of all servers that share its log and its secrets.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::prelude::*;
/// use ws_server::topic::Position;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// let hub = Hub::default();
/// let position = hub.publish(News, &"hello".to_owned()).await.unwrap();
/// let text = serde_json::to_string(&position).unwrap();
/// let read: Position = serde_json::from_str(&text).unwrap();
/// assert_eq!(read, position);
/// # });
/// ```
#[derive(Clone)]
pub struct Position(Repr);

#[derive(Clone)]
enum Repr {
    Known {
        at: log::Position,
        topic: TopicName,
        sealer: Arc<Sealer>,
    },
    /// Not checked yet.
    Sealed(Box<str>),
}

impl Position {
    pub(super) fn new(at: log::Position, topic: TopicName, sealer: Arc<Sealer>) -> Self {
        Self(Repr::Known { at, topic, sealer })
    }

    /// The position in the log, if this is a position of the topic.
    pub(super) fn open(
        &self,
        topic: &TopicName,
        sealer: &Arc<Sealer>,
    ) -> Result<log::Position, SinceError> {
        match &self.0 {
            Repr::Known {
                at,
                topic: of,
                sealer: by,
            } => {
                if of != topic {
                    return Err(SinceError::OfAnotherTopic);
                }
                if Arc::ptr_eq(by, sealer) {
                    return Ok(*at);
                }
                // Another hub of this process, which may have the same secret.
                let text = by.seal(at, topic);
                sealer.open(&text, topic).map_err(|_| SinceError::Invalid)
            }
            Repr::Sealed(text) => sealer.open(text, topic).map_err(|error| match error {
                SealError::OfAnotherTopic => SinceError::OfAnotherTopic,
                SealError::Invalid => SinceError::Invalid,
            }),
        }
    }

    /// Reads the text of a position. It is checked when it is used.
    ///
    /// # Errors
    ///
    /// [`SinceError::Invalid`] if the text is longer than any position.
    pub fn from_text(text: &str) -> Result<Self, SinceError> {
        if text.len() > MAX_TEXT {
            return Err(SinceError::Invalid);
        }
        Ok(Self(Repr::Sealed(text.into())))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Known { at, topic, sealer } => f.write_str(&sealer.seal(at, topic)),
            Repr::Sealed(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

/// Positions are equal if their texts are.
impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Position {}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(PositionVisitor)
    }
}

struct PositionVisitor;

impl Visitor<'_> for PositionVisitor {
    type Value = Position;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a position")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Position, E> {
        Position::from_text(text).map_err(E::custom)
    }
}

/// Why a subscription cannot continue from a position. The subscriber is not subscribed.
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::CloseCode;
/// use ws_server::topic::SinceError;
///
/// assert_eq!(Refusal::from(SinceError::Invalid).status(), 400);
/// assert_eq!(SinceError::Gap.close_code(), CloseCode::POLICY);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinceError {
    /// Messages after the position are no longer kept, or may be missing. Show the client the
    /// current state, and subscribe from now on.
    #[error("messages after this position are no longer kept")]
    Gap,
    /// The messages after the position do not fit three quarters of the limits `outbox` and
    /// `outbox_frames` of the connection, `mailbox` of its handler, or `messages` and `bytes` of
    /// the page, besides what waits there. Proceed as for a gap.
    #[error("more messages follow this position than the connection can receive at once")]
    TooFarBehind,
    /// The text is not a position, was changed, or was issued by another server.
    #[error("the position is invalid")]
    Invalid,
    /// The position was issued for another topic.
    #[error("the position belongs to another topic")]
    OfAnotherTopic,
}

impl SinceError {
    /// The status of a refused handshake: 410 for a gap and for a position that is too far behind,
    /// 400 for all others.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Gap | Self::TooFarBehind => StatusCode::GONE,
            Self::Invalid | Self::OfAnotherTopic => StatusCode::BAD_REQUEST,
        }
    }

    /// The close code of a connection that cannot continue: 1008.
    pub const fn close_code(self) -> CloseCode {
        CloseCode::POLICY
    }
}

impl From<SinceError> for Refusal {
    fn from(error: SinceError) -> Self {
        Self::new(error.status()).body(error.to_string())
    }
}

impl From<SinceError> for Close {
    fn from(error: SinceError) -> Self {
        Self::new(error.close_code(), error.to_string())
    }
}
