//! What the connection of a page's handler reads and writes: the page, instead of a socket.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{BufMut, buf::Limit};

use crate::close::{Close, CloseCode};
use crate::outbox::{DirectWrite, Transport};
use crate::page::{Feed, Pages, Progress, Stream};
use crate::protocol::{Decoder, Event, Incoming, Role};
use crate::wire::Push;

/// The largest message of a handler to its page, in bytes: any that it made is taken.
const MOST: usize = usize::MAX;

/// Bytes that are decoded at a time. Messages that the page does not take yet stay in the outbox, so
/// that each one that it takes counts as progress of the connection.
const AT_ONCE: usize = 16 * 1024;

/// The stream of a page, as a transport.
///
/// The handler's connection is driven as any other: it reads frames of a client, which the
/// page's sockets have fed, and writes frames, which become messages of the page's queue.
pub(super) struct PageTransport {
    pages: Arc<Pages>,
    stream: Arc<Stream>,
    feed: Arc<Feed>,
    decoder: Decoder,
    /// Decoded, and waiting until the page follows.
    waiting: Option<Item>,
    /// What the page had acknowledged when the item began to wait, or at the last look.
    acknowledged: Option<u64>,
    /// What comes is the last: it is kept for the page, however slowly that follows.
    closing: bool,
    closed: bool,
}

enum Item {
    Push(Push),
    Close(Close),
}

impl PageTransport {
    pub(super) fn new(pages: Arc<Pages>, stream: Arc<Stream>, feed: Arc<Feed>) -> Self {
        Self {
            pages,
            stream,
            feed,
            decoder: Decoder::new(Role::Client, MOST),
            waiting: None,
            acknowledged: None,
            closing: false,
            closed: false,
        }
    }

    /// Hands the waiting item over when the queue has room.
    fn poll_waiting(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &self.waiting {
            Some(Item::Push(push)) if self.closing => self.stream.append(push),
            Some(Item::Push(push)) => {
                if self.stream.poll_push(cx, push).is_pending() {
                    let now = || self.stream.progress().acknowledged;
                    self.acknowledged.get_or_insert_with(now);
                    return Poll::Pending;
                }
            }
            Some(Item::Close(close)) => {
                self.closed = true;
                self.pages.finish(&self.stream, close);
            }
            None => return Poll::Ready(()),
        }
        (self.waiting, self.acknowledged) = (None, None);
        Poll::Ready(())
    }

    /// Decodes a part of the slices up to the first message that has to wait. Returns the number
    /// of bytes.
    fn take(&mut self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        let first = slices.iter().find(|slice| !slice.is_empty());
        let first = first.map_or(&[][..], |slice| &slice[..slice.len().min(AT_ONCE)]);
        let mut bytes = first.to_vec();
        let mut rest = &mut bytes[..];
        while self.poll_waiting(cx).is_ready()
            && let Some(event) = self.decoder.decode(&mut rest).map_err(broken)?
        {
            self.waiting = item(event);
        }
        Ok(first.len() - rest.len())
    }
}

/// What a frame of the handler becomes; `None` for control frames: the page's sockets have their
/// own.
fn item(event: Event<'_>) -> Option<Item> {
    Some(match event {
        Event::Message(Incoming::Text(text)) => Item::Push(Push::text(text.as_str())),
        Event::Message(Incoming::Binary(data)) => Item::Push(Push::binary(data.as_slice())),
        Event::Close(Some((code, text))) => Item::Close(Close::new(code, text.into_string())),
        Event::Close(None) => Item::Close(Close::from(CloseCode::NORMAL)),
        Event::Ping(_) | Event::Pong(_) => return None,
    })
}

impl Transport for PageTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let taken = ready!(self.feed.poll_read(cx, buf));
        if let Some(last) = taken.last {
            self.stream.saw(last);
        }
        Poll::Ready(Ok(taken.bytes))
    }

    fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        let mut bytes = vec![0; buf.remaining_mut().min(64 * 1024)];
        let read = ready!(self.poll_read(cx, &mut bytes))?;
        buf.put_slice(&bytes[..read]);
        Poll::Ready(Ok(read))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(cx));
        let taken = self.take(cx, slices);
        self.pages.relieve_soon();
        Poll::Ready(taken)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll_waiting(cx).map(Ok);
        self.pages.relieve_soon();
        polled
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }

    fn closing(&mut self) {
        self.closing = true;
    }

    /// A message is taken as a whole, however slowly the page follows. The page progresses while
    /// it acknowledges, or while its socket has something to write: that socket has a stall
    /// time of its own, and its end lets the handler continue.
    fn has_progressed(&mut self) -> bool {
        let Progress {
            acknowledged,
            writes,
        } = self.stream.progress();
        let before = self.acknowledged.replace(acknowledged);
        writes || before.is_some_and(|before| before != acknowledged)
    }

    /// Whoever sends wakes the handler's connection: its order is the page's.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
}

impl Drop for PageTransport {
    /// The handler's connection is over: nobody waits for the page any longer.
    fn drop(&mut self) {
        self.closing = true;
        let _ = self.poll_waiting(&Context::from_waker(Waker::noop()));
        self.pages.relieve();
        if !self.closed {
            self.pages.finish(&self.stream, &Close::internal());
        }
    }
}
