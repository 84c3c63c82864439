//! Encodes messages and control frames (RFC 6455 sections 5.2 and 5.5).
//!
//! A server never masks, and this encoder never fragments: every frame has FIN set.

use bytes::{BufMut, Bytes};

use super::frame::{FIN, LEN_16, LEN_64, MAX_CONTROL_PAYLOAD, OpCode};
use crate::close::Close;

/// The longest header of an unmasked frame in bytes.
const MAX_UNMASKED_HEADER: usize = 10;

/// The header of an unmasked frame with a payload of `len` bytes: an array, and the length of the
/// header in it, which is 2, 4 or 10.
///
/// A control frame has at most [`MAX_CONTROL_PAYLOAD`] bytes of payload. More is a bug of the
/// caller: debug builds panic, and every peer rejects the frame.
///
/// ```
/// use ws_core::protocol::{OpCode, encoder};
///
/// let (bytes, size) = encoder::header(OpCode::Binary, 256);
/// assert_eq!(&bytes[..size], [0x82, 126, 0x01, 0x00]);
/// ```
#[inline]
#[must_use]
pub fn header(opcode: OpCode, len: usize) -> ([u8; MAX_UNMASKED_HEADER], usize) {
    debug_assert!(
        !opcode.is_control() || len <= MAX_CONTROL_PAYLOAD,
        "a control frame of {len} bytes"
    );
    let mut bytes = [0; MAX_UNMASKED_HEADER];
    bytes[0] = FIN | opcode as u8;
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short < LEN_16 => {
            bytes[1] = short;
            (bytes, 2)
        }
        (_, Ok(middle)) => {
            bytes[1] = LEN_16;
            bytes[2..4].copy_from_slice(&middle.to_be_bytes());
            (bytes, 4)
        }
        _ => {
            bytes[1] = LEN_64;
            bytes[2..].copy_from_slice(&(len as u64).to_be_bytes());
            (bytes, 10)
        }
    }
}

/// Appends the header of an unmasked frame for a payload of `len` bytes; see [`header`].
///
/// # Panics
///
/// If `out` has no room for 10 more bytes and cannot grow.
#[inline]
pub fn put_header(out: &mut impl BufMut, opcode: OpCode, len: usize) {
    let (bytes, size) = header(opcode, len);
    out.put_slice(&bytes[..size]);
}

/// Appends a complete unmasked frame; see [`header`].
#[expect(
    clippy::inline_always,
    reason = "called for each message of a burst, which the compiler keeps apart by itself"
)]
#[inline(always)]
pub fn put_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    match u8::try_from(payload.len()) {
        // Most frames are short, with a header of two bytes.
        Ok(short) if short < LEN_16 => {
            // Byte by byte, because the compiler calls `memcpy` for a slice.
            out.push(FIN | opcode as u8);
            out.push(short);
        }
        _ => {
            let (bytes, size) = header(opcode, payload.len());
            out.reserve(size + payload.len());
            out.extend_from_slice(&bytes[..size]);
        }
    }
    out.extend_from_slice(payload);
}

/// Encodes an unmasked frame in one allocation of its exact size; see [`header`].
///
/// ```
/// use ws_core::protocol::{OpCode, encoder};
///
/// assert_eq!(encoder::encode(OpCode::Text, b"Hello"), &b"\x81\x05Hello"[..]);
/// ```
#[must_use]
pub fn encode(opcode: OpCode, payload: &[u8]) -> Bytes {
    let (bytes, size) = header(opcode, payload.len());
    let mut out = Vec::with_capacity(size + payload.len());
    out.extend_from_slice(&bytes[..size]);
    out.extend_from_slice(payload);
    out.into()
}

/// Encodes a text frame.
#[must_use]
pub fn encode_text(text: &str) -> Bytes {
    encode(OpCode::Text, text.as_bytes())
}

/// Encodes a binary frame.
#[must_use]
pub fn encode_binary(payload: &[u8]) -> Bytes {
    encode(OpCode::Binary, payload)
}

/// Encodes a Pong with the payload of the Ping that it answers, at most [`MAX_CONTROL_PAYLOAD`]
/// bytes.
#[must_use]
pub fn encode_pong(payload: &[u8]) -> Bytes {
    encode(OpCode::Pong, payload)
}

/// Encodes a Close frame (RFC 6455 section 5.5.1), without a body if its code may not be sent.
///
/// ```
/// use ws_core::{close::Close, protocol::encoder};
///
/// assert_eq!(encoder::encode_close(&Close::normal("bye")), &b"\x88\x05\x03\xe8bye"[..]);
/// ```
#[must_use]
pub fn encode_close(close: &Close) -> Bytes {
    if !close.code().is_sendable() {
        return encode(OpCode::Close, &[]);
    }
    let text = close.text().as_bytes();
    let len = 2 + text.len();
    let mut out = Vec::with_capacity(2 + len);
    put_header(&mut out, OpCode::Close, len);
    out.extend_from_slice(&close.code().get().to_be_bytes());
    out.extend_from_slice(text);
    out.into()
}

/// Encodes a frame of a client: masked, and with FIN only if `fin` is true.
#[must_use]
pub fn encode_masked(opcode: OpCode, fin: bool, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let (bytes, size) = header(opcode, payload.len());
    let mut out = bytes[..size].to_vec();
    out[0] &= if fin { 0xff } else { !FIN };
    out[1] |= super::frame::MASKED;
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    super::mask::apply(&mut out[start..], mask, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::CloseCode;

    #[test]
    fn the_unmasked_samples_of_the_rfc_are_encoded() {
        assert_eq!(encode_text("Hello"), &b"\x81\x05Hello"[..]);
        assert_eq!(encode(OpCode::Ping, b"Hello"), &b"\x89\x05Hello"[..]);
        assert_eq!(
            &encode_binary(&[0; 256])[..5],
            [0x82, 0x7e, 0x01, 0x00, 0x00]
        );
        let large = encode_binary(&vec![0; 65_536]);
        assert_eq!(large[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn the_masked_samples_of_the_rfc_are_encoded() {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        assert_eq!(
            encode_masked(OpCode::Text, true, b"Hello", mask),
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
        );
        assert_eq!(
            encode_masked(OpCode::Pong, true, b"Hello", mask),
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
        );
        assert_eq!(encode_masked(OpCode::Text, false, b"", mask)[0], 0x01);
    }

    #[test]
    fn lengths_take_their_shortest_form() {
        for (len, size) in [
            (0, 2),
            (125, 2),
            (126, 4),
            (255, 4),
            (65_535, 4),
            (65_536, 10),
        ] {
            assert_eq!(header(OpCode::Binary, len).1, size, "{len} bytes");
            let frame = encode_binary(&vec![9; len]);
            assert_eq!(frame.len(), size + len);
            let mut appended = vec![1];
            put_frame(&mut appended, OpCode::Binary, &vec![9; len]);
            assert_eq!(appended[1..], frame);
        }
    }

    #[test]
    fn a_close_frame_holds_code_and_text() {
        assert_eq!(encode_close(&Close::NORMAL), &b"\x88\x02\x03\xe8"[..]);
        let longest = encode_close(&Close::policy("x".repeat(200)));
        assert_eq!((longest.len(), longest[1]), (127, 125));
    }

    #[test]
    fn a_code_that_may_not_be_sent_gives_an_empty_close_frame() {
        for code in [CloseCode::NO_STATUS, CloseCode::ABNORMAL] {
            assert_eq!(encode_close(&Close::new(code, "text")), &b"\x88\x00"[..]);
        }
    }

    #[test]
    fn a_pong_echoes_its_payload() {
        assert_eq!(encode_pong(b"42"), &b"\x8a\x0242"[..]);
        assert_eq!(encode_pong(&[7; 125]).len(), 127);
    }
}
