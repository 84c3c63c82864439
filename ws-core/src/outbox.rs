//! The bounded queue of frames for one client, and the writes to its socket.
//!
//! All frames for a client are pushed here. If the queue is empty and the transport allows it, the
//! pushing task writes to the socket itself. The rest is queued in order, and the connection's own
//! task writes it when the socket has room. While that task handles a burst of messages, the outbox
//! is *corked*: pushes are queued, so that the burst leaves in one write.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::close::{Close, CloseReason};
use crate::protocol::Deflate;
use crate::protocol::encoder::encode_close;

#[cfg(test)]
mod burst_tests;
mod compress;
mod dropped_payloads;
mod flush_id;
mod frame;
mod make_room;
#[cfg(test)]
mod model_tests;
mod queue;
mod state;
#[cfg(test)]
pub(crate) mod test_doubles;
#[cfg(test)]
mod tests;
mod topic_frame;
mod totals;
mod transport;

pub(crate) use compress::Broadcast;
pub(crate) use dropped_payloads::DroppedPayloads;
pub(crate) use flush_id::FlushId;
pub use frame::{Frame, Policy};
use queue::{FrameKind, FrameQueue};
pub(crate) use state::Status;
use state::{AfterWrite, OutboxState, StateGuard};
pub use topic_frame::Delivery;
pub(crate) use topic_frame::{AfterPush, TopicFrame, TopicWrite};
pub use transport::{DirectWrite, Io, SharedTransport, Transport};

/// Why a frame was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PushError {
    /// There is no room for it.
    Full,
    /// The connection is closing or gone.
    Closed,
}

/// A control frame that the connection's task sends between messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ControlFrame {
    Ping,
    Pong,
}

/// How a message for one client reaches it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WriteMode {
    /// Directly to the socket if that is idle.
    Direct,
    /// Into the queue.
    Queue,
}

/// Whether a flush ends the burst.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Uncork {
    /// The burst ends: the outbox may be written to directly again.
    Now,
    /// The burst continues.
    Later,
}

/// Whether the connection still accepts frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    /// Frames are accepted.
    #[default]
    Open,
    /// The Close frame is queued; nothing may follow it (RFC 6455, section 5.5.1).
    Closing,
    /// The connection is gone.
    Closed,
}

/// The queue of frames for one client.
// The order of the fields matters, as in `OutboxState`: those that each message accesses are
// adjacent.
#[repr(C)]
pub struct Outbox {
    /// Whether the queue is not empty; the connection's task reads it without the lock.
    waiting: AtomicBool,
    /// How messages may be compressed, if the client accepts that.
    deflate: Option<Deflate>,
    state: Mutex<OutboxState>,
    /// Notified when capacity is freed, and at the end.
    changed: Notify,
}

impl Outbox {
    /// Creates an outbox for this number of bytes and frames. One frame of any size fits an empty
    /// outbox.
    pub fn new(max_bytes: usize, max_frames: usize) -> Self {
        Self {
            state: Mutex::new(OutboxState::new(FrameQueue::new(max_bytes, max_frames))),
            waiting: AtomicBool::new(false),
            changed: Notify::new(),
            deflate: None,
        }
    }

    /// No code that can panic runs under the lock, so a poisoned state is still consistent.
    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state to change the queue.
    fn lock_for_change(&self) -> StateGuard<'_> {
        self.guard(self.lock())
    }

    /// Same as [`lock_for_change`](Self::lock_for_change), for a state that is locked already.
    fn guard<'a>(&'a self, state: MutexGuard<'a, OutboxState>) -> StateGuard<'a> {
        StateGuard::new(state, &self.waiting)
    }

    /// Pushes a frame, from any task.
    ///
    /// # Errors
    ///
    /// [`PushError`]: the frame was not accepted.
    pub fn push(&self, frame: &Frame) -> Result<(), PushError> {
        self.push_in(frame, WriteMode::Direct)
    }

    /// Same as [`push`](Self::push). With [`WriteMode::Queue`] the frame waits for
    /// [`flush_direct`](Self::flush_direct).
    pub(crate) fn push_in(&self, frame: &Frame, mode: WriteMode) -> Result<(), PushError> {
        let mut dropped = DroppedPayloads::default();
        let mut state = self.lock_for_change();
        if state.phase != Phase::Open {
            return Err(PushError::Closed);
        }
        let mut written = AfterWrite::default();
        if !state.queue.fits(frame.len()) {
            // The frames of a burst are not a backlog before a write has been tried.
            written = state.write_pending(&mut dropped);
        }
        if !state.queue.fits(frame.len()) {
            drop(state);
            self.finish_write(written);
            return Err(PushError::Full);
        }
        state.count_pushed(frame);
        let waker = match mode {
            WriteMode::Direct => state.put(frame, FrameKind::Message),
            WriteMode::Queue => {
                state.queue.push(frame, FrameKind::Message, 0);
                None
            }
        };
        if mode == WriteMode::Direct && state.is_flush_pending() {
            // The publisher that will flush the outbox may be blocked.
            written = state.write_pending(&mut dropped);
        }
        let broken = state.broken;
        drop(state);
        self.finish_write(written);
        wake(waker);
        if broken {
            Err(PushError::Closed)
        } else {
            Ok(())
        }
    }

    /// Writes deferred frames directly; the connection's task writes the rest.
    pub fn flush_direct(&self) {
        // Another flush has written the frames. This task cannot miss the frames that it must
        // flush: it has been created, or has continued, after they were queued.
        if !self.has_waiting() {
            return;
        }
        let mut dropped = DroppedPayloads::default();
        let mut state = self.lock_for_change();
        // The connection's task writes when it uncorks the outbox.
        if state.corked || state.queue.is_empty() {
            return;
        }
        let written = state.write_direct(&mut dropped);
        drop(state);
        self.finish_write(written);
    }

    /// Notifies the tasks that a write under the lock concerns.
    fn finish_write(&self, written: AfterWrite) {
        wake(written.waker);
        if written.freed {
            self.changed.notify_waiters();
        }
    }

    /// Queues the Close frame after the waiting frames, and accepts no more. The first reason is
    /// kept. Returns whether this call was the first.
    pub fn close(&self, close: &Close, reason: CloseReason) -> bool {
        let first = self.close_without_wakeup(close, reason, None);
        self.wake_all();
        first
    }

    /// Same as [`close`](Self::close), but discards the waiting frames, except for the rest of a
    /// partly written one.
    pub fn discard_and_close(&self, close: &Close, reason: CloseReason) -> bool {
        let mut dropped = DroppedPayloads::default();
        let first = self.close_without_wakeup(close, reason, Some(&mut dropped));
        self.wake_all();
        first
    }

    /// Same as [`close`](Self::close), or with `discard` as
    /// [`discard_and_close`](Self::discard_and_close); `discard` then receives the discarded
    /// payloads. Wakes no task: call [`wake_all`](Self::wake_all) afterwards, without holding a
    /// lock.
    pub(crate) fn close_without_wakeup(
        &self,
        close: &Close,
        reason: CloseReason,
        discard: Option<&mut DroppedPayloads>,
    ) -> bool {
        let mut state = self.lock_for_change();
        if state.phase == Phase::Closed {
            return false;
        }
        let unsent = discard.is_some_and(|dropped| {
            // Only a backlog is discarded, not a burst that the client could accept.
            state.write_pending(dropped);
            state.queue.discard(dropped)
        });
        let first = state.phase == Phase::Open;
        if first {
            state.phase = Phase::Closing;
            state.ending = Some(Box::new(reason));
        }
        // Only one Close frame is sent (RFC 6455, section 5.5.1); if an earlier one was discarded,
        // this one replaces it.
        if first || unsent {
            let frame = Frame::whole(encode_close(close));
            state.put(&frame, FrameKind::Close);
        }
        first
    }

    /// Wakes the connection's task, and all waiters for room or for the end.
    pub(crate) fn wake_all(&self) {
        self.wake();
        self.changed.notify_waiters();
    }

    /// Shuts the outbox after the end of the connection: nothing is accepted or written any more.
    /// Returns why it ended: the first recorded reason, or else `reason`.
    pub fn shut(&self, reason: CloseReason) -> CloseReason {
        let mut dropped = DroppedPayloads::default();
        let mut state = self.lock_for_change();
        state.phase = Phase::Closed;
        state.queue.clear(&mut dropped);
        let direct = state.direct.take();
        let ending = state.ending.get_or_insert_with(|| Box::new(reason));
        let reason = (**ending).clone();
        drop(state);
        // Dropped without the lock: this may close the socket, and publishers must not wait for
        // that.
        drop(direct);
        self.changed.notify_waiters();
        reason
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        let waker = self.lock().waker.clone();
        wake(waker);
    }

    /// Forgets the waker, since the connection's task has ended.
    pub fn release_waker(&self) {
        let waker = self.lock().waker.take();
        drop(waker);
    }

    /// Why the connection is ending or has ended, if that is known.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.lock().ending.as_deref().cloned()
    }

    /// Whether frames are still accepted.
    pub fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// The bytes that wait.
    pub fn buffered(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// The frames that wait, and their bytes.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        let state = self.lock();
        (state.queue.frames(), state.queue.bytes())
    }

    /// The number of topic frames that were dropped.
    pub fn dropped(&self) -> u64 {
        self.lock().queue.dropped()
    }

    /// Prefetches the memory that a push accesses first, without waiting for it.
    pub(crate) fn prefetch(&self) {
        // A load whose result is not used.
        std::hint::black_box(self.state.is_poisoned());
    }

    /// Notified when capacity is freed, and at the end.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }
}

/// The methods of the connection's own task.
impl Outbox {
    /// Sets the handle with which other tasks may write directly to the client.
    pub(crate) fn connect(&self, direct: Option<Arc<dyn DirectWrite>>) {
        self.lock().direct = direct;
    }

    /// Begins a burst: pushes are queued until [`flush`](Self::flush). Returns whether the
    /// connection is ending.
    pub(crate) fn cork(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        state.corked = true;
        state.set_waker(waker);
        state.phase != Phase::Open
    }

    /// Sets the waker of the connection's task.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.lock().set_waker(waker);
    }

    /// Whether the queue is not empty. Always sees the pushes of this thread.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a reply of a hook has room, in addition to `corked` bytes that wait elsewhere.
    pub(crate) fn has_room(&self, len: usize, corked: usize) -> bool {
        let state = self.lock();
        (state.queue.is_empty() && corked == 0) || state.queue.has_room(len + corked)
    }

    /// Queues a reply of a hook, which must have room.
    pub(crate) fn reply(&self, frame: &Frame) {
        let mut state = self.lock_for_change();
        if state.phase == Phase::Open {
            state.queue.push(frame, FrameKind::Message, 0);
        }
    }

    /// Queues a Ping or a Pong before all waiting frames. It replaces an earlier one that is not
    /// written yet, since only the newest needs an answer (RFC 6455, section 5.5.3).
    pub(crate) fn control(&self, kind: ControlFrame, frame: Bytes) {
        let mut state = self.lock_for_change();
        if state.phase == Phase::Open {
            let kind = match kind {
                ControlFrame::Ping => FrameKind::Ping,
                ControlFrame::Pong => FrameKind::Pong,
            };
            state.queue.push_control(kind, frame);
        }
    }

    /// Writes `cork`, which precedes everything in the queue, and then the queue. The rest is
    /// queued if the transport does not accept all of it; `cork` is empty afterwards. An error of
    /// the transport means that the connection is lost.
    pub(crate) fn flush(
        &self,
        cx: &mut Context<'_>,
        cork: &mut Vec<u8>,
        transport: &mut dyn Transport,
        now: Instant,
        uncork: Uncork,
    ) -> (io::Result<()>, Status) {
        let mut dropped = DroppedPayloads::default();
        let mut state = self.lock_for_change();
        if uncork == Uncork::Now {
            state.corked = false;
        }
        let before = state.queue.bytes();
        let result = state.flush(cx, cork, transport, now, &mut dropped);
        // Also after an error: the buffer belongs to the thread, and the next connection reuses it.
        cork.clear();
        // Notify only if capacity was freed: the waiter may be the hook of this very task.
        let freed = state.phase == Phase::Open && state.queue.bytes() < before;
        let status = state.status();
        drop(state);
        if freed {
            self.changed.notify_waiters();
        }
        (result, status)
    }

    /// Whether the connection's task should write before its burst continues.
    pub(crate) fn is_burst_full(&self) -> bool {
        let state = self.lock();
        state.is_in_burst() && state.queue.is_burst_full()
    }

    /// Restarts the stall timer and its byte count, if frames wait for the socket.
    pub(crate) fn restart_stall(&self, now: Instant) -> Status {
        let mut state = self.lock();
        state.pace.restart(now);
        state.status()
    }

    /// The status for the connection's task.
    pub(crate) fn status(&self) -> Status {
        self.lock().status()
    }
}

/// Wakes a task, if there is one.
pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
