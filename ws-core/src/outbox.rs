//! The bounded frames that wait for one client, and the ways out of it.
//!
//! Whoever has something for a client pushes it here. While nothing waits and the
//! transport allows it, the pusher writes to the socket itself; what the socket does
//! not take waits in order, and the connection's own task writes it when there is room.
//! While that task handles a burst of messages the outbox is *corked*: pushes wait, so
//! that the burst leaves in one write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, buf::Limit};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::close::{Close, CloseReason};
use crate::protocol::encoder::encode_close;

mod frame;

pub use frame::{Frame, Policy};

/// How many chunks one vectored write takes at most.
const SLICES: usize = 64;

/// The stream of bytes beneath a connection. No method ever blocks.
pub trait Transport: Send + 'static {
    /// Reads into `buf`; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Reads straight into the buffer of an unfinished message; 0 is the end of the stream.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>>;

    /// Writes some bytes of the slices, never none.
    ///
    /// # Errors
    ///
    /// Any error of the stream: the connection is lost.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Flushes and ends the writing side.
    ///
    /// # Errors
    ///
    /// Any error of the stream; the connection ends in any case.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The writing side as other tasks may use it, where the stream allows that.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>>;
}

/// Writes to the client from any task, without waiting.
pub trait DirectWrite: Send + Sync {
    /// Writes what the socket takes now.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where it takes nothing; any other error means that
    /// the connection is lost.
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// Why a frame was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There is no room for it.
    Full,
    /// The connection is closing or gone.
    Closed,
}

/// What became of a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It was written, or waits.
    Taken,
    /// It waits, and somebody has to flush: see [`Outbox::flush_direct`].
    Deferred,
    /// It was left out, as the subscription or the publisher allows.
    Skipped,
    /// There is no room, and the subscription says that the connection is closed then.
    Overflow,
    /// The connection is closing or gone.
    Closed,
}

/// How far the connection still takes frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Frames are taken.
    Open,
    /// The Close frame is queued; nothing may follow it (RFC 6455, section 5.5.1).
    Closing,
    /// The connection is gone.
    Closed,
}

/// The frames that wait for one client.
pub struct Outbox {
    state: Mutex<State>,
    /// Whether the queue holds anything; read without the lock by the connection's task.
    waiting: AtomicBool,
    /// Told when room appears, and at the end.
    room: Notify,
    max_bytes: usize,
    max_frames: usize,
}

struct State {
    queue: VecDeque<Chunk>,
    /// Bytes and frames in the queue.
    bytes: usize,
    frames: usize,
    /// The first chunk is a part of a frame whose beginning is already written.
    started: bool,
    corked: bool,
    phase: Phase,
    broken: bool,
    direct: Option<Arc<dyn DirectWrite>>,
    waker: Option<Waker>,
    /// Since when the socket has taken nothing of what waits.
    blocked: Option<Instant>,
    /// Why the connection ends, said by whoever ended it first.
    ending: Option<CloseReason>,
    dropped: u64,
}

struct Chunk {
    bytes: Bytes,
    /// The topic that the frame belongs to; 0 for none.
    topic: u64,
    /// The frame ends with this chunk.
    last: bool,
}

impl Outbox {
    /// An outbox for so many bytes and frames. One frame of any size fits an empty one.
    pub fn new(max_bytes: usize, max_frames: usize) -> Self {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            frames: 0,
            started: false,
            corked: false,
            phase: Phase::Open,
            broken: false,
            direct: None,
            waker: None,
            blocked: None,
            ending: None,
            dropped: 0,
        };
        Self {
            state: Mutex::new(state),
            waiting: AtomicBool::new(false),
            room: Notify::new(),
            max_bytes,
            max_frames,
        }
    }

    /// No code that can panic runs under the lock, so a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes a frame, from any task.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing was taken.
    pub fn push(&self, frame: Frame) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Err(Refused::Closed);
        }
        if !state.fits(frame.len(), self) {
            return Err(Refused::Full);
        }
        let waker = state.put(frame, 0, true, self);
        let broken = state.broken;
        drop(state);
        wake(waker);
        if broken { Err(Refused::Closed) } else { Ok(()) }
    }

    /// Pushes a frame of a topic, as the policy of the subscription says.
    ///
    /// With `write` the frame goes straight to an idle socket, else it waits for
    /// [`flush_direct`](Self::flush_direct). A `volatile` frame is left out where
    /// anything waits.
    pub fn push_topic(
        &self,
        frame: &Frame,
        topic: u64,
        policy: Policy,
        write: bool,
        volatile: bool,
    ) -> Delivery {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Delivery::Closed;
        }
        if volatile && !state.queue.is_empty() {
            state.dropped += 1;
            return Delivery::Skipped;
        }
        // What takes the place of an older frame needs no further room.
        let replaces = policy == Policy::Latest && state.drop_topic(topic, usize::MAX, self);
        if !replaces && !state.fits(frame.len(), self) {
            match policy {
                Policy::Close => return Delivery::Overflow,
                Policy::DropOldest => state.drop_until_fits(topic, frame.len(), self),
                Policy::DropNewest | Policy::Latest => {}
            }
            if !state.fits(frame.len(), self) {
                state.dropped += 1;
                return Delivery::Skipped;
            }
        }
        let idle = state.queue.is_empty();
        let waker = state.put(frame.clone(), topic, write, self);
        let deferred = !write && idle && !state.corked;
        let broken = state.broken;
        drop(state);
        wake(waker);
        match (broken, deferred) {
            (true, _) => Delivery::Closed,
            (false, true) => Delivery::Deferred,
            (false, false) => Delivery::Taken,
        }
    }

    /// Writes what was deferred; the connection's task does what the socket does not take.
    pub fn flush_direct(&self) {
        let mut state = self.lock();
        if state.corked || state.queue.is_empty() {
            return;
        }
        state.write_direct(self);
        let waker = if state.queue.is_empty() && !state.broken {
            None
        } else {
            state.waker.clone()
        };
        drop(state);
        wake(waker);
    }

    /// Queues the Close frame behind what waits, and takes nothing more. The first
    /// reason stands. Returns whether this was the first.
    pub fn close(&self, close: &Close, reason: CloseReason) -> bool {
        self.end(Some(close), reason, false)
    }

    /// As [`close`](Self::close), but discards what waits, up to the end of the frame that
    /// is half written.
    pub fn discard_and_close(&self, close: &Close, reason: CloseReason) -> bool {
        self.end(Some(close), reason, true)
    }

    fn end(&self, close: Option<&Close>, reason: CloseReason, discard: bool) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return false;
        }
        if discard {
            state.discard(self);
        }
        let first = state.phase == Phase::Open;
        if first {
            state.phase = Phase::Closing;
            state.ending = Some(reason);
        }
        // After `discard` the earlier Close frame is gone with the rest.
        if let Some(close) = close.filter(|_| first || discard) {
            state.put(Frame::whole(encode_close(close)), 0, true, self);
        }
        let waker = state.waker.clone();
        drop(state);
        wake(waker);
        self.room.notify_waiters();
        first
    }

    /// The connection is gone: nothing is taken or written any more. Where nobody said
    /// why yet, `reason` is why. Returns why.
    pub fn shut(&self, reason: CloseReason) -> CloseReason {
        let mut state = self.lock();
        state.phase = Phase::Closed;
        state.queue = VecDeque::new();
        (state.bytes, state.frames, state.started) = (0, 0, false);
        state.direct = None;
        let reason = state.ending.get_or_insert(reason).clone();
        self.waiting.store(false, Ordering::Relaxed);
        drop(state);
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
        self.lock().waker = None;
    }

    /// Why the connection ends or has ended, once somebody said so.
    pub fn ending(&self) -> Option<CloseReason> {
        self.lock().ending.clone()
    }

    /// Whether frames are still taken.
    pub fn is_open(&self) -> bool {
        self.lock().phase == Phase::Open
    }

    /// Bytes that wait.
    pub fn buffered(&self) -> usize {
        self.lock().bytes
    }

    /// Frames of topics that were left out.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
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

    /// Begins a burst: pushes wait until [`uncork`](Self::uncork).
    pub(crate) fn cork(&self, waker: &Waker) -> Status {
        let mut state = self.lock();
        state.corked = true;
        match &mut state.waker {
            Some(known) => known.clone_from(waker),
            None => state.waker = Some(waker.clone()),
        }
        state.status()
    }

    /// Whether anything waits. What this thread pushed is always seen.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a reply of a hook has room, beside `corked` bytes that wait elsewhere.
    pub(crate) fn has_room(&self, len: usize, corked: usize) -> bool {
        let state = self.lock();
        (state.queue.is_empty() && corked == 0) || state.has_room(len + corked, self)
    }

    /// Queues a reply of a hook, for which there is room.
    pub(crate) fn reply(&self, frame: Frame) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.put(frame, 0, false, self);
        }
    }

    /// Queues a control frame behind what waits; it counts against no limit, the
    /// connection's task sends few of them.
    pub(crate) fn control(&self, frame: Bytes) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.put(Frame::whole(frame), 0, false, self);
        }
    }

    /// Writes `cork`, which came before everything in the queue, and the queue. What
    /// the transport does not take waits; `cork` is empty afterwards.
    ///
    /// # Errors
    ///
    /// The error of the transport: the connection is lost.
    pub(crate) fn flush(
        &self,
        cx: &mut Context<'_>,
        cork: &mut Vec<u8>,
        transport: &mut dyn Transport,
        now: Instant,
        uncork: bool,
    ) -> io::Result<()> {
        let mut state = self.lock();
        if uncork {
            state.corked = false;
        }
        let result = state.flush(cx, cork, transport, now, self);
        let room = state.phase == Phase::Open;
        drop(state);
        if room {
            self.room.notify_waiters();
        }
        result
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
    pub(crate) blocked: Option<Instant>,
    pub(crate) ending: bool,
}

impl State {
    fn status(&self) -> Status {
        Status {
            empty: self.queue.is_empty(),
            blocked: self.blocked.filter(|_| !self.queue.is_empty()),
            ending: self.phase != Phase::Open,
        }
    }

    fn fits(&self, len: usize, outbox: &Outbox) -> bool {
        self.queue.is_empty() || self.has_room(len, outbox)
    }

    fn has_room(&self, len: usize, outbox: &Outbox) -> bool {
        self.bytes.saturating_add(len) <= outbox.max_bytes && self.frames < outbox.max_frames
    }

    /// Queues a frame and, with `write`, lets it go straight to an idle socket. Returns
    /// the task to wake.
    fn put(&mut self, frame: Frame, topic: u64, write: bool, outbox: &Outbox) -> Option<Waker> {
        let write = write && !self.corked && self.queue.is_empty();
        if write && let Some(direct) = &self.direct {
            match direct.try_write_vectored(&frame.slices()) {
                Ok(written) if written == frame.len() => return None,
                Ok(written) => self.queue_rest(frame, topic, written, outbox),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.queue_rest(frame, topic, 0, outbox);
                }
                Err(_) => self.broken = true,
            }
            return self.waker.clone();
        }
        self.queue_rest(frame, topic, 0, outbox);
        if write { self.waker.clone() } else { None }
    }

    fn queue_rest(&mut self, frame: Frame, topic: u64, written: usize, outbox: &Outbox) {
        self.bytes += frame.len() - written;
        self.frames += 1;
        self.started |= written > 0;
        let [head, payload] = frame.into_chunks();
        let mut skip = written;
        for (mut bytes, last) in [(head, payload.is_empty()), (payload, true)] {
            let skipped = skip.min(bytes.len());
            bytes.advance(skipped);
            skip -= skipped;
            if !bytes.is_empty() {
                self.queue.push_back(Chunk { bytes, topic, last });
            }
        }
        outbox.waiting.store(true, Ordering::Relaxed);
    }

    fn write_direct(&mut self, outbox: &Outbox) {
        let Some(direct) = self.direct.clone() else {
            return;
        };
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.fill(&[], &mut slices);
            match direct.try_write_vectored(&slices[..count]) {
                Ok(written) => self.advance(written, outbox),
                Err(error) => {
                    self.broken |= error.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        cork: &mut Vec<u8>,
        transport: &mut dyn Transport,
        now: Instant,
        outbox: &Outbox,
    ) -> io::Result<()> {
        if self.broken {
            cork.clear();
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut done = 0;
        while done < cork.len() || !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.fill(&cork[done..], &mut slices);
            match transport.poll_write_vectored(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    let corked = written.min(cork.len() - done);
                    done += corked;
                    self.advance(written - corked, outbox);
                    self.blocked = None;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.blocked.get_or_insert(now);
                    break;
                }
            }
        }
        if self.queue.is_empty() && done == cork.len() {
            self.blocked = None;
        }
        if done < cork.len() {
            self.keep_cork(&cork[done..], done > 0, outbox);
        }
        cork.clear();
        Ok(())
    }

    /// What is left of the cork buffer waits in front of the queue.
    fn keep_cork(&mut self, rest: &[u8], started: bool, outbox: &Outbox) {
        self.bytes += rest.len();
        self.frames += 1;
        self.started |= started;
        let bytes = Bytes::copy_from_slice(rest);
        self.queue.push_front(Chunk {
            bytes,
            topic: 0,
            last: true,
        });
        outbox.waiting.store(true, Ordering::Relaxed);
    }

    /// Fills `slices` with `first` and the front of the queue; returns how many there are.
    fn fill<'a>(&'a self, first: &'a [u8], slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let queued = self.queue.iter().map(|chunk| &*chunk.bytes);
        let all = Some(first)
            .filter(|first| !first.is_empty())
            .into_iter()
            .chain(queued);
        let mut count = 0;
        for (slot, bytes) in slices.iter_mut().zip(all) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// Takes what was written off the queue.
    fn advance(&mut self, mut written: usize, outbox: &Outbox) {
        self.bytes -= written;
        while written > 0 {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            if written < front.bytes.len() {
                front.bytes.advance(written);
                self.started = true;
                return;
            }
            written -= front.bytes.len();
            self.started = !front.last;
            self.frames -= usize::from(front.last);
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            // An idle connection keeps no buffer.
            self.queue = VecDeque::new();
            outbox.waiting.store(false, Ordering::Relaxed);
        }
    }

    /// Drops all frames but the rest of the one that is half written.
    fn discard(&mut self, outbox: &Outbox) {
        let queue = mem::take(&mut self.queue);
        (self.bytes, self.frames) = (0, 0);
        if self.started {
            for chunk in queue {
                self.bytes += chunk.bytes.len();
                let last = chunk.last;
                self.queue.push_back(chunk);
                if last {
                    self.frames = 1;
                    break;
                }
            }
        }
        outbox
            .waiting
            .store(!self.queue.is_empty(), Ordering::Relaxed);
    }

    /// Drops the oldest frames of a topic until a new one fits.
    fn drop_until_fits(&mut self, topic: u64, len: usize, outbox: &Outbox) {
        while !self.fits(len, outbox) && self.drop_topic(topic, 1, outbox) {}
    }

    /// Drops up to `count` of the oldest frames of a topic, but never one whose
    /// beginning is written. Returns whether any was dropped.
    fn drop_topic(&mut self, topic: u64, count: usize, outbox: &Outbox) -> bool {
        let mut dropped = 0;
        let mut beyond_started = !self.started;
        let mut dropping = false;
        let mut inside = false;
        let (bytes, frames) = (&mut self.bytes, &mut self.frames);
        self.queue.retain(|chunk| {
            if !inside {
                dropping = beyond_started && chunk.topic == topic && dropped < count;
                dropped += usize::from(dropping);
            }
            inside = !chunk.last;
            beyond_started |= chunk.last;
            if dropping {
                *bytes -= chunk.bytes.len();
                *frames -= usize::from(chunk.last);
            }
            !dropping
        });
        self.dropped += dropped as u64;
        outbox
            .waiting
            .store(!self.queue.is_empty(), Ordering::Relaxed);
        dropped > 0
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
