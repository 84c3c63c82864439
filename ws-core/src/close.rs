//! How a connection ends: the status code, the Close that a handler sends, and the reason that it
//! receives.
//!
//! [`CloseCode`] is the number on the wire (RFC 6455 section 7.4), [`Close`] is what a handler
//! returns to close a connection, and [`CloseReason`] reports how the connection ended.

use std::borrow::Cow;
use std::fmt;

/// The maximum length of the text in a Close frame, in bytes: a control payload of 125 bytes minus
/// the two bytes of the code (RFC 6455 section 5.5).
///
/// ```
/// use ws_server::close::{Close, MAX_CLOSE_TEXT};
///
/// assert_eq!(Close::normal("x".repeat(200)).text().len(), MAX_CLOSE_TEXT);
/// ```
pub const MAX_CLOSE_TEXT: usize = 123;

/// A status code of a Close frame (RFC 6455 section 7.4 and the IANA registry).
///
/// [`CloseCode::new`] accepts only codes that may be sent. [`NO_STATUS`](Self::NO_STATUS) and
/// [`ABNORMAL`](Self::ABNORMAL) exist as constants because they are reported for a connection that
/// ended, although no frame contains them.
///
/// ```
/// use ws_server::close::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(1005), None);
/// assert_eq!(CloseCode::NORMAL.to_string(), "1000 (normal closure)");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection has served its purpose.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away, for example because the server shuts down.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the endpoint does not accept this kind of data.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the Close frame held no code. Never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a Close frame. Never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the data does not match its type, for example text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message violates a policy of the endpoint.
    pub const POLICY: Self = Self(1008);
    /// 1009: the message is larger than the endpoint accepts.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the client needs an extension that the server did not negotiate.
    pub const EXTENSION_REQUIRED: Self = Self(1010);
    /// 1011: the server met an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts; a client may reconnect after a random delay.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the service is overloaded; a client should reconnect later or elsewhere.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: the server is a gateway and received an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 4401: the peer is not, or no longer, authenticated (private use, after HTTP 401).
    pub const UNAUTHORIZED: Self = Self(4401);

    /// 4409: another socket has taken over the page (private use, after HTTP 409); see
    /// [`Page`](crate::page::Page).
    pub const SUPERSEDED: Self = Self(4409);

    /// The code, if it may be sent in a Close frame: 1000-1003, 1007-1014 and 3000-4999.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        let code = Self(code);
        if code.is_sendable() { Some(code) } else { None }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether the code may be sent in a Close frame; false for 1005 and 1006 only.
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1005 => "no status",
            1006 => "abnormal closure",
            1007 => "invalid payload",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "extension required",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            4401 => "unauthorized",
            4409 => "superseded",
            3000..=3999 => "registered",
            _ => "private use",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}

/// A number that is not a status code of a Close frame.
///
/// ```
/// use ws_server::close::{CloseCode, InvalidCloseCode};
///
/// assert_eq!(CloseCode::try_from(1006), Err(InvalidCloseCode(1006)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("close code {0} cannot be sent; use one of 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
pub struct InvalidCloseCode(pub u16);

impl TryFrom<u16> for CloseCode {
    type Error = InvalidCloseCode;

    fn try_from(code: u16) -> Result<Self, Self::Error> {
        Self::new(code).ok_or(InvalidCloseCode(code))
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.get()
    }
}

/// The code and the text with which a connection is closed; the text has at most [`MAX_CLOSE_TEXT`]
/// bytes.
///
/// ```
/// use ws_server::close::{Close, CloseCode};
///
/// let close = Close::policy("one room at a time");
/// assert_eq!(close.code(), CloseCode::POLICY);
/// assert_eq!(close.text(), "one room at a time");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Close {
    code: CloseCode,
    text: Cow<'static, str>,
}

impl Close {
    /// 1000 without a text.
    pub const NORMAL: Self = Self::without_text(CloseCode::NORMAL);
    /// 1001 without a text.
    pub const GOING_AWAY: Self = Self::without_text(CloseCode::GOING_AWAY);
    /// 1002 without a text.
    pub const PROTOCOL_ERROR: Self = Self::without_text(CloseCode::PROTOCOL_ERROR);
    /// 1003 without a text.
    pub const UNSUPPORTED_DATA: Self = Self::without_text(CloseCode::UNSUPPORTED_DATA);
    /// 1007 without a text.
    pub const INVALID_PAYLOAD: Self = Self::without_text(CloseCode::INVALID_PAYLOAD);
    /// 1008 without a text.
    pub const POLICY: Self = Self::without_text(CloseCode::POLICY);
    /// 1009 without a text.
    pub const TOO_BIG: Self = Self::without_text(CloseCode::TOO_BIG);
    /// 1011 without a text.
    pub const INTERNAL_ERROR: Self = Self::without_text(CloseCode::INTERNAL_ERROR);
    /// 1012 without a text.
    pub const SERVICE_RESTART: Self = Self::without_text(CloseCode::SERVICE_RESTART);
    /// 1013 without a text.
    pub const TRY_AGAIN_LATER: Self = Self::without_text(CloseCode::TRY_AGAIN_LATER);
    /// 4401 without a text.
    pub const UNAUTHORIZED: Self = Self::without_text(CloseCode::UNAUTHORIZED);

    const fn without_text(code: CloseCode) -> Self {
        Self {
            code,
            text: Cow::Borrowed(""),
        }
    }

    /// Creates a Close with this code and text.
    ///
    /// A text over [`MAX_CLOSE_TEXT`] bytes is truncated at the last character boundary within
    /// them. If the code may not be sent (1005, 1006), the Close frame has no body, and the peer
    /// reports 1005.
    #[must_use]
    pub fn new(code: CloseCode, text: impl Into<Cow<'static, str>>) -> Self {
        let mut text = text.into();
        let mut end = text.len().min(MAX_CLOSE_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        match &mut text {
            Cow::Borrowed(text) => *text = &text[..end],
            Cow::Owned(text) => text.truncate(end),
        }
        Self { code, text }
    }

    /// 1000 with a text.
    #[must_use]
    pub fn normal(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::NORMAL, text)
    }

    /// 1008 with a text.
    #[must_use]
    pub fn policy(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CloseCode::POLICY, text)
    }

    /// 1011 without a text: the peer must not learn about internal errors.
    #[must_use]
    pub const fn internal() -> Self {
        Self::INTERNAL_ERROR
    }

    /// The status code.
    #[must_use]
    pub const fn code(&self) -> CloseCode {
        self.code
    }

    /// The text, at most [`MAX_CLOSE_TEXT`] bytes; often empty.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl From<CloseCode> for Close {
    fn from(code: CloseCode) -> Self {
        Self::without_text(code)
    }
}

/// The event that ended a connection.
///
/// ```
/// use ws_server::CloseCause;
/// use ws_server::prelude::*;
///
/// fn terminate(reason: CloseReason) {
///     match reason.cause {
///         CloseCause::ClientClosed | CloseCause::Lost => {}
///         cause => tracing::warn!(%cause, "a client was disconnected"),
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseCause {
    /// The client sent a Close frame first.
    ClientClosed,
    /// The server closed first: a handler returned a [`Close`], or the application closed the
    /// connection.
    ServerClosed,
    /// The transport ended or was reset without a Close frame.
    Lost,
    /// The client did not answer a Ping in time.
    PingTimeout,
    /// Nothing was received for longer than allowed, on a route without pings.
    IdleTimeout,
    /// The client stopped reading: data that was queued for it made no progress for too long.
    Stalled,
    /// More messages were queued for the client than its queue can hold.
    Overflow,
    /// The server is shutting down.
    Shutdown,
    /// A hook returned an error.
    HookError,
    /// A hook panicked.
    HookPanic,
    /// A hook ran longer than allowed.
    HookTimeout,
    /// The client violated the protocol.
    ProtocolError,
    /// The client sent text that is not UTF-8, or a message that the handler does not accept.
    InvalidPayload,
    /// The client sent more than its rate allows.
    RateLimit,
    /// The connection expired, for example together with its credentials.
    Expired,
    /// The response to the opening handshake was sent, but the connection could not be upgraded.
    UpgradeFailed,
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientClosed => "client closed",
            Self::ServerClosed => "server closed",
            Self::Lost => "connection lost",
            Self::PingTimeout => "ping timeout",
            Self::IdleTimeout => "idle timeout",
            Self::Stalled => "client stalled",
            Self::Overflow => "outbox overflow",
            Self::Shutdown => "server shutdown",
            Self::HookError => "hook error",
            Self::HookPanic => "hook panic",
            Self::HookTimeout => "hook timeout",
            Self::ProtocolError => "protocol error",
            Self::InvalidPayload => "invalid payload",
            Self::RateLimit => "rate limit exceeded",
            Self::Expired => "connection expired",
            Self::UpgradeFailed => "upgrade failed",
        })
    }
}

/// How a connection ended: the cause, and the code and text that were sent or received.
///
/// ```
/// use ws_server::close::{CloseCause, CloseCode, CloseReason};
///
/// let reason = CloseReason::new(CloseCause::ClientClosed, CloseCode::NORMAL, "");
/// assert_eq!(reason.to_string(), "client closed: 1000 (normal closure)");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CloseReason {
    /// The event that ended the connection.
    pub cause: CloseCause,
    /// The code of the first Close frame; 1005 if it had none, 1006 if there was no frame.
    pub code: CloseCode,
    /// The text of that frame, often empty.
    pub text: Cow<'static, str>,
}

impl CloseReason {
    /// Creates a reason from its parts, without an allocation of its own.
    #[must_use]
    pub fn new(cause: CloseCause, code: CloseCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            cause,
            code,
            text: text.into(),
        }
    }

    /// The reason for a Close that the server sends.
    pub(crate) fn of(cause: CloseCause, close: &Close) -> Self {
        Self {
            cause,
            code: close.code,
            text: close.text.clone(),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.code)?;
        if self.text.is_empty() {
            return Ok(());
        }
        // Quoted and escaped: the text may come from the peer and must not forge log lines.
        write!(f, " {:?}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_application_and_private_codes_are_accepted() {
        let sendable = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        for code in (0..=5000).chain([u16::MAX]) {
            assert_eq!(CloseCode::new(code).is_some(), sendable(code), "{code}");
            let expected = if sendable(code) {
                Ok(code)
            } else {
                Err(InvalidCloseCode(code))
            };
            assert_eq!(CloseCode::try_from(code).map(u16::from), expected);
        }
        assert!(!CloseCode::NO_STATUS.is_sendable());
        assert!(!CloseCode::ABNORMAL.is_sendable());
    }

    #[test]
    fn the_text_of_a_code_includes_its_meaning() {
        assert_eq!(CloseCode::ABNORMAL.to_string(), "1006 (abnormal closure)");
        assert_eq!(CloseCode::UNAUTHORIZED.to_string(), "4401 (unauthorized)");
        let text = |code| CloseCode::new(code).expect("sendable").to_string();
        assert_eq!(text(3000), "3000 (registered)");
        assert_eq!(text(4999), "4999 (private use)");
    }

    #[test]
    fn a_long_text_is_truncated_at_a_character_boundary() {
        assert_eq!(Close::normal("x".repeat(123)).text().len(), 123);
        assert_eq!(Close::normal("x".repeat(124)).text().len(), 123);
        // 41 three-byte characters fill 123 bytes; with one byte before, only 40 of them fit.
        assert_eq!(Close::policy("\u{20ac}".repeat(50)).text().len(), 123);
        let odd = Close::policy(format!("x{}", "\u{20ac}".repeat(50)));
        assert_eq!(odd.text(), format!("x{}", "\u{20ac}".repeat(40)));
    }

    #[test]
    fn a_close_has_its_code_and_text() {
        assert_eq!(Close::internal(), Close::from(CloseCode::INTERNAL_ERROR));
        assert_eq!(Close::TRY_AGAIN_LATER.code().get(), 1013);
        assert_eq!(Close::normal("bye").text(), "bye");
    }

    #[test]
    fn the_text_of_a_reason_has_cause_code_and_escaped_text() {
        let reason = CloseReason::new(CloseCause::Lost, CloseCode::ABNORMAL, "");
        assert_eq!(
            reason.to_string(),
            "connection lost: 1006 (abnormal closure)"
        );
        let reason = CloseReason::new(CloseCause::ServerClosed, CloseCode::POLICY, "a\nb");
        assert_eq!(
            reason.to_string(),
            r#"server closed: 1008 (policy violation) "a\nb""#
        );
    }

    #[test]
    fn a_reason_is_small() {
        assert!(size_of::<CloseReason>() <= 32);
    }
}
