//! Decodes bytes to messages and control events (RFC 6455 sections 5.4 to 5.6).

#![expect(
    clippy::mut_mut,
    reason = "bytes are taken off the front of an input and outlive the call, as payloads are lent"
)]

use bytes::buf::Limit;

use super::error::ProtocolError;
use super::event::{BinaryData, Event, Incoming, TextData};
use super::frame::{Header, OpCode, ShortMessage};
use super::mask;
use super::unfinished::Unfinished;
use super::utf8::{self, InvalidUtf8};

/// Which end of the connection decodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Decodes frames from a client: every frame must be masked (RFC 6455 section 5.1).
    Server,
    /// Decodes frames from a server: no frame may be masked.
    Client,
}

/// Turns the bytes of one connection into events.
///
/// If a whole frame is in the input, its payload is borrowed from there: it is unmasked in place,
/// and nothing is allocated. Short text may be moved some bytes to the front, over its header.
/// Unfinished data is kept in one allocation that exists only while it is needed, so an idle
/// decoder takes [`size_of::<Decoder>()`](size_of), at most 40 bytes.
///
/// Memory is bounded by the bytes received, not by the declared length: a message buffer never
/// exceeds the larger of 1 MiB and twice the bytes received, nor the declared length unless further
/// fragments follow.
///
/// After an error or an [`Event::Close`], the remaining bytes have no meaning. The decoder does not
/// check for that; the caller must stop.
///
/// ```
/// use ws_core::protocol::{Decoder, Event, Role};
///
/// let mut decoder = Decoder::new(Role::Server, 64 * 1024);
/// let mut read = *b"\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut input = &mut read[..];
/// while let Some(event) = decoder.decode(&mut input)? {
///     let Event::Ping(payload) = event else { panic!("a Ping was sent") };
///     assert_eq!(payload.as_slice(), b"Hello");
/// }
/// # Ok::<(), ws_core::protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    deflate: bool,
    /// Payloads of messages are skipped.
    skipping: bool,
    /// Whether short messages may take the fast path: from a client, and not skipped.
    fast_path: bool,
    max_message: usize,
    unfinished: Option<Box<Unfinished>>,
}

impl Decoder {
    /// Creates a decoder for messages of at most `max_message` bytes, all fragments together.
    #[must_use]
    pub const fn new(role: Role, max_message: usize) -> Self {
        Self {
            role,
            deflate: false,
            skipping: false,
            fast_path: matches!(role, Role::Server),
            max_message,
            unfinished: None,
        }
    }

    /// Accepts compressed messages too, if they were negotiated (RFC 7692): if the first frame of a
    /// message has RSV1 set, the message is inflated when it is complete.
    ///
    /// `max_message` bounds both the compressed and the inflated bytes. Each message is inflated on
    /// its own; see [`deflate`](super::deflate).
    ///
    /// ```
    /// use ws_core::protocol::{Decoder, Event, Incoming, Role};
    ///
    /// // The sample of RFC 7692, section 7.2.3.1.
    /// let mut read = *b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    /// let mut decoder = Decoder::new(Role::Client, 1024).with_deflate(true);
    /// let Some(Event::Message(Incoming::Text(text))) = decoder.decode(&mut &mut read[..])? else {
    ///     panic!("a whole message");
    /// };
    /// assert_eq!(text.as_str(), "Hello");
    /// # Ok::<(), ws_core::protocol::ProtocolError>(())
    /// ```
    #[must_use]
    pub fn with_deflate(self, deflate: bool) -> Self {
        Self { deflate, ..self }
    }

    /// Skips all further messages: they are not unmasked, validated, inflated or kept, and the
    /// buffer of an unfinished one is freed. Control frames and headers are still decoded, so a
    /// protocol violation in a header is still an error, and so is a message above the limit.
    ///
    /// Use this for the bytes after a Close of our own (RFC 6455, section 5.5.1).
    ///
    /// ```
    /// use ws_core::protocol::{Decoder, Event, Role};
    ///
    /// // A compressed message that is no DEFLATE, and an empty Close behind it.
    /// let mut read = *b"\xc1\x82\x00\x00\x00\x00\xff\xff\x88\x80\x00\x00\x00\x00";
    /// let mut decoder = Decoder::new(Role::Server, 1024).with_deflate(true);
    /// decoder.skip_messages();
    /// assert_eq!(decoder.decode(&mut &mut read[..])?, Some(Event::Close(None)));
    /// # Ok::<(), ws_core::protocol::ProtocolError>(())
    /// ```
    pub fn skip_messages(&mut self) {
        if self.skipping {
            return;
        }
        (self.skipping, self.fast_path) = (true, false);
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.skip();
        }
    }

    /// Decodes the next event from the front of `input`, which is unmasked in place.
    ///
    /// Returns `None` when `input` is empty and an event needs more bytes. Call it until then: one
    /// input may contain many events.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] as soon as the bytes so far show it: a header is checked when it is
    /// complete, before its payload arrives; text fails at the first byte that cannot be UTF-8,
    /// even inside an unfinished frame.
    #[inline]
    pub fn decode<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        match self.short_message(input) {
            Some(Ok(message)) => Ok(Some(Event::Message(message))),
            Some(Err(InvalidUtf8)) => Err(ProtocolError::InvalidUtf8),
            None => self.decode_any(input),
        }
    }

    /// Decodes a short message from a client if all of it is in `input`. Otherwise returns `None`,
    /// takes nothing and leaves `input` to [`decode`](Self::decode).
    #[expect(
        clippy::inline_always,
        reason = "called for each message of a burst, which the compiler keeps apart by itself"
    )]
    #[inline(always)]
    pub(crate) fn short_message<'b>(
        &self,
        input: &mut &'b mut [u8],
    ) -> Option<Result<Incoming<'b>, InvalidUtf8>> {
        if self.unfinished.is_some() || !self.fast_path {
            return None;
        }
        let header = ShortMessage::parse(input)?;
        if header.len > self.max_message || input.len() < header.header_len + header.len {
            return None;
        }
        let frame = take_front(input, header.header_len + header.len);
        let start = if header.is_text && header.len < SHORT_TEXT {
            align(frame, header.header_len)
        } else {
            header.header_len
        };
        let payload = &mut frame[start..][..header.len];
        mask::apply(payload, header.mask, 0);
        if !header.is_text {
            return Some(Ok(Incoming::Binary(BinaryData::Borrowed(payload))));
        }
        Some(utf8::validate(payload).map(|text| Incoming::Text(TextData::Borrowed(text))))
    }

    /// Decodes the next event of any input.
    #[inline(never)]
    pub(crate) fn decode_any<'b>(
        &mut self,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        loop {
            let event = if self.unfinished.as_ref().is_some_and(|u| u.in_frame()) {
                if input.is_empty() {
                    return Ok(None);
                }
                self.feed(input)?
            } else {
                let Some(header) = self.next_header(input)? else {
                    return Ok(None);
                };
                self.start_frame(&header, input)?
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// The number of bytes kept of an unfinished message, control frame or header; 0 if idle.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |u| u.buffered())
    }

    /// The buffer of an unfinished large binary frame, for reading from the socket into it.
    ///
    /// Returns `Some` while the frame lacks 16 KiB or more. The buffer never takes more bytes than
    /// the frame lacks; it may take fewer, since it grows with the received bytes. After writing to
    /// it, call [`target_filled`](Self::target_filled) before any other method. Use it only as a
    /// `BufMut`: the vector inside holds the message so far.
    ///
    /// ```
    /// use bytes::BufMut;
    /// use ws_core::protocol::{Decoder, Event, Incoming, Role};
    ///
    /// let mut decoder = Decoder::new(Role::Client, 1 << 20);
    /// let mut read = *b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00";
    /// assert_eq!(decoder.decode(&mut &mut read[..])?, None);
    /// decoder.read_target().expect("a large binary frame").put_slice(&[7; 65_536]);
    /// let Some(Event::Message(Incoming::Binary(data))) = decoder.target_filled()? else {
    ///     panic!("the frame is whole");
    /// };
    /// assert_eq!(data.as_slice(), [7; 65_536]);
    /// # Ok::<(), ws_core::protocol::ProtocolError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn read_target(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        self.unfinished.as_mut()?.target()
    }

    /// Unmasks the bytes written to the [`read_target`](Self::read_target), and returns the message
    /// if they complete it.
    ///
    /// # Errors
    ///
    /// If the message is compressed and complete, the errors of inflating it: the same as from
    /// [`decode`](Self::decode).
    pub fn target_filled(&mut self) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(unfinished) = &mut self.unfinished else {
            return Ok(None);
        };
        unfinished.unmask_received();
        let event = unfinished.end_frame(self.max_message);
        self.release();
        event
    }

    /// Parses the next header and removes its bytes from `input`, if it is complete.
    #[inline]
    fn next_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        if self
            .unfinished
            .as_ref()
            .is_some_and(|u| u.has_partial_header())
        {
            return self.complete_header(input);
        }
        match Header::parse(input)? {
            Some((header, size)) => {
                take_front(input, size);
                Ok(Some(header))
            }
            None if input.is_empty() => Ok(None),
            None => self.complete_header(input),
        }
    }

    /// Assembles a header that is split over several reads.
    #[cold]
    fn complete_header(&mut self, input: &mut &mut [u8]) -> Result<Option<Header>, ProtocolError> {
        let unfinished = self.unfinished.get_or_insert_default();
        while !input.is_empty() {
            if let [byte] = *take_front(input, 1)
                && let Some(header) = unfinished.push_header_byte(byte)?
            {
                self.release();
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// Starts a frame. If it is an event on its own and completely in `input`, the event borrows
    /// it; otherwise the available part is copied.
    #[inline]
    fn start_frame<'b>(
        &mut self,
        header: &Header,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Event<'b>>, ProtocolError> {
        let len = self.check_header(header)?;
        let is_single_event = header.fin && header.opcode != OpCode::Continuation;
        if is_single_event && len <= input.len() {
            let payload = take_front(input, len);
            if self.skipping && !header.opcode.is_control() {
                return Ok(None);
            }
            if let Some(mask) = header.mask {
                mask::apply(payload, mask, 0);
            }
            if header.rsv1 {
                return Event::inflated(header.opcode, payload, self.max_message).map(Some);
            }
            return Event::from_payload(header.opcode, payload).map(Some);
        }
        let unfinished = self.unfinished.get_or_insert_default();
        unfinished.start_frame(header, len, self.skipping);
        self.feed(input)
    }

    /// Checks by its header whether the frame is allowed now; returns its payload length.
    #[inline]
    fn check_header(&self, header: &Header) -> Result<usize, ProtocolError> {
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::UnmaskedFrame),
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        // RFC 7692, section 6.1: RSV1 may be set only on the first frame of a message.
        let rsv1_allowed = self.deflate && matches!(header.opcode, OpCode::Text | OpCode::Binary);
        if header.rsv1 && !rsv1_allowed {
            return Err(ProtocolError::ReservedBits);
        }
        let message_len = self.unfinished.as_ref().and_then(|u| u.message_len());
        let message_len = match (header.opcode, message_len) {
            (OpCode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (OpCode::Text | OpCode::Binary, Some(_)) => {
                return Err(ProtocolError::ExpectedContinuation);
            }
            (OpCode::Continuation, Some(message_len)) => message_len,
            (OpCode::Text | OpCode::Binary, None) => 0,
            // Control frames are bounded by their header check and belong to no message.
            (OpCode::Close | OpCode::Ping | OpCode::Pong, _) => {
                return Ok(usize::try_from(header.len).unwrap_or(usize::MAX));
            }
        };
        match usize::try_from(header.len) {
            Ok(len) if len <= self.max_message.saturating_sub(message_len) => Ok(len),
            _ => Err(ProtocolError::TooBig {
                limit: self.max_message,
                size: header.len.saturating_add(message_len as u64),
            }),
        }
    }

    /// Moves payload of the unfinished frame from `input` into the decoder.
    #[inline(never)]
    fn feed(&mut self, input: &mut &mut [u8]) -> Result<Option<Event<'static>>, ProtocolError> {
        let Some(unfinished) = &mut self.unfinished else {
            return Ok(None);
        };
        let len = unfinished.missing().min(input.len());
        unfinished.append(take_front(input, len))?;
        let event = unfinished.end_frame(self.max_message);
        self.release();
        event
    }

    /// Frees the allocation if nothing is unfinished.
    fn release(&mut self) {
        self.unfinished.take_if(|u| u.is_idle());
    }
}

/// The length from which text is validated with vector instructions, at any alignment.
const SHORT_TEXT: usize = 64;

/// Moves the payload that begins at `start` to the front, over the header, until it is
/// word-aligned. Returns its new start.
///
/// The validator handles short text in words, and up to seven unaligned bytes before it one by one.
#[inline]
fn align(frame: &mut [u8], start: usize) -> usize {
    let misalignment = (frame.as_ptr().addr() + start) % size_of::<usize>();
    if misalignment == 0 || misalignment > start {
        return start;
    }
    frame.copy_within(start.., start - misalignment);
    start - misalignment
}

/// Removes `len` bytes from the front of `input`, which must have as many.
#[inline]
fn take_front<'b>(input: &mut &'b mut [u8], len: usize) -> &'b mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(len);
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;

    use super::*;
    use crate::protocol::encoder::encode_masked;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn an_idle_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 40);
    }

    #[test]
    fn the_allocation_lives_as_long_as_something_is_unfinished() {
        let mut decoder = Decoder::new(Role::Server, 1 << 20);
        let mut wire = encode_masked(OpCode::Text, false, b"one", MASK);
        let first = wire.len();
        wire.extend(encode_masked(OpCode::Ping, true, b"?", MASK));
        let ping = wire.len();
        wire.extend(encode_masked(OpCode::Continuation, true, b"two", MASK));
        let end = wire.len();
        for (at, byte) in wire.iter().enumerate() {
            let mut read = [*byte];
            let event = decoder.decode(&mut &mut read[..]).expect("valid");
            let done = at + 1;
            assert_eq!(event.is_some(), done == ping || done == end);
            assert_eq!(decoder.unfinished.is_some(), done != end, "{done} bytes");
            if done == first {
                assert_eq!(decoder.buffered(), 3);
            }
        }
        assert_eq!(decoder.buffered(), 0);
        let mut whole = encode_masked(OpCode::Text, true, b"one", MASK);
        assert!(matches!(decoder.decode(&mut &mut whole[..]), Ok(Some(_))));
        assert!(decoder.unfinished.is_none(), "a whole frame keeps nothing");
    }

    #[test]
    fn a_filled_target_that_completes_the_message_frees_the_allocation() {
        let mut decoder = Decoder::new(Role::Server, 1 << 20);
        let wire = encode_masked(OpCode::Binary, true, &vec![5; 40_000], MASK);
        assert_eq!(decoder.decode(&mut &mut wire.clone()[..20]), Ok(None));
        decoder.read_target().expect("large").put_slice(&wire[20..]);
        assert!(matches!(decoder.target_filled(), Ok(Some(_))));
        assert!(decoder.unfinished.is_none());
    }
}
