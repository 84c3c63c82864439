//! What a page sends to its handler, on its way from one socket or the next.

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
    /// Bytes that wait before the page has to; one message of any size always fits.
    limit: usize,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    /// Bytes at the front that were read already.
    read: usize,
    /// Nothing more comes.
    ended: bool,
    reader: Option<Waker>,
    /// The sockets that wait for room: one, and those that it has just superseded.
    writers: Vec<Waker>,
}

impl State {
    /// Whether a message may be pushed now; after the end it goes nowhere.
    const fn has_room(&self, limit: usize) -> bool {
        self.bytes.len() - self.read < limit || self.ended
    }
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

    /// Whether a message may be pushed now.
    pub(super) fn has_room(&self) -> bool {
        self.lock().has_room(self.limit)
    }

    /// Hands a message over. After the end it goes nowhere, as behind a Close.
    pub(super) fn push(&self, message: &Message) {
        let opcode = if message.is_text() {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        self.put(
            encode_masked(opcode, true, message.as_bytes(), [0; 4]),
            false,
        );
    }

    /// The page is closed for good, as by the user.
    pub(super) fn say_goodbye(&self) {
        let code = CloseCode::GOING_AWAY.get().to_be_bytes();
        self.put(encode_masked(OpCode::Close, true, &code, [0; 4]), true);
    }

    /// Nothing more comes, and nobody said why.
    pub(crate) fn end(&self) {
        self.put(Vec::new(), true);
    }

    fn put(&self, bytes: Vec<u8>, last: bool) {
        let mut state = self.lock();
        if state.ended {
            return;
        }
        // What was read goes, also where the reader is never quite done.
        let read = std::mem::take(&mut state.read);
        state.bytes.drain(..read);
        if state.bytes.is_empty() {
            state.bytes = bytes;
        } else {
            state.bytes.extend_from_slice(&bytes);
        }
        state.ended = last;
        let writers = if last {
            std::mem::take(&mut state.writers)
        } else {
            Vec::new()
        };
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().chain(writers).for_each(Waker::wake);
    }

    /// Reads what is there; 0 at the end.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<usize> {
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
        let writers = std::mem::take(&mut state.writers);
        drop(state);
        writers.into_iter().for_each(Waker::wake);
        Poll::Ready(count)
    }

    /// Waits until a message may be pushed.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.has_room(self.limit) {
            return Poll::Ready(());
        }
        if !state
            .writers
            .iter()
            .any(|known| known.will_wake(cx.waker()))
        {
            state.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Lets whoever waits for room look again.
    pub(super) fn wake_writers(&self) {
        let writers = std::mem::take(&mut self.lock().writers);
        writers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::FutureExt;

    use super::*;
    use crate::protocol::{Decoder, Event, Incoming, Role};

    fn read(feed: &Feed, most: usize) -> Option<Vec<u8>> {
        let mut buf = vec![0; most];
        let read = poll_fn(|cx| feed.poll_read(cx, &mut buf)).now_or_never()?;
        buf.truncate(read);
        Some(buf)
    }

    #[test]
    fn a_message_is_read_as_a_clients_frame_in_any_pieces() {
        let feed = Feed::new(100);
        assert_eq!(read(&feed, 10), None);
        feed.push(&Message::text("hello"));
        feed.say_goodbye();
        feed.push(&Message::text("too late"));
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
            feed.push(&Message::text("x".repeat(100)));
            read(&feed, 105);
        }
        let state = feed.lock();
        assert!(state.bytes.capacity() < 3_000, "{}", state.bytes.capacity());
    }

    #[test]
    fn a_reader_that_does_not_follow_lets_the_page_wait() {
        let feed = Feed::new(8);
        let room = || poll_fn(|cx| feed.poll_room(cx)).now_or_never().is_some();
        assert!(feed.has_room() && room());
        feed.push(&Message::text("more than eight"));
        assert!(!feed.has_room() && !room());
        read(&feed, 100);
        assert!(feed.has_room() && room());
    }
}
