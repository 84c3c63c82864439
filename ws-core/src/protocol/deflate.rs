//! Compressed messages: permessage-deflate (RFC 7692).
//!
//! **No context takeover, in either direction, always.** Each message is compressed on its own, and
//! the response to every offer declares that (sections 7.1.1.1 and 7.1.1.2 allow a server to
//! declare both on its own initiative). With context takeover a connection keeps a window of 32 KiB
//! for reading and some 256 KiB for writing while it is open, even if idle. Without it, one
//! compressor and one decompressor per thread serve all of its connections, and an idle connection
//! costs nothing. The price: a message cannot refer to earlier ones, which matters if many small
//! messages are alike. Small messages are sent uncompressed; see [`DEFLATE_THRESHOLD`].
//!
//! The size of a message is its inflated size: the limit bounds the compressed bytes as they
//! arrive, and the inflated bytes while they are produced.

use std::num::NonZeroU8;

use http::{HeaderMap, HeaderValue, header};

mod codec;
mod offer;
#[cfg(test)]
mod tests;

pub(super) use codec::{InflateError, inflate};

/// The smallest message that is compressed, in bytes.
///
/// Below that, a message that cannot refer to earlier ones has little to repeat: JSON of 128 bytes
/// shrinks by a fifth, JSON of 64 bytes not at all, and both fit one packet anyway. From this size
/// on it shrinks by 40 percent or more.
pub const DEFLATE_THRESHOLD: usize = 256;

/// The result of negotiating compression in a handshake: the connection accepts compressed
/// messages, and compresses its own in this way.
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
///     agreed.response_header(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
///      server_max_window_bits=10"
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Deflate {
    /// The `server_max_window_bits` that the client offered and the response repeats, 9 to 15.
    requested_bits: Option<NonZeroU8>,
}

impl Deflate {
    /// Bits of the largest window of DEFLATE, the default without `server_max_window_bits`.
    const MAX_BITS: u8 = 15;

    /// Accepts the first offer in `Sec-WebSocket-Extensions` that this server supports (RFC 7692,
    /// section 5.1).
    ///
    /// Ignores other extensions, offers that violate section 7.1, and offers that require a window
    /// of 8 bits, which zlib does not support for compression.
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        lines
            .iter()
            .find_map(|line| offer::first_acceptable(line.as_bytes()))
    }

    /// The value of `Sec-WebSocket-Extensions` in the response.
    pub fn response_header(self) -> HeaderValue {
        // All of these bytes are valid in a header.
        macro_rules! response_headers {
            ($($bits:literal),*) => {
                match self.requested_bits.map(NonZeroU8::get) {
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
        response_headers!(9, 10, 11, 12, 13, 14, 15)
    }

    /// Bits of the window for messages to the client, 9 to 15.
    pub fn window_bits(self) -> u8 {
        self.requested_bits.map_or(Self::MAX_BITS, NonZeroU8::get)
    }

    /// Whether the client accepts every window, so that a message compressed once can be shared
    /// with other connections.
    pub(crate) fn is_any_window(self) -> bool {
        self.window_bits() == Self::MAX_BITS
    }
}
