//! The messages that a page has not acknowledged: pure, without sockets and clocks.

use std::collections::VecDeque;

use crate::limits::PageLimits;
use crate::outbox::Frame;
use crate::push::Push;

/// Messages that may be on their way to a page, not acknowledged.
const WINDOW: u64 = 256;

/// Bytes that may be on their way to a page, not acknowledged; one message of any size always.
const WINDOW_BYTES: usize = 256 * 1024;

/// What a message takes besides its bytes: many small messages fill the limit too.
const OVERHEAD: usize = 64;

/// The messages of a page: those that wait, and those that are on their way.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The first has the offset `base + 1`.
    items: VecDeque<Push>,
    /// The last offset that is no longer kept.
    base: u64,
    /// The last offset that the present socket was given.
    sent: u64,
    /// The last offset that any socket was given.
    ever_sent: u64,
    /// Everything up to here was dropped, or acknowledged before.
    dropped: u64,
    /// Of all items, as they count against the limit.
    bytes: usize,
    /// Of those that are on their way.
    in_flight: usize,
    /// The present socket has not heard yet that something was dropped.
    reset_due: bool,
}

/// The page claims to have got what it was never sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FromTheFuture;

/// Why messages are missing, as the page protocol says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gap {
    /// The epoch of the page is another one.
    Restart,
    /// What the page has not got is no longer kept.
    History,
    /// More waited than a page may have.
    Overflow,
}

impl Gap {
    /// The word of the protocol.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::History => "history",
            Self::Overflow => "overflow",
        }
    }
}

/// What the present socket is to be given next.
pub(super) enum Next {
    /// Messages before the one after this offset are missing.
    Reset(u64),
    Message(Frame),
}

fn cost(push: &Push) -> usize {
    push.tail().len() + OVERHEAD
}

impl Queue {
    /// The last offset that was given to a message.
    pub(super) fn last(&self) -> u64 {
        self.base + self.items.len() as u64
    }

    /// The last offset that is no longer kept.
    pub(super) const fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether one more message would be more than the limits allow.
    pub(super) fn is_full(&self, limits: &PageLimits) -> bool {
        self.items.len() >= limits.messages || self.bytes >= limits.bytes
    }

    /// Adds a message. Where there is no room, everything is dropped, this message too: a page
    /// that gets a part of it would be wrong without knowing. One message of any size fits an
    /// empty queue.
    pub(super) fn push(&mut self, push: Push, limits: &PageLimits) {
        let bytes = self.bytes + cost(&push);
        let fits = self.items.len() < limits.messages && bytes <= limits.bytes;
        self.items.push_back(push);
        if fits || self.items.len() == 1 {
            self.bytes = bytes;
            return;
        }
        self.base = self.last();
        self.items = VecDeque::new();
        (self.bytes, self.in_flight) = (0, 0);
        (self.sent, self.ever_sent, self.dropped) = (self.base, self.base, self.base);
        self.reset_due = true;
    }

    /// Adds a message, however many there are: for what has to be kept once.
    pub(super) fn append(&mut self, push: Push) {
        self.bytes += cost(&push);
        self.items.push_back(push);
    }

    /// The page has got everything up to this offset. Returns whether that makes room.
    pub(super) fn ack(&mut self, offset: u64) -> Result<bool, FromTheFuture> {
        if offset > self.ever_sent {
            return Err(FromTheFuture);
        }
        let before = self.base;
        while self.base < offset
            && let Some(item) = self.items.pop_front()
        {
            self.base += 1;
            self.bytes -= cost(&item);
            if self.base <= self.sent {
                self.in_flight -= cost(&item);
            }
        }
        // What another socket of the page was given, this one need not be.
        self.sent = self.sent.max(self.base);
        if self.items.is_empty() && self.items.capacity() > 16 {
            self.items = VecDeque::new();
        }
        Ok(self.base > before)
    }

    /// A new socket of the page goes on behind this offset. Returns what is missing, if
    /// anything is; the socket begins behind [`base`](Self::base).
    pub(super) fn resume(&mut self, offset: u64) -> Result<Option<Gap>, FromTheFuture> {
        self.ack(offset)?;
        self.restart();
        let gap = match offset {
            _ if offset >= self.base => None,
            _ if offset < self.dropped => Some(Gap::Overflow),
            _ => Some(Gap::History),
        };
        Ok(gap)
    }

    /// A new socket of the page knows nothing: it gets what is kept.
    pub(super) fn restart(&mut self) {
        self.sent = self.base;
        (self.in_flight, self.reset_due) = (0, false);
    }

    /// What the present socket is to be given next, as far as the page follows.
    pub(super) fn next(&self) -> Option<Next> {
        if self.reset_due {
            return Some(Next::Reset(self.base));
        }
        let on_the_way = self.sent - self.base;
        let item = self.items.get(usize::try_from(on_the_way).ok()?)?;
        let follows = on_the_way < WINDOW && self.in_flight + cost(item) <= WINDOW_BYTES;
        if !follows && on_the_way > 0 {
            return None;
        }
        let head = format!("{}{}", item.kind().opening(), self.sent + 1);
        Some(Next::Message(Frame::joined(head.as_bytes(), item.tail())))
    }

    /// The present socket was given what [`next`](Self::next) said.
    pub(super) fn given(&mut self) {
        if std::mem::take(&mut self.reset_due) {
            return;
        }
        let place = usize::try_from(self.sent - self.base).unwrap_or(usize::MAX);
        if let Some(item) = self.items.get(place) {
            self.in_flight += cost(item);
            self.sent += 1;
            self.ever_sent = self.ever_sent.max(self.sent);
        }
    }
}

#[cfg(test)]
mod tests;
