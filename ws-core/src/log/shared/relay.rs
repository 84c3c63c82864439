//! Messages that go to the other nodes at best effort: a queue that drops its oldest.

use std::collections::VecDeque;

use bytes::Bytes;

use super::entry::{Body, Entry, FULL_ENTRY, Incarnation, LoggedMessage, MAX_RECORDS, Record};
use crate::log::local::MAX_MESSAGE;
use crate::log::position::EntryId;

/// Messages of a lane that wait for the engine.
const MAX_MESSAGES: usize = 1_024;

/// Bytes of these messages.
const MAX_BYTES: usize = 1024 * 1024;

/// The messages of one lane that wait; past its limits the oldest are dropped.
#[derive(Default, Debug)]
pub(super) struct RelayQueue {
    waiting: VecDeque<Record>,
    bytes: usize,
    /// The number of the last entry.
    last: u64,
    dropped: u64,
}

impl RelayQueue {
    /// Adds a message, unless it is larger than one of the log may be.
    pub(super) fn push(&mut self, message: LoggedMessage) {
        if message.message.len() > MAX_MESSAGE {
            self.dropped += 1;
            return;
        }
        let record = Record::Message(message);
        self.bytes += record.size();
        self.waiting.push_back(record);
        while self.waiting.len() > MAX_MESSAGES
            || (self.bytes > MAX_BYTES && self.waiting.len() > 1)
        {
            self.pop();
            self.dropped += 1;
        }
    }

    fn pop(&mut self) -> Option<Record> {
        let record = self.waiting.pop_front()?;
        self.bytes -= record.size();
        Some(record)
    }

    /// The next entry, if a message waits.
    pub(super) fn next(&mut self, author: Incarnation, version: u8) -> Option<Bytes> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front()
            && records.len() < MAX_RECORDS
            && (records.is_empty() || bytes + next.size() <= FULL_ENTRY)
        {
            bytes += next.size();
            records.extend(self.pop());
        }
        if records.is_empty() {
            return None;
        }
        self.last += 1;
        let entry = Entry {
            behind: EntryId::ZERO,
            incarnation: author,
            number: self.last,
            body: Body::Records(records),
        };
        Some(entry.encode_as(version))
    }

    /// The messages that were dropped.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether nothing waits.
    #[cfg(feature = "test-kit")]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::name::TopicName;
    use crate::message::Message;

    fn push(queue: &mut RelayQueue, message: impl Into<Message>) {
        queue.push(LoggedMessage {
            topic: TopicName::new("t".to_owned()),
            message: message.into(),
            history: None,
            except: None,
            is_volatile: false,
        });
    }

    fn first(entry: Bytes) -> (u64, usize, Message) {
        let entry = Entry::decode(entry).unwrap();
        let Body::Records(records) = entry.body else {
            panic!("no records");
        };
        let Record::Message(message) = &records[0] else {
            panic!("no message");
        };
        (entry.number, records.len(), message.message.clone())
    }

    #[test]
    fn the_oldest_messages_are_dropped_past_the_limits() {
        let mut queue = RelayQueue::default();
        for number in 0..=MAX_MESSAGES {
            push(&mut queue, number.to_string());
        }
        assert_eq!(queue.dropped(), 1);
        let entry = queue.next(Incarnation(7), 1).unwrap();
        assert_eq!(first(entry), (1, MAX_RECORDS, "1".into()));
        push(&mut queue, Bytes::from(vec![0; MAX_MESSAGE + 1]));
        assert_eq!(queue.dropped(), 2, "no node would read it");
        push(&mut queue, Bytes::from(vec![0; MAX_BYTES]));
        let entry = queue.next(Incarnation(7), 1).unwrap();
        let large = Message::binary(vec![0; MAX_BYTES]);
        assert_eq!(first(entry), (2, 1, large));
        assert!(queue.is_empty() && queue.next(Incarnation(7), 1).is_none());
    }
}
