//! Carries the messages of a page to its handler, across its sockets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::budget::{Budget, Charge};
use crate::close::CloseCode;
use crate::message::Message;
use crate::protocol::OpCode;
use crate::protocol::encoder::encode_masked;

/// Bytes that each message counts besides its frame, so that many small ones fill the limit too.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// While the feeds of all pages exceed their limit, each may hold only this part (one sixteenth) of
/// its own.
const SCARCITY_DIVISOR: usize = 16;

/// The frames for the handler of a page, encoded as by a client. The handler's connection reads
/// them like a socket.
pub(crate) struct Feed {
    state: Mutex<FeedState>,
    /// The maximum number of waiting bytes; one message of any size always fits.
    limit: usize,
}

/// Identifies a message of a page. The id alone is not sufficient, because every epoch starts to
/// count from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MessageId {
    pub(crate) epoch: u64,
    pub(crate) id: u64,
}

/// The result of a read by the handler's connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FeedRead {
    /// The number of bytes; 0 at the end.
    pub(crate) bytes: usize,
    /// The last message that has been read completely, if any.
    pub(crate) last: Option<MessageId>,
}

struct FeedState {
    bytes: Vec<u8>,
    /// The number of bytes at the front that have been read.
    read: usize,
    /// The messages that wait, with the bytes of each. A Close has no id.
    waiting: VecDeque<(Option<MessageId>, usize)>,
    /// The waiting bytes, as a share of the budget of all pages.
    charge: Charge,
    /// Nothing more follows.
    ended: bool,
    reader: Option<Waker>,
}

impl Feed {
    pub(crate) fn new(limit: usize, budget: &Arc<Budget>) -> Self {
        let state = FeedState {
            bytes: Vec::new(),
            read: 0,
            waiting: VecDeque::new(),
            charge: Charge::new(budget, 0),
            ended: false,
            reader: None,
        };
        Self {
            state: Mutex::new(state),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message with its id. Returns whether there is room for it. After the end it is
    /// discarded, as after a Close.
    pub(super) fn push(&self, id: MessageId, message: &Message) -> bool {
        let state = self.lock();
        let limit = if state.charge.budget().is_over() {
            self.limit / SCARCITY_DIVISOR
        } else {
            self.limit
        };
        let held = state.charge.bytes();
        if held > 0 && held >= limit && !state.ended {
            return false;
        }
        let opcode = OpCode::of(message);
        let frame = encode_masked(opcode, true, message.as_bytes(), [0; 4]);
        Self::put(state, frame, Some(id), false);
        true
    }

    /// Ends the feed with a Close: the page is closed for good, for example by the user.
    pub(super) fn end_with_close(&self) {
        let code = CloseCode::GOING_AWAY.get().to_be_bytes();
        let frame = encode_masked(OpCode::Close, true, &code, [0; 4]);
        Self::put(self.lock(), frame, None, true);
    }

    /// Ends the feed without a Close.
    pub(crate) fn end(&self) {
        Self::put(self.lock(), Vec::new(), None, true);
    }

    fn put(
        mut state: MutexGuard<'_, FeedState>,
        bytes: Vec<u8>,
        id: Option<MessageId>,
        last: bool,
    ) {
        if state.ended {
            return;
        }
        // Discard the bytes that have been read now, since the reader may never catch up
        // completely.
        let read = std::mem::take(&mut state.read);
        state.bytes.drain(..read);
        state.waiting.push_back((id, bytes.len()));
        state.charge.add(bytes.len() + MESSAGE_OVERHEAD_BYTES);
        if state.bytes.is_empty() {
            state.bytes = bytes;
        } else {
            state.bytes.extend_from_slice(&bytes);
        }
        state.ended = last;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// Reads the available bytes.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<FeedRead> {
        let mut state = self.lock();
        let waiting = &state.bytes[state.read..];
        if waiting.is_empty() && !state.ended {
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.len().min(waiting.len());
        buf[..count].copy_from_slice(&waiting[..count]);
        state.read += count;
        if state.read == state.bytes.len() {
            (state.bytes, state.read) = (Vec::new(), 0);
        }
        let whole = state.waiting.len();
        let last = state.consume(count);
        let whole = whole - state.waiting.len();
        state
            .charge
            .give_back(count + whole * MESSAGE_OVERHEAD_BYTES);
        Poll::Ready(FeedRead { bytes: count, last })
    }
}

impl FeedState {
    /// Counts bytes as read. Returns the last message that ends among them.
    fn consume(&mut self, mut count: usize) -> Option<MessageId> {
        let mut last = None;
        while let Some((id, rest)) = self.waiting.front_mut() {
            if *rest > count {
                *rest -= count;
                break;
            }
            count -= *rest;
            last = id.or(last);
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::*;
    use crate::protocol::{Decoder, Event, Incoming, Role};

    fn new_feed(limit: usize) -> Feed {
        Feed::new(limit, &Budget::new(usize::MAX))
    }

    const fn id(id: u64) -> MessageId {
        MessageId { epoch: 1, id }
    }

    fn take(feed: &Feed, max: usize) -> Option<(Vec<u8>, Option<MessageId>)> {
        let mut buf = vec![0; max];
        let read = poll_fn(|cx| feed.poll_read(cx, &mut buf)).now_or_never()?;
        buf.truncate(read.bytes);
        Some((buf, read.last))
    }

    fn read(feed: &Feed, max: usize) -> Option<Vec<u8>> {
        take(feed, max).map(|(bytes, _)| bytes)
    }

    impl Feed {
        /// The waiting bytes, with the overhead of each message.
        pub(in crate::page) fn weight(&self) -> usize {
            let state = self.lock();
            state.bytes.len() - state.read + state.waiting.len() * MESSAGE_OVERHEAD_BYTES
        }
    }

    #[test]
    fn a_message_is_read_as_a_clients_frame_in_any_pieces() {
        let feed = new_feed(100);
        assert_eq!(read(&feed, 10), None);
        feed.push(id(1), &Message::text("hello"));
        feed.end_with_close();
        feed.push(id(2), &Message::text("too late"));
        let mut all = Vec::new();
        while let Some(piece) = read(&feed, 3).filter(|piece| !piece.is_empty()) {
            all.extend(piece);
        }
        let mut decoder = Decoder::new(Role::Server, 100);
        let mut input = &mut all[..];
        let mut next = || {
            decoder
                .decode(&mut input)
                .unwrap()
                .map(|event| match event {
                    Event::Message(Incoming::Text(text)) => text.into_string(),
                    Event::Close(Some((code, _))) => code.to_string(),
                    other => panic!("{other:?}"),
                })
        };
        assert_eq!(next().as_deref(), Some("hello"));
        assert_eq!(next().as_deref(), Some("1001 (going away)"));
        assert_eq!(next(), None);
        assert_eq!(read(&feed, 3), Some(vec![]), "the end");
    }

    #[test]
    fn bytes_that_were_read_are_freed_before_the_reader_catches_up() {
        let feed = new_feed(1_000);
        for _ in 0..1_000 {
            feed.push(id(1), &Message::text("x".repeat(100)));
            read(&feed, 105);
        }
        let state = feed.lock();
        assert!(state.bytes.capacity() < 3_000, "{}", state.bytes.capacity());
    }

    #[test]
    fn a_slow_reader_leaves_room_for_one_message_only() {
        let feed = new_feed(8);
        assert!(feed.push(id(1), &Message::text("more than eight")));
        assert!(!feed.push(id(2), &Message::text("x")));
        read(&feed, 100);
        assert!(feed.push(id(2), &Message::text("x")));
        feed.end();
        assert!(feed.push(id(3), &Message::text("it is discarded")));
    }

    #[test]
    fn waiting_bytes_are_counted_and_limited_further_if_all_pages_exceed_their_limit() {
        let budget = Budget::new(10_000);
        let feed = Feed::new(3_200, &budget);
        // 6 bytes before the payload, and an overhead of 64.
        assert!(feed.push(id(1), &Message::text("x".repeat(100))));
        assert!(feed.push(id(2), &Message::text("x".repeat(100))));
        assert_eq!(budget.used(), 340);
        read(&feed, 110);
        assert_eq!(budget.used(), 340 - 110 - 64);
        let others = Charge::new(&budget, 10_000);
        assert!(feed.push(id(3), &Message::text("x")), "less than 200 waits");
        assert!(!feed.push(id(4), &Message::text("x")));
        drop(others);
        assert!(feed.push(id(4), &Message::text("x")));
        drop(feed);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_message_counts_as_read_when_its_last_byte_is_read() {
        let feed = new_feed(1_000);
        let last_read = |max| take(&feed, max).unwrap().1;
        // 6 bytes before a short payload.
        for n in 1..=3 {
            assert!(feed.push(id(n), &Message::text("four")));
        }
        assert_eq!(last_read(9), None);
        assert_eq!(last_read(1), Some(id(1)));
        assert_eq!(last_read(20), Some(id(3)));
        assert!(feed.push(id(4), &Message::text("four")));
        let next = MessageId { epoch: 2, id: 1 };
        assert!(feed.push(next, &Message::text("four")));
        assert_eq!(last_read(15), Some(id(4)), "one, and a half of the next");
        assert_eq!(last_read(10), Some(next));
    }
}
