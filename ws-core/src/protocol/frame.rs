//! The frame header (RFC 6455 section 5.2).

use super::error::ProtocolError;
use crate::message::Message;

/// The largest payload of a control frame in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The longest header in bytes: two, a 64-bit length and a mask.
pub const MAX_HEADER_LEN: usize = 14;

pub(super) const FIN: u8 = 0x80;
pub(super) const MASKED: u8 = 0x80;
/// Values of the length field that announce a 16-bit or 64-bit length.
pub(super) const LEN_16: u8 = 126;
pub(super) const LEN_64: u8 = 127;
pub(super) const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;

/// The type of a frame.
///
/// ```
/// use ws_server::testkit::OpCode;
/// # use ws_server::{prelude::*, testkit::TestKit};
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo {
/// #     fn init() -> Self { Echo }
/// #     fn message(&mut self, text: String) -> String { text }
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let mut client = TestKit::new().handler::<Echo>().connect().await.unwrap();
/// // One message in two frames.
/// client.send_frame(OpCode::Text, false, b"Hello, ").await;
/// client.send_frame(OpCode::Continuation, true, b"Ada!").await;
/// assert_eq!(client.text().await, "Hello, Ada!");
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the unfinished message.
    Continuation = 0,
    /// A text message, or its first fragment.
    Text = 1,
    /// A binary message, or its first fragment.
    Binary = 2,
    /// Closes the connection.
    Close = 8,
    /// Requests a Pong.
    Ping = 9,
    /// Answers a Ping, or is a heartbeat.
    Pong = 10,
}

impl OpCode {
    /// Whether frames of this type control the connection (Close, Ping, Pong) and may appear
    /// between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// The opcode for this message.
    pub(crate) const fn of(message: &Message) -> Self {
        match message {
            Message::Text(_) => Self::Text,
            Message::Binary(_) => Self::Binary,
        }
    }

    const fn from_low_bits(byte: u8) -> Result<Self, ProtocolError> {
        match byte & 0x0f {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            reserved => Err(ProtocolError::ReservedOpcode(reserved)),
        }
    }
}

/// A parsed frame header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Whether this frame is the last of its message.
    pub fin: bool,
    /// RSV1, which only a negotiated extension may set (RFC 7692 marks a compressed message with
    /// it).
    pub rsv1: bool,
    /// The type of the frame.
    pub opcode: OpCode,
    /// The mask of the payload; `None` if the frame is not masked.
    pub mask: Option<[u8; 4]>,
    /// The declared payload length in bytes, below 2^63.
    pub len: u64,
}

impl Header {
    /// Parses the header at the front of `input`. Returns it with its own length in bytes, 2 to
    /// [`MAX_HEADER_LEN`], or `None` if `input` ends inside the header.
    ///
    /// Whether a mask is required and RSV1 is allowed depends on the connection; the
    /// [`Decoder`](super::Decoder) checks that.
    ///
    /// # Errors
    ///
    /// RSV2 or RSV3 is set, the opcode is reserved, a control frame is fragmented or longer than
    /// [`MAX_CONTROL_PAYLOAD`], or a length is not in its shortest form or has its top bit set.
    ///
    /// ```
    /// use ws_core::protocol::frame::{Header, OpCode};
    ///
    /// let (header, size) = Header::parse(&[0x81, 0x05, b'H'])?.expect("a whole header");
    /// assert_eq!((header.opcode, header.len, size), (OpCode::Text, 5, 2));
    /// # Ok::<(), ws_core::protocol::ProtocolError>(())
    /// ```
    #[inline]
    pub fn parse(input: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, second, ref rest @ ..] = input else {
            return Ok(None);
        };
        if first & RSV2_RSV3 != 0 {
            return Err(ProtocolError::ReservedBits);
        }
        let opcode = OpCode::from_low_bits(first)?;
        let fin = first & FIN != 0;
        let short = second & !MASKED;
        if opcode.is_control() {
            check_control(fin, short)?;
        }
        let (len, rest) = match short {
            LEN_16 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            LEN_64 => match rest.split_first_chunk() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        check_length(short, len)?;
        let (mask, rest) = if second & MASKED == 0 {
            (None, rest)
        } else {
            match rest.split_first_chunk() {
                Some((mask, rest)) => (Some(*mask), rest),
                None => return Ok(None),
            }
        };
        let header = Self {
            fin,
            rsv1: first & RSV1 != 0,
            opcode,
            mask,
            len,
        };
        Ok(Some((header, input.len() - rest.len())))
    }
}

/// The most common frame: a masked, unfragmented message below 64 KiB.
///
/// A fast path around [`Header::parse`] that the compiler keeps in registers. It reports no errors:
/// if the header is anything else, it returns `None` and `Header::parse` handles it.
#[derive(Clone, Copy)]
pub(super) struct ShortMessage {
    /// Whether the message is text; otherwise it is binary.
    pub(super) is_text: bool,
    /// The length of the header in bytes.
    pub(super) header_len: usize,
    /// The length of the payload in bytes.
    pub(super) len: usize,
    pub(super) mask: [u8; 4],
}

impl ShortMessage {
    #[inline]
    pub(super) fn parse(input: &[u8]) -> Option<Self> {
        const TEXT: u8 = FIN | OpCode::Text as u8;
        const BINARY: u8 = FIN | OpCode::Binary as u8;
        let (&[first @ (TEXT | BINARY), second], rest) = input.split_first_chunk()? else {
            return None;
        };
        // If the mask bit is missing, this exceeds every length.
        let (header_len, len, rest) = match second ^ MASKED {
            LEN_16 => {
                let (len, rest) = rest.split_first_chunk()?;
                match u16::from_be_bytes(*len) {
                    len if len < u16::from(LEN_16) => return None,
                    len => (8, len, rest),
                }
            }
            short if short < LEN_16 => (6, u16::from(short), rest),
            _ => return None,
        };
        Some(Self {
            is_text: first == TEXT,
            header_len,
            len: usize::from(len),
            mask: *rest.first_chunk()?,
        })
    }
}

/// Section 5.5: a control frame is not fragmented, and its length fits the short field.
fn check_control(fin: bool, short: u8) -> Result<(), ProtocolError> {
    if !fin {
        Err(ProtocolError::FragmentedControl)
    } else if short >= LEN_16 {
        Err(ProtocolError::ControlTooLong)
    } else {
        Ok(())
    }
}

/// Section 5.2: a length must be in its shortest form and have at most 63 bits.
#[inline]
fn check_length(short: u8, len: u64) -> Result<(), ProtocolError> {
    let min = match short {
        LEN_16 => u64::from(LEN_16),
        LEN_64 => 0x1_0000,
        _ => return Ok(()),
    };
    if len < min {
        Err(ProtocolError::NonMinimalLength)
    } else if len >> 63 != 0 {
        Err(ProtocolError::LengthOverflow)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::encoder;
    use proptest::prelude::*;

    fn parse_error(input: &[u8]) -> ProtocolError {
        Header::parse(input).expect_err("an invalid header")
    }

    #[test]
    fn valid_opcodes_are_parsed_and_reserved_ones_rejected() {
        for low in 0..16_u8 {
            let parsed = Header::parse(&[FIN | low, 0]);
            match low {
                0..=2 | 8..=10 => {
                    let (header, _) = parsed.expect("known").expect("complete");
                    assert_eq!(header.opcode as u8, low);
                    assert_eq!(header.opcode.is_control(), low >= 8);
                }
                _ => assert_eq!(parsed, Err(ProtocolError::ReservedOpcode(low))),
            }
        }
    }

    #[test]
    fn rsv1_is_reported_and_the_other_reserved_bits_are_rejected() {
        let (header, _) = Header::parse(&[0xc1, 0]).expect("valid").expect("complete");
        assert!(header.rsv1);
        assert_eq!(parse_error(&[0xa1, 0]), ProtocolError::ReservedBits);
        assert_eq!(parse_error(&[0x91, 0]), ProtocolError::ReservedBits);
    }

    #[test]
    fn fragmented_and_long_control_frames_are_rejected() {
        assert_eq!(parse_error(&[0x09, 0]), ProtocolError::FragmentedControl);
        assert_eq!(parse_error(&[0x89, 126]), ProtocolError::ControlTooLong);
        assert_eq!(parse_error(&[0x88, 127]), ProtocolError::ControlTooLong);
        let (header, _) = Header::parse(&[0x8a, 125])
            .expect("valid")
            .expect("complete");
        assert_eq!(header.len, 125);
    }

    #[test]
    fn only_the_shortest_form_of_a_length_is_accepted() {
        assert_eq!(
            parse_error(&[0x82, 126, 0, 125]),
            ProtocolError::NonMinimalLength
        );
        let long = |len: u64| {
            let mut input = vec![0x82, 127];
            input.extend(len.to_be_bytes());
            input
        };
        assert_eq!(parse_error(&long(0xffff)), ProtocolError::NonMinimalLength);
        assert_eq!(parse_error(&long(1 << 63)), ProtocolError::LengthOverflow);
        assert_eq!(parse_error(&long(u64::MAX)), ProtocolError::LengthOverflow);
        let (header, size) = Header::parse(&long((1 << 63) - 1)).unwrap().unwrap();
        assert_eq!((header.len, size), ((1 << 63) - 1, 10));
    }

    proptest! {
        #[test]
        fn the_fast_path_parses_exactly_the_short_masked_messages(
            first in prop_oneof![Just(0x81), Just(0x82), any::<u8>()],
            second in prop_oneof![Just(0xfd), Just(0xfe), Just(0xff), any::<u8>()],
            len in prop_oneof![0..300_u16, any::<u16>()],
            rest: [u8; 10],
            end in 0_usize..=14,
        ) {
            let input = [&[first, second][..], &len.to_be_bytes(), &rest].concat();
            let short = ShortMessage::parse(&input[..end])
                .map(|it| (it.is_text, it.header_len, it.len as u64, it.mask));
            let whole = Header::parse(&input[..end]).ok().flatten();
            let expected = whole.and_then(|(header, size)| {
                let text = header.opcode == OpCode::Text;
                let message = text || header.opcode == OpCode::Binary;
                let plain = message && header.fin && !header.rsv1 && header.len < 65_536;
                let mask = header.mask.filter(|_| plain)?;
                Some((text, size, header.len, mask))
            });
            prop_assert_eq!(short, expected);
        }

        #[test]
        fn a_header_is_parsed_once_it_is_complete(
            len in prop_oneof![
                0_usize..200, Just(65_535), Just(65_536), 60_000_usize..1 << 32
            ],
            mask: Option<[u8; 4]>,
        ) {
            let (bytes, size) = encoder::header(OpCode::Binary, len);
            let mut input = bytes[..size].to_vec();
            if let Some(mask) = mask {
                input[1] |= MASKED;
                input.extend(mask);
            }
            for end in 0..input.len() {
                prop_assert_eq!(Header::parse(&input[..end]), Ok(None));
            }
            let header = Header {
                fin: true,
                rsv1: false,
                opcode: OpCode::Binary,
                mask,
                len: len as u64,
            };
            prop_assert_eq!(Header::parse(&input), Ok(Some((header, input.len()))));
        }
    }
}
