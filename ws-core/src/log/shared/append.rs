//! Appends records to one lane: a bounded queue, and one entry under way.
//!
//! An [`Appender`] does no IO. Its owner calls, in this order and as often as it likes:
//!
//! 1. [`push`](Appender::push) for each record, [`heartbeat`](Appender::heartbeat) regularly;
//! 2. [`next`](Appender::next), and sends what it returns;
//! 3. [`answered`](Appender::answered) with the engine's answer, then again `next`: after an error
//!    it returns the same entry;
//! 4. [`was_read`](Appender::was_read) for each entry of this incarnation that the reader has
//!    delivered: then its records are accepted;
//! 5. [`expire`](Appender::expire) at [`deadline`](Appender::deadline);
//! 6. [`outcomes`](Appender::outcomes), after any of them.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::engine::{Append, EngineError, Kept};
use super::entry::{
    Body, Entry, FIRST_VERSION, FULL_ENTRY, Heartbeat, Incarnation, MAX_RECORDS, Record,
};
use crate::log::local::MAX_MESSAGE;
use crate::log::name::Lane;
use crate::log::position::{EntryId, Generation, Offset, Position};

mod current;

use current::{Attempts, Current, Messages, Sent};

/// The limits of the queue of one lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AppendLimits {
    /// Records that wait, are under way, or are accepted but not read yet.
    pub(crate) records: usize,
    /// Bytes of these records, plus those of their topics' names and 8 for each.
    pub(crate) bytes: usize,
    /// How long a record may wait for its acceptance; at most half the age of a window, so that
    /// an entry that arrives late finds its number still remembered.
    pub(crate) publish_timeout: Duration,
}

impl AppendLimits {
    pub(crate) const DEFAULT: Self = Self {
        records: 8 * 1024,
        bytes: 8 * 1024 * 1024,
        publish_timeout: Duration::from_secs(5),
    };
}

/// Why a record was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AppendError {
    /// The queue is full; it was not sent.
    Full,
    /// The message exceeds [`MAX_MESSAGE`].
    TooLarge { len: usize },
    /// The log could not be reached in time; it was not sent.
    Unavailable,
    /// It was sent, but not confirmed in time: it may be delivered.
    Unconfirmed,
}

/// Whether the limits of a queue apply to a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bounded {
    ByQueue,
    /// The author has a limit of its own for such records.
    ByAuthor,
}

/// Whether an entry that was read has its records, or only their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    Records,
    Empty,
}

/// The outcome of a push, for the holder of this ticket.
pub(crate) type Outcome<T> = (T, Result<Position, AppendError>);

/// Appends records to one lane. `T` is the ticket of their author.
#[derive(Debug)]
pub(crate) struct Appender<T> {
    lane: Lane,
    incarnation: Incarnation,
    limits: AppendLimits,
    /// The version of new entries.
    version: u8,
    queue: VecDeque<Queued<T>>,
    /// At most one heartbeat waits, ahead of other entries: a backlog of them, released after a
    /// stall, would make other nodes look dead.
    heartbeat: Option<Heartbeat>,
    /// The entry that has a number but no answer yet.
    current: Option<Current<T>>,
    /// Accepted entries that the reader has not delivered yet.
    unread: VecDeque<Sent<T>>,
    /// The number of the last entry of the incarnation.
    last: u64,
    /// The number of the last one that the log has.
    accepted: u64,
    records: usize,
    bytes: usize,
    outcomes: Vec<Outcome<T>>,
}

#[derive(Debug)]
struct Queued<T> {
    record: Record,
    ticket: T,
    since: Instant,
}

impl<T> Appender<T> {
    pub(crate) fn new(lane: Lane, incarnation: Incarnation, limits: AppendLimits) -> Self {
        Self {
            lane,
            incarnation,
            limits,
            version: FIRST_VERSION,
            queue: VecDeque::new(),
            heartbeat: None,
            current: None,
            unread: VecDeque::new(),
            last: 0,
            accepted: 0,
            records: 0,
            bytes: 0,
            outcomes: Vec::new(),
        }
    }

    /// The number of the last entry that is certainly in the log, for heartbeats.
    pub(crate) const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Queues a record.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`] or [`AppendError::TooLarge`], with the ticket, which gets no other
    /// outcome.
    pub(crate) fn push(
        &mut self,
        record: Record,
        ticket: T,
        bounded: Bounded,
        now: Instant,
    ) -> Result<(), (T, AppendError)> {
        if let Record::Message(message) = &record {
            let len = message.message.len();
            if len > MAX_MESSAGE {
                return Err((ticket, AppendError::TooLarge { len }));
            }
        }
        let bytes = self.bytes + record.size();
        let is_full = self.records >= self.limits.records || bytes > self.limits.bytes;
        if is_full && bounded == Bounded::ByQueue {
            return Err((ticket, AppendError::Full));
        }
        self.records += 1;
        self.bytes = bytes;
        self.queue.push_back(Queued {
            record,
            ticket,
            since: now,
        });
        Ok(())
    }

    /// The node takes another incarnation, because others have declared it dead: later entries are
    /// numbered from 1 again. The entry that is under way keeps its number.
    pub(crate) fn renew(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
        self.last = 0;
        self.accepted = 0;
        // It claims numbers of the former incarnation.
        self.heartbeat = None;
    }

    /// Sets the version of later entries.
    pub(crate) const fn set_version(&mut self, version: u8) {
        self.version = version;
    }

    /// Whether everything that was pushed is settled.
    #[cfg(feature = "test-kit")]
    pub(crate) const fn is_idle(&self) -> bool {
        self.records == 0
    }

    /// Sends a heartbeat next. It replaces one that still waits.
    pub(crate) fn heartbeat(&mut self, heartbeat: Heartbeat) {
        self.heartbeat = Some(heartbeat);
    }

    /// The entry to send, if none is under way; `head` is the end of the lane as far as this node
    /// has read it.
    ///
    /// The messages of an entry are sent in one generation only. In a later one, the nodes that have
    /// read a copy would skip the second one, and the others would deliver it, or load it from a
    /// history and deliver it again.
    pub(crate) fn next(&mut self, head: Position, now: Instant) -> Option<Append> {
        let generation = head.generation;
        let outdated = self.current.as_mut().and_then(|current| {
            let may_be_elsewhere = !current.is_under_way && current.may_be_before(generation);
            may_be_elsewhere.then(|| current.withdraw(now))
        });
        if let Some(sent) = outdated {
            self.settle(sent, None);
        }
        if self.current.is_none() {
            self.current = self.gather(now);
        }
        let current = self.current.as_mut().filter(|it| !it.is_under_way)?;
        Some(current.send(head))
    }

    /// Makes an entry of a heartbeat or of the records that wait.
    fn gather(&mut self, now: Instant) -> Option<Current<T>> {
        let (mut since, mut bytes) = (now, 0);
        let (mut tickets, mut kept) = (Vec::new(), Vec::new());
        let body = if let Some(heartbeat) = self.heartbeat.take() {
            Body::Heartbeat(heartbeat)
        } else {
            since = self.queue.front()?.since;
            let mut records = Vec::new();
            while let Some(next) = self.queue.front()
                && records.len() < MAX_RECORDS
                && (records.is_empty() || bytes + next.record.size() <= FULL_ENTRY)
            {
                let next = self.queue.pop_front()?;
                bytes += next.record.size();
                tickets.push(next.ticket);
                if let Record::Message(message) = &next.record
                    && let Some(limits) = message.history
                {
                    kept.push(Kept {
                        index: index(records.len()),
                        topic: message.topic.clone(),
                        limits,
                        message: message.message.clone(),
                    });
                }
                records.push(next.record);
            }
            Body::Records(records)
        };
        self.last += 1;
        Some(Current {
            entry: Entry {
                incarnation: self.incarnation,
                number: self.last,
                behind: EntryId::ZERO,
                body,
            },
            version: self.version,
            kept,
            messages: Messages::Included,
            sent: Sent {
                incarnation: self.incarnation,
                number: self.last,
                tickets,
                bytes,
                since,
                at: None,
            },
            attempts: Attempts::None,
            is_under_way: false,
        })
    }

    /// Handles the answer to an append.
    pub(crate) fn answered(&mut self, append: &Append, answer: &Result<EntryId, EngineError>) {
        let is_current = |current: &Current<T>| {
            let entry = &current.entry;
            (entry.incarnation, entry.number) == (append.incarnation, append.number)
        };
        let Some(mut current) = self.current.take_if(|current| is_current(current)) else {
            // It was read before it was answered.
            return;
        };
        current.is_under_way = false;
        match answer {
            Ok(id) => {
                self.accept(append.incarnation, append.number);
                if matches!(current.attempts, Attempts::One(_)) {
                    current.sent.at = Some((append.generation, *id));
                }
                if !current.sent.tickets.is_empty() {
                    self.unread.push_back(current.sent);
                }
            }
            Err(
                EngineError::NotSent(_) | EngineError::Misconfigured(_) | EngineError::Generation,
            ) => {
                if matches!(current.attempts, Attempts::One(_)) {
                    current.attempts = Attempts::None;
                }
                self.current = Some(current);
            }
            Err(EngineError::Unknown(_)) => self.current = Some(current),
        }
    }

    fn accept(&mut self, author: Incarnation, number: u64) {
        if author == self.incarnation {
            self.accepted = self.accepted.max(number);
        }
    }

    /// Handles an entry of this node that the reader has delivered.
    pub(crate) fn was_read(
        &mut self,
        author: Incarnation,
        number: u64,
        at: Position,
        content: Content,
    ) {
        self.accept(author, number);
        let current = self.incarnation;
        // Entries of a former incarnation are earlier than those of the current one.
        let is_read = |sent: &Sent<T>| match sent.incarnation {
            incarnation if incarnation == author => sent.number <= number,
            incarnation => incarnation != current,
        };
        if let Some(current) = self.current.take_if(|current| is_read(&current.sent)) {
            self.unread.push_back(current.sent);
        }
        while let Some(sent) = pop_front_if(&mut self.unread, is_read) {
            let own = sent.incarnation == author && sent.number == number;
            let read = (at.generation, at.offset.entry);
            let is_complete = own && content == Content::Records;
            let at = if is_complete { Some(read) } else { sent.at };
            self.settle(sent, at);
        }
    }

    /// Reports the records of an entry: accepted if its position is known.
    fn settle(&mut self, sent: Sent<T>, at: Option<(Generation, EntryId)>) {
        self.records -= sent.tickets.len();
        self.bytes -= sent.bytes;
        for (record, ticket) in sent.tickets.into_iter().enumerate() {
            let position = at.map(|(generation, entry)| Position {
                generation,
                lane: self.lane,
                offset: Offset::new(entry, index(record)),
            });
            let outcome = position.ok_or(AppendError::Unconfirmed);
            self.outcomes.push((ticket, outcome));
        }
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let queued = self.queue.front().map(|queued| queued.since);
        let current = self.current.as_ref().map(|current| &current.sent);
        let sent = current.into_iter().chain(self.unread.front());
        let sent = sent
            .filter(|sent| !sent.tickets.is_empty())
            .map(|sent| sent.since);
        let oldest = queued.into_iter().chain(sent).min()?;
        Some(oldest + self.limits.publish_timeout)
    }

    /// Reports the records that have waited too long. An entry that may have been sent is sent
    /// again without its records, and whichever copy is first in the log counts.
    pub(crate) fn expire(&mut self, now: Instant) {
        let timeout = self.limits.publish_timeout;
        let is_over = |since: Instant| now.duration_since(since) >= timeout;
        while let Some(sent) = pop_front_if(&mut self.unread, |sent| is_over(sent.since)) {
            let at = sent.at;
            self.settle(sent, at);
        }
        if let Some(mut current) = self.current.take_if(|current| is_over(current.sent.since)) {
            if current.attempts == Attempts::None {
                if current.entry.incarnation == self.incarnation {
                    self.last -= 1;
                }
                self.give_up(current.sent);
            } else {
                let expired = current.withdraw(now);
                self.current = Some(current);
                self.settle(expired, None);
            }
        }
        while let Some(queued) = pop_front_if(&mut self.queue, |queued| is_over(queued.since)) {
            self.records -= 1;
            self.bytes -= queued.record.size();
            self.outcomes
                .push((queued.ticket, Err(AppendError::Unavailable)));
        }
    }

    /// Reports the records of an entry that was never sent.
    fn give_up(&mut self, sent: Sent<T>) {
        self.records -= sent.tickets.len();
        self.bytes -= sent.bytes;
        let unavailable = |ticket| (ticket, Err(AppendError::Unavailable));
        self.outcomes
            .extend(sent.tickets.into_iter().map(unavailable));
    }

    /// The outcomes since the last call.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome<T>> {
        mem::take(&mut self.outcomes)
    }
}

/// Removes the first element if it meets the condition.
fn pop_front_if<T>(queue: &mut VecDeque<T>, condition: impl FnOnce(&T) -> bool) -> Option<T> {
    let is_met = queue.front().is_some_and(condition);
    is_met.then(|| queue.pop_front()).flatten()
}

/// The index of the position behind the record with this place in its entry.
fn index(record: usize) -> u16 {
    u16::try_from(record + 1).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
