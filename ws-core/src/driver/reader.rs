//! Reading: from the transport to whole messages.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]
#![expect(
    clippy::mut_mut,
    reason = "events are taken off the front of a slice, as the decoder does"
)]

use std::io;
use std::task::{Context as TaskContext, Poll, ready};

use crate::outbox::Transport;
use crate::protocol::{Decoder, Deflate, Event, Incoming, ProtocolError, Role};

#[cfg(test)]
mod tests;

/// The decoder, and whether it can still be used.
///
/// [`poll_read`](Self::poll_read) comes first. If it has read into the scratch buffer, call
/// [`next_short`](Self::next_short) and [`next_event`](Self::next_event) with these bytes until
/// none are left; if it has read into a message, call [`end_of_target`](Self::end_of_target).
pub(super) struct Reader {
    decoder: Decoder,
    protocol: ProtocolState,
}

/// Whether the client has followed the protocol so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ProtocolState {
    Valid,
    /// Later bytes cannot be decoded.
    Violated,
}

/// The result of one read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReadOutcome {
    /// The client has ended its side of the stream.
    End,
    /// This many bytes are in the scratch buffer.
    Scratch(usize),
    /// This many bytes are in their place in a large message.
    Target(usize),
}

impl Reader {
    /// A reader of messages of at most `max_message` bytes, including compressed ones if
    /// compression was negotiated.
    pub(super) fn new(max_message: usize, deflate: Option<Deflate>) -> Self {
        let decoder = Decoder::new(Role::Server, max_message);
        Self {
            decoder: decoder.with_deflate(deflate.is_some()),
            protocol: ProtocolState::Valid,
        }
    }

    /// Reads once: the rest of a large message directly into its buffer, everything else into
    /// `scratch`.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut TaskContext<'_>,
        transport: &mut dyn Transport,
        scratch: &mut [u8],
    ) -> Poll<io::Result<ReadOutcome>> {
        let target = match self.protocol {
            ProtocolState::Valid => self.decoder.read_target(),
            ProtocolState::Violated => None,
        };
        let (read, place) = if let Some(mut target) = target {
            let read = ready!(transport.poll_read_buf(cx, &mut target))?;
            (read, ReadOutcome::Target(read))
        } else {
            let read = ready!(transport.poll_read(cx, scratch))?;
            (read, ReadOutcome::Scratch(read))
        };
        Poll::Ready(Ok(if read == 0 { ReadOutcome::End } else { place }))
    }

    /// Takes a short message from the front of `input`; most reads contain such messages. If it
    /// returns `None`, it has taken nothing, and [`next_event`](Self::next_event) must read
    /// `input`.
    ///
    /// # Errors
    ///
    /// Same as [`next_event`](Self::next_event).
    #[inline(always)]
    pub(super) fn next_short<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Option<Result<Incoming<'b>, ProtocolError>> {
        match self.decoder.short_message(input)? {
            Ok(incoming) => Some(Ok(incoming)),
            Err(error) => Some(self.checked(Err(error.into()))),
        }
    }

    /// Takes the next event from the front of `input`; `None` if there is no complete one.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the client violated the protocol. Nothing is decoded after that.
    pub(super) fn next_event<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let event = self.decoder.decode_any(input);
        self.checked(event)
    }

    /// The complete message, if the last read into its buffer completed it.
    ///
    /// # Errors
    ///
    /// Same as [`next_event`](Self::next_event).
    pub(super) fn end_of_target(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        let event = self.decoder.target_filled();
        self.checked(event)
    }

    fn checked<T>(&mut self, decoded: Result<T, ProtocolError>) -> Result<T, ProtocolError> {
        if decoded.is_err() {
            self.protocol = ProtocolState::Violated;
        }
        decoded
    }

    /// Skips messages from now on, because the server's Close is queued.
    pub(super) fn skip_messages(&mut self) {
        self.decoder.skip_messages();
    }

    /// Whether the client violated the protocol.
    #[inline]
    pub(super) fn has_protocol_error(&self) -> bool {
        self.protocol == ProtocolState::Violated
    }

    /// The buffered bytes of an unfinished message.
    pub(super) fn buffered(&self) -> usize {
        self.decoder.buffered()
    }
}
