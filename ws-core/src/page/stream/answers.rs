//! What a stream says to a socket that wants it, and to a message.

use crate::page::queue::FromTheFuture;

/// Why a socket did not get a page's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AttachError {
    /// The stream has just ended: there is room for another one.
    Ended,
    /// The page is attached at another route.
    Elsewhere,
    /// A logon has made another session of the socket's.
    Overtaken,
    /// The page claims to have got what it was never sent.
    FromTheFuture,
}

/// What becomes of a message of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted {
    /// It is new, and the page has no handler.
    New,
    /// It is new, and waits for the page's handler; it is seen when that takes it.
    Fed,
    /// It was accepted before; this is the last one that was seen.
    Again(u64),
    /// The handler does not follow, and more waits for it than may.
    NoRoom,
    /// The socket no longer carries the stream.
    Superseded,
    /// A message before it is missing.
    OutOfOrder,
}

/// How far a page has got with what was sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    /// The last offset that is no longer kept.
    pub(crate) acknowledged: u64,
    /// Its socket has something to write.
    pub(crate) writes: bool,
}

impl From<FromTheFuture> for AttachError {
    fn from(FromTheFuture: FromTheFuture) -> Self {
        Self::FromTheFuture
    }
}
