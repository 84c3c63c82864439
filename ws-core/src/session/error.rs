//! The errors of sessions and of their stores.

use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::close::{Close, CloseCode};
use crate::error::{EncodeError, Refusal, with_causes};
use crate::topic::SinceError;

/// Any error of a store, boxed.
type BoxError = Box<dyn Error + Send + Sync>;

/// Why a call of a store or a source failed.
///
/// ```
/// use std::io;
/// use ws_server::session::StoreError;
///
/// fn read(answer: io::Result<Vec<u8>>) -> Result<Vec<u8>, StoreError> {
///     answer.map_err(StoreError::failed)
/// }
///
/// let error = read(Err(io::ErrorKind::ConnectionReset.into())).unwrap_err();
/// assert_eq!(error.status(), 503);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no room for another session or for more values, and holds no session that it
    /// may evict.
    #[error("the session store is full")]
    Full,
    /// The store could not be reached, or failed. The source is the store's own error.
    #[error(fmt = failed)]
    Failed(#[source] BoxError),
}

impl StoreError {
    /// Creates the error of a store that failed for this reason.
    ///
    /// ```
    /// use std::error::Error;
    /// use ws_server::session::StoreError;
    ///
    /// let error = StoreError::failed("connection refused");
    /// assert_eq!(error.source().unwrap().to_string(), "connection refused");
    /// assert_eq!(error.to_string(), "the session store failed");
    /// assert_eq!(format!("{error:#}"), "the session store failed: connection refused");
    /// ```
    pub fn failed(cause: impl Into<BoxError>) -> Self {
        Self::Failed(cause.into())
    }

    /// The status of the response if this error prevents one: 503.
    pub const fn status(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn failed(cause: &BoxError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    with_causes("the session store failed", &**cause, f)
}

/// Why an operation on a session failed.
///
/// `init` turns it into a response ([`status`](Self::status)), every other hook into a Close
/// ([`close_code`](Self::close_code)).
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::session::SessionError;
///
/// async fn message(text: String, session: Session) -> Result<(), SessionError> {
///     session.insert("draft", &text).await
/// }
/// assert_eq!(SessionError::Ended.status(), 403);
/// assert_eq!(SessionError::Ended.close_code(), CloseCode::UNAUTHORIZED);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store failed: 503. The source is the store's own error.
    #[error(fmt = failed)]
    Store(#[source] BoxError),
    /// The store did not answer within `lookup_timeout`: 503.
    #[error("the session store did not answer within `lookup_timeout`")]
    TimedOut,
    /// The store has no room for another session, or for its values: 503.
    #[error("the session store is full")]
    Full,
    /// One address has begun more sessions than `begin_rate` allows: 429.
    #[error("one address begins more sessions than `begin_rate` allows")]
    TooMany,
    /// The session has ended, or a logon has renewed its id: 403, 4401.
    #[error("the session has ended, or continues under another id")]
    Ended,
    /// The values of the session would exceed its limit in bytes: 500.
    #[error("the values of the session would take more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The value cannot be serialized as JSON: 500.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The operating system provides no random numbers: 503.
    #[error("the operating system provides no random numbers")]
    Random,
    /// Sessions come from the application, so only the application can log visitors on: 500.
    #[error("sessions come from a `SessionSource`; log visitors on in the application")]
    Foreign,
}

impl SessionError {
    /// The status of the response that an HTTP client receives.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::TimedOut | Self::Full | Self::Random => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Ended => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge { .. } | Self::Encode(_) | Self::Foreign => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

impl SessionError {
    /// The code of the Close: 4401 if the session has ended, else 1011.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Ended => CloseCode::UNAUTHORIZED,
            _ => CloseCode::INTERNAL_ERROR,
        }
    }
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Failed(cause) => Self::Store(cause),
        }
    }
}

/// The client receives only the status.
impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        match error.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                Self::unavailable("sessions are temporarily unavailable")
            }
            status => Self::new(status),
        }
    }
}

impl From<SessionError> for Close {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Ended => Self::UNAUTHORIZED,
            _ => Self::INTERNAL_ERROR,
        }
    }
}

/// Why a session is not subscribed to a topic.
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::session::SessionSubscribeError;
///
/// let error = SessionSubscribeError::TooMany { max: 64 };
/// assert_eq!(error.to_string(), "the session has 64 subscriptions already");
/// assert_eq!(Refusal::from(error).status(), 429);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionSubscribeError {
    /// The session has ended, or a logon has renewed its id.
    #[error("the session has ended, or continues under another id")]
    Ended,
    /// The session has as many subscriptions as
    /// [`PageLimits::session_subscriptions`](crate::limits::PageLimits::session_subscriptions)
    /// allows.
    #[error("the session has {max} subscriptions already")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The pages cannot continue from the position.
    #[error(transparent)]
    Since(#[from] SinceError),
}

impl SessionSubscribeError {
    /// The status of a refused request: 403, 429, or that of the [`SinceError`].
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Ended => StatusCode::FORBIDDEN,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Since(error) => error.status(),
        }
    }
}

impl From<SessionSubscribeError> for Refusal {
    fn from(error: SessionSubscribeError) -> Self {
        Self::new(error.status()).body(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_status_and_close_code() {
        let table = [
            (SessionError::Store("x".into()), 503, 1011),
            (SessionError::TimedOut, 503, 1011),
            (SessionError::Full, 503, 1011),
            (SessionError::Random, 503, 1011),
            (SessionError::Ended, 403, 4401),
            (SessionError::TooMany, 429, 1011),
            (SessionError::TooLarge { limit: 1 }, 500, 1011),
            (EncodeError::new("x").into(), 500, 1011),
            (SessionError::Foreign, 500, 1011),
        ];
        for (error, status, code) in table {
            let text = error.to_string();
            assert_eq!(error.status().as_u16(), status, "{text}");
            assert_eq!(error.close_code().get(), code, "{text}");
            assert_eq!(Close::from(error).code().get(), code, "{text}");
        }
    }

    #[test]
    fn the_text_of_a_store_error_does_not_reach_the_client() {
        let error: SessionError = StoreError::failed("redis://user:secret@host").into();
        let response = Refusal::from(error).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.body(), "sessions are temporarily unavailable\n");
    }
}
