//! Frames in the form that each client accepts: compressed or uncompressed.

use std::cell::OnceCell;

use super::{Frame, Outbox};
use crate::message::Message;
use crate::protocol::Deflate;

impl Outbox {
    /// Sets how messages may be compressed.
    pub(crate) fn with_deflate(self, deflate: Option<Deflate>) -> Self {
        Self { deflate, ..self }
    }

    /// How messages may be compressed, if the client accepts that.
    #[inline]
    pub(crate) fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }

    /// The frame for this client: compressed if it accepts that and compression pays.
    #[inline]
    pub(crate) fn compress(&self, frame: Frame) -> Frame {
        match self.deflate {
            None => frame,
            Some(deflate) => frame.deflated(deflate).unwrap_or(frame),
        }
    }
}

/// A frame for many clients, compressed at most once, when the first client that accepts it needs
/// it.
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

    /// The message; it shares the bytes of the frame.
    pub(crate) fn message(&self) -> Message {
        self.plain.message()
    }

    /// The frame for a client with this agreement. If the client has requested a small window, it
    /// receives the uncompressed frame: otherwise the frame would have to be compressed again for
    /// this client alone.
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
