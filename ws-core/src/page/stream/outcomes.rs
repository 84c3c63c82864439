//! The results of attaching a socket to a stream and of accepting a message.

use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;

use crate::error::Refusal;
use crate::page::queue::UnsentOffset;

/// Why a socket could not attach to a page's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AttachError {
    /// The stream has just ended; a new one may begin.
    Ended,
    /// The page is attached at another route.
    OtherRoute,
    /// A logon has replaced the socket's session.
    SessionReplaced,
    /// The page has no session, and its handler was started with other credentials.
    OtherCredentials,
    /// The page claims an offset that was never sent to it.
    UnsentOffset,
}

/// The result of accepting a message of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted<F> {
    /// The message is new, and this function of the application handles it.
    New(F),
    /// The message is new, and the page has no handler, nor the application a function for it. It
    /// counts neither as accepted nor as seen.
    Refused,
    /// The message is new, and waits for the page's handler; it counts as seen when the handler
    /// takes it.
    Queued,
    /// The message was accepted before; the value is the last id seen.
    Duplicate(u64),
    /// The handler does not keep up, and its feed is full.
    FeedFull,
    /// The socket is no longer attached to the stream.
    Superseded,
    /// A message before it is missing.
    OutOfOrder,
}

/// Whether the answer to a ping is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PongSent {
    Yes,
    /// The socket is no longer attached, or has no room in its outbox.
    No,
}

/// The progress of a page with the messages sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    /// The last offset that is no longer kept.
    pub(crate) acknowledged: u64,
    /// Whether its socket is still writing.
    pub(crate) is_writing: bool,
}

impl From<UnsentOffset> for AttachError {
    fn from(UnsentOffset: UnsentOffset) -> Self {
        Self::UnsentOffset
    }
}

impl From<AttachError> for Refusal {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Ended => Self::unavailable("the page has just ended"),
            AttachError::OtherRoute => {
                Self::CONFLICT.body("this page is attached at another route")
            }
            AttachError::SessionReplaced => Self::CONFLICT.body("a logon has replaced the session"),
            AttachError::OtherCredentials => Self::UNAUTHORIZED
                .header(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer error=\"invalid_token\""),
                )
                .body(
                    "the credentials differ from those that this page began with: present these, \
                     or leave out `z_pid` to get another page",
                ),
            AttachError::UnsentOffset => {
                Self::BAD_REQUEST.body("`offset` is of a message that was never sent")
            }
        }
    }
}
