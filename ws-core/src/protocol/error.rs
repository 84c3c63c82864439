//! The protocol errors of a peer, and the close code for each.

use crate::close::CloseCode;

/// A violation of RFC 6455 or RFC 7692 by the peer, or a message over the size limit.
///
/// The connection cannot continue after any of them, since the remaining bytes have no meaning.
/// Send a Close with [`close_code`](Self::close_code) and drop the connection (RFC 6455 section
/// 7.1.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// RSV1, RSV2 or RSV3 is set without an extension that defines it (section 5.2).
    #[error("a reserved bit is set")]
    ReservedBits,
    /// The opcode is 3-7 or 11-15 (section 5.2).
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// A client sent a frame without a mask (section 5.1).
    #[error("a client frame is not masked")]
    UnmaskedFrame,
    /// A server sent a frame with a mask (section 5.1).
    #[error("a server frame is masked")]
    MaskedFrame,
    /// The length is not in its shortest form (section 5.2).
    #[error("a payload length is not in its shortest form")]
    NonMinimalLength,
    /// The top bit of a 64-bit length is set (section 5.2).
    #[error("the top bit of a payload length is set")]
    LengthOverflow,
    /// A control frame declares more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A control frame without FIN (section 5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A continuation frame while no message is unfinished (section 5.4).
    #[error("a continuation frame has no message to continue")]
    UnexpectedContinuation,
    /// A new message inside an unfinished one (section 5.4).
    #[error("a message starts before the previous one is complete")]
    ExpectedContinuation,
    /// Text, or the text of a Close frame, is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A compressed message is not DEFLATE data, or ends early (RFC 7692, section 7.2.2).
    #[error("a compressed message cannot be inflated")]
    InvalidDeflate,
    /// The message is over the limit. This is checked by the header before the payload arrives; for
    /// a compressed message, also while it is inflated.
    #[error("a message of at least {size} bytes exceeds the limit of {limit}")]
    TooBig {
        /// The limit in bytes.
        limit: usize,
        /// The size declared so far, in bytes: a lower bound.
        size: u64,
    },
    /// The body of a Close frame has one byte, which cannot be a code (section 5.5.1).
    #[error("the body of a Close frame has one byte")]
    CloseLength,
    /// The code of a Close frame may not be sent (section 7.4).
    #[error("close code {0} may not be sent")]
    CloseCode(u16),
}

impl ProtocolError {
    /// The code to close with: 1007 if text is not UTF-8 or a compressed message cannot be
    /// inflated, 1009 if a message is over the size limit, 1002 for everything else (section
    /// 7.4.1).
    ///
    /// ```
    /// use ws_core::{close::CloseCode, protocol::ProtocolError};
    ///
    /// assert_eq!(ProtocolError::InvalidUtf8.close_code(), CloseCode::INVALID_PAYLOAD);
    /// assert_eq!(ProtocolError::UnmaskedFrame.close_code(), CloseCode::PROTOCOL_ERROR);
    /// ```
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::TooBig { .. } => CloseCode::TOO_BIG,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}
