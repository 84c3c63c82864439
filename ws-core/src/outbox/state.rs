//! The queue of an outbox, under its lock.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use super::{Control, DirectWrite, Frame, Outbox, Phase, Status, Transport};
use crate::close::CloseReason;
use crate::protocol::frame::Header;

mod dropping;

pub(crate) use dropping::Dropped;

/// Marks the chunks of control frames; the ids of topics count from 1.
pub(super) const CLOSE: u64 = u64::MAX;
const PING: u64 = u64::MAX - 1;
const PONG: u64 = u64::MAX - 2;

/// How many chunks one vectored write takes at most.
const SLICES: usize = 64;

/// What waits, and how far the outbox is open.
///
/// In this order: what every push looks at comes first, so that a publish takes no more of each
/// subscriber's memory into the processor's cache than it has to; then what the connection's task
/// looks at in each burst.
#[derive(Default)]
#[repr(C)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) corked: bool,
    pub(super) broken: bool,
    /// The first chunk is a part of a frame whose beginning is already written.
    pub(super) started: bool,
    /// Bytes that the socket has taken since `blocked`, or since it had taken enough of them.
    taken: u32,
    pub(super) direct: Option<Arc<dyn DirectWrite>>,
    pub(super) queue: VecDeque<Chunk>,
    /// Bytes and frames in the queue.
    pub(super) bytes: usize,
    pub(super) frames: usize,
    pub(super) waker: Option<Waker>,
    /// Since when the socket has taken too little of what waits.
    pub(super) blocked: Option<Instant>,
    /// Where the first chunk holds many frames: bytes that are left of the begun one.
    left: usize,
    /// Why the connection ends, said by whoever ended it first.
    pub(super) ending: Option<Box<CloseReason>>,
    pub(super) dropped: u64,
}

pub(super) struct Chunk {
    bytes: Bytes,
    /// The topic that the frame belongs to; 0 for none.
    topic: u64,
    /// The frame ends with this chunk.
    last: bool,
    /// This is what was left of a cork buffer: many whole frames, behind a begun one.
    many: bool,
    /// A payload that was not copied: others may have it too, and it may have an owner.
    shared: bool,
}

impl State {
    pub(super) fn status(&self) -> Status {
        Status {
            empty: self.queue.is_empty(),
            blocked: self.blocked.filter(|_| !self.queue.is_empty()),
            taken: self.taken,
            ending: self.phase != Phase::Open,
        }
    }

    /// Says to the connection's task whether anything waits.
    fn tell_waiting(&self, outbox: &Outbox) {
        outbox
            .waiting
            .store(!self.queue.is_empty(), Ordering::Relaxed);
    }

    pub(super) fn set_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    pub(super) fn fits(&self, len: usize, outbox: &Outbox) -> bool {
        self.queue.is_empty() || self.has_room(len, outbox)
    }

    pub(super) fn has_room(&self, len: usize, outbox: &Outbox) -> bool {
        self.bytes.saturating_add(len) <= outbox.max_bytes && self.frames < outbox.max_frames
    }

    /// Queues a frame and, with `write`, lets it go straight to an idle socket. Returns
    /// the task to wake.
    pub(super) fn put(
        &mut self,
        frame: &Frame,
        topic: u64,
        write: bool,
        outbox: &Outbox,
    ) -> Option<Waker> {
        let write = write && self.is_idle();
        if write && let Some(written) = self.write_at_once(frame) {
            return self.put_rest(frame, topic, written, outbox);
        }
        self.queue_rest(frame, topic, 0, outbox);
        if write { self.waker.clone() } else { None }
    }

    /// Whether a frame may go straight to the socket: nothing waits, and no burst is under way.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        !self.corked && self.queue.is_empty()
    }

    /// Writes a frame straight to the idle socket, as far as that takes it; `None` if only the
    /// connection's task can write.
    #[inline]
    pub(super) fn write_at_once(&self, frame: &Frame) -> Option<io::Result<usize>> {
        let direct = self.direct.as_ref()?;
        Some(direct.try_write_vectored(&frame.slices()))
    }

    /// Queues what [`write_at_once`](Self::write_at_once) has not written. Returns the task to
    /// wake.
    pub(super) fn put_rest(
        &mut self,
        frame: &Frame,
        topic: u64,
        written: io::Result<usize>,
        outbox: &Outbox,
    ) -> Option<Waker> {
        match written {
            Ok(written) if written == frame.len() => return None,
            Ok(written) => self.queue_rest(frame, topic, written, outbox),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.queue_rest(frame, topic, 0, outbox);
            }
            Err(_) => self.broken = true,
        }
        self.waker.clone()
    }

    fn queue_rest(&mut self, frame: &Frame, topic: u64, written: usize, outbox: &Outbox) {
        self.bytes += frame.len() - written;
        self.frames += 1;
        self.started |= written > 0;
        if self.queue.capacity() == 0 {
            // Most queues never hold more: what is published to many waits in many of them.
            self.queue.reserve_exact(1);
        }
        let [head, payload] = frame.chunks();
        let mut skip = written;
        let parts = [(head, payload.is_empty(), false), (payload, true, true)];
        for (mut bytes, last, shared) in parts {
            let skipped = skip.min(bytes.len());
            bytes.advance(skipped);
            skip -= skipped;
            if !bytes.is_empty() {
                self.queue.push_back(Chunk {
                    bytes,
                    topic,
                    last,
                    many: false,
                    shared,
                });
            }
        }
        outbox.waiting.store(true, Ordering::Relaxed);
    }

    pub(super) fn write_direct(&mut self, outbox: &Outbox, dropped: &mut Dropped) {
        let Some(direct) = self.direct.clone() else {
            return;
        };
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.fill(&[], &mut slices);
            match direct.try_write_vectored(&slices[..count]) {
                Ok(written) if written > 0 => {
                    self.take(written);
                    self.advance(written, outbox, dropped);
                }
                Ok(_) => {
                    self.broken = true;
                    return;
                }
                Err(error) => {
                    self.broken |= error.kind() != io::ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    /// The socket has taken so many bytes.
    fn take(&mut self, written: usize) {
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        self.taken = self.taken.saturating_add(written);
    }

    /// Counts what the socket takes from now on.
    pub(super) fn block(&mut self, now: Instant) {
        self.blocked = Some(now);
        self.taken = 0;
    }

    pub(super) fn flush(
        &mut self,
        cx: &mut Context<'_>,
        cork: &[u8],
        transport: &mut dyn Transport,
        now: Instant,
        outbox: &Outbox,
        dropped: &mut Dropped,
    ) -> io::Result<()> {
        // Replies are corked only while nothing else is half written.
        debug_assert!(cork.is_empty() || !self.started);
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut done = 0;
        while done < cork.len() || !self.queue.is_empty() {
            match self.poll_write(cx, &cork[done..], transport) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    if let Some(since) = self.blocked {
                        if self.taken == 0 {
                            transport.resumed(now - since);
                        }
                        self.take(written);
                    }
                    let corked = written.min(cork.len() - done);
                    done += corked;
                    if written > corked {
                        self.advance(written - corked, outbox, dropped);
                    }
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    if self.blocked.is_none() {
                        self.block(now);
                    }
                    break;
                }
            }
        }
        if done < cork.len() {
            self.keep_cork(cork, done, outbox);
        } else if self.queue.is_empty() {
            self.blocked = None;
            // What waits inside of the transport goes on at a later poll.
            if let Poll::Ready(flushed) = transport.poll_flush(cx) {
                return flushed;
            }
        }
        Ok(())
    }

    /// Writes `first`, and what is in the queue behind it.
    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        first: &[u8],
        transport: &mut dyn Transport,
    ) -> Poll<io::Result<usize>> {
        // The common case: nothing waits, and no room for many slices is made.
        if self.queue.is_empty() {
            return transport.poll_write_vectored(cx, &[IoSlice::new(first)]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.fill(first, &mut slices);
        transport.poll_write_vectored(cx, &slices[..count])
    }

    /// What is left of the cork buffer waits in front of the queue.
    fn keep_cork(&mut self, cork: &[u8], done: usize, outbox: &Outbox) {
        let rest = &cork[done..];
        self.bytes += rest.len();
        self.frames += 1;
        self.left = left_of_begun(0, cork, done);
        self.started |= self.left > 0;
        let bytes = Bytes::copy_from_slice(rest);
        self.queue.push_front(Chunk {
            bytes,
            topic: 0,
            last: true,
            many: true,
            shared: false,
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
    fn advance(&mut self, mut written: usize, outbox: &Outbox, dropped: &mut Dropped) {
        self.bytes -= written;
        while written > 0 {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            if written < front.bytes.len() {
                if front.many {
                    self.left = left_of_begun(self.left, &front.bytes, written);
                }
                self.started = !front.many || self.left > 0;
                front.bytes.advance(written);
                return;
            }
            written -= front.bytes.len();
            self.started = !front.last;
            self.frames -= usize::from(front.last);
            if let Some(mut written) = self.queue.pop_front() {
                dropped.keep(&mut written);
            }
        }
        if self.queue.is_empty() {
            // An idle connection keeps no buffer.
            self.queue = VecDeque::new();
            self.blocked = None;
            outbox.waiting.store(false, Ordering::Relaxed);
        }
    }

    /// Queues a control frame before all others, but not into a half written one.
    pub(super) fn put_control(&mut self, kind: Control, frame: Bytes, outbox: &Outbox) {
        let mark = match kind {
            Control::Ping => PING,
            Control::Pong => PONG,
        };
        let dropped = self.dropped;
        self.drop_topic(mark, &mut Dropped::default());
        self.dropped = dropped;
        let end_of_started = self.queue.iter().position(|chunk| chunk.last);
        let place = end_of_started
            .filter(|_| self.started)
            .map_or(0, |end| end + 1);
        self.bytes += frame.len();
        self.frames += 1;
        let chunk = Chunk {
            bytes: frame,
            topic: mark,
            last: true,
            many: false,
            shared: false,
        };
        self.queue.insert(place, chunk);
        outbox.waiting.store(true, Ordering::Relaxed);
    }
}

/// How much is left of the frame in whose midst the first `written` bytes of `frames` end,
/// where `left` bytes of an earlier one come first; 0 at the end of a frame.
fn left_of_begun(left: usize, frames: &[u8], written: usize) -> usize {
    let mut end = left;
    while end < written {
        let Ok(Some((header, size))) = Header::parse(&frames[end..]) else {
            return frames.len() - written;
        };
        end += size + usize::try_from(header.len).unwrap_or(usize::MAX);
    }
    end - written
}
