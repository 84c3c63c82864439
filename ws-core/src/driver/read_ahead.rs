//! Data that was read while a hook ran, queued until the handler is free.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::protocol::{BinaryData, Incoming, TextData};

/// The cost of a queued message in addition to its payload, in bytes: many small messages also
/// reach the limit.
const OVERHEAD: usize = 64;

/// Messages and bytes that were read ahead. While nothing is read ahead, no memory is allocated for
/// it.
#[derive(Default)]
pub(super) struct ReadAhead(Option<Box<ReadAheadQueue>>);

#[derive(Default)]
struct ReadAheadQueue {
    messages: VecDeque<Incoming<'static>>,
    /// The cost of these messages, which counts against the limit.
    cost: usize,
    /// Bytes read after these messages, not decoded yet.
    rest: Vec<u8>,
}

/// The next item that was read ahead.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum QueuedInput {
    Message(Incoming<'static>),
    /// Bytes that are not decoded yet.
    Bytes(Vec<u8>),
}

impl ReadAhead {
    /// Queues a message after the others.
    pub(super) fn push(&mut self, incoming: Incoming<'_>) {
        let message = match incoming {
            Incoming::Text(text) => Incoming::Text(TextData::Owned(text.into_string())),
            Incoming::Binary(BinaryData::Borrowed(bytes)) => {
                Incoming::Binary(BinaryData::Owned(BytesMut::from(bytes)))
            }
            Incoming::Binary(BinaryData::Owned(bytes)) => {
                Incoming::Binary(BinaryData::Owned(bytes))
            }
        };
        let queue = self.0.get_or_insert_default();
        queue.cost += cost(&message);
        queue.messages.push_back(message);
    }

    /// Keeps bytes that cannot be decoded now.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            let queue = self.0.get_or_insert_default();
            queue.rest.extend_from_slice(rest);
        }
    }

    /// Takes the next message, or, if there is none, all bytes at once.
    pub(super) fn next(&mut self) -> Option<QueuedInput> {
        let queue = self.0.as_mut()?;
        if let Some(message) = queue.messages.pop_front() {
            queue.cost -= cost(&message);
            self.0.take_if(|queue| queue.is_empty());
            return Some(QueuedInput::Message(message));
        }
        self.take_bytes().map(QueuedInput::Bytes)
    }

    /// Takes the bytes, and discards the messages.
    pub(super) fn take_bytes(&mut self) -> Option<Vec<u8>> {
        self.0.take().map(|queue| queue.rest)
    }

    /// Discards everything.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Whether bytes are queued that are not decoded yet.
    pub(super) fn has_bytes(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| !queue.rest.is_empty())
    }

    /// Whether messages are queued.
    #[inline]
    pub(super) fn has_messages(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|queue| !queue.messages.is_empty())
    }

    /// Whether messages are queued, or bytes that may be messages.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.0.is_some()
    }

    /// The number of queued bytes that count against the limit.
    pub(super) fn len(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |queue| queue.cost + queue.rest.len())
    }
}

impl ReadAheadQueue {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.rest.is_empty()
    }
}

/// How much a queued message counts against the limit, in bytes.
fn cost(message: &Incoming<'_>) -> usize {
    message.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Incoming<'_> {
        Incoming::Text(TextData::Borrowed(text))
    }

    fn owned(text: &str) -> QueuedInput {
        QueuedInput::Message(Incoming::Text(TextData::Owned(text.to_owned())))
    }

    #[test]
    fn messages_are_read_before_the_bytes_after_them() {
        let mut read_ahead = ReadAhead::default();
        read_ahead.push(text("first"));
        read_ahead.keep(b"un");
        read_ahead.keep(b"decoded");
        read_ahead.push(Incoming::Binary(BinaryData::Borrowed(b"second")));
        assert!(read_ahead.has_messages() && read_ahead.has_bytes());
        assert_eq!(read_ahead.next(), Some(owned("first")));
        let second = Incoming::Binary(BinaryData::Owned(BytesMut::from(&b"second"[..])));
        assert_eq!(read_ahead.next(), Some(QueuedInput::Message(second)));
        assert!(!read_ahead.has_messages() && read_ahead.has_work());
        assert_eq!(
            read_ahead.next(),
            Some(QueuedInput::Bytes(b"undecoded".to_vec()))
        );
        assert_eq!(read_ahead.next(), None);
        assert!(!read_ahead.has_work());
    }

    #[test]
    fn a_message_counts_its_payload_and_the_overhead_of_queueing() {
        let mut read_ahead = ReadAhead::default();
        assert_eq!(read_ahead.len(), 0);
        read_ahead.push(text(""));
        read_ahead.push(text("four"));
        read_ahead.keep(b"12");
        assert_eq!(read_ahead.len(), 2 * OVERHEAD + 4 + 2);
        read_ahead.next();
        assert_eq!(read_ahead.len(), OVERHEAD + 4 + 2);
        read_ahead.next();
        assert_eq!(read_ahead.len(), 2);
    }

    #[test]
    fn reading_the_last_message_frees_the_memory() {
        let mut read_ahead = ReadAhead::default();
        read_ahead.push(text("only"));
        read_ahead.next();
        assert!(read_ahead.0.is_none());
    }

    #[test]
    fn taking_the_bytes_discards_the_messages() {
        let mut read_ahead = ReadAhead::default();
        read_ahead.keep(b"early");
        read_ahead.push(text("message"));
        assert_eq!(read_ahead.take_bytes(), Some(b"early".to_vec()));
        assert!(!read_ahead.has_work());
        assert_eq!(read_ahead.take_bytes(), None);
    }

    #[test]
    fn empty_bytes_are_no_work() {
        let mut read_ahead = ReadAhead::default();
        read_ahead.keep(b"");
        assert!(!read_ahead.has_work());
    }
}
