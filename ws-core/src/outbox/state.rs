//! The state of an outbox, which its lock protects, and the writes under that lock.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::queue::{FrameKind, FrameQueue};
use super::{DirectWrite, DroppedPayloads, FlushId, Frame, Phase, Transport};
use crate::close::CloseReason;

/// The queue and the phase of an outbox.
///
/// The order of the fields matters: those that every push accesses come first, so that a publish
/// loads as few cache lines per subscriber as possible; then those that the connection's task
/// accesses in each burst.
#[repr(C)]
pub(super) struct OutboxState {
    pub(super) phase: Phase,
    pub(super) corked: bool,
    /// A direct write has failed.
    pub(super) broken: bool,
    /// The queue has only frames of a burst, and this flush of the outbox is pending. If others are
    /// pending too, it is the last one.
    pub(super) pending: Option<FlushId>,
    /// The text messages that other tasks have pushed since the last snapshot.
    pub(super) pushed_texts: u32,
    pub(super) direct: Option<Arc<dyn DirectWrite>>,
    pub(super) queue: FrameQueue,
    pub(super) waker: Option<Waker>,
    pub(super) pace: WritePace,
    /// The first recorded reason why the connection ends.
    pub(super) ending: Option<Box<CloseReason>>,
    /// The bytes that were written since the last snapshot.
    pub(super) written: u64,
}

/// The locked state. Unlocking it updates `waiting` for the connection's task.
pub(super) struct StateGuard<'a> {
    state: MutexGuard<'a, OutboxState>,
    waiting: &'a AtomicBool,
}

impl<'a> StateGuard<'a> {
    pub(super) fn new(state: MutexGuard<'a, OutboxState>, waiting: &'a AtomicBool) -> Self {
        Self { state, waiting }
    }
}

impl Deref for StateGuard<'_> {
    type Target = OutboxState;

    fn deref(&self) -> &OutboxState {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut OutboxState {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let waiting = !self.state.queue.is_empty();
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}

/// The status of the outbox for the connection's task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) empty: bool,
    /// The time at which the socket began to accept too little; `accepted` counts the bytes since
    /// then.
    pub(crate) blocked: Option<Instant>,
    pub(crate) accepted: u32,
    pub(crate) ending: bool,
}

/// What remains to do after a write, when the outbox is unlocked.
#[derive(Default)]
pub(super) struct AfterWrite {
    /// The connection's task, if it must write the rest.
    pub(super) waker: Option<Waker>,
    /// Whether the write has freed capacity.
    pub(super) freed: bool,
}

/// How fast the socket accepts the waiting frames.
#[derive(Clone, Copy, Default)]
pub(super) struct WritePace {
    /// The time at which the socket began to accept too little.
    blocked: Option<Instant>,
    /// The bytes that it has accepted since then.
    accepted: u32,
}

impl WritePace {
    /// Counts bytes that the socket has accepted.
    fn handle_written(&mut self, written: usize) {
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        self.accepted = self.accepted.saturating_add(written);
    }

    /// Starts counting the bytes that the socket accepts.
    fn block(&mut self, now: Instant) {
        *self = Self {
            blocked: Some(now),
            accepted: 0,
        };
    }

    /// Same as [`block`](Self::block), but only if the socket is blocked.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.is_blocked() {
            self.block(now);
        }
    }

    /// Ends the counting: nothing waits any more.
    fn unblock(&mut self) {
        self.blocked = None;
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }
}

impl OutboxState {
    /// The state of an open outbox with this queue.
    pub(super) fn new(queue: FrameQueue) -> Self {
        Self {
            phase: Phase::Open,
            corked: false,
            broken: false,
            pending: None,
            pushed_texts: 0,
            direct: None,
            queue,
            waker: None,
            pace: WritePace::default(),
            ending: None,
            written: 0,
        }
    }

    /// Counts a message of another task.
    #[inline]
    pub(super) fn count_pushed(&mut self, frame: &Frame) {
        if frame.is_binary() {
            self.queue.count_binary();
        } else {
            self.pushed_texts = self.pushed_texts.wrapping_add(1);
        }
    }

    #[inline]
    pub(super) fn count_written(&mut self, written: usize) {
        self.written += written as u64;
    }

    pub(super) fn status(&self) -> Status {
        Status {
            empty: self.queue.is_empty(),
            blocked: self.pace.blocked.filter(|_| !self.queue.is_empty()),
            accepted: self.pace.accepted,
            ending: self.phase != Phase::Open,
        }
    }

    pub(super) fn set_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Writes a frame if the socket is idle, or queues it. Returns the task to wake.
    pub(super) fn put(&mut self, frame: &Frame, kind: FrameKind) -> Option<Waker> {
        let is_idle = self.is_idle();
        if is_idle && let Some(written) = self.write_at_once(frame) {
            return self.put_rest(frame, kind, written);
        }
        self.queue.push(frame, kind, 0);
        if is_idle { self.waker.clone() } else { None }
    }

    /// Whether a flush by a publisher is pending that writes: the connection's task writes when it
    /// uncorks the outbox.
    #[inline]
    pub(super) fn is_flush_pending(&self) -> bool {
        self.pending.is_some() && !self.corked
    }

    /// Whether a frame may be written directly: the queue is empty, and no burst is in progress.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        !self.corked && self.queue.is_empty()
    }

    /// Whether no write has been tried yet for the waiting frames: they belong to a burst, and are
    /// not a backlog.
    #[inline]
    pub(super) fn is_in_burst(&self) -> bool {
        (self.corked || self.pending.is_some()) && !self.pace.is_blocked()
    }

    /// Whether the connection's task may end its burst without a write: a publisher can write
    /// instead, and no message for this client alone has to wait for it.
    pub(super) fn can_leave(&self) -> bool {
        self.phase == Phase::Open
            && !self.broken
            && self.direct.is_some()
            && self.is_in_burst()
            && self.queue.has_only_topics()
    }

    /// Whether a frame of this number of bytes may still be added to the burst.
    pub(super) fn fits_burst(&self, len: usize) -> bool {
        // The connection's task limits its own burst.
        self.queue.fits(len) && (self.corked || self.queue.fits_burst(len))
    }

    /// Writes as much of a frame as the idle socket accepts. Returns `None` if only the
    /// connection's task can write.
    #[inline]
    pub(super) fn write_at_once(&self, frame: &Frame) -> Option<io::Result<usize>> {
        let direct = self.direct.as_ref()?;
        Some(direct.try_write_vectored(&frame.slices()))
    }

    /// Queues the part of a frame that [`write_at_once`](Self::write_at_once) has not written.
    /// Returns the task to wake.
    pub(super) fn put_rest(
        &mut self,
        frame: &Frame,
        kind: FrameKind,
        written: io::Result<usize>,
    ) -> Option<Waker> {
        if let Ok(written) = written {
            self.count_written(written);
        }
        match written {
            Ok(written) if written == frame.len() => return None,
            Ok(written) => self.queue.push(frame, kind, written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.queue.push(frame, kind, 0);
            }
            Err(_) => self.broken = true,
        }
        self.waker.clone()
    }

    /// Same as [`write_direct`](Self::write_direct), but only if a flush is pending.
    pub(super) fn write_pending(&mut self, dropped: &mut DroppedPayloads) -> AfterWrite {
        if self.is_flush_pending() {
            self.write_direct(dropped)
        } else {
            AfterWrite::default()
        }
    }

    /// Writes the queue directly to the socket; the connection's task writes the rest.
    pub(super) fn write_direct(&mut self, dropped: &mut DroppedPayloads) -> AfterWrite {
        self.pending = None;
        let before = self.queue.bytes();
        while !self.queue.is_empty() {
            let Some(direct) = &self.direct else {
                break;
            };
            let written = self
                .queue
                .with_slices(&[], |slices| direct.try_write_vectored(slices));
            match written {
                Ok(written) if written > 0 => {
                    self.count_written(written);
                    self.pace.handle_written(written);
                    self.advance(written, dropped);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queue.handle_blocked(dropped);
                    break;
                }
                Ok(_) | Err(_) => {
                    self.broken = true;
                    break;
                }
            }
        }
        let is_done = self.queue.is_empty() && !self.broken;
        AfterWrite {
            waker: if is_done { None } else { self.waker.clone() },
            freed: self.queue.bytes() < before,
        }
    }

    fn advance(&mut self, written: usize, dropped: &mut DroppedPayloads) {
        self.queue.advance(written, dropped);
        if self.queue.is_empty() {
            self.pace.unblock();
        }
    }

    /// Writes the cork buffer, then the queue. The rest is queued.
    pub(super) fn flush(
        &mut self,
        cx: &mut Context<'_>,
        cork: &[u8],
        transport: &mut dyn Transport,
        now: Instant,
        dropped: &mut DroppedPayloads,
    ) -> io::Result<()> {
        // Replies are corked only while no other frame is partly written.
        debug_assert!(cork.is_empty() || !self.queue.is_partly_written());
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.pending = None;
        let done = self.write(cx, cork, transport, now, dropped)?;
        if done < cork.len() {
            self.queue.push_rest(cork, done);
            self.queue.handle_blocked(dropped);
        } else if self.queue.is_empty() {
            self.pace.unblock();
            // Bytes that remain inside the transport are flushed at a later poll.
            if let Poll::Ready(flushed) = transport.poll_flush(cx) {
                return flushed;
            }
        } else {
            self.queue.handle_blocked(dropped);
        }
        Ok(())
    }

    /// Writes until everything is written or the transport is full. Returns the number of bytes
    /// written from the cork buffer.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        cork: &[u8],
        transport: &mut dyn Transport,
        now: Instant,
        dropped: &mut DroppedPayloads,
    ) -> io::Result<usize> {
        let mut done = 0;
        while done < cork.len() || !self.queue.is_empty() {
            match self.poll_write(cx, &cork[done..], transport) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.count_written(written);
                    if let Some(since) = self.pace.blocked {
                        if self.pace.accepted == 0 {
                            transport.resumed(now - since);
                        }
                        self.pace.handle_written(written);
                    }
                    let corked = written.min(cork.len() - done);
                    done += corked;
                    if written > corked {
                        self.advance(written - corked, dropped);
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    if !self.pace.is_blocked() {
                        self.pace.block(now);
                    }
                    break;
                }
            }
        }
        Ok(done)
    }

    /// Writes `first`, then the queue.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        first: &[u8],
        transport: &mut dyn Transport,
    ) -> Poll<io::Result<usize>> {
        // The common case: the queue is empty, so no array of slices is needed.
        if self.queue.is_empty() {
            return transport.poll_write_vectored(cx, &[IoSlice::new(first)]);
        }
        self.queue
            .with_slices(first, |slices| transport.poll_write_vectored(cx, slices))
    }
}
