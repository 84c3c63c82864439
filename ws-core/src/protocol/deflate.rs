//! Compressed messages: permessage-deflate (RFC 7692).
//!
//! **No context takeover, in either direction, always.** Each message is compressed by itself, and
//! the answer to every offer says so (sections 7.1.1.1 and 7.1.1.2 let a server say both by
//! itself). With context takeover a connection keeps a window of 32 KiB for reading and some
//! 256 KiB for writing as long as it is open, be it idle; without, one compressor and one
//! decompressor of each thread serve all of its connections, and an idle connection costs nothing.
//! The price is that a message cannot repeat what an earlier one said, which tells where many small
//! ones are alike: those are sent plain, see [`DEFLATE_THRESHOLD`].
//!
//! A message is as large as it is when it is read: the limit of messages bounds the compressed
//! bytes as they come, and what becomes of them while it becomes.

use std::num::NonZeroU8;

use http::{HeaderMap, HeaderValue, header};

mod codec;
mod offer;
#[cfg(test)]
mod tests;

pub(super) use codec::{Broken, inflate};

/// The smallest message that is compressed, in bytes.
///
/// Below, a message that may not refer to earlier ones has little to repeat: JSON of 128 bytes
/// loses a fifth, of 64 bytes nothing, and it leaves in one packet either way. From here on it
/// loses 40 percent or more.
pub const DEFLATE_THRESHOLD: usize = 256;

/// How a server compresses what it sends on one connection, and that it takes compressed
/// messages: what was agreed on in the handshake.
///
/// ```
/// use http::HeaderMap;
/// use ws_core::protocol::Deflate;
///
/// let mut headers = HeaderMap::new();
/// let offer = "permessage-deflate; server_max_window_bits=10; client_max_window_bits";
/// headers.insert("sec-websocket-extensions", offer.parse().unwrap());
/// let agreed = Deflate::negotiate(&headers).expect("an offer to take");
/// assert_eq!(
///     agreed.answer(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
///      server_max_window_bits=10"
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Deflate {
    /// The `server_max_window_bits` that the client offered and the answer repeats, 9 to 15.
    asked: Option<NonZeroU8>,
}

impl Deflate {
    /// Bits of the largest window of DEFLATE, which holds where nothing else is said.
    const MOST_BITS: u8 = 15;

    /// Takes the first offer in `Sec-WebSocket-Extensions` that this server can accept
    /// (RFC 7692, section 5.1).
    ///
    /// Other extensions are passed over, and so are offers that break the rules of section 7.1 or
    /// want what cannot be done: a window of 8 bits, which zlib does not compress with.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        lines
            .iter()
            .find_map(|line| offer::first_acceptable(line.as_bytes()))
    }

    /// The value of `Sec-WebSocket-Extensions` in the answer.
    pub fn answer(self) -> HeaderValue {
        // Of these bytes each can stand in a header.
        macro_rules! answers {
            ($($bits:literal),*) => {
                match self.asked.map(NonZeroU8::get) {
                    $(Some($bits) => HeaderValue::from_static(concat!(
                        "permessage-deflate; server_no_context_takeover; \
                         client_no_context_takeover; server_max_window_bits=", $bits
                    )),)*
                    _ => HeaderValue::from_static(
                        "permessage-deflate; server_no_context_takeover; \
                         client_no_context_takeover",
                    ),
                }
            };
        }
        answers!(9, 10, 11, 12, 13, 14, 15)
    }

    /// Bits of the window that messages to the client are compressed with, 9 to 15.
    pub fn window_bits(self) -> u8 {
        self.asked.map_or(Self::MOST_BITS, NonZeroU8::get)
    }

    /// Whether the client takes every window, so that a message may be compressed once for it
    /// and for others.
    pub(crate) fn is_any_window(self) -> bool {
        self.window_bits() == Self::MOST_BITS
    }
}
