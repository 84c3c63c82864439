//! What an outbox keeps under its lock, and the writes that are made there.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::Instant;

use super::queue::{Kind, Queue, SLICES};
use super::{DirectWrite, Dropped, Frame, Phase, Status, Transport, Way};
use crate::close::CloseReason;

/// What waits, and how far the outbox is open.
///
/// In this order: what every push looks at comes first, so that a publish takes no more of each
/// subscriber's memory into the processor's cache than it has to; then what the connection's task
/// looks at in each burst.
#[repr(C)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) corked: bool,
    /// A direct write has failed.
    pub(super) broken: bool,
    pub(super) direct: Option<Arc<dyn DirectWrite>>,
    pub(super) queue: Queue,
    pub(super) waker: Option<Waker>,
    pub(super) pace: Pace,
    /// Why the connection ends, as declared by whatever ended it first.
    pub(super) ending: Option<Box<CloseReason>>,
}

/// How fast the socket takes what waits.
#[derive(Clone, Copy, Default)]
pub(super) struct Pace {
    /// Since when it has taken too little.
    blocked: Option<Instant>,
    /// Bytes that it has taken since then, or since it had taken enough of them.
    taken: u32,
}

impl Pace {
    /// The socket has taken so many bytes.
    fn handle_written(&mut self, written: usize) {
        let written = u32::try_from(written).unwrap_or(u32::MAX);
        self.taken = self.taken.saturating_add(written);
    }

    /// Counts what the socket takes from now on.
    fn block(&mut self, now: Instant) {
        *self = Self {
            blocked: Some(now),
            taken: 0,
        };
    }

    /// As [`block`](Self::block), if the socket takes too little.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.is_blocked() {
            self.block(now);
        }
    }

    /// Nothing waits any more.
    fn unblock(&mut self) {
        self.blocked = None;
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }
}

impl State {
    /// The state of an open outbox with this queue.
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            phase: Phase::Open,
            corked: false,
            broken: false,
            direct: None,
            queue,
            waker: None,
            pace: Pace::default(),
            ending: None,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            empty: self.queue.is_empty(),
            blocked: self.pace.blocked.filter(|_| !self.queue.is_empty()),
            taken: self.pace.taken,
            ending: self.phase != Phase::Open,
        }
    }

    pub(super) fn set_waker(&mut self, waker: &Waker) {
        match &mut self.waker {
            Some(known) => known.clone_from(waker),
            None => self.waker = Some(waker.clone()),
        }
    }

    /// Queues a frame or, by the direct way, lets it go straight to an idle socket. Returns
    /// the task to wake.
    pub(super) fn put(&mut self, frame: &Frame, kind: Kind, way: Way) -> Option<Waker> {
        let write = way == Way::Direct && self.is_idle();
        if write && let Some(written) = self.write_at_once(frame) {
            return self.put_rest(frame, kind, written);
        }
        self.queue.push(frame, kind, 0);
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
        kind: Kind,
        written: io::Result<usize>,
    ) -> Option<Waker> {
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

    /// Writes what waits straight to the socket.
    pub(super) fn write_direct(&mut self, dropped: &mut Dropped) {
        let Some(direct) = self.direct.clone() else {
            return;
        };
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.queue.fill(&[], &mut slices);
            match direct.try_write_vectored(&slices[..count]) {
                Ok(written) if written > 0 => {
                    self.pace.handle_written(written);
                    self.advance(written, dropped);
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

    fn advance(&mut self, written: usize, dropped: &mut Dropped) {
        self.queue.advance(written, dropped);
        if self.queue.is_empty() {
            self.pace.unblock();
        }
    }

    /// Writes the cork buffer, and the queue behind it. What is not taken waits.
    pub(super) fn flush(
        &mut self,
        cx: &mut Context<'_>,
        cork: &[u8],
        transport: &mut dyn Transport,
        now: Instant,
        dropped: &mut Dropped,
    ) -> io::Result<()> {
        // Replies are corked only while nothing else is half written.
        debug_assert!(cork.is_empty() || !self.queue.is_begun());
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let done = self.write(cx, cork, transport, now, dropped)?;
        if done < cork.len() {
            self.queue.push_rest(cork, done);
        } else if self.queue.is_empty() {
            self.pace.unblock();
            // What waits inside of the transport goes on at a later poll.
            if let Poll::Ready(flushed) = transport.poll_flush(cx) {
                return flushed;
            }
        }
        Ok(())
    }

    /// Writes until nothing is left or nothing more is taken. Returns how much of the cork buffer
    /// is written.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        cork: &[u8],
        transport: &mut dyn Transport,
        now: Instant,
        dropped: &mut Dropped,
    ) -> io::Result<usize> {
        let mut done = 0;
        while done < cork.len() || !self.queue.is_empty() {
            match self.poll_write(cx, &cork[done..], transport) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    if let Some(since) = self.pace.blocked {
                        if self.pace.taken == 0 {
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
        let count = self.queue.fill(first, &mut slices);
        transport.poll_write_vectored(cx, &slices[..count])
    }
}
