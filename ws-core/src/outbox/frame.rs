//! Encoded frames, ready to be written to any number of clients.

use std::io::IoSlice;

use bytes::Bytes;
use bytestring::ByteString;

use crate::message::Message;
use crate::protocol::encoder::{encode, header};
use crate::protocol::frame::Header;
use crate::protocol::{Deflate, OpCode};

/// Payloads up to this size are copied after their header; larger ones are shared.
const MAX_COPIED_BYTES: usize = 4 * 1024;

/// The bits of the first byte of a frame that contain its opcode (RFC 6455, section 5.2).
const OPCODE_BITS: u8 = 0x0f;

/// One message as an encoded frame. Clones share the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The header, followed by a small payload.
    head: Bytes,
    /// A large payload; empty if the payload is in `head`.
    payload: Bytes,
}

impl Frame {
    /// Encodes a message.
    pub fn of(message: &Message) -> Self {
        Self::owned(message.clone())
    }

    /// Encodes a message; shares a large payload.
    pub fn owned(message: Message) -> Self {
        let opcode = OpCode::of(&message);
        if message.len() <= MAX_COPIED_BYTES {
            return Self::whole(encode(opcode, message.as_bytes()));
        }
        let (head, len) = header(opcode, message.len());
        Self {
            head: Bytes::copy_from_slice(&head[..len]),
            payload: message.into_bytes(),
        }
    }

    /// Encodes a text message of two parts; shares a large second part.
    pub(crate) fn joined(first: &[u8], second: &Bytes) -> Self {
        let (head, len) = header(OpCode::Text, first.len() + second.len());
        let mut start = Vec::with_capacity(len + first.len() + second.len().min(MAX_COPIED_BYTES));
        start.extend_from_slice(&head[..len]);
        start.extend_from_slice(first);
        if second.len() <= MAX_COPIED_BYTES {
            start.extend_from_slice(second);
            return Self::whole(start.into());
        }
        Self {
            head: start.into(),
            payload: second.clone(),
        }
    }

    /// Wraps a frame that is already encoded.
    pub fn whole(frame: Bytes) -> Self {
        Self {
            head: frame,
            payload: Bytes::new(),
        }
    }

    /// Compresses the payload. Returns `None` if compression does not pay.
    pub(crate) fn deflated(&self, deflate: Deflate) -> Option<Self> {
        let (header, size) = Header::parse(&self.head).ok()??;
        let payload = [self.head.get(size..)?, &self.payload];
        deflate.encode(header.opcode, payload).map(Self::whole)
    }

    /// Decodes the message; it shares the bytes of the frame.
    pub(crate) fn message(&self) -> Message {
        let (opcode, size) = match Header::parse(&self.head) {
            Ok(Some((header, size))) => (header.opcode, size),
            Ok(None) | Err(_) => (OpCode::Binary, 0),
        };
        let payload = if self.payload.is_empty() {
            self.head.slice(size..)
        } else {
            self.payload.clone()
        };
        if opcode == OpCode::Text
            && let Ok(text) = ByteString::try_from(payload.clone())
        {
            return Message::Text(text);
        }
        Message::Binary(payload)
    }

    /// The encoded size in bytes.
    pub fn len(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Whether the frame has no bytes; an encoded frame has at least its header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is a binary message.
    pub(super) fn is_binary(&self) -> bool {
        let first = self.head.first().copied().unwrap_or(0);
        first & OPCODE_BITS == OpCode::Binary as u8
    }

    pub(super) fn slices(&self) -> [IoSlice<'_>; 2] {
        [IoSlice::new(&self.head), IoSlice::new(&self.payload)]
    }

    /// The header with a small payload, and a large payload.
    pub(super) fn parts(&self) -> [&Bytes; 2] {
        [&self.head, &self.payload]
    }
}

/// How to handle a topic's frame for a subscriber whose outbox is full.
///
/// ```
/// use ws_server::Policy;
/// use ws_server::prelude::*;
///
/// struct Ticker;
///
/// #[ws_handler]
/// impl Ticker {
///     fn init(socket: &Socket<Self>) -> Self {
///         let prices: Topic<f64> = Topic::local("prices");
///         // A slow client skips prices that are no longer current.
///         socket.subscribe_with(prices, Policy::Latest);
///         Ticker
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Policy {
    /// Closes the connection with 1013: it must not miss a frame.
    #[default]
    Close,
    /// Drops the oldest waiting frames of this topic to make room.
    DropOldest,
    /// Drops the new frame.
    DropNewest,
    /// Keeps only the newest frame of this topic.
    Latest,
}
