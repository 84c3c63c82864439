//! The transport of a page's handler: the page instead of a socket.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use crate::close::{Close, CloseCode};
use crate::outbox::{DirectWrite, Transport};
use crate::page::{Feed, Pages, Progress, Stream};
use crate::protocol::{Decoder, Event, Incoming, Role};
use crate::wire::Push;

/// The largest message of a handler to its page: there is no limit.
const UNLIMITED: usize = usize::MAX;

/// The maximum number of bytes decoded at a time. Messages that the page does not accept yet stay
/// in the outbox, so that each accepted one counts as progress of the connection.
const MAX_WRITE: usize = 16 * 1024;

/// The stream of a page, as a transport.
///
/// The handler's connection runs like any other: it reads frames of a client, which come from the
/// page's sockets through the feed, and writes frames, which become messages of the page's queue.
pub(super) struct PageTransport {
    pages: Arc<Pages>,
    stream: Arc<Stream>,
    feed: Arc<Feed>,
    decoder: Decoder,
    /// Decoded, but waiting until the page catches up.
    waiting: Option<OutgoingItem>,
    /// The page's acknowledged offset when the item began to wait, or at the last check.
    acknowledged: Option<u64>,
    /// The connection is closing: further messages are kept for the page, even if it is slow.
    closing: bool,
    closed: bool,
}

enum OutgoingItem {
    Push(Push),
    Close(Close),
}

impl PageTransport {
    pub(super) fn new(pages: Arc<Pages>, stream: Arc<Stream>, feed: Arc<Feed>) -> Self {
        Self {
            pages,
            stream,
            feed,
            decoder: Decoder::new(Role::Client, UNLIMITED),
            waiting: None,
            acknowledged: None,
            closing: false,
            closed: false,
        }
    }

    /// Passes the waiting item to the page's queue, if that has room.
    fn poll_waiting(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &self.waiting {
            Some(OutgoingItem::Push(push)) if self.closing => self.stream.push_last(push),
            Some(OutgoingItem::Push(push)) => {
                if self.stream.poll_push(cx, push).is_pending() {
                    let now = || self.stream.progress().acknowledged;
                    self.acknowledged.get_or_insert_with(now);
                    return Poll::Pending;
                }
            }
            Some(OutgoingItem::Close(close)) => {
                self.closed = true;
                self.pages.finish(&self.stream, close);
            }
            None => return Poll::Ready(()),
        }
        (self.waiting, self.acknowledged) = (None, None);
        Poll::Ready(())
    }

    /// Decodes some bytes of the slices, up to the first message that must wait. Returns the number
    /// of decoded bytes.
    fn write(&mut self, cx: &Context<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        let first = slices.iter().find(|slice| !slice.is_empty());
        let first = first.map_or(&[][..], |slice| &slice[..slice.len().min(MAX_WRITE)]);
        let mut bytes = first.to_vec();
        let mut rest = &mut bytes[..];
        while self.poll_waiting(cx).is_ready()
            && let Some(event) = self.decoder.decode(&mut rest).map_err(invalid)?
        {
            self.waiting = outgoing_item(event);
        }
        Ok(first.len() - rest.len())
    }
}

/// Converts a frame of the handler. Returns `None` for Ping and Pong: the page's sockets have their
/// own.
fn outgoing_item(event: Event<'_>) -> Option<OutgoingItem> {
    Some(match event {
        Event::Message(Incoming::Text(text)) => OutgoingItem::Push(Push::text(text.as_str())),
        Event::Message(Incoming::Binary(data)) => OutgoingItem::Push(Push::binary(data.as_slice())),
        Event::Close(Some((code, text))) => {
            OutgoingItem::Close(Close::new(code, text.into_string()))
        }
        Event::Close(None) => OutgoingItem::Close(Close::from(CloseCode::NORMAL)),
        Event::Ping(_) | Event::Pong(_) => return None,
    })
}

impl Transport for PageTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(self.feed.poll_read(cx, buf));
        if let Some(last) = read.last {
            self.stream.mark_seen(last);
        }
        Poll::Ready(Ok(read.bytes))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_waiting(cx));
        let written = self.write(cx, slices);
        self.pages.relieve_soon();
        Poll::Ready(written)
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

    /// Messages are accepted as a whole, so a slow page shows no progress in bytes. The page makes
    /// progress if it acknowledges, or if its socket has data to write: that socket has its own
    /// stall timeout, and if it ends, the handler can continue.
    fn has_progressed(&mut self) -> bool {
        let Progress {
            acknowledged,
            is_writing,
        } = self.stream.progress();
        let before = self.acknowledged.replace(acknowledged);
        is_writing || before.is_some_and(|before| before != acknowledged)
    }

    /// Senders wake the handler's connection, so that the order of messages is preserved.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
}

impl Drop for PageTransport {
    /// The handler's connection has ended, so the waiting item is queued without waiting for room.
    fn drop(&mut self) {
        self.closing = true;
        let _ = self.poll_waiting(&Context::from_waker(Waker::noop()));
        self.pages.relieve();
        if !self.closed {
            self.pages.finish(&self.stream, &Close::internal());
        }
    }
}
