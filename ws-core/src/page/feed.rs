//! What a page sends to its handler, on its way from one socket or the next.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::close::CloseCode;
use crate::message::Message;
use crate::protocol::OpCode;
use crate::protocol::encoder::encode_masked;

/// Frames for the handler of a page, as a client would send them. The handler's connection
/// reads them as it reads a socket.
pub(crate) struct Feed {
    state: Mutex<State>,
    /// Bytes that may wait; one message of any size always fits.
    limit: usize,
}

/// What the handler's connection has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// How many bytes; 0 at the end.
    pub(crate) bytes: usize,
    /// The id of the last message that was read whole, where one was.
    pub(crate) id: Option<u64>,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Bytes at the front that were read already.
    read: usize,
    /// The messages that wait: the id of each, where it still means anything, and its bytes.
    waiting: VecDeque<(Option<u64>, usize)>,
    /// Nothing more comes.
    ended: bool,
    reader: Option<Waker>,
}

impl Feed {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a message with its id over. Returns whether there is room for it; after the end
    /// it goes nowhere, as behind a Close.
    pub(super) fn push(&self, id: u64, message: &Message) -> bool {
        let state = self.lock();
        if state.bytes.len() - state.read >= self.limit && !state.ended {
            return false;
        }
        let opcode = OpCode::of(message);
        let frame = encode_masked(opcode, true, message.as_bytes(), [0; 4]);
        Self::put(state, frame, Some(id), false);
        true
    }

    /// The page counts its messages anew: the ids of those that wait mean nothing any more.
    pub(super) fn forget_ids(&self) {
        for (id, _) in &mut self.lock().waiting {
            *id = None;
        }
    }

    /// The page is closed for good, as by the user.
    pub(super) fn say_goodbye(&self) {
        let code = CloseCode::GOING_AWAY.get().to_be_bytes();
        let frame = encode_masked(OpCode::Close, true, &code, [0; 4]);
        Self::put(self.lock(), frame, None, true);
    }

    /// Nothing more comes, and nobody said why.
    pub(crate) fn end(&self) {
        Self::put(self.lock(), Vec::new(), None, true);
    }

    fn put(mut state: MutexGuard<'_, State>, bytes: Vec<u8>, id: Option<u64>, last: bool) {
        if state.ended {
            return;
        }
        // What was read goes, also where the reader is never quite done.
        let read = std::mem::take(&mut state.read);
        state.bytes.drain(..read);
        state.waiting.push_back((id, bytes.len()));
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

    /// Reads what is there.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<Taken> {
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
        let id = state.taken(count);
        Poll::Ready(Taken { bytes: count, id })
    }
}

impl State {
    /// So many bytes more were read; gives the id of the last message among them.
    fn taken(&mut self, mut count: usize) -> Option<u64> {
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

    fn take(feed: &Feed, most: usize) -> Option<(Vec<u8>, Option<u64>)> {
        let mut buf = vec![0; most];
        let taken = poll_fn(|cx| feed.poll_read(cx, &mut buf)).now_or_never()?;
        buf.truncate(taken.bytes);
        Some((buf, taken.id))
    }

    fn read(feed: &Feed, most: usize) -> Option<Vec<u8>> {
        take(feed, most).map(|(bytes, _)| bytes)
    }

    #[test]
    fn a_message_is_read_as_a_clients_frame_in_any_pieces() {
        let feed = Feed::new(100);
        assert_eq!(read(&feed, 10), None);
        feed.push(1, &Message::text("hello"));
        feed.say_goodbye();
        feed.push(2, &Message::text("too late"));
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
    fn a_reader_that_is_never_quite_done_leaves_nothing_behind() {
        let feed = Feed::new(1_000);
        for _ in 0..1_000 {
            feed.push(1, &Message::text("x".repeat(100)));
            read(&feed, 105);
        }
        let state = feed.lock();
        assert!(state.bytes.capacity() < 3_000, "{}", state.bytes.capacity());
    }

    #[test]
    fn a_reader_that_does_not_follow_leaves_no_room_but_for_one_message() {
        let feed = Feed::new(8);
        assert!(feed.push(1, &Message::text("more than eight")));
        assert!(!feed.push(2, &Message::text("x")));
        read(&feed, 100);
        assert!(feed.push(2, &Message::text("x")));
        feed.end();
        assert!(feed.push(3, &Message::text("nobody hears it")));
    }

    #[test]
    fn a_message_is_taken_when_it_was_read_whole() {
        let feed = Feed::new(1_000);
        let taken = |most| take(&feed, most).unwrap().1;
        // 6 bytes before a short payload.
        for id in 1..=3 {
            assert!(feed.push(id, &Message::text("four")));
        }
        assert_eq!(taken(9), None);
        assert_eq!(taken(1), Some(1));
        assert_eq!(taken(20), Some(3));
        assert!(feed.push(4, &Message::text("four")));
        assert_eq!(taken(5), None);
        feed.forget_ids();
        assert!(feed.push(1, &Message::text("four")));
        assert_eq!(taken(10), None, "the rest of one, and a half of the next");
        assert_eq!(taken(10), Some(1));
    }
}
