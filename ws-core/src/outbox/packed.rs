//! Frames as each client takes them: compressed, or plain.

use std::cell::OnceCell;

use super::{Frame, Outbox};
use crate::message::Message;
use crate::protocol::Deflate;

impl Outbox {
    /// Sets how messages may be compressed.
    pub(crate) fn with_deflate(self, deflate: Option<Deflate>) -> Self {
        Self { deflate, ..self }
    }

    /// How messages may be compressed, where the client takes that.
    #[inline]
    pub(crate) fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }

    /// The frame of a message as this client gets it: compressed where it takes that and it is
    /// worth it.
    #[inline]
    pub(crate) fn packed(&self, frame: Frame) -> Frame {
        match self.deflate {
            None => frame,
            Some(deflate) => frame.deflated(deflate).unwrap_or(frame),
        }
    }
}

/// A frame for many clients, compressed at most once, for the first that takes it so.
pub(crate) struct Broadcast {
    plain: Frame,
    deflated: OnceCell<Option<Frame>>,
}

impl Broadcast {
    pub(crate) fn new(plain: Frame) -> Self {
        Self {
            plain,
            deflated: OnceCell::new(),
        }
    }

    /// The message, sharing the bytes of the frame.
    pub(crate) fn message(&self) -> Message {
        self.plain.message()
    }

    /// The frame for a client with this agreement. One that has asked for a small window gets
    /// it plain: for it alone it would be compressed anew.
    pub(crate) fn to(&self, deflate: Option<Deflate>) -> &Frame {
        match deflate {
            Some(deflate) if deflate.is_any_window() => {
                let deflated = self.deflated.get_or_init(|| self.plain.deflated(deflate));
                deflated.as_ref().unwrap_or(&self.plain)
            }
            _ => &self.plain,
        }
    }
}
