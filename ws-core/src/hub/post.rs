//! Why a POST of a page stream is not accepted, on the server of the stream or on another one.

/// Why the messages of a POST are not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PostError {
    /// Too many POSTs of the attachment are in progress.
    Busy,
    /// The connection has ended: the page must attach again.
    Ended,
    /// The server of the attachment cannot be reached, or has not answered in time. The messages may
    /// have been read, so a POST that repeats them must have the same number.
    Unavailable,
}
