//! The bounded frames that wait for one client, and the ways out of it.
//!
//! Whoever has something for a client pushes it here. While nothing waits and the
//! transport allows it, the pusher writes to the socket itself; what the socket does
//! not take waits in order, and the connection's own task writes it when there is room.
//! While that task handles a burst of messages the outbox is *corked*: pushes wait, so
//! that the burst leaves in one write.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::close::{Close, CloseReason};
use crate::protocol::Deflate;
use crate::protocol::encoder::encode_close;

mod dropped;
mod frame;
#[cfg(test)]
mod model_tests;
mod packed;
mod published;
mod queue;
mod room;
mod state;
#[cfg(test)]
mod tests;
mod transport;

pub(crate) use dropped::Dropped;
pub use frame::{Frame, Policy};
pub(crate) use packed::Broadcast;
pub use published::Delivery;
pub(crate) use published::Published;
use queue::{Kind, Queue};
use state::State;
pub use transport::{DirectWrite, Io, SharedTransport, Transport};

/// Why a frame was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There is no room for it.
    Full,
    /// The connection is closing or gone.
    Closed,
}

/// A control frame that the connection's task sends between messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Control {
    Ping,
    Pong,
}

/// How a frame gets to the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Straight to the socket if that is idle.
    Direct,
    /// Into the queue.
    Queue,
}

/// Whether a burst ends with a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Uncork {
    /// It ends: from now on the outbox may be written to directly.
    Now,
    /// It goes on.
    Later,
}

/// How far the connection still takes frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Phase {
    /// Frames are taken.
    #[default]
    Open,
    /// The Close frame is queued; nothing may follow it (RFC 6455, section 5.5.1).
    Closing,
    /// The connection is gone.
    Closed,
}

/// The frames that wait for one client.
// In this order, as `State` is: what each message looks at stands together.
#[repr(C)]
pub struct Outbox {
    /// Whether the queue holds anything; read without the lock by the connection's task.
    waiting: AtomicBool,
    /// How messages may be compressed, where the client takes that.
    deflate: Option<Deflate>,
    state: Mutex<State>,
    /// Told when room appears, and at the end.
    room: Notify,
}

impl Outbox {
    /// An outbox for so many bytes and frames. One frame of any size fits an empty one.
    pub fn new(max_bytes: usize, max_frames: usize) -> Self {
        Self {
            state: Mutex::new(State::new(Queue::new(max_bytes, max_frames))),
            waiting: AtomicBool::new(false),
            room: Notify::new(),
            deflate: None,
        }
    }

    /// No code that can panic runs under the lock, so a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state to change what waits.
    fn change(&self) -> Changing<'_> {
        self.changing(self.lock())
    }

    /// As [`change`](Self::change), of the state that is locked already.
    fn changing<'a>(&'a self, state: MutexGuard<'a, State>) -> Changing<'a> {
        Changing {
            state,
            waiting: &self.waiting,
        }
    }

    /// Pushes a frame, from any task.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing was taken.
    pub fn push(&self, frame: &Frame) -> Result<(), Refused> {
        let mut state = self.change();
        if state.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if !state.queue.fits(frame.len()) {
            return Err(Refused::Full);
        }
        let waker = state.put(frame, Kind::Message, Way::Direct);
        let broken = state.broken;
        drop(state);
        wake(waker);
        if broken { Err(Refused::Closed) } else { Ok(()) }
    }

    /// Writes what was deferred; the connection's task does what the socket does not take.
    pub fn flush_direct(&self) {
        let mut dropped = Dropped::default();
        let mut state = self.change();
        if state.corked || state.queue.is_empty() {
            return;
        }
        state.write_direct(&mut dropped);
        let waker = if state.queue.is_empty() && !state.broken {
            None
        } else {
            state.waker.clone()
        };
        drop(state);
        wake(waker);
        self.room.notify_waiters();
    }

    /// Queues the Close frame behind what waits, and takes nothing more. The first
    /// reason stands. Returns whether this was the first.
    pub fn close(&self, close: &Close, reason: CloseReason) -> bool {
        let first = self.end_silently(close, reason, None);
        self.tell();
        first
    }

    /// As [`close`](Self::close), but discards what waits, up to the end of the frame that
    /// is half written.
    pub fn discard_and_close(&self, close: &Close, reason: CloseReason) -> bool {
        let mut dropped = Dropped::default();
        let first = self.end_silently(close, reason, Some(&mut dropped));
        self.tell();
        first
    }

    /// As [`close`](Self::close), and with `discard` as
    /// [`discard_and_close`](Self::discard_and_close); what was discarded is in there then. It
    /// wakes nothing: [`tell`](Self::tell) does, when the caller holds no lock.
    pub(crate) fn end_silently(
        &self,
        close: &Close,
        reason: CloseReason,
        discard: Option<&mut Dropped>,
    ) -> bool {
        let mut state = self.change();
        if state.phase == Phase::Closed {
            return false;
        }
        let unsent = discard.is_some_and(|dropped| state.queue.discard(dropped));
        let first = state.phase == Phase::Open;
        if first {
            state.phase = Phase::Closing;
            state.ending = Some(Box::new(reason));
        }
        // One Close frame is sent, and no more (RFC 6455, section 5.5.1); an earlier one that
        // was discarded is not sent.
        if first || unsent {
            let frame = Frame::whole(encode_close(close));
            state.put(&frame, Kind::Close, Way::Direct);
        }
        first
    }

    /// Wakes the connection's task, and all that wait for room or for the end.
    pub(crate) fn tell(&self) {
        self.wake();
        self.room.notify_waiters();
    }

    /// The connection is gone: nothing is taken or written any more. Where nobody said
    /// why yet, `reason` is why. Returns why.
    pub fn shut(&self, reason: CloseReason) -> CloseReason {
        let mut dropped = Dropped::default();
        let mut state = self.change();
        state.phase = Phase::Closed;
        state.queue.clear(&mut dropped);
        let direct = state.direct.take();
        let ending = state.ending.get_or_insert_with(|| Box::new(reason));
        let reason = (**ending).clone();
        drop(state);
        // This may close the socket: a publisher that looks in here does not wait for that.
        drop(direct);
        self.room.notify_waiters();
        reason
    }

    /// Wakes the connection's task.
    pub fn wake(&self) {
        let waker = self.lock().waker.clone();
        wake(waker);
    }

    /// The connection's task has ended: nobody is woken any more.
    pub fn release(&self) {
        let waker = self.lock().waker.take();
        drop(waker);
    }

    /// Why the connection ends or has ended, once somebody said so.
    pub fn ending(&self) -> Option<CloseReason> {
        self.lock().ending.as_deref().cloned()
    }

    /// Whether frames are still taken.
    pub fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// Bytes that wait.
    pub fn buffered(&self) -> usize {
        self.lock().queue.bytes()
    }

    /// Frames of topics that were left out.
    pub fn dropped(&self) -> u64 {
        self.lock().queue.dropped()
    }

    /// Asks for the memory that a push looks at first, and waits for nothing.
    pub(crate) fn prefetch(&self) {
        // A load from there of which nothing depends.
        std::hint::black_box(self.state.is_poisoned());
    }

    /// Told when room appears, and at the end.
    pub fn room(&self) -> &Notify {
        &self.room
    }
}

/// What the connection's own task does.
impl Outbox {
    /// From now on other tasks may write straight to the client.
    pub(crate) fn connect(&self, direct: Option<Arc<dyn DirectWrite>>) {
        self.lock().direct = direct;
    }

    /// Begins a burst: pushes wait until it is [flushed](Self::flush). Returns whether the
    /// connection is ending.
    pub(crate) fn cork(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        state.corked = true;
        state.set_waker(waker);
        state.phase != Phase::Open
    }

    /// From now on this waker wakes the connection's task.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.lock().set_waker(waker);
    }

    /// Whether anything waits. What this thread pushed is always seen.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a reply of a hook has room, beside `corked` bytes that wait elsewhere.
    pub(crate) fn has_room(&self, len: usize, corked: usize) -> bool {
        let state = self.lock();
        (state.queue.is_empty() && corked == 0) || state.queue.has_room(len + corked)
    }

    /// Queues a reply of a hook, for which there is room.
    pub(crate) fn reply(&self, frame: &Frame) {
        let mut state = self.change();
        if state.phase == Phase::Open {
            state.put(frame, Kind::Message, Way::Queue);
        }
    }

    /// Queues a Ping or a Pong before everything that waits, in the place of an earlier one
    /// that is not written yet: only the newest needs an answer (RFC 6455, section 5.5.3).
    pub(crate) fn control(&self, kind: Control, frame: Bytes) {
        let mut state = self.change();
        if state.phase == Phase::Open {
            let kind = match kind {
                Control::Ping => Kind::Ping,
                Control::Pong => Kind::Pong,
            };
            state.queue.push_control(kind, frame);
        }
    }

    /// Writes `cork`, which came before everything in the queue, and the queue. What
    /// the transport does not take waits; `cork` is empty afterwards. An error of the
    /// transport means that the connection is lost.
    pub(crate) fn flush(
        &self,
        cx: &mut Context<'_>,
        cork: &mut Vec<u8>,
        transport: &mut dyn Transport,
        now: Instant,
        uncork: Uncork,
    ) -> (io::Result<()>, Status) {
        let mut dropped = Dropped::default();
        let mut state = self.change();
        if uncork == Uncork::Now {
            state.corked = false;
        }
        let before = state.queue.bytes();
        let result = state.flush(cx, cork, transport, now, &mut dropped);
        // Also after an error: the buffer is the thread's, and the next connection's.
        cork.clear();
        // Told only where room appeared: who waits for it may be the hook of this very task.
        let room = state.phase == Phase::Open && state.queue.bytes() < before;
        let status = state.status();
        drop(state);
        if room {
            self.room.notify_waiters();
        }
        (result, status)
    }

    /// Counts anew what the socket takes, where something waits for it.
    pub(crate) fn restart_stall(&self, now: Instant) -> Status {
        let mut state = self.lock();
        state.pace.restart(now);
        state.status()
    }

    /// What the connection's task needs to know.
    pub(crate) fn status(&self) -> Status {
        self.lock().status()
    }
}

/// The outbox as the connection's task sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) empty: bool,
    /// Since when the socket has taken too little of what waits, and how many bytes.
    pub(crate) blocked: Option<Instant>,
    pub(crate) taken: u32,
    pub(crate) ending: bool,
}

/// The locked state. When it is unlocked, the connection's task learns whether anything waits.
struct Changing<'a> {
    state: MutexGuard<'a, State>,
    waiting: &'a AtomicBool,
}

impl Deref for Changing<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let waiting = !self.state.queue.is_empty();
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
