//! Frames that leave the queue: dropped for newer ones, discarded at the end, or written.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::{CLOSE, Chunk, State};
use crate::error::log_panic;
use crate::outbox::{Delivery, Outbox, Policy};

/// Payloads that have left a queue. They are dropped when no lock is held any more: a `Bytes` may
/// have an owner, and the `Drop` of that is code of the application, which may send or publish.
///
/// Every write of a connection has one, and nearly all stay empty: that must cost one comparison.
#[derive(Default)]
pub(crate) struct Dropped(Payloads);

#[derive(Default)]
enum Payloads {
    #[default]
    None,
    /// The common case if there are any; it needs no allocation.
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Dropped {
    /// Keeps the payload of a chunk if it may have an owner.
    pub(super) fn keep(&mut self, chunk: &mut Chunk) {
        if !chunk.shared {
            return;
        }
        let payload = mem::take(&mut chunk.bytes);
        self.0 = match mem::take(&mut self.0) {
            Payloads::None => Payloads::One(payload),
            Payloads::One(first) => Payloads::Many(vec![first, payload]),
            Payloads::Many(mut payloads) => {
                payloads.push(payload);
                Payloads::Many(payloads)
            }
        };
    }

    #[cold]
    fn release(&mut self) {
        match mem::take(&mut self.0) {
            Payloads::None => {}
            Payloads::One(payload) => release(payload),
            Payloads::Many(payloads) => payloads.into_iter().for_each(release),
        }
    }
}

impl Drop for Dropped {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.0, Payloads::None) {
            self.release();
        }
    }
}

/// A panic of an owner must not end the publisher, or the connection, that happens to be the last
/// to let go of the payload.
fn release(payload: Bytes) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        log_panic(&*panic);
    }
}

/// Frames that wait, in all.
#[derive(Clone, Copy, Default)]
struct Waiting {
    bytes: usize,
    frames: usize,
}

impl State {
    /// Makes room for a frame of a topic as far as its policy allows. Returns what becomes of the
    /// frame if there is none; then nothing was dropped.
    pub(in crate::outbox) fn make_room(
        &mut self,
        len: usize,
        topic: u64,
        policy: Policy,
        outbox: &Outbox,
        dropped: &mut Dropped,
    ) -> Option<Delivery> {
        match policy {
            Policy::Latest => {
                let waiting = self.waiting_of(topic, |_| false);
                // What takes the place of older frames needs no further room, unless it is larger.
                let replaces = waiting.frames > 0 && waiting.bytes >= len;
                if replaces || self.fits_without(waiting, len, outbox) {
                    if waiting.frames > 0 {
                        self.drop_topic(topic, dropped);
                        self.tell_waiting(outbox);
                    }
                    return None;
                }
            }
            _ if self.fits(len, outbox) => return None,
            Policy::Close => return Some(Delivery::Overflow),
            Policy::DropNewest => {}
            Policy::DropOldest => {
                let enough = |oldest| self.fits_without(oldest, len, outbox);
                let oldest = self.waiting_of(topic, enough);
                if self.fits_without(oldest, len, outbox) {
                    for _ in 0..oldest.frames {
                        self.drop_oldest(topic, dropped);
                    }
                    self.tell_waiting(outbox);
                    return None;
                }
            }
        }
        self.dropped += 1;
        Some(Delivery::Skipped)
    }

    /// The frames of a topic whose beginning is not written, the oldest first, until there are
    /// enough of them.
    fn waiting_of(&self, topic: u64, enough: impl Fn(Waiting) -> bool) -> Waiting {
        let mut waiting = Waiting::default();
        let mut beyond_started = !self.started;
        for chunk in &self.queue {
            if beyond_started && chunk.topic == topic {
                waiting.bytes += chunk.bytes.len();
                waiting.frames += usize::from(chunk.last);
                if chunk.last && enough(waiting) {
                    break;
                }
            }
            beyond_started |= chunk.last;
        }
        waiting
    }

    /// Whether a frame would fit if these were dropped.
    fn fits_without(&self, without: Waiting, len: usize, outbox: &Outbox) -> bool {
        let frames = self.frames - without.frames;
        let bytes = (self.bytes - without.bytes).saturating_add(len);
        frames == 0 || (bytes <= outbox.max_bytes && frames < outbox.max_frames)
    }

    /// Drops the oldest frame of a topic whose beginning is not written. If the queue is full of
    /// the topic, it is one of the first: the others are not looked at, as every publish to a
    /// client that is behind drops one.
    fn drop_oldest(&mut self, topic: u64, dropped: &mut Dropped) {
        let mut begins = !self.started;
        let oldest = self.queue.iter().position(|chunk| {
            let found = begins && chunk.topic == topic;
            begins = chunk.last;
            found
        });
        let Some(oldest) = oldest else {
            return;
        };
        while let Some(mut chunk) = self.queue.remove(oldest) {
            self.bytes -= chunk.bytes.len();
            dropped.keep(&mut chunk);
            if chunk.last {
                break;
            }
        }
        self.frames -= 1;
        self.dropped += 1;
    }

    /// Drops all frames of a topic, but never one whose beginning is written.
    pub(super) fn drop_topic(&mut self, topic: u64, dropped: &mut Dropped) {
        let mut count = 0;
        let mut beyond_started = !self.started;
        let mut dropping = false;
        let mut inside = false;
        let (bytes, frames) = (&mut self.bytes, &mut self.frames);
        self.queue.retain_mut(|chunk| {
            if !inside {
                dropping = beyond_started && chunk.topic == topic;
                count += u64::from(dropping);
            }
            inside = !chunk.last;
            beyond_started |= chunk.last;
            if dropping {
                *bytes -= chunk.bytes.len();
                *frames -= usize::from(chunk.last);
                dropped.keep(chunk);
            }
            !dropping
        });
        self.dropped += count;
    }

    /// Drops all frames but the rest of the one that is half written. Returns whether a
    /// Close frame was among them.
    pub(in crate::outbox) fn discard(&mut self, outbox: &Outbox, dropped: &mut Dropped) -> bool {
        let close = self.queue.back().is_some_and(|chunk| chunk.topic == CLOSE);
        let mut queue = mem::take(&mut self.queue).into_iter();
        (self.bytes, self.frames) = (0, 0);
        if self.started {
            for mut chunk in queue.by_ref() {
                if chunk.many {
                    chunk.bytes.truncate(self.left);
                }
                self.bytes += chunk.bytes.len();
                let last = chunk.last;
                self.queue.push_back(chunk);
                if last {
                    self.frames = 1;
                    break;
                }
            }
        }
        for mut chunk in queue {
            dropped.keep(&mut chunk);
        }
        self.tell_waiting(outbox);
        close && self.queue.back().is_none_or(|chunk| chunk.topic != CLOSE)
    }

    /// Drops everything.
    pub(in crate::outbox) fn clear(&mut self, outbox: &Outbox, dropped: &mut Dropped) {
        let queue = mem::take(&mut self.queue);
        for mut chunk in queue {
            dropped.keep(&mut chunk);
        }
        (self.bytes, self.frames, self.started) = (0, 0, false);
        self.tell_waiting(outbox);
    }
}
