//! The bytes between the requests of a page and its connection.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::PostError;
use crate::outbox::wake;

/// The response has taken all lines if fewer than these bytes wait; otherwise the connection waits.
/// One message of any size always fits.
const CAPACITY: usize = 64 * 1024;

/// Both directions of one attachment.
#[derive(Default)]
pub(super) struct Pipe(Mutex<PipeState>);

#[derive(Default)]
struct PipeState {
    /// Frames of the client, which the connection has read up to `read`.
    up: Vec<u8>,
    read: usize,
    /// Lines for the response.
    down: BytesMut,
    /// The response is dropped: the client is gone, or has everything.
    response_gone: bool,
    /// The connection has ended: the response has no further lines.
    ended: bool,
    /// The connection, which waits for frames, and for the response.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The response, which waits for lines.
    response: Option<Waker>,
    /// The POST that waits until its frames are read.
    post: Option<Waker>,
}

impl PipeState {
    fn is_read(&self) -> bool {
        self.read == self.up.len()
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, PipeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line for the response, unless that is gone.
    pub(super) fn push_line(&self, line: &str) {
        let mut state = self.lock();
        if state.response_gone {
            return;
        }
        state.down.extend_from_slice(line.as_bytes());
        state.down.extend_from_slice(b"\n");
        let waker = state.response.take();
        drop(state);
        wake(waker);
    }

    /// Adds frames of the client.
    ///
    /// The frames of an aborted POST stay, because the connection may have read a part of them. Each
    /// POST waits for earlier ones first, so the frames of at most one body are unread.
    pub(super) fn push_frames(&self, frames: &[u8]) {
        let mut state = self.lock();
        state.up.extend_from_slice(frames);
        let waker = state.reader.take();
        drop(state);
        wake(waker);
    }

    /// Waits until the connection has read all frames.
    pub(super) async fn read_by_connection(&self) -> Result<(), PostError> {
        poll_fn(|cx| self.poll_read_by_connection(cx)).await
    }

    fn poll_read_by_connection(&self, cx: &Context<'_>) -> Poll<Result<(), PostError>> {
        let mut state = self.lock();
        if state.is_read() {
            return Poll::Ready(Ok(()));
        }
        if state.ended {
            return Poll::Ready(Err(PostError::Ended));
        }
        state.post = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Reads frames of the client. A reader that waits is woken when the response is dropped, too.
    pub(super) fn poll_read(&self, cx: &Context<'_>, buf: &mut [u8]) -> Poll<usize> {
        let mut state = self.lock();
        let waiting = &state.up[state.read..];
        if waiting.is_empty() {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.len().min(waiting.len());
        buf[..count].copy_from_slice(&waiting[..count]);
        state.read += count;
        if state.is_read() {
            (state.up, state.read) = (Vec::new(), 0);
            let waker = state.post.take();
            drop(state);
            wake(waker);
        }
        Poll::Ready(count)
    }

    /// Waits for room for more lines.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), ResponseGone>> {
        self.poll_below(cx, CAPACITY)
    }

    /// Waits until the response has taken all lines.
    pub(super) fn poll_taken(&self, cx: &Context<'_>) -> Poll<Result<(), ResponseGone>> {
        self.poll_below(cx, 1)
    }

    fn poll_below(&self, cx: &Context<'_>, limit: usize) -> Poll<Result<(), ResponseGone>> {
        let mut state = self.lock();
        if state.response_gone {
            return Poll::Ready(Err(ResponseGone));
        }
        if state.down.len() < limit {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes the lines that wait; `None` after the end.
    pub(super) fn poll_lines(&self, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.lock();
        if !state.down.is_empty() {
            let lines = std::mem::take(&mut state.down).freeze();
            let waker = state.writer.take();
            drop(state);
            wake(waker);
            return Poll::Ready(Some(lines));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.response = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether the response has no further lines.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.lock();
        state.ended && state.down.is_empty()
    }

    pub(super) fn is_response_gone(&self) -> bool {
        self.lock().response_gone
    }

    /// The connection ends: no further lines follow.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        let wakers = [state.response.take(), state.post.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }

    /// The response is dropped.
    pub(super) fn drop_response(&self) {
        let mut state = self.lock();
        state.response_gone = true;
        state.down = BytesMut::new();
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().for_each(wake);
    }
}

/// The response was dropped, so no line reaches the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ResponseGone;
