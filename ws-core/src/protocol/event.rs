//! The events that the decoder returns: messages and control frames.
//!
//! If a whole payload was in the read buffer, the event borrows it; if it arrived in pieces, the
//! event owns it. Equality compares contents, regardless of ownership.

use bytes::{Bytes, BytesMut};

use super::deflate::{InflateError, inflate};
use super::error::ProtocolError;
use super::frame::OpCode;
use super::{reuse, utf8};
use crate::close::CloseCode;

/// An event of the decoder: a whole message, or a control frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event<'b> {
    /// A whole message, its fragments joined.
    Message(Incoming<'b>),
    /// A Ping, to be answered with a Pong of the same payload (RFC 6455 section 5.5.2).
    Ping(ControlPayload<'b>),
    /// A Pong (RFC 6455 section 5.5.3).
    Pong(ControlPayload<'b>),
    /// A Close frame with its code and text, `None` when its body is empty (RFC 6455 section
    /// 5.5.1). The text has 123 bytes at most.
    Close(Option<(CloseCode, TextData<'b>)>),
}

impl<'b> Event<'b> {
    /// The event of a single frame with its unmasked payload.
    #[inline]
    pub(super) fn from_payload(opcode: OpCode, payload: &'b [u8]) -> Result<Self, ProtocolError> {
        match opcode {
            OpCode::Text => {
                let text = utf8::validate(payload)?;
                Ok(Self::Message(Incoming::Text(TextData::Borrowed(text))))
            }
            // A continuation is appended to its message and never reaches this function.
            OpCode::Binary | OpCode::Continuation => {
                let data = BinaryData::Borrowed(payload);
                Ok(Self::Message(Incoming::Binary(data)))
            }
            OpCode::Close | OpCode::Ping | OpCode::Pong => {
                Self::control(opcode, BinaryData::Borrowed(payload))
            }
        }
    }

    /// The event of a compressed message with its unmasked payload (RFC 7692, section 7.2.2), which
    /// inflates to at most `limit` bytes.
    pub(super) fn inflated(
        opcode: OpCode,
        payload: &[u8],
        limit: usize,
    ) -> Result<Self, ProtocolError> {
        Incoming::inflated(opcode, payload, limit).map(Self::Message)
    }

    /// The event of a control frame.
    pub(super) fn control(opcode: OpCode, payload: BinaryData<'b>) -> Result<Self, ProtocolError> {
        match opcode {
            OpCode::Ping => Ok(Self::Ping(ControlPayload(payload))),
            OpCode::Pong => Ok(Self::Pong(ControlPayload(payload))),
            _ => Ok(Self::Close(match payload {
                BinaryData::Borrowed(body) => {
                    parse_close_body(body)?.map(|(code, text)| (code, TextData::Borrowed(text)))
                }
                BinaryData::Owned(body) => parse_close_body(&body)?
                    .map(|(code, text)| (code, TextData::Owned(text.to_owned()))),
            })),
        }
    }
}

/// Parses the code and text of a Close frame (RFC 6455 section 5.5.1).
fn parse_close_body(body: &[u8]) -> Result<Option<(CloseCode, &str)>, ProtocolError> {
    match body {
        [] => Ok(None),
        [_] => Err(ProtocolError::CloseLength),
        [high, low, text @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            let code = CloseCode::new(code).ok_or(ProtocolError::CloseCode(code))?;
            Ok(Some((code, utf8::validate(text)?)))
        }
    }
}

/// A whole message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Incoming<'b> {
    /// A text message, which is valid UTF-8.
    Text(TextData<'b>),
    /// A binary message.
    Binary(BinaryData<'b>),
}

impl Incoming<'_> {
    /// The size of the payload in bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            Self::Binary(data) => data.as_slice().len(),
        }
    }

    /// Inflates a compressed payload into its message.
    pub(super) fn inflated(
        opcode: OpCode,
        payload: &[u8],
        limit: usize,
    ) -> Result<Self, ProtocolError> {
        let bytes = inflate(payload, limit).map_err(|error| match error {
            InflateError::Corrupt => ProtocolError::InvalidDeflate,
            InflateError::TooBig => ProtocolError::TooBig {
                limit,
                size: (limit as u64).saturating_add(1),
            },
        })?;
        if opcode == OpCode::Text {
            let text = String::from_utf8(bytes).map_err(|_| ProtocolError::InvalidUtf8)?;
            return Ok(Self::Text(TextData::Owned(text)));
        }
        Ok(Self::Binary(BinaryData::from_vec(bytes)))
    }
}

/// Text, borrowed from the read buffer or owned.
#[derive(Clone, Eq, Debug)]
pub enum TextData<'b> {
    /// The text is in the read buffer.
    Borrowed(&'b str),
    /// The text was assembled from several reads or fragments.
    Owned(String),
}

impl TextData<'_> {
    /// The text.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }

    /// Returns the text as an owned string; copies it only if borrowed.
    #[inline]
    #[must_use]
    pub fn into_string(self) -> String {
        match self {
            Self::Borrowed(text) => reuse::copy_text(text),
            Self::Owned(text) => text,
        }
    }
}

impl PartialEq for TextData<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

/// Bytes, borrowed from the read buffer or owned.
#[derive(Clone, Eq, Debug)]
pub enum BinaryData<'b> {
    /// The bytes are in the read buffer.
    Borrowed(&'b [u8]),
    /// The bytes were assembled from several reads or fragments.
    Owned(BytesMut),
}

impl BinaryData<'_> {
    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    /// Returns the bytes as an owned buffer; copies them only if borrowed.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => reuse::copy(bytes).into(),
            Self::Owned(bytes) => bytes.freeze(),
        }
    }

    /// Takes over a vector without a copy: `Bytes` owns the whole vector, and returns it if it is
    /// the unique owner.
    pub(super) fn from_vec(bytes: Vec<u8>) -> Self {
        Self::Owned(BytesMut::from(Bytes::from(bytes)))
    }
}

impl PartialEq for BinaryData<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

/// The payload of a Ping or Pong, at most 125 bytes (RFC 6455 section 5.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlPayload<'b>(pub(super) BinaryData<'b>);

impl ControlPayload<'_> {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Returns the bytes as an owned buffer; copies them only if borrowed.
    #[inline]
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_compares_contents_and_not_ownership() {
        assert_eq!(TextData::Borrowed("a"), TextData::Owned("a".into()));
        assert_ne!(TextData::Borrowed("a"), TextData::Owned("b".into()));
        assert_eq!(
            BinaryData::Borrowed(b"a"),
            BinaryData::from_vec(b"a".to_vec())
        );
        assert_ne!(
            BinaryData::Borrowed(b"a"),
            BinaryData::from_vec(b"b".to_vec())
        );
    }

    #[test]
    fn owned_data_is_moved_without_a_copy() {
        for extra in [0, 100] {
            let mut bytes = Vec::with_capacity(5 + extra);
            bytes.extend(b"hello");
            let address = bytes.as_ptr();
            let owned = BinaryData::from_vec(bytes).into_bytes();
            assert_eq!(owned.as_ptr(), address);
            assert_eq!(owned, "hello");
        }
        let text = String::from("hello");
        let address = text.as_ptr();
        let owned = TextData::Owned(text).into_string();
        assert_eq!((owned.as_ptr(), owned.as_str()), (address, "hello"));
    }

    #[test]
    fn borrowed_data_is_copied() {
        let buffer = *b"hello";
        assert_eq!(BinaryData::Borrowed(&buffer).into_bytes(), "hello");
        assert_eq!(TextData::Borrowed("hello").into_string(), "hello");
        let payload = ControlPayload(BinaryData::Borrowed(&buffer));
        assert_eq!(payload.as_slice(), b"hello");
        assert_eq!(payload.into_bytes(), "hello");
    }
}
