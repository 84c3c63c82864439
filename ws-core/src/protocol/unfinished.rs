//! The state that the decoder keeps between reads: an incomplete header, frame or message.

use bytes::BufMut as _;
use bytes::buf::Limit;

use super::error::ProtocolError;
use super::event::{BinaryData, Event, Incoming, TextData};
use super::frame::{Header, MAX_HEADER_LEN, OpCode};
use super::mask;
use super::utf8::{InvalidUtf8, Validator};

/// How far the capacity of a buffer may exceed the received bytes. Declaring a length costs the
/// peer nothing, so it is trusted up to here, and beyond only as bytes arrive.
pub(super) const MAX_PREALLOCATION: usize = 1 << 20;

/// The number of missing bytes from which reading directly into the buffer of a frame pays.
pub(super) const MIN_TARGET: usize = 16 << 10;

/// The state of a [`Decoder`](super::Decoder) that is not idle.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    header: PartialHeader,
    frame: Option<PartialFrame>,
    /// The payload of an unfinished control frame, which leaves `message` untouched.
    control: Vec<u8>,
    message: Option<PartialMessage>,
}

/// The bytes of an incomplete header.
#[derive(Debug, Default)]
struct PartialHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: usize,
}

/// A frame with a known header and an incomplete payload.
#[derive(Debug)]
struct PartialFrame {
    opcode: OpCode,
    fin: bool,
    mask: Option<[u8; 4]>,
    /// The declared payload length.
    len: usize,
    /// The number of payload bytes received and unmasked.
    received: usize,
}

impl PartialFrame {
    fn unmask(&mut self, bytes: &mut [u8]) {
        if let Some(mask) = self.mask {
            mask::apply(bytes, mask, self.received);
        }
        self.received += bytes.len();
    }
}

/// The message so far.
#[derive(Debug)]
enum PartialMessage {
    Text {
        text: String,
        utf8: Validator,
    },
    /// A binary message, or a compressed one of this opcode; its text is validated after inflating.
    Binary {
        bytes: Vec<u8>,
        unmasked: usize,
        deflated: Option<OpCode>,
    },
    /// A message that is skipped, with the number of its bytes so far.
    Skipped(usize),
}

impl PartialMessage {
    fn new(header: &Header, skip: bool) -> Self {
        if skip {
            Self::Skipped(0)
        } else if header.opcode == OpCode::Text && !header.rsv1 {
            Self::Text {
                text: String::new(),
                utf8: Validator::default(),
            }
        } else {
            Self::Binary {
                bytes: Vec::new(),
                unmasked: 0,
                deflated: header.rsv1.then_some(header.opcode),
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text { text, utf8 } => text.len() + utf8.pending_len(),
            Self::Binary { bytes, .. } => bytes.len(),
            Self::Skipped(len) => *len,
        }
    }

    /// Returns the whole message, or `None` if it was skipped.
    fn finish(self, limit: usize) -> Result<Option<Incoming<'static>>, ProtocolError> {
        match self {
            Self::Skipped(_) => Ok(None),
            Self::Text { text, utf8 } if utf8.is_complete() => {
                Ok(Some(Incoming::Text(TextData::Owned(text))))
            }
            Self::Text { .. } => Err(ProtocolError::InvalidUtf8),
            Self::Binary {
                bytes,
                deflated: None,
                ..
            } => Ok(Some(Incoming::Binary(BinaryData::from_vec(bytes)))),
            Self::Binary {
                bytes,
                deflated: Some(opcode),
                ..
            } => Incoming::inflated(opcode, &bytes, limit).map(Some),
        }
    }
}

impl Unfinished {
    /// Whether there is nothing to keep.
    pub(super) fn is_idle(&self) -> bool {
        self.header.len == 0 && self.frame.is_none() && self.message.is_none()
    }

    pub(super) fn in_frame(&self) -> bool {
        self.frame.is_some()
    }

    pub(super) fn has_partial_header(&self) -> bool {
        self.header.len > 0
    }

    /// The payload bytes of the unfinished message; `None` if no message is unfinished.
    pub(super) fn message_len(&self) -> Option<usize> {
        self.message.as_ref().map(PartialMessage::len)
    }

    pub(super) fn buffered(&self) -> usize {
        let message = match &self.message {
            None | Some(PartialMessage::Skipped(_)) => 0,
            Some(body) => body.len(),
        };
        self.header.len + self.control.len() + message
    }

    /// Frees the buffer of a message and skips the rest of it.
    pub(super) fn skip(&mut self) {
        if let Some(body) = &mut self.message {
            *body = PartialMessage::Skipped(body.len());
        }
    }

    /// Adds one byte of a header, and returns the header if that completes it.
    pub(super) fn push_header_byte(&mut self, byte: u8) -> Result<Option<Header>, ProtocolError> {
        // In bounds: no header is longer than the array, and a complete one empties it.
        self.header.bytes[self.header.len] = byte;
        self.header.len += 1;
        let header =
            Header::parse(&self.header.bytes[..self.header.len])?.map(|(header, _)| header);
        if header.is_some() {
            self.header.len = 0;
        }
        Ok(header)
    }

    /// Starts a frame of `len` bytes that `Decoder::check_header` has accepted.
    pub(super) fn start_frame(&mut self, header: &Header, len: usize, skip: bool) {
        if !header.opcode.is_control() && self.message.is_none() {
            self.message = Some(PartialMessage::new(header, skip));
        }
        self.frame = Some(PartialFrame {
            opcode: header.opcode,
            fin: header.fin,
            mask: header.mask,
            len,
            received: 0,
        });
    }

    /// The payload bytes that the current frame still needs.
    pub(super) fn missing(&self) -> usize {
        let Some(frame) = &self.frame else { return 0 };
        let masked = match &self.message {
            Some(PartialMessage::Binary {
                bytes, unmasked, ..
            }) => bytes.len() - unmasked,
            _ => 0,
        };
        frame.len - frame.received - masked
    }

    /// Appends payload bytes of the current frame, at most [`missing`](Self::missing).
    pub(super) fn append(&mut self, input: &mut [u8]) -> Result<(), InvalidUtf8> {
        let missing = self.missing();
        let Some(frame) = &mut self.frame else {
            return Ok(());
        };
        if frame.opcode.is_control() {
            frame.unmask(input);
            self.control.reserve_exact(missing);
            self.control.extend_from_slice(input);
            return Ok(());
        }
        let current = self.message.as_ref().map_or(0, PartialMessage::len);
        let goal = capacity(current, missing, input.len(), frame.fin);
        match &mut self.message {
            Some(PartialMessage::Text { text, utf8 }) => {
                frame.unmask(input);
                if text.capacity() < current + input.len() {
                    text.reserve_exact(goal - text.len());
                }
                utf8.feed(input, |valid| text.push_str(valid))
            }
            Some(PartialMessage::Binary { bytes, .. }) => {
                if bytes.capacity() < current + input.len() {
                    bytes.reserve_exact(goal - current);
                }
                bytes.extend_from_slice(input);
                self.unmask_received();
                Ok(())
            }
            Some(PartialMessage::Skipped(len)) => {
                *len += input.len();
                frame.received += input.len();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The buffer of a large binary frame, limited to the bytes that the frame lacks.
    pub(super) fn target(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let missing = self.missing();
        let (Some(frame), Some(PartialMessage::Binary { bytes, .. })) =
            (&self.frame, &mut self.message)
        else {
            return None;
        };
        if missing < MIN_TARGET || frame.opcode.is_control() {
            return None;
        }
        if bytes.capacity() - bytes.len() < MIN_TARGET {
            let current = bytes.len();
            let goal = capacity(current, missing, 0, frame.fin);
            bytes.reserve_exact(goal - current);
        }
        // Limited to the spare capacity too, so that filling it cannot grow the buffer.
        let room = missing.min(bytes.capacity() - bytes.len());
        Some(bytes.limit(room))
    }

    /// Unmasks the bytes written to the buffer since the last call.
    pub(super) fn unmask_received(&mut self) {
        if let (
            Some(frame),
            Some(PartialMessage::Binary {
                bytes, unmasked, ..
            }),
        ) = (&mut self.frame, &mut self.message)
            && !frame.opcode.is_control()
        {
            frame.unmask(&mut bytes[*unmasked..]);
            *unmasked = bytes.len();
        }
    }

    /// Ends the current frame if it is complete, and returns the event that it completes. A
    /// compressed message may have `limit` bytes.
    pub(super) fn end_frame(
        &mut self,
        limit: usize,
    ) -> Result<Option<Event<'static>>, ProtocolError> {
        if self.missing() > 0 {
            return Ok(None);
        }
        let Some(frame) = self.frame.take() else {
            return Ok(None);
        };
        if frame.opcode.is_control() {
            let payload = BinaryData::from_vec(std::mem::take(&mut self.control));
            return Event::control(frame.opcode, payload).map(Some);
        }
        let complete = self.message.take_if(|_| frame.fin);
        let message = complete.map(|body| body.finish(limit)).transpose()?;
        Ok(message.flatten().map(Event::Message))
    }
}

/// The capacity for a message buffer that holds `current` bytes and receives `incoming` now and
/// `missing` (including these) by the end of its frame.
///
/// A message in one frame of up to [`MAX_PREALLOCATION`] is allocated once, exactly. A larger one
/// doubles as its bytes arrive, up to its exact length. If more frames follow, the final length is
/// unknown, so the buffer at least doubles: many small fragments must not copy it each time.
fn capacity(current: usize, missing: usize, incoming: usize, last: bool) -> usize {
    let arrived = current + incoming;
    let goal = (current + missing).min(arrived.saturating_mul(2).max(MAX_PREALLOCATION));
    if last {
        goal
    } else {
        goal.max(current.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_up_to_the_preallocation_limit_is_allocated_once_and_exactly() {
        for len in [1, 125, 70_000, MAX_PREALLOCATION] {
            assert_eq!(capacity(0, len, 1, true), len);
            assert_eq!(capacity(0, len, 1, false), len);
        }
    }

    #[test]
    fn a_huge_frame_grows_only_as_its_bytes_arrive() {
        let huge = 1 << 40;
        assert_eq!(capacity(0, huge, 1, true), MAX_PREALLOCATION);
        assert_eq!(
            capacity(MAX_PREALLOCATION, huge, 1000, true),
            2 * (MAX_PREALLOCATION + 1000)
        );
        assert_eq!(
            capacity(MAX_PREALLOCATION, 1000, 10, true),
            MAX_PREALLOCATION + 1000,
            "the end is exact"
        );
    }

    #[test]
    fn many_small_fragments_double_the_buffer() {
        assert_eq!(capacity(4000, 1, 1, false), 8000);
        assert_eq!(capacity(4000, 1, 1, true), 4001);
    }
}
