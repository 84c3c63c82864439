//! The unacknowledged messages of a page: pure state, without sockets and clocks.

use std::collections::VecDeque;
use std::sync::Arc;

use super::budget::{Budget, Charge};
use crate::limits::PageLimits;
use crate::outbox::Frame;
use crate::topic::QueueSize;
use crate::wire::{Gap, LanePlace, Push};

mod source;

pub(super) use source::PushSource;

/// The maximum number of messages in flight: sent but not acknowledged.
const WINDOW_MESSAGES: u64 = 256;

/// The maximum number of bytes in flight; one message of any size is always allowed.
const WINDOW_BYTES: usize = 256 * 1024;

/// Bytes that each message counts besides its own, so that many small messages fill the limit too.
pub(super) const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// A message for one page or for many.
#[derive(Clone, Debug)]
pub(super) struct QueuedPush {
    push: Push,
    /// The shared bytes of a message for many pages: they count once for all of them.
    shared: Option<Arc<Charge>>,
    loss: Loss,
}

/// What it means if a page never gets a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Loss {
    /// The page is wrong.
    Matters,
    /// Nothing: the page gets it from the history of its topic, or does not need it.
    IsHarmless,
}

impl QueuedPush {
    pub(super) fn for_one(push: &Push) -> Self {
        Self {
            push: push.clone(),
            shared: None,
            loss: Loss::Matters,
        }
    }

    pub(super) fn for_many(push: &Push, budget: &Arc<Budget>) -> Self {
        Self {
            push: push.clone(),
            shared: Some(Arc::new(Charge::new(budget, push.tail().len()))),
            loss: Loss::Matters,
        }
    }

    /// Sets what its loss means.
    pub(super) fn with_loss(&self, loss: Loss) -> Self {
        Self {
            loss,
            ..self.clone()
        }
    }

    /// The same event, at an unknown place of the lane.
    pub(super) fn without_place(&self, at: LanePlace) -> Self {
        Self::for_one(&self.push.without_place(at)).with_loss(self.loss)
    }

    /// The bytes that only this queue holds, plus its share of the shared bytes: dropping one queue
    /// frees no more.
    fn weight(&self) -> usize {
        match &self.shared {
            Some(shared) => {
                MESSAGE_OVERHEAD_BYTES + self.push.tail().len() / Arc::strong_count(shared)
            }
            None => cost(&self.push),
        }
    }

    /// The bytes that only this queue holds.
    fn own_bytes(&self) -> usize {
        match self.shared {
            Some(_) => MESSAGE_OVERHEAD_BYTES,
            None => cost(&self.push),
        }
    }
}

/// A message that waits or is in flight.
#[derive(Debug)]
struct QueueItem {
    queued: QueuedPush,
    /// The bytes that it counts against the limit.
    counted: usize,
}

impl QueueItem {
    fn cost(&self) -> usize {
        cost(&self.queued.push)
    }
}

/// The messages of a page: those that wait, and those in flight.
#[derive(Debug)]
pub(super) struct PageQueue {
    /// The first item has the offset `base + 1`.
    items: VecDeque<QueueItem>,
    /// The last offset that is no longer kept.
    base: u64,
    /// The last acknowledged offset of a message whose loss matters: another script of the page, as in
    /// a restored tab, does not have it.
    acknowledged: u64,
    /// The last offset that was sent to the current socket.
    sent: u64,
    /// The last offset that was sent to any socket.
    ever_sent: u64,
    /// Everything up to this offset was dropped, or acknowledged before.
    dropped: u64,
    /// The bytes of all items, as counted against the limit.
    counted: usize,
    /// The bytes held, as a share of the budget of all pages.
    held: Charge,
    /// The bytes of the messages in flight.
    in_flight: usize,
    /// Why messages are missing, until the current socket has received the reset.
    reset_due: Option<Gap>,
    /// Messages up to here were dropped, and it is not known whether the page has got the reset.
    reset_at: Option<u64>,
}

/// An offset that was sent to the page, or 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SentOffset(u64);

/// The page claims an offset that was never sent to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UnsentOffset;

/// The next item for the current socket.
pub(super) enum NextFrame {
    /// Messages are missing, up to this offset.
    Reset(Gap, u64),
    Message(Frame),
}

/// The bytes of a message in a queue.
pub(super) fn cost(push: &Push) -> usize {
    push.tail().len() + MESSAGE_OVERHEAD_BYTES
}

impl PageQueue {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            items: VecDeque::new(),
            base: 0,
            acknowledged: 0,
            sent: 0,
            ever_sent: 0,
            dropped: 0,
            counted: 0,
            held: Charge::new(budget, 0),
            in_flight: 0,
            reset_due: None,
            reset_at: None,
        }
    }

    /// The offset that the page must have received, so that it has missed nothing if the queue ends
    /// now. `None` if the reset that it must get has not been sent.
    pub(super) fn needed_offset(&self) -> Option<u64> {
        let matters = |item: &QueueItem| item.queued.loss == Loss::Matters;
        let last = self.items.iter().rposition(matters);
        let needed = last.map_or(self.acknowledged, |at| self.base + 1 + at as u64);
        // A page at the offset of a reset, or behind it, has received the reset.
        let needed = needed.max(self.reset_at.unwrap_or(0));
        self.reset_due.is_none().then_some(needed)
    }

    /// The page can no longer get these messages from the histories of their topics.
    pub(super) fn make_losses_matter(&mut self) {
        for item in &mut self.items {
            item.queued.loss = Loss::Matters;
        }
    }

    /// The bytes of all messages, and of those in flight. Of a message for many pages, each page
    /// counts only its share.
    pub(super) fn weight(&self) -> (usize, usize) {
        let on_the_way = usize::try_from(self.sent - self.base).unwrap_or(usize::MAX);
        let weights = || self.items.iter().map(|item| item.queued.weight());
        (weights().sum(), weights().take(on_the_way).sum())
    }

    /// The last offset that was assigned to a message.
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

    /// Whether everything up to this offset was sent to the current socket.
    pub(super) const fn is_sent(&self, offset: u64) -> bool {
        self.sent >= offset && self.reset_due.is_none()
    }

    /// The number of messages that were not sent to the current socket.
    pub(super) fn unsent(&self) -> u64 {
        self.last() - self.sent
    }

    /// The number of messages, and their bytes as counted against the limit.
    pub(super) fn size(&self) -> QueueSize {
        QueueSize {
            messages: self.items.len(),
            bytes: self.counted,
        }
    }

    /// Whether the current socket must still receive a reset.
    pub(super) const fn is_reset_due(&self) -> bool {
        self.reset_due.is_some()
    }

    /// Whether that reset is for dropped messages.
    pub(super) fn is_overflow_due(&self) -> bool {
        self.reset_due == Some(Gap::Overflow)
    }

    /// The next item is a reset: the current socket misses messages.
    pub(super) fn require_reset(&mut self, why: Gap) {
        self.reset_due = Some(why);
    }

    /// Whether a message of this cost fits. A message of any size fits an empty queue.
    pub(super) fn fits(&self, cost: usize, source: PushSource, limits: &PageLimits) -> bool {
        let (messages, bytes) = source.share(limits);
        let counted = self.counted + source.counted(cost, limits);
        self.items.is_empty() || (self.items.len() < messages && counted <= bytes)
    }

    /// Adds a message. If it does not [fit](Self::fits), the queue overflows: the message and
    /// everything before it are dropped. Returns whether it fits.
    pub(super) fn push(
        &mut self,
        queued: QueuedPush,
        source: PushSource,
        limits: &PageLimits,
    ) -> bool {
        let fits = self.fits(cost(&queued.push), source, limits);
        self.enqueue(queued, source, limits);
        if !fits {
            self.overflow();
        }
        fits
    }

    /// Adds a message even if it does not fit: for the last messages of a handler.
    pub(super) fn push_last(&mut self, queued: QueuedPush, limits: &PageLimits) {
        self.enqueue(queued, PushSource::Handler, limits);
    }

    fn enqueue(&mut self, queued: QueuedPush, source: PushSource, limits: &PageLimits) {
        let counted = source.counted(cost(&queued.push), limits);
        self.counted += counted;
        self.held.add(queued.own_bytes());
        self.items.push_back(QueueItem { queued, counted });
    }

    /// Drops everything, and the page gets a reset: a page with a gap would be wrong and could not
    /// know it.
    pub(super) fn overflow(&mut self) {
        self.clear();
        (self.sent, self.ever_sent, self.dropped) = (self.base, self.base, self.base);
        self.reset_due = Some(Gap::Overflow);
        self.reset_at = Some(self.base);
    }

    /// Drops everything, and one more offset represents messages that were never added: the
    /// page gets a reset, on every socket until it has received it.
    pub(super) fn lose(&mut self) {
        self.clear();
        self.base += 1;
        (self.sent, self.ever_sent) = (self.base, self.base);
        self.reset_due = Some(Gap::History);
        self.reset_at = Some(self.base);
    }

    /// Drops everything: the page has ended.
    pub(super) fn clear(&mut self) {
        self.base = self.last();
        self.items = VecDeque::new();
        (self.counted, self.in_flight) = (0, 0);
        self.held.give_back(self.held.bytes());
    }

    /// Checks an offset that the page claims to have received.
    pub(super) fn check(&self, offset: u64) -> Result<SentOffset, UnsentOffset> {
        if offset > self.ever_sent {
            return Err(UnsentOffset);
        }
        Ok(SentOffset(offset))
    }

    /// The page acknowledges everything up to this offset. Returns whether that frees room.
    pub(super) fn ack(&mut self, SentOffset(offset): SentOffset) -> bool {
        let before = self.base;
        // A page reports the offset of a reset when it connects, or a later one.
        self.reset_at = self.reset_at.filter(|at| offset <= *at);
        let mut freed = 0;
        while self.base < offset
            && let Some(item) = self.items.pop_front()
        {
            self.base += 1;
            if item.queued.loss == Loss::Matters {
                self.acknowledged = self.base;
            }
            self.counted -= item.counted;
            freed += item.queued.own_bytes();
            if self.base <= self.sent {
                self.in_flight -= item.cost();
            }
        }
        self.held.give_back(freed);
        // Messages that the page received over another socket are not sent again.
        self.sent = self.sent.max(self.base);
        if self.items.is_empty() && self.items.capacity() > 16 {
            self.items = VecDeque::new();
        }
        self.base > before
    }

    /// Continues after this offset on a new socket. Returns why messages are missing, if any are;
    /// the socket starts after [`base`](Self::base).
    pub(super) fn resume(&mut self, SentOffset(offset): SentOffset) -> Option<Gap> {
        self.ack(SentOffset(offset));
        self.reset_at = self.reset_at.filter(|at| offset < *at);
        self.restart();
        match offset {
            _ if offset >= self.base => None,
            _ if offset < self.dropped => Some(Gap::Overflow),
            _ => Some(Gap::History),
        }
    }

    /// The position of the script that has acknowledged everything up to [`base`](Self::base): its
    /// acknowledgements have overtaken its handshake if it reports an earlier offset. If messages
    /// behind that offset were dropped, the position stays, because the page may not have got the
    /// reset.
    pub(super) fn at_least_acknowledged(&self, SentOffset(offset): SentOffset) -> SentOffset {
        let knows_resets = self.dropped <= offset && self.reset_at.is_none_or(|at| at <= offset);
        SentOffset(if knows_resets {
            offset.max(self.base)
        } else {
            offset
        })
    }

    /// Continues on a new socket without a known offset: it receives everything that is kept.
    pub(super) fn restart(&mut self) {
        self.sent = self.base;
        (self.in_flight, self.reset_due) = (0, None);
    }

    /// The next item for the current socket, within the window of unacknowledged messages.
    pub(super) fn next(&self) -> Option<NextFrame> {
        if let Some(why) = self.reset_due {
            return Some(NextFrame::Reset(why, self.base));
        }
        let on_the_way = self.sent - self.base;
        let item = self.items.get(usize::try_from(on_the_way).ok()?)?;
        let push = &item.queued.push;
        let follows = on_the_way < WINDOW_MESSAGES && self.in_flight + cost(push) <= WINDOW_BYTES;
        if !follows && on_the_way > 0 {
            return None;
        }
        let head = push.head(self.sent + 1);
        Some(NextFrame::Message(Frame::joined(
            head.as_bytes(),
            push.tail(),
        )))
    }

    /// Marks the item from [`next`](Self::next) as sent to the current socket.
    pub(super) fn mark_sent(&mut self) {
        if let Some(why) = self.reset_due.take() {
            self.held.budget().resets().count(why);
            return;
        }
        let place = usize::try_from(self.sent - self.base).unwrap_or(usize::MAX);
        if let Some(item) = self.items.get(place) {
            self.in_flight += item.cost();
            self.sent += 1;
            self.ever_sent = self.ever_sent.max(self.sent);
        }
    }
}

#[cfg(feature = "cluster")]
mod moving;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
