//! The body of the response that opens a stream.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::pipe::Pipe;
use crate::hub::Permit;

/// The lines of a response. Dropping it ends the connection: the client is gone.
pub struct ResponseLines {
    pipe: Arc<Pipe>,
    /// A server may write the response for longer than the connection lasts.
    _permit: Arc<Permit>,
}

impl ResponseLines {
    pub(super) const fn new(pipe: Arc<Pipe>, permit: Arc<Permit>) -> Self {
        Self {
            pipe,
            _permit: permit,
        }
    }

    /// Returns the lines that wait, whole and in order; `None` after the last one.
    pub fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        self.pipe.poll_lines(cx)
    }

    /// Whether no line follows.
    pub fn is_ended(&self) -> bool {
        self.pipe.is_drained()
    }
}

impl fmt::Debug for ResponseLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseLines(…)")
    }
}

impl Drop for ResponseLines {
    fn drop(&mut self) {
        self.pipe.drop_response();
    }
}
