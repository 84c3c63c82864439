//! What was read while a hook ran: it waits for its turn.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::protocol::{BinaryData, Incoming, TextData};

/// What a queued message costs besides its payload, in bytes: many small messages fill the
/// limit too.
const OVERHEAD: usize = 64;

/// Messages and bytes that were read ahead.
#[derive(Default)]
pub(super) struct Ahead {
    messages: VecDeque<Incoming<'static>>,
    bytes: usize,
    /// Read, but not yet decoded.
    rest: Vec<u8>,
}

impl Ahead {
    /// Bytes that followed the request wait as if they had been read just now.
    pub(super) fn of_early_bytes(early: &Bytes) -> Option<Box<Self>> {
        let ahead = Self {
            rest: early.to_vec(),
            ..Self::default()
        };
        (!early.is_empty()).then(|| Box::new(ahead))
    }

    pub(super) fn push(&mut self, incoming: Incoming<'_>) {
        let message = match incoming {
            Incoming::Text(text) => Incoming::Text(TextData::Owned(text.into_string())),
            Incoming::Binary(BinaryData::Borrowed(bytes)) => {
                Incoming::Binary(BinaryData::Owned(BytesMut::from(bytes)))
            }
            Incoming::Binary(BinaryData::Owned(bytes)) => {
                Incoming::Binary(BinaryData::Owned(bytes))
            }
        };
        self.bytes += cost(&message);
        self.messages.push_back(message);
    }

    pub(super) fn next_message(&mut self) -> Option<Incoming<'static>> {
        let message = self.messages.pop_front()?;
        self.bytes -= cost(&message);
        Some(message)
    }

    /// Keeps bytes that cannot be decoded now.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.rest.extend_from_slice(rest);
    }

    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Whether messages wait, or bytes that may be messages.
    pub(super) fn has_work(&self) -> bool {
        self.has_messages() || self.has_rest()
    }

    /// Bytes held.
    pub(super) fn len(&self) -> usize {
        self.bytes + self.rest.len()
    }
}

/// What a queued message counts against the limit, in bytes.
fn cost(message: &Incoming<'_>) -> usize {
    message.len() + OVERHEAD
}
